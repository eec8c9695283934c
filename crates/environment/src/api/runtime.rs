//! The Runtime API's calls (AWS Lambda Developer Guide, "Using the Lambda runtime API").

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::oneshot;

use super::answer::{Answer, answer, error, gone, verdict};
use super::{Begun, Delivery, Requests, Restoring, response};
use crate::machine::Reported;

pub(super) async fn next(requests: &Requests) -> Answer {
    let (sender, delivery) = oneshot::channel();
    requests.environment.next(sender);
    let Ok(Delivery { invocation, deadline_ms, thaw }) = delivery.await else { return gone() };
    if let Some(thaw) = thaw {
        requests.begun.hold(thaw);
    }
    let mut response = Response::new(Full::new(invocation.payload.clone()));
    let headers = response.headers_mut();
    // With what hyper adds; growing in steps would hash every name again.
    headers.reserve(12);
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let mut insert = |name, value: String| {
        // A value that is no header (a client context with a line break) is left out rather than mangled.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    insert("lambda-runtime-aws-request-id", invocation.request_id.to_string());
    insert("lambda-runtime-deadline-ms", deadline_ms.to_string());
    insert("lambda-runtime-invoked-function-arn", invocation.invoked_arn.clone());
    insert("lambda-runtime-trace-id", invocation.trace_id.clone());
    if let Some(context) = &invocation.client_context {
        insert("lambda-runtime-client-context", context.clone());
    }
    if let Some(tenant) = &invocation.tenant_id {
        insert("lambda-runtime-aws-tenant-id", tenant.clone());
    }
    response
}

pub(super) async fn restore_next(requests: &Requests) -> Answer {
    match requests.environment.restore_next(requests.ends) {
        Restoring::Now => answer(StatusCode::OK, Bytes::new(), "application/json"),
        // The connection ends with the environment.
        Restoring::Later => std::future::pending().await,
        Restoring::Refused => {
            error(StatusCode::FORBIDDEN, "InvalidStateTransition", "this environment does not use SnapStart")
        }
    }
}

pub(super) async fn response(request_id: String, request: Request<Incoming>, requests: &Requests) -> Answer {
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    let reported = match parts.headers.get("lambda-runtime-function-response-mode") {
        None => response::collect(body).await,
        Some(mode) if mode.as_bytes() != b"streaming" => Reported::InvalidMode,
        Some(_) => {
            let content_type = parts.headers.get("content-type").and_then(|value| value.to_str().ok());
            match requests.environment.begin(&request_id, content_type) {
                Begun::Streaming(taker) => response::stream(body, &*taker, requests.rate).await,
                Begun::Collecting => response::collect(body).await,
                Begun::Refused(refusal) => return verdict(refusal),
            }
        }
    };
    verdict(requests.environment.report(request_id, reported, began.elapsed()))
}
