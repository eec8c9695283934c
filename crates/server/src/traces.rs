//! The last segments of traces, in memory: what `GET /_lambent/traces` shows.
//!
//! A look at what functions send to their X-Ray daemon, without a service of traces. Nothing is put together or
//! searched here, and the end of the server is the end of them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lambent_model::{Origin, Segment, TraceSink};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A screenful for whoever looks, and a few seconds of a busy function.
const SEGMENTS: usize = 1_000;

/// X-Ray takes documents up to 64 KB; a thousand of the largest would be too much for a look.
const BYTES: usize = 8 * 1024 * 1024;

/// The largest document (X-Ray API Reference, `PutTraceSegments`).
const DOCUMENT_BYTES: usize = 64 * 1024;

/// Keeps the newest segments; older ones go.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    segments: VecDeque<Segment>,
    bytes: usize,
    /// All that ever came.
    received: u64,
    /// Those that were no segment documents.
    refused: u64,
}

impl TraceSink for Ring {
    fn write(&self, segment: Segment) {
        let is_object = segment.document.trim_start().starts_with('{')
            && serde_json::from_str::<&RawValue>(&segment.document).is_ok();
        let mut kept = self.lock();
        kept.received += 1;
        if !is_object || segment.document.len() > DOCUMENT_BYTES {
            kept.refused += 1;
            return;
        }
        kept.bytes += segment.document.len();
        kept.segments.push_back(segment);
        while kept.segments.len() > SEGMENTS || kept.bytes > BYTES {
            let oldest = kept.segments.pop_front().expect("what is over a bound is not empty");
            kept.bytes -= oldest.document.len();
        }
    }
}

impl Ring {
    /// The segments that are kept, the newest last, and how many came in all.
    pub(crate) fn render(&self) -> Value {
        let kept = self.lock();
        let segment = |segment: &Segment| {
            json!({
                "account": segment.scope.account.to_string(),
                "region": segment.scope.region.as_str(),
                "received": segment.at.millis(),
                "origin": match segment.origin {
                    Origin::Platform => "platform",
                    Origin::Function => "function",
                },
                // It was read as JSON when it came.
                "document": serde_json::from_str::<Value>(&segment.document).unwrap_or(Value::Null),
            })
        };
        json!({
            "received": kept.received,
            "refused": kept.refused,
            "segments": kept.segments.iter().map(segment).collect::<Vec<_>>(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Each change leaves counts that are right to within one segment, so it is whole enough after a panic, too.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use lambent_model::{Scope, Timestamp};

    use super::*;

    fn segment(document: String) -> Segment {
        let scope = Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() };
        Segment { scope, at: Timestamp::from_millis(1), origin: Origin::Function, document }
    }

    #[test]
    fn the_newest_segments_are_kept_and_nothing_else() {
        let ring = Ring::default();
        for text in ["", "[]", "{", "no", "{\"pad\": 1} x"] {
            ring.write(segment(text.into()));
        }
        ring.write(segment(format!("{{\"pad\":\"{}\"}}", "x".repeat(DOCUMENT_BYTES))));
        assert_eq!(ring.render(), json!({"received": 6, "refused": 6, "segments": []}));
        for n in 0..SEGMENTS + 5 {
            ring.write(segment(json!({"n": n}).to_string()));
        }
        let shown = ring.render();
        let segments = shown["segments"].as_array().unwrap();
        assert_eq!((segments.len(), &segments[0]["document"]["n"]), (SEGMENTS, &json!(5)));
        for _ in 0..BYTES / DOCUMENT_BYTES + 9 {
            ring.write(segment(format!("{{\"pad\":\"{}\"}}", "x".repeat(DOCUMENT_BYTES - 10))));
        }
        assert!(ring.lock().bytes <= BYTES);
        assert_eq!(ring.lock().segments.len(), BYTES / DOCUMENT_BYTES);
    }
}
