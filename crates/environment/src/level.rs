//! Which of a function's records its log takes (AWS Lambda Developer Guide, "Log-level filtering").

use serde_json::{Map, Value};

/// How much a record matters, from `TRACE` to `FATAL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApplicationLogLevel {
    /// "The most fine-grained information".
    Trace,
    /// For those who look for a bug.
    Debug,
    /// What is as it should be.
    Info,
    /// What may become an error.
    Warn,
    /// What has failed.
    Error,
    /// What the function does not survive.
    Fatal,
}

impl ApplicationLogLevel {
    /// By its name, as Lambda's API and the loggers of its runtimes have it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "TRACE" => Self::Trace,
            "DEBUG" => Self::Debug,
            "INFO" => Self::Info,
            "WARN" | "WARNING" => Self::Warn,
            "ERROR" => Self::Error,
            "FATAL" | "CRITICAL" => Self::Fatal,
            _ => return None,
        })
    }

    /// What the head of a frame says; `None` where it leaves the level to the record.
    pub(crate) fn of_frame(kind: u32) -> Option<Self> {
        const BY_NUMBER: [ApplicationLogLevel; 6] = [
            ApplicationLogLevel::Trace,
            ApplicationLogLevel::Debug,
            ApplicationLogLevel::Info,
            ApplicationLogLevel::Warn,
            ApplicationLogLevel::Error,
            ApplicationLogLevel::Fatal,
        ];
        BY_NUMBER.get(((kind & 0xffff) as usize >> 2).checked_sub(1)?).copied()
    }

    /// What a record says of itself: JSON with a `level` and a time. "If the "level" value field is invalid or missing, Lambda
    /// will assign the log output the level INFO", and so "if you don't supply a valid timestamp".
    pub(crate) fn of_text(text: &str) -> Self {
        // Most records say nothing, and need not be read.
        if !(text.trim_start().starts_with('{') && text.contains("\"level\"")) {
            return Self::Info;
        }
        let Ok(record) = serde_json::from_str::<Map<String, Value>>(text) else { return Self::Info };
        let level = record.get("level").and_then(Value::as_str).and_then(Self::parse);
        level.filter(|_| has_time(&record)).unwrap_or(Self::Info)
    }
}

/// "Lambda supports most common naming conventions used by the managed runtimes."
fn has_time(record: &Map<String, Value>) -> bool {
    let is_name =
        |key: &str| ["timestamp", "time", "@timestamp"].iter().any(|name| key.eq_ignore_ascii_case(name));
    record.iter().any(|(key, value)| is_name(key) && value.as_str().is_some_and(is_time))
}

/// Whether this is a moment as RFC 3339 writes it, such as `2024-11-02T16:51:31.587199Z`.
fn is_time(text: &str) -> bool {
    const DATE_TIME: &[u8] = b"0000-00-00T00:00:00";
    const OFFSET: &[u8] = b"00:00";
    let fits = |bytes: &[u8], form: &[u8]| {
        let same = |(byte, wanted): (&u8, &u8)| match wanted {
            b'0' => byte.is_ascii_digit(),
            // "Applications ... may choose ... a space", says RFC 3339, and lower case.
            b'T' => matches!(byte, b'T' | b't' | b' '),
            _ => byte == wanted,
        };
        bytes.len() == form.len() && bytes.iter().zip(form).all(same)
    };
    let Some((head, rest)) = text.as_bytes().split_at_checked(DATE_TIME.len()) else { return false };
    let rest = match rest.strip_prefix(b".") {
        None => rest,
        Some(fraction) => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return false;
            }
            &fraction[digits..]
        }
    };
    let zone = match rest {
        b"Z" | b"z" => true,
        [b'+' | b'-', offset @ ..] => fits(offset, OFFSET),
        _ => false,
    };
    zone && fits(head, DATE_TIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_json_with_a_time_says_its_level() {
        for (text, expected) in [
            // The Developer Guide's own.
            (
                r#"{"level": "debug", "msg": "my debug log", "timestamp": "2024-11-02T16:51:31.587199Z"}"#,
                ApplicationLogLevel::Debug,
            ),
            (r#"{"level":"WARNING","time":"2024-11-02T16:51:31+01:00"}"#, ApplicationLogLevel::Warn),
            (r#"{"level":"CRITICAL","@timestamp":"2024-11-02T16:51:31Z"}"#, ApplicationLogLevel::Fatal),
            (r#"{"level":"ERROR"}"#, ApplicationLogLevel::Info),
            (r#"{"level":"ERROR","timestamp":"yesterday"}"#, ApplicationLogLevel::Info),
            (r#"{"level":"ERROR","timestamp":"2024-11-02 16:51:31,587+0000"}"#, ApplicationLogLevel::Info),
            (r#"{"level":"ERROR","timestamp":"2024-11-02T16:51:31.Z"}"#, ApplicationLogLevel::Info),
            (r#"{"level":50,"timestamp":"2024-11-02T16:51:31Z"}"#, ApplicationLogLevel::Info),
            (r#"{"level":"ERROR","timestamp":"2024-11-02T16:51:31Z""#, ApplicationLogLevel::Info),
            (r#"["level"]"#, ApplicationLogLevel::Info),
            ("ERROR", ApplicationLogLevel::Info),
        ] {
            assert_eq!(ApplicationLogLevel::of_text(text), expected, "{text}");
        }
    }

    #[test]
    fn a_frame_says_its_level_or_leaves_it_to_the_record() {
        for (kind, expected) in [
            (0xa55a_0002, None),
            (0xa55a_0003, None),
            (0xa55a_0006, Some(ApplicationLogLevel::Trace)),
            (0xa55a_000e, Some(ApplicationLogLevel::Info)),
            (0xa55a_0017, Some(ApplicationLogLevel::Error)),
            (0xa55a_001a, Some(ApplicationLogLevel::Fatal)),
            (0xa55a_ffff, None),
        ] {
            assert_eq!(ApplicationLogLevel::of_frame(kind), expected, "{kind:x}");
        }
    }
}
