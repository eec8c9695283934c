//! What an invocation cost, as the server's private response header tells.

use http::HeaderMap;
use serde::{Deserialize, Serialize};

/// The response header that carries it.
const HEADER: &str = "x-lambent-report";

/// The numbers of a `REPORT` line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Time in the handler.
    pub(crate) duration_ms: f64,
    /// Time that AWS would bill.
    pub(crate) billed_duration_ms: f64,
    /// Time before the handler, on a cold start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) init_duration_ms: Option<f64>,
    /// Peak of memory, where it is counted.
    #[serde(default, rename = "maxMemoryUsedMB", skip_serializing_if = "Option::is_none")]
    pub(crate) max_memory_used_mb: Option<f64>,
}

impl Report {
    /// Reads the header. AWS itself does not send it, and the summary does without: absent or not understood is `None`.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        serde_json::from_slice(headers.get(HEADER)?.as_bytes()).ok()
    }
}

/// A duration of the size of an invocation: `0.42 ms`, `12.3 ms`, `1203 ms`.
pub(crate) fn milliseconds(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2} ms"),
        v if v < 99.95 => format!("{v:.1} ms"),
        v => format!("{v:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_is_read_with_and_without_optional_numbers() {
        let read = |text: &str| {
            Report::of(&HeaderMap::from_iter([(HEADER.parse().unwrap(), text.parse().unwrap())]))
        };
        let full =
            read(r#"{"durationMs":1.5,"billedDurationMs":2,"initDurationMs":60.25,"maxMemoryUsedMB":31}"#);
        assert_eq!(
            full,
            Some(Report {
                duration_ms: 1.5,
                billed_duration_ms: 2.0,
                init_duration_ms: Some(60.25),
                max_memory_used_mb: Some(31.0)
            })
        );
        assert_eq!(read(r#"{"durationMs":1,"billedDurationMs":2}"#).unwrap().init_duration_ms, None);
        assert_eq!(read("?"), None);
        assert_eq!(Report::of(&HeaderMap::new()), None);
    }

    #[test]
    fn three_digits_are_enough() {
        for (value, text) in [
            (0.4213, "0.42 ms"),
            (9.999, "10.0 ms"),
            (12.34, "12.3 ms"),
            (99.96, "100 ms"),
            (1203.4, "1203 ms"),
        ] {
            assert_eq!(milliseconds(value), text);
        }
    }
}
