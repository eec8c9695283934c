//! A message of a queue, and the record that functions are given for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambent_model::{Scope, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// What becomes of a queue's message here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `MessageId`.
    pub id: String,
    /// What it is deleted by.
    pub handle: String,
    /// The message group of a FIFO queue.
    pub group: Option<Arc<str>>,
    /// `AWSTraceHeader`.
    pub trace: Option<String>,
    /// Until when the queue shows it to nobody else.
    pub until: Timestamp,
    /// The record of the event, JSON.
    pub record: String,
}

/// The answer to `ReceiveMessage`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    #[serde(default)]
    messages: Option<Vec<Received>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Received {
    message_id: String,
    receipt_handle: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    message_attributes: BTreeMap<String, Attribute>,
    #[serde(rename = "MD5OfMessageAttributes", default)]
    md5_of_message_attributes: Option<String>,
    #[serde(rename = "MD5OfBody", default)]
    md5_of_body: String,
}

/// An attribute, read as SQS has it and written as Lambda does.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase", serialize = "camelCase"))]
struct Attribute {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<String>,
    /// In Base64, in both.
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
    #[serde(default)]
    string_list_values: Vec<String>,
    #[serde(default)]
    binary_list_values: Vec<String>,
    data_type: String,
}

/// The record of a message (Developer Guide, "Using Lambda with Amazon SQS").
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    message_id: &'a str,
    receipt_handle: &'a str,
    body: &'a str,
    attributes: &'a BTreeMap<String, String>,
    message_attributes: &'a BTreeMap<String, Attribute>,
    md5_of_message_attributes: Option<&'a str>,
    md5_of_body: &'a str,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    aws_region: &'a str,
}

/// What `ReceiveMessage` has brought of the queue `arn`; nobody else sees it before `until`.
///
/// # Errors
/// When the answer is none.
pub fn read(
    answer: &[u8],
    arn: &str,
    scope: &Scope,
    until: Timestamp,
) -> Result<Vec<Message>, serde_json::Error> {
    let answer: Answer = serde_json::from_slice(answer)?;
    let message = |received: Received| {
        let record = Record {
            message_id: &received.message_id,
            receipt_handle: &received.receipt_handle,
            body: &received.body,
            attributes: &received.attributes,
            message_attributes: &received.message_attributes,
            md5_of_message_attributes: received.md5_of_message_attributes.as_deref(),
            md5_of_body: &received.md5_of_body,
            event_source: "aws:sqs",
            event_source_arn: arn,
            aws_region: scope.region.as_str(),
        };
        let record = serde_json::to_string(&record)?;
        let mut attributes = received.attributes;
        Ok(Message {
            id: received.message_id,
            handle: received.receipt_handle,
            group: attributes.remove("MessageGroupId").map(Arc::from),
            trace: attributes.remove("AWSTraceHeader"),
            until,
            record,
        })
    };
    answer.messages.unwrap_or_default().into_iter().map(message).collect()
}

/// What an event is around its records.
const HEAD: &str = r#"{"Records":["#;
const TAIL: &str = "]}";

/// Bytes of an event beside its records and the commas between them.
pub const AROUND: usize = HEAD.len() + TAIL.len();

/// The event for a batch.
#[must_use]
pub fn event(messages: &[Arc<Message>]) -> String {
    let bytes = messages.iter().map(|message| message.record.len() + 1).sum::<usize>();
    let mut event = String::with_capacity(AROUND + bytes);
    event.push_str(HEAD);
    for (place, message) in messages.iter().enumerate() {
        if place > 0 {
            event.push(',');
        }
        event.push_str(&message.record);
    }
    event.push_str(TAIL);
    event
}

/// The record as filters see it: with the body as JSON where it is JSON ("Using event filtering with an Amazon SQS event
/// source"). A body that is JSON and no structure, `7`, may be meant as either.
#[must_use]
pub fn filtered(record: &str) -> Vec<String> {
    #[derive(Deserialize)]
    struct Body {
        body: String,
    }
    let Ok(Body { body }) = serde_json::from_str(record) else { return Vec::new() };
    let text = to_raw_value(&body).ok();
    // Taken over as it is written, for numbers are compared by their texts.
    let bodies: Vec<Box<RawValue>> = match serde_json::from_str::<Box<RawValue>>(&body) {
        Ok(json) if json.get().starts_with(['{', '[']) => vec![json],
        Ok(json) => text.into_iter().chain([json]).collect(),
        Err(_) => text.into_iter().collect(),
    };
    let with = |body: Box<RawValue>| {
        let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(record).ok()?;
        members.insert("body".into(), body);
        serde_json::to_string(&members).ok()
    };
    bodies.into_iter().filter_map(with).collect()
}

