//! What a log group is given of an event, and how it is sent there. Pure.
//!
//! EventBridge API Reference, `PutTargets`: a log group takes the event as it is, or an input transformer whose template is
//! an object of a timestamp and a message. AWS documents no limits of a log group's name for that; its console offers
//! those alone that begin with `/aws/events/`.

use lambent_model::{Arn, AwsCaller, AwsRequest};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::transform::Input;

/// One log event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    at_ms: i64,
    message: String,
}

/// What a template makes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    timestamp: Value,
    message: Value,
}

/// Whether a log group can be given this of any event.
///
/// # Errors
/// What is wrong with it, for the client.
pub(super) fn check(target: &str, input: &Input) -> Result<(), String> {
    match input {
        Input::Event => Ok(()),
        Input::Constant(_) | Input::Path(_) => Err(format!(
            "Target {target}: a log group takes the event as it is or an InputTransformer, and neither Input nor InputPath"
        )),
        Input::Template { .. } => match input.sample().map(|text| serde_json::from_str::<Made>(&text)) {
            Some(Ok(_)) => Ok(()),
            _ => Err(format!(
                "Target {target}: the InputTemplate for a log group has to be \
                 {{\"timestamp\": <timestamp>, \"message\": <message>}}"
            )),
        },
    }
}

/// The log event of what was made of an event that happened at `time`, ISO 8601.
///
/// # Errors
/// Why there is none.
pub(super) fn entry(input: &Input, text: String, time: &str) -> Result<Entry, String> {
    if !matches!(input, Input::Template { .. }) {
        return Ok(Entry { at_ms: millis(time)?, message: text });
    }
    let made: Made = serde_json::from_str(&text)
        .map_err(|error| format!("the template has made no timestamp and message of the event: {error}"))?;
    let at_ms = match &made.timestamp {
        Value::String(text) => millis(text)?,
        number => number.as_i64().ok_or_else(|| no_time(&number.to_string()))?,
    };
    let message = match made.message {
        Value::String(text) => text,
        other => other.to_string(),
    };
    if message.is_empty() {
        return Err("the template has made an empty message of the event".to_owned());
    }
    Ok(Entry { at_ms, message })
}

/// ISO 8601, or milliseconds of the epoch as a text.
fn millis(text: &str) -> Result<i64, String> {
    if let Ok(millis) = text.parse() {
        return Ok(millis);
    }
    text.parse::<jiff::Timestamp>().map(|at| at.as_millisecond()).map_err(|_| no_time(text))
}

fn no_time(text: &str) -> String {
    format!("the timestamp {text} is neither ISO 8601 nor milliseconds of the epoch")
}

/// The call that writes a log event. The stream is the rule's own, so that rules do not mix; how AWS names its streams is
/// documented nowhere.
pub(super) fn request(
    group: &str,
    rule: &str,
    entry: &Entry,
    caller: AwsCaller,
    trace_id: Option<String>,
) -> Option<AwsRequest> {
    let arn = Arn::parse(group)?;
    let name = arn.resource.strip_prefix("log-group:")?;
    let name = name.strip_suffix(":*").unwrap_or(name);
    let input = json!({
        "logGroupName": name,
        "logStreamName": stream(rule),
        "logEvents": [{"timestamp": entry.at_ms, "message": entry.message}],
    });
    Some(AwsRequest {
        service: "logs".into(),
        operation: "PutLogEvents".into(),
        scope: arn.scope()?,
        caller,
        resource: Some(group.strip_suffix(":*").unwrap_or(group).to_owned()),
        trace_id,
        input: input.to_string(),
        payload: None,
    })
}

/// In the form of a UUID, the same for a rule for ever.
fn stream(rule: &str) -> String {
    let digest = sha2::Sha256::digest(rule);
    let hex: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Input {
        let paths = [("t".to_owned(), "$.time".to_owned()), ("m".to_owned(), "$.detail".to_owned())].into();
        Input::Template { paths, template: text.to_owned() }
    }

    #[test]
    fn a_template_is_an_object_of_a_timestamp_and_a_message() {
        for (input, takes) in [
            (Input::Event, true),
            (Input::Constant("{}".into()), false),
            (Input::Path("$.detail".into()), false),
            (template(r#"{"timestamp": <t>, "message": "it is <m>"}"#), true),
            (template(r#"{"message": <m>, "timestamp": "<t>"}"#), true),
            (template(r#"{"message": <m>}"#), false),
            (template(r#"{"timestamp": <t>, "message": <m>, "more": 1}"#), false),
            (template(r#""only <m>""#), false),
        ] {
            assert_eq!(check("1", &input).is_ok(), takes, "{input:?}");
        }
    }

    #[test]
    fn an_entry_has_the_time_of_the_event_or_of_the_template() {
        let time = "2026-11-22T06:00:00Z";
        let at_ms = 1_795_327_200_000;
        let whole = entry(&Input::Event, "{}".into(), time).unwrap();
        assert_eq!(whole, Entry { at_ms, message: "{}".into() });
        let made = |text: &str| entry(&template(""), text.to_owned(), "not looked at");
        for (text, expected) in [
            (r#"{"timestamp":"2026-11-22T06:00:00Z","message":"m"}"#, Some("m")),
            (r#"{"timestamp":"1795327200000","message":"m"}"#, Some("m")),
            (r#"{"timestamp":1795327200000,"message":{"a":1}}"#, Some(r#"{"a":1}"#)),
            (r#"{"timestamp":"noon","message":"m"}"#, None),
            (r#"{"timestamp":1.5,"message":"m"}"#, None),
            (r#"{"timestamp": ,"message":"m"}"#, None),
            (r#"{"timestamp":1795327200000,"message":""}"#, None),
        ] {
            let expected = expected.map(|message| Entry { at_ms, message: message.to_owned() });
            assert_eq!(made(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_log_group_is_named_with_or_without_its_streams() {
        let caller = || AwsCaller::Service {
            account: "000000000000".parse().unwrap(),
            name: "events.amazonaws.com".into(),
            source: "rule".into(),
        };
        let entry = Entry { at_ms: 7, message: "m".into() };
        let group = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/events/x";
        let plain = request(group, "rule", &entry, caller(), None).unwrap();
        assert_eq!(request(&format!("{group}:*"), "rule", &entry, caller(), None).unwrap(), plain);
        assert_eq!(plain.resource.as_deref(), Some(group));
        let input: Value = serde_json::from_str(&plain.input).unwrap();
        assert_eq!(input["logGroupName"], "/aws/events/x");
        assert_eq!(input["logEvents"], json!([{"timestamp": 7, "message": "m"}]));
        assert_ne!(stream("rule"), stream("other"));
    }
}
