//! What is sent where. Pure.
//!
//! Developer Guide, "Capturing records of Lambda asynchronous invocations" and "Adding a dead-letter queue".

use lambent_model::{AwsCaller, AwsRequest, Scope};
use serde_json::{Map, Value, json};

use super::{Kind, Parcel};

/// "Amazon SNS destinations have a message size limit of 256 KB. If the combined size of the function request and
/// response payload exceeds the limit, Lambda will drop the payload when sending" (API Reference, `OnFailure`).
const TOPIC_BYTES: usize = 256 * 1024;

/// The first kilobyte of an error's text is sent with a dead letter.
const ERROR_MESSAGE_BYTES: usize = 1024;

/// The call that delivers a parcel.
///
/// # Errors
/// When the destination's ARN is none of a service that takes records.
pub fn request(parcel: &Parcel) -> Result<AwsRequest, String> {
    let arn = &parcel.destination;
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _, service, region, account, name] = parts[..] else {
        return Err(format!("{arn} is no ARN"));
    };
    let own = &parcel.target.function.scope;
    // Buckets have neither in their ARNs.
    let or_own = |given: &str, own: &str| if given.is_empty() { own.to_owned() } else { given.to_owned() };
    let scope = Scope {
        account: or_own(account, own.account.as_str())
            .parse()
            .map_err(|_| format!("{arn} has no account"))?,
        region: or_own(region, own.region.as_str()).parse().map_err(|_| format!("{arn} has no region"))?,
    };
    let text = || String::from_utf8_lossy(&parcel.payload).into_owned();
    let (service, operation, input, payload) = match service {
        "sqs" => ("sqs", "SendMessage", with_attributes(parcel, json!({"MessageBody": text()})), None),
        "sns" => (
            "sns",
            "Publish",
            with_attributes(parcel, json!({"TopicArn": arn, "Message": topical(parcel)})),
            None,
        ),
        "events" => ("events", "PutEvents", json!({"Entries": [entry(parcel, text())]}), None),
        "s3" => ("s3", "PutObject", object(parcel, name), Some(parcel.payload.clone())),
        "lambda" => (
            "lambda",
            "Invoke",
            json!({"FunctionName": arn, "InvocationType": "Event"}),
            Some(parcel.payload.clone()),
        ),
        _ => return Err(format!("{arn} is none of a queue, a topic, an event bus, a bucket and a function")),
    };
    Ok(AwsRequest {
        service,
        operation,
        scope,
        caller: AwsCaller::Role {
            account: own.account.clone(),
            role: parcel.role.clone(),
            session: parcel.target.function.name.clone(),
        },
        resource: Some(arn.clone()),
        trace_id: Some(parcel.trace_id.clone()),
        input: input.to_string(),
        payload,
    })
}

/// The attributes of a dead letter.
fn with_attributes(parcel: &Parcel, mut input: Value) -> Value {
    if let Kind::DeadLetter { code, message } = &parcel.kind {
        let attribute = |data_type: &str, value: &str| json!({"DataType": data_type, "StringValue": value});
        input["MessageAttributes"] = json!({
            "RequestID": attribute("String", &parcel.request_id.to_string()),
            "ErrorCode": attribute("Number", &code.to_string()),
            "ErrorMessage": attribute("String", &error_message(message)),
        });
    }
    input
}

/// Cut to its bytes, and of characters that messages may hold (SQS API Reference, `SendMessage`). No attribute is empty.
fn error_message(text: &str) -> String {
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
fn topical(parcel: &Parcel) -> String {
    let whole = || String::from_utf8_lossy(&parcel.payload).into_owned();
    if parcel.payload.len() <= TOPIC_BYTES || matches!(parcel.kind, Kind::DeadLetter { .. }) {
        return whole();
    }
    match serde_json::from_slice::<Map<String, Value>>(&parcel.payload) {
        Ok(mut record) => {
            record.remove("requestPayload");
            record.remove("responsePayload");
            Value::Object(record).to_string()
        }
        // Records are written by us and are objects; anything else goes as it is, and the topic says what it makes of it.
        Err(_) => whole(),
    }
}

/// The entry for an event bus.
fn entry(parcel: &Parcel, detail: String) -> Value {
    let outcome = if parcel.kind == Kind::Success { "Success" } else { "Failure" };
    json!({
        "Source": "lambda",
        "DetailType": format!("Lambda Function Invocation Result - {outcome}"),
        "Resources": [parcel.destination, parcel.target.qualified()],
        "Detail": detail,
        "EventBusName": parcel.destination,
    })
}

/// `aws/lambda/async/<function>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<UUID>`.
fn object(parcel: &Parcel, bucket: &str) -> Value {
    let (year, month, day, hour, minute, second) = parcel.ended.civil();
    let (function, id) = (&parcel.target.function.name, parcel.id);
    let date = format!("{year:04}-{month:02}-{day:02}T{hour:02}.{minute:02}.{second:02}");
    json!({
        "Bucket": bucket,
        "Key": format!("aws/lambda/async/{function}/{year:04}/{month:02}/{day:02}/{date}-{id}"),
        "ContentType": "application/json",
    })
}

/// What an answer with a good status says nevertheless: of the entries of `PutEvents` each may fail by itself
/// (EventBridge API Reference, `PutEvents`).
#[must_use]
pub fn failed_entry(operation: &str, body: &[u8]) -> Option<(String, String)> {
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
