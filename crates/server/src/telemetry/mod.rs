//! What the server says of itself: log lines on standard error, and traces and metrics for a collector.
//!
//! ```text
//! tracing ─┬─ events ──▶ filter (LAMBENT_LOG) ──▶ text or JSON on standard error
//!          └─ spans of requests, where OTEL_EXPORTER_OTLP_ENDPOINT names a collector ──▶ OTLP over HTTP
//! ```
//!
//! Neither holds events, results, variables or keys of functions: names, ids, numbers and reasons alone. Spans have a
//! target of their own, [`SPANS`], and are not made at all unless somebody takes them.

mod collector;
mod figures;
mod filter;
mod otlp;

use std::sync::Arc;

use lambent_metrics::{Limits, Metrics};
use tracing::{Dispatch, Metadata};
use tracing_subscriber::filter::{FilterFn, Filtered, Targets};
use tracing_subscriber::layer::{Layered, SubscriberExt as _};
use tracing_subscriber::{Layer as _, Registry};

pub(crate) use filter::LogFilter;
pub use otlp::OtlpError;

/// The target of spans of requests; `lambent-invoker` and `lambent-environment` write it as text, too.
pub(crate) const SPANS: &str = "lambent::request";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The server's log and its exporters, for as long as it lives.
pub struct Telemetry {
    exporters: Option<otlp::Exporters>,
}

type Lines = Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync>;
/// What the lines leave for others.
type Filtering = Layered<Filtered<Lines, Targets, Registry>, Registry>;

/// Lines by their filter, and spans of requests where somebody takes them. Without somebody the filter is that of all: with
/// one of its own, or beside a layer that is absent, every request would make a span for nobody.
fn dispatch<L>(lines: Lines, filter: Targets, spans: Option<L>) -> Dispatch
where
    L: tracing_subscriber::Layer<Filtering> + Send + Sync,
{
    let registry = tracing_subscriber::registry();
    let Some(spans) = spans else { return registry.with(lines).with(filter).into() };
    let of_requests =
        FilterFn::new(|metadata: &Metadata<'_>| metadata.target() == SPANS && metadata.is_span());
    registry.with(lines.with_filter(filter)).with(spans.with_filter(of_requests)).into()
}

impl Telemetry {
    /// Looks at what the environment asks for, before anything else is begun.
    ///
    /// # Errors
    /// [`OtlpError`] when a variable `OTEL_…` asks for what is not there.
    pub fn check() -> Result<(), OtlpError> {
        otlp::Otlp::from_environment().map(drop)
    }

    /// Begins to take what the whole process says. There is one for a process: a second start leaves the first in
    /// place. Needs the runtime, on which the exporters send.
    ///
    /// # Errors
    /// [`OtlpError`] when a variable `OTEL_…` asks for what is not there.
    pub fn start(config: &crate::Config) -> Result<Self, OtlpError> {
        let exporters = otlp::Otlp::from_environment()?.map(|otlp| otlp.start()).transpose()?;
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let lines = match config.log_format {
            LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
            LogFormat::Json => {
                lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
            }
        };
        let spans = exporters.as_ref().and_then(otlp::Exporters::layer);
        // In tests several servers share a process, and its first subscriber.
        let _one_is_enough =
            tracing::dispatcher::set_global_default(dispatch(lines, config.log.targets(), spans));
        Ok(Self { exporters })
    }

    /// The metrics of a server, which are sent, too.
    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        let metrics = Arc::new(Metrics::new(Limits::default()));
        if let Some(exporters) = &self.exporters {
            exporters.observe(&metrics);
        }
        metrics
    }

    /// Sends what there still is, for a few seconds at most.
    pub(crate) async fn end(self) {
        if let Some(exporters) = self.exporters {
            // It waits for a thread of the exporter's, which waits for this runtime.
            let _panicked = tokio::task::spawn_blocking(move || exporters.end()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_requests_are_made_for_those_who_take_them_alone() {
        let lines = || tracing_subscriber::fmt::layer().with_writer(std::io::sink).boxed();
        let filter = || LogFilter::parse("info").unwrap().targets();
        let takes = |spans: Option<tracing_subscriber::fmt::Layer<Filtering>>| {
            tracing::dispatcher::with_default(&dispatch(lines(), filter(), spans), || {
                !tracing::info_span!(target: SPANS, "request").is_disabled()
            })
        };
        assert!(!takes(None));
        assert!(takes(Some(tracing_subscriber::fmt::layer())));
    }
}
