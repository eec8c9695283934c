//! What follows from the end of an event of asynchronous invocation, and what of it is sent where. Pure.
//!
//! Developer Guide, "Capturing records of Lambda asynchronous invocations" and "Adding a dead-letter queue".

use bytes::Bytes;
use lambent_model::{Arn, AwsCaller, AwsRequest, RequestId, Scope, Target, Timestamp};
use lambent_store::Write;
use serde_json::{Map, Value, json};

use super::{Delivery, Retry, Source, What};

/// "Amazon SNS destinations have a message size limit of 256 KB. If the combined size of the function request and
/// response payload exceeds the limit, Lambda will drop the payload when sending" (API Reference, `OnFailure`).
const TOPIC_BYTES: usize = 256 * 1024;

/// The first kilobyte of an error's text is sent with a dead letter.
const ERROR_MESSAGE_BYTES: usize = 1024;

/// What is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The record of an event that was processed.
    Success,
    /// The record of one that was given up.
    Failure,
    /// The event itself, which was given up.
    DeadLetter {
        /// `ErrorCode`: the HTTP status that a caller would have had.
        code: u16,
        /// `ErrorMessage`.
        message: String,
    },
}

/// The record of an event, or the event as a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What is delivered.
    pub kind: Kind,
    /// The ARN of where it goes.
    pub destination: String,
    /// What was invoked, as its caller named it.
    pub target: Target,
    /// The function's execution role.
    pub role: String,
    /// The id of the invocation.
    pub request_id: RequestId,
    /// What the object in a bucket is named by: the same in every attempt, which so makes no second one.
    pub id: RequestId,
    /// `X-Amzn-Trace-Id`.
    pub trace_id: String,
    /// When the event ended.
    pub ended: Timestamp,
    /// Until when it is tried.
    pub until: Timestamp,
    /// The record, or the event.
    pub payload: Bytes,
}

impl Record {
    /// The write that puts it into its destination's lane, due at once.
    #[must_use]
    pub fn enqueue(&self) -> Write {
        let source = Source::Event {
            target: self.target.clone(),
            request_id: self.request_id,
            is_dead_letter: matches!(self.kind, Kind::DeadLetter { .. }),
        };
        Delivery {
            lane: self.destination.clone(),
            source,
            what: What::Call(self.request()),
            due: self.ended,
            until: self.until,
            retry: Retry::patient(),
            dead_letter: None,
        }
        .enqueue()
    }

    /// The call that delivers it. What no service here takes records by is left for whoever makes calls to refuse.
    #[must_use]
    pub fn request(&self) -> AwsRequest {
        let arn = &self.destination;
        let (service, name) = Arn::parse(arn).map_or(("", ""), |arn| (arn.service, arn.resource));
        let own = &self.target.function.scope;
        let text = || String::from_utf8_lossy(&self.payload).into_owned();
        let (operation, input, payload) = match service {
            "sqs" => ("SendMessage", with_attributes(self, json!({"MessageBody": text()})), None),
            "sns" => {
                let message = json!({"TopicArn": arn, "Message": topical(self)});
                ("Publish", with_attributes(self, message), None)
            }
            "events" => ("PutEvents", json!({"Entries": [entry(self, text())]}), None),
            "s3" => ("PutObject", object(self, name), Some(self.payload.clone())),
            _ => {
                let input = json!({"FunctionName": arn, "InvocationType": "Event"});
                ("Invoke", input, Some(self.payload.clone()))
            }
        };
        // Buckets have neither in their ARNs.
        let scope = scope_of(arn, own);
        AwsRequest {
            service: service.to_owned().into(),
            operation: operation.into(),
            scope,
            caller: AwsCaller::Role {
                account: own.account.clone(),
                role: self.role.clone(),
                session: self.target.function.name.clone(),
            },
            resource: Some(arn.clone()),
            trace_id: Some(self.trace_id.clone()),
            input: input.to_string(),
            payload,
        }
    }
}

/// Account and region of an ARN; what it lacks is its sender's own.
pub(super) fn scope_of(arn: &str, own: &Scope) -> Scope {
    let arn = Arn::parse(arn);
    let account = arn.and_then(|arn| arn.account.parse().ok()).unwrap_or_else(|| own.account.clone());
    let region = arn.and_then(|arn| arn.region.parse().ok()).unwrap_or_else(|| own.region.clone());
    Scope { account, region }
}