/// `VisibilityTimeout` in seconds, out of the answer to `GetQueueAttributes`.
#[must_use]
pub fn visibility(answer: &[u8]) -> Option<u64> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    answer.get("Attributes")?.get("VisibilityTimeout")?.as_str()?.parse().ok()
}

/// The entries that `DeleteMessageBatch` did not delete: place, whether it is the caller's fault, and why.
#[must_use]
pub fn not_deleted(answer: &[u8]) -> Vec<(usize, bool, String)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Entry {
        id: String,
        #[serde(default)]
        sender_fault: bool,
        #[serde(default)]
        code: String,
    }
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "Failed", default)]
        failed: Option<Vec<Entry>>,
    }
    let failed = serde_json::from_slice::<Answer>(answer).ok().and_then(|answer| answer.failed);
    let place = |entry: Entry| Some((entry.id.parse().ok()?, entry.sender_fault, entry.code));
    failed.unwrap_or_default().into_iter().filter_map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope { account: "123456789012".parse().unwrap(), region: "us-east-2".parse().unwrap() }
    }

    #[test]
    fn a_record_is_lambdas() {
        let answer = br#"{"Messages":[{"MessageId":"m","ReceiptHandle":"h","Body":"a \"b\"","MD5OfBody":"x",
            "Attributes":{"ApproximateReceiveCount":"1","MessageGroupId":"g","AWSTraceHeader":"Root=1"},
            "MessageAttributes":{"k":{"StringValue":"v","DataType":"String"},"n":{"BinaryValue":"AA==","DataType":"Binary"}},
            "MD5OfMessageAttributes":"y"},
            {"MessageId":"n","ReceiptHandle":"i","Body":"b","MD5OfBody":"z"}]}"#;
        let until = Timestamp::from_millis(7);
        let messages = read(answer, "arn:aws:sqs:us-east-2:123456789012:q", &scope(), until).unwrap();
        assert_eq!((messages[0].group.as_deref(), messages[0].trace.as_deref()), (Some("g"), Some("Root=1")));
        let messages: Vec<Arc<Message>> = messages.into_iter().map(Arc::new).collect();
        let event: Value = serde_json::from_str(&event(&messages)).unwrap();
        assert_eq!(
            event,
            serde_json::json!({"Records": [
                {
                    "messageId": "m", "receiptHandle": "h", "body": "a \"b\"",
                    "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": "g", "AWSTraceHeader": "Root=1"},
                    "messageAttributes": {
                        "k": {"stringValue": "v", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
                        "n": {"binaryValue": "AA==", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
                    },
                    "md5OfMessageAttributes": "y", "md5OfBody": "x", "eventSource": "aws:sqs",
                    "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:q", "awsRegion": "us-east-2",
                },
                {
                    "messageId": "n", "receiptHandle": "i", "body": "b", "attributes": {}, "messageAttributes": {},
                    "md5OfMessageAttributes": null, "md5OfBody": "z", "eventSource": "aws:sqs",
                    "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:q", "awsRegion": "us-east-2",
                },
            ]})
        );
    }

    #[test]
    fn answers_are_read_whatever_they_leave_out() {
        for answer in [&b"{}"[..], br#"{"Messages":null}"#, br#"{"Messages":[]}"#] {
            assert_eq!(read(answer, "", &scope(), Timestamp::from_millis(0)).unwrap(), []);
        }
        assert!(read(b"<html>", "", &scope(), Timestamp::from_millis(0)).is_err());
        assert_eq!(visibility(br#"{"Attributes":{"VisibilityTimeout":"30"}}"#), Some(30));
        assert_eq!(visibility(b"{}"), None);
        let partial = br#"{"Successful":[{"Id":"0"}],"Failed":[{"Id":"1","SenderFault":true,"Code":"ReceiptHandleIsInvalid"}]}"#;
        assert_eq!(not_deleted(partial), [(1, true, "ReceiptHandleIsInvalid".to_owned())]);
        assert_eq!(not_deleted(b"{}"), []);
    }

    #[test]
    fn filters_see_the_body_as_what_it_is() {
        for (body, seen) in [
            (r#""{\"a\": 3.0e2}""#, &[r#"{"a": 3.0e2}"#][..]),
            (r#""plain""#, &[r#""plain""#]),
            (r#""""#, &[r#""""#]),
            (r#""7""#, &[r#""7""#, "7"]),
        ] {
            let filtered = filtered(&format!(r#"{{"messageId":"m","body":{body}}}"#));
            let seen: Vec<String> =
                seen.iter().map(|body| format!(r#"{{"body":{body},"messageId":"m"}}"#)).collect();
            assert_eq!(filtered, seen, "{body}");
        }
    }
}
