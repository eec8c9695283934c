//! The record that a destination is sent (Developer Guide, "Capturing records of Lambda asynchronous invocations").

use lambent_model::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::retry::Condition;
use super::{Envelope, State};

/// The function's answer to the last attempt that reached it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The version that ran.
    pub executed_version: &'a str,
    /// The result, or the error document.
    pub payload: &'a [u8],
    /// Whether it is an error.
    pub failed: bool,
}

impl Answer<'_> {
    /// The text of an error: what the document says, or the document where it says nothing.
    pub(super) fn error_message(&self) -> String {
        let document = json_or_text(self.payload);
        match document.get("errorMessage").and_then(Value::as_str) {
            Some(message) => message.to_owned(),
            None => String::from_utf8_lossy(self.payload).into_owned(),
        }
    }
}

/// The record of an event's end; `condition` is `None` after a success. `now` is when it is written.
#[must_use]
pub fn render(
    envelope: &Envelope,
    state: State,
    condition: Option<Condition>,
    answer: Option<Answer<'_>>,
    now: Timestamp,
) -> Vec<u8> {
    let attempts = state.failed + u32::from(condition.is_none());
    let mut record = json!({
        "version": "1.0",
        "timestamp": iso(now),
        "requestContext": {
            "requestId": envelope.request_id.to_string(),
            "functionArn": envelope.target.qualified(),
            "condition": condition.map_or("Success", Condition::as_str),
            "approximateInvokeCount": attempts,
        },
        "requestPayload": json_or_text(&envelope.payload),
    });
    if let Some(answer) = answer {
        let mut context = json!({"statusCode": 200, "executedVersion": answer.executed_version});
        if answer.failed {
            context["functionError"] = "Unhandled".into();
        }
        record["responseContext"] = context;
        record["responsePayload"] = json_or_text(answer.payload);
    }
    serde_json::to_vec(&record).expect("a JSON value has a JSON form")
}

/// A custom runtime may answer what is no JSON.
fn json_or_text(bytes: &[u8]) -> Value {
    match serde_json::from_slice::<&RawValue>(bytes).ok().and_then(|raw| serde_json::from_str(raw.get()).ok())
    {
        Some(value) => value,
        None => String::from_utf8_lossy(bytes).into(),
    }
}

/// `2026-01-31T12:00:00.000Z`.
fn iso(at: Timestamp) -> String {
    let (year, month, day, hour, minute, second) = at.civil();
    let millis = at.millis().rem_euclid(1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}
