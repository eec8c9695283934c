//! Traces and metrics for a collector, by the standard variables (OpenTelemetry specification, "OpenTelemetry Protocol
//! Exporter" and "General SDK Configuration"). The SDK reads most of them by itself; what it would ignore is refused.

use std::sync::Arc;
use std::time::Duration;

use lambent_metrics::Metrics;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

use super::collector::Collector;
use super::figures;

/// "Max waiting time for the backend to process each batch, 10 seconds by default."
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// What the last batches get when the server ends.
const LAST_BATCH: Duration = Duration::from_secs(3);

/// Why telemetry cannot be exported as the environment wants it.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// A variable has a value that is not supported.
    #[error("{variable} is {value:?}, which lambent does not support: {remedy}")]
    Unsupported {
        /// Its name.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The exporter refused its settings.
    #[error("telemetry cannot be exported; see the OTEL_ variables")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// What the environment asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Otlp {
    traces: bool,
    metrics: bool,
    timeout: Duration,
}

impl Otlp {
    /// Reads the variables; `None` where none names a collector.
    pub(super) fn from_environment() -> Result<Option<Self>, OtlpError> {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(variable: impl Fn(&'static str) -> Option<String>) -> Result<Option<Self>, OtlpError> {
        // "An empty value … MUST be treated the same way as when it is unset."
        let variable = |name| variable(name).filter(|value| !value.trim().is_empty());
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let everywhere = variable("OTEL_EXPORTER_OTLP_ENDPOINT").is_some();
        let wanted = |endpoint, exporter| -> Result<bool, OtlpError> {
            match variable(exporter).as_deref() {
                Some("none") => Ok(false),
                None | Some("otlp") => Ok(everywhere || variable(endpoint).is_some()),
                Some(other) => Err(OtlpError::Unsupported {
                    variable: exporter,
                    value: other.to_owned(),
                    remedy: "use otlp or none",
                }),
            }
        };
        let traces = wanted("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")?;
        let metrics = wanted("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_METRICS_EXPORTER")?;
        if !traces && !metrics {
            return Ok(None);
        }
        check_each(&variable)?;
        let timeout = variable("OTEL_EXPORTER_OTLP_TIMEOUT").and_then(|value| value.parse().ok());
        Ok(Some(Self { traces, metrics, timeout: timeout.map_or(DEFAULT_TIMEOUT, Duration::from_millis) }))
    }

    /// Makes the exporters. Needs the runtime, on which they send.
    pub(super) fn start(&self) -> Result<Exporters, OtlpError> {
        // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over this.
        let resource = Resource::builder();
        let resource = match std::env::var("OTEL_SERVICE_NAME") {
            Ok(_) => resource,
            Err(_) => resource.with_service_name("lambent"),
        };
        let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = resource.with_attribute(version).build();
        let collector = Arc::new(Collector::new(self.timeout));
        let traces = if self.traces {
            let exporter =
                SpanExporter::builder().with_http().with_shared_http_client(collector.clone()).build()?;
            let provider = SdkTracerProvider::builder()
                .with_resource(resource.clone())
                .with_batch_exporter(exporter)
                .build();
            Some(provider)
        } else {
            None
        };
        let metrics = if self.metrics {
            let exporter =
                MetricExporter::builder().with_http().with_shared_http_client(collector).build()?;
            Some(SdkMeterProvider::builder().with_resource(resource).with_periodic_exporter(exporter).build())
        } else {
            None
        };
        Ok(Exporters { traces, metrics })
    }
}

/// What the SDK would misread or this build cannot do.
fn check_each(variable: &impl Fn(&'static str) -> Option<String>) -> Result<(), OtlpError> {
    let unsupported =
        |variable, value: String, remedy| Err(OtlpError::Unsupported { variable, value, remedy });
    for name in [
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
    ] {
        if let Some(value) = variable(name).filter(|value| value != "http/protobuf") {
            return unsupported(name, value, "use http/protobuf, which collectors take on port 4318");
        }
    }
    for name in [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    ] {
        if let Some(value) = variable(name).filter(|value| !value.starts_with("http://")) {
            return unsupported(
                name,
                value,
                "use an address that begins with http://, such as a collector's on this host",
            );
        }
    }
    for name in [
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
        "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION",
    ] {
        if let Some(value) = variable(name).filter(|value| value != "none") {
            return unsupported(name, value, "leave it out");
        }
    }
    if let Some(value) = variable("OTEL_EXPORTER_OTLP_TIMEOUT").filter(|value| value.parse::<u64>().is_err())
    {
        return unsupported("OTEL_EXPORTER_OTLP_TIMEOUT", value, "give milliseconds");
    }
    Ok(())
}

/// What sends.
pub(super) struct Exporters {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
}

impl Exporters {
    /// The layer that makes spans of tracing's into those of OpenTelemetry.
    pub(super) fn layer<S>(&self) -> Option<OpenTelemetryLayer<S, SdkTracer>>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let tracer = self.traces.as_ref()?.tracer("lambent");
        Some(
            tracing_opentelemetry::layer()
                .with_tracer(tracer)
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_tracked_inactivity(false),
        )
    }

    pub(super) fn observe(&self, metrics: &Arc<Metrics>) {
        if let Some(provider) = &self.metrics {
            figures::observe(provider, metrics);
        }
    }

    /// Sends what there still is. Blocks.
    pub(super) fn end(self) {
        // A collector that is gone has been spoken of by then; the rest is lost with the server.
        if let Some(provider) = self.traces {
            let _lost = provider.shutdown_with_timeout(LAST_BATCH);
        }
        if let Some(provider) = self.metrics {
            let _lost = provider.shutdown_with_timeout(LAST_BATCH);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[(&'static str, &str)]) -> Result<Option<Otlp>, String> {
        let find =
            |name| given.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned());
        Otlp::read(find).map_err(|error| error.to_string())
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");

    #[test]
    fn nothing_is_sent_unless_a_collector_is_named() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("OTEL_SERVICE_NAME", "mine"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), Ok(None));
        assert_eq!(read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "true")]), Ok(None));
        let both = read(&[ENDPOINT]).unwrap().unwrap();
        assert!(both.traces && both.metrics && both.timeout == DEFAULT_TIMEOUT);
        let traces =
            read(&[ENDPOINT, ("OTEL_METRICS_EXPORTER", "none"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "500")]);
        let traces = traces.unwrap().unwrap();
        assert!(traces.traces && !traces.metrics && traces.timeout == Duration::from_millis(500));
        let one = read(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://127.0.0.1:1/v1/metrics")])
            .unwrap()
            .unwrap();
        assert!(one.metrics && !one.traces);
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        for wrong in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector.example"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ] {
            let error = read(&[ENDPOINT, wrong]).unwrap_err();
            assert!(error.contains(wrong.0) && error.contains(wrong.1), "{error}");
        }
    }
}
