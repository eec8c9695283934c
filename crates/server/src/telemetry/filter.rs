//! Which log lines are written: `LAMBENT_LOG`, in the form of `RUST_LOG`.

use tracing_subscriber::filter::{LevelFilter, Targets};

/// What libraries say is for those who look for their defects; who names one gets it.
const LIBRARIES: [&str; 5] = ["h2", "hyper", "hyper_util", "opentelemetry", "opentelemetry_sdk"];
/// It calls every refusal of a request an error; what is one is said by ourselves.
const SILENT: &str = "s3s";

/// A level, or levels by target: `info`, `warn,lambent_invoker=debug`.
#[derive(Debug, Clone, PartialEq)]
pub struct LogFilter(Targets);

/// Levels and names are equal or not; the library just does not say so.
impl Eq for LogFilter {}

impl Default for LogFilter {
    fn default() -> Self {
        Self::parse("info").expect("a level is a filter")
    }
}

impl LogFilter {
    /// Reads a filter.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wanted: Targets = text.parse().map_err(|error| {
            format!("log {text:?} is neither a level (error, warn, info, debug, trace, off) nor target=level: {error}")
        })?;
        // A name that is no level reads as a target of which everything is wanted: more likely a mistyped level.
        if let Some((target, _)) = wanted.iter().find(|(target, _)| {
            let named = text.split(',').any(|part| part.trim().starts_with(&format!("{target}=")));
            !named && !target.contains("::") && !target.starts_with("lambent")
        }) {
            return Err(format!(
                "log {target:?} is none of error, warn, info, debug, trace, off; for a target say {target}=debug"
            ));
        }
        let default = wanted.default_level().unwrap_or(LevelFilter::OFF);
        let quiet = LIBRARIES.map(|library| (library, default.min(LevelFilter::WARN)));
        let targets = Targets::new().with_targets(quiet).with_target(SILENT, LevelFilter::OFF);
        Ok(Self(targets.with_default(default).with_targets(wanted)))
    }

    /// Spans of requests are for a collector: lines name the request themselves, and made for nothing they would cost each
    /// invocation a thirtieth of its CPU time.
    pub(super) fn targets(&self) -> Targets {
        self.0.clone().with_target(super::SPANS, LevelFilter::OFF)
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn levels_and_targets() {
        let filter = LogFilter::parse("warn,lambent_invoker=debug,h2=trace").unwrap().targets();
        assert!(filter.would_enable("lambent_invoker::pool", &Level::DEBUG));
        assert!(!filter.would_enable("lambent_server", &Level::INFO));
        assert!(filter.would_enable("h2::codec", &Level::TRACE));
        let all = LogFilter::parse("debug").unwrap().targets();
        assert!(
            all.would_enable("lambent_server", &Level::DEBUG)
                && !all.would_enable("hyper::proto", &Level::DEBUG)
        );
        assert!(!LogFilter::parse("off").unwrap().targets().would_enable("h2", &Level::ERROR));
        for text in ["info", "trace", "lambent=trace"] {
            assert!(
                !LogFilter::parse(text).unwrap().targets().would_enable(super::super::SPANS, &Level::INFO)
            );
        }
    }

    #[test]
    fn what_is_no_filter_is_a_fault() {
        for text in ["loud", "lambent_server=loud"] {
            assert!(LogFilter::parse(text).unwrap_err().starts_with("log "), "{text}");
        }
    }
}