/// The attributes of a dead letter.
fn with_attributes(record: &Record, mut input: Value) -> Value {
    if let Kind::DeadLetter { code, message } = &record.kind {
        let attribute = |data_type: &str, value: &str| json!({"DataType": data_type, "StringValue": value});
        input["MessageAttributes"] = json!({
            "RequestID": attribute("String", &record.request_id.to_string()),
            "ErrorCode": attribute("Number", &code.to_string()),
            "ErrorMessage": attribute("String", &attribute_text(message)),
        });
    }
    input
}

/// Cut to its bytes, and of characters that messages may hold (SQS API Reference, `SendMessage`). No attribute is empty.
pub(super) fn attribute_text(text: &str) -> String {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let mut message = String::new();
    for character in text.chars().map(|c| if allowed(c) { c } else { '\u{fffd}' }) {
        if message.len() + character.len_utf8() > ERROR_MESSAGE_BYTES {
            break;
        }
        message.push(character);
    }
    if message.is_empty() { "Unhandled".to_owned() } else { message }
}

/// A record that is too large for a topic goes without the payloads. A dead letter is nothing else, and stays whole.
fn topical(record: &Record) -> String {
    let whole = || String::from_utf8_lossy(&record.payload).into_owned();
    if record.payload.len() <= TOPIC_BYTES || matches!(record.kind, Kind::DeadLetter { .. }) {
        return whole();
    }
    match serde_json::from_slice::<Map<String, Value>>(&record.payload) {
        Ok(mut members) => {
            members.remove("requestPayload");
            members.remove("responsePayload");
            Value::Object(members).to_string()
        }
        // Records are written by us and are objects; anything else goes as it is, and the topic says what it makes of it.
        Err(_) => whole(),
    }
}

/// The entry for an event bus.
fn entry(record: &Record, detail: String) -> Value {
    let outcome = if record.kind == Kind::Success { "Success" } else { "Failure" };
    json!({
        "Source": "lambda",
        "DetailType": format!("Lambda Function Invocation Result - {outcome}"),
        "Resources": [record.destination, record.target.qualified()],
        "Detail": detail,
        "EventBusName": record.destination,
    })
}

/// `aws/lambda/async/<function>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<UUID>`.
fn object(record: &Record, bucket: &str) -> Value {
    let (year, month, day, hour, minute, second) = record.ended.civil();
    let (function, id) = (&record.target.function.name, record.id);
    let date = format!("{year:04}-{month:02}-{day:02}T{hour:02}.{minute:02}.{second:02}");
    json!({
        "Bucket": bucket,
        "Key": format!("aws/lambda/async/{function}/{year:04}/{month:02}/{day:02}/{date}-{id}"),
        "ContentType": "application/json",
    })
}

/// What an answer with a good status says nevertheless: of the entries of `PutEvents` each may fail by itself
/// (EventBridge API Reference, `PutEvents`), and log events that are too old or too new are not taken (CloudWatch Logs API
/// Reference, `RejectedLogEventsInfo`).
#[must_use]
pub fn failed_entry(operation: &str, body: &[u8]) -> Option<(String, String)> {
    if operation == "PutLogEvents" {
        let answer: Value = serde_json::from_slice(body).ok()?;
        let rejected = answer["rejectedLogEventsInfo"].as_object().filter(|info| !info.is_empty())?;
        let why: Vec<&str> = rejected.keys().map(String::as_str).collect();
        let text = format!("the log event's time is not taken ({})", why.join(", "));
        return Some(("InvalidParameter".to_owned(), text));
    }
    if operation != "PutEvents" {
        return None;
    }
    let answer: Value = serde_json::from_slice(body).ok()?;
    if answer["FailedEntryCount"].as_u64().unwrap_or(0) == 0 {
        return None;
    }
    let entry = &answer["Entries"][0];
    let text = |name: &str| entry[name].as_str().unwrap_or("unknown").to_owned();
    Some((text("ErrorCode"), text("ErrorMessage")))
}

#[cfg(test)]
mod tests;
