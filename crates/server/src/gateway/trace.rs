//! What is said of each request: a span for a collector, a line for the log.

use std::time::Duration;

use http::Request;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::metrics::Asked;

/// The span of a request, within the caller's trace where it names one (W3C Trace Context). Costs next to nothing
/// unless spans are taken. Attributes are those of the OpenTelemetry semantic conventions for HTTP, RPC and AWS SDKs;
/// the path is not among them, since links carry their signature in it.
pub(super) fn begin<B>(request: &Request<B>, request_id: &str) -> Span {
    let span = tracing::info_span!(
        target: "lambent::request",
        "request",
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = %request.method(),
        http.response.status_code = Empty,
        rpc.system = Empty,
        rpc.service = Empty,
        rpc.method = Empty,
        aws.request_id = request_id,
    );
    if !span.is_disabled() {
        let parent = TraceContextPropagator::new().extract(&HeaderExtractor(request.headers()));
        // A span that nobody samples has no parent either.
        let _unsampled = span.set_parent(parent);
    }
    span
}

/// Completes the span, and writes the line.
pub(super) fn end(span: &Span, asked: Asked, request_id: &str, status: u16, took: Duration) {
    let (service, operation) = asked.name();
    if !span.is_disabled() {
        span.record("http.response.status_code", i64::from(status));
        // What it is for is known only now; a field of the name would come too late for a span that has begun.
        let context = span.context();
        if operation.is_empty() {
            context.span().update_name("refused");
        } else {
            context.span().update_name(format!("{service}.{operation}"));
            span.record("rpc.system", "aws-api");
            span.record("rpc.service", service);
            span.record("rpc.method", operation);
        }
        if status >= 500 {
            span.record("otel.status_code", "ERROR");
        }
    }
    let micros = took.as_micros();
    if status == 500 {
        tracing::warn!(service, operation, status, micros, request_id, "a request failed");
    } else {
        tracing::debug!(service, operation, status, micros, request_id, "a request was answered");
    }
}
