//! What a schedule calls: a common operation by the target's ARN, or any by a universal target (EventBridge Scheduler User
//! Guide, "Using templated targets", "Using universal targets"). Pure.

use bytes::Bytes;
use lambent_model::{Arn, AwsCaller, AwsRequest, Scope, Timestamp};
use lambent_wire::{events, lambda, sns, sqs, untyped};
use serde_json::{Map, Value, json};

use super::record::Target;
use crate::sending::{Kind, request};

/// "EventBridge Scheduler does not support read-only API actions … that begin with the following list of prefixes".
const READ_ONLY: [&str; 14] = [
    "get", "describe", "list", "poll", "receive", "search", "scan", "query", "select", "read", "lookup",
    "discover", "validate", "batchGet",
];

/// A moment at which a schedule invokes its target.
pub(super) struct Moment<'a> {
    pub(super) scope: &'a Scope,
    /// The schedule's ARN.
    pub(super) arn: &'a str,
    pub(super) time: Timestamp,
    pub(super) execution: &'a str,
}

/// Whether a target can be called.
///
/// # Errors
/// Why not.
pub(super) fn check(target: &Target, scope: &Scope) -> Result<(), String> {
    let moment = Moment {
        scope,
        arn: "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s",
        time: Timestamp::from_millis(0),
        execution: "0",
    };
    let call = of(target, &moment)?;
    let Ok(Value::Object(input)) = serde_json::from_str(&call.input) else {
        return Err("the target's Input is no JSON object".to_owned());
    };
    untyped::request(&call.service, &call.operation, input, call.payload).map(|_| ())
}

/// The call at a moment.
///
/// # Errors
/// The target is none that can be called.
pub(super) fn of(target: &Target, moment: &Moment<'_>) -> Result<AwsRequest, String> {
    let input = target.input.as_deref().map(|input| filled(input, moment));
    let caller = caller(target, moment.scope);
    if let Some(action) = target.arn.strip_prefix("arn:aws:scheduler:::aws-sdk:") {
        return universal(action, input.as_deref().unwrap_or("{}"), caller, moment.scope);
    }
    let text = input.unwrap_or_else(|| notification(moment));
    match Kind::of(&target.arn)? {
        Kind::Bus => put_events(target, &text, caller),
        Kind::LogGroup => Err(format!("{} is no target of schedules", target.arn)),
        Kind::Function if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() => {
            Err("the Input of a function has to be JSON".to_owned())
        }
        Kind::Function | Kind::Queue | Kind::Topic => {
            request(&target.arn, text, target.group.as_deref(), caller, None)
        }
    }
}

/// The role of the target; dead letters are sent in its name as well.
pub(super) fn caller(target: &Target, scope: &Scope) -> AwsCaller {
    // The session's name on AWS is of its own making, and documented nowhere.
    AwsCaller::Role {
        account: scope.account.clone(),
        role: target.role.clone(),
        session: "scheduler".to_owned(),
    }
}

fn put_events(target: &Target, detail: &str, caller: AwsCaller) -> Result<AwsRequest, String> {
    let (detail_type, source) =
        target.event.as_ref().ok_or("a target that is an event bus needs EventBridgeParameters")?;
    let scope = Arn::parse(&target.arn).and_then(|arn| arn.scope());
    let entry =
        json!({"EventBusName": target.arn, "DetailType": detail_type, "Source": source, "Detail": detail});
    Ok(AwsRequest {
        service: "events".into(),
        operation: "PutEvents".into(),
        scope: scope.ok_or_else(|| format!("{} is no event bus", target.arn))?,
        caller,
        resource: Some(target.arn.clone()),
        trace_id: None,
        input: json!({"Entries": [entry]}).to_string(),
        payload: None,
    })
}

/// `service:apiAction` with its input.
fn universal(action: &str, input: &str, caller: AwsCaller, scope: &Scope) -> Result<AwsRequest, String> {
    let (service, action) =
        action.split_once(':').ok_or_else(|| format!("{action} is no service:apiAction"))?;
    if READ_ONLY.iter().any(|prefix| action.starts_with(prefix)) {
        return Err(format!("{action} only reads, which is no target of schedules"));
    }
    // AWS's SDK for Java calls it so, whose names these are.
    let service = if service == "eventbridge" { "events" } else { service };
    let known = match service {
        "sqs" => sqs::SERVICE.operations,
        "sns" => sns::SERVICE.operations,
        "events" => events::SERVICE.operations,
        "lambda" => lambda::SERVICE.operations,
        _ => {
            return Err(format!(
                "lambent's schedules call sqs, sns, eventbridge and lambda, and not {service}"
            ));
        }
    };
    let operation =
        known.iter().map(|operation| operation.name).find(|name| name.eq_ignore_ascii_case(action));
    let operation = operation.ok_or_else(|| format!("{service} has no operation {action}"))?;
    let mut input: Map<String, Value> = serde_json::from_str(input)
        .map_err(|error| format!("the Input of {action} is no JSON object: {error}"))?;
    let resource = resource(service, &input, scope);
    let payload = (service == "lambda").then(|| payload(&mut input));
    Ok(AwsRequest {
        service: service.to_owned().into(),
        operation: operation.into(),
        scope: Arn::parse(&resource).and_then(|arn| arn.scope()).unwrap_or_else(|| scope.clone()),
        caller,
        resource: Some(resource),
        trace_id: None,
        input: Value::Object(input).to_string(),
        payload,
    })
}

/// The payload of an invocation, JSON or a text that holds it. Nobody waits for its result, so it is an event unless the
/// input says otherwise.
fn payload(input: &mut Map<String, Value>) -> Bytes {
    input.entry("InvocationType").or_insert_with(|| "Event".into());
    match input.remove("Payload") {
        None => Bytes::new(),
        Some(Value::String(text)) => Bytes::from(text),
        Some(value) => Bytes::from(value.to_string()),
    }
}

/// The ARN of what a call is about, for its role's permissions.
fn resource(service: &str, input: &Map<String, Value>, scope: &Scope) -> String {
    let text = |name: &str| input.get(name).and_then(Value::as_str);
    let local = |name: &str| format!("arn:aws:{service}:{}:{}:{name}", scope.region, scope.account);
    let named = |given: &str, prefix: &str| match given.starts_with("arn:") {
        true => given.to_owned(),
        false => local(&format!("{prefix}{given}")),
    };
    match service {
        // Amazon SQS Developer Guide, "Queue and message identifiers": the account, the name.
        "sqs" => match text("QueueUrl").map(|url| url.rsplit('/')) {
            Some(mut parts) => {
                let (name, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                let account = if account.len() == 12 { account } else { scope.account.as_str() };
                format!("arn:aws:sqs:{}:{account}:{name}", scope.region)
            }
            None => local(text("QueueName").unwrap_or("*")),
        },
        "sns" => text("TopicArn").or(text("TargetArn")).map_or_else(|| local("*"), str::to_owned),
        "lambda" => text("FunctionName").map_or_else(|| local("*"), |name| named(name, "function:")),
        _ => {
            let entry = input.get("Entries").and_then(|entries| entries.get(0));
            let bus = entry.and_then(|entry| entry["EventBusName"].as_str()).unwrap_or("default");
            named(bus, "event-bus/")
        }
    }
}

/// The text with the context attributes filled in (User Guide, "Adding context attributes").
fn filled(input: &str, moment: &Moment<'_>) -> String {
    if !input.contains("<aws.scheduler.") {
        return input.to_owned();
    }
    input
        .replace("<aws.scheduler.schedule-arn>", moment.arn)
        .replace("<aws.scheduler.scheduled-time>", &second(moment.time))
        .replace("<aws.scheduler.execution-id>", moment.execution)
        .replace("<aws.scheduler.attempt-number>", "1")
}

/// What a target is given where nobody says ("EventBridge Scheduler delivers a default notification to the target", API
/// Reference, `Target`).
fn notification(moment: &Moment<'_>) -> String {
    json!({
        "version": "0",
        "id": moment.execution,
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": moment.scope.account,
        "time": second(moment.time),
        "region": moment.scope.region,
        "resources": [moment.arn],
        "detail": "{}",
    })
    .to_string()
}

fn second(time: Timestamp) -> String {
    let (year, month, day, hour, minute, second) = time.civil();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(arn: &str, input: Option<&str>) -> Target {
        Target {
            arn: arn.to_owned(),
            role: "arn:aws:iam::000000000000:role/r".to_owned(),
            input: input.map(str::to_owned),
            dead_letters: None,
            retries: None,
            age_seconds: None,
            group: None,
            event: None,
        }
    }

    fn scope() -> Scope {
        Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() }
    }

    fn called(target: &Target) -> Result<AwsRequest, String> {
        check(target, &scope())?;
        let time = Timestamp::from_millis(1_647_975_583_000);
        of(target, &Moment { scope: &scope(), arn: "arn:schedule", time, execution: "d32c5kddcf5bb8c3" })
    }

    #[test]
    fn each_kind_of_target_is_called_by_its_own_operation() {
        let queue = "arn:aws:sqs:us-east-1:000000000000:q";
        let input = "<aws.scheduler.schedule-arn> <aws.scheduler.scheduled-time> <aws.scheduler.execution-id> <aws.scheduler.attempt-number>";
        let call = called(&target(queue, Some(input))).unwrap();
        assert_eq!(call.input, r#"{"MessageBody":"arn:schedule 2022-03-22T18:59:43Z d32c5kddcf5bb8c3 1"}"#);
        let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
        let call = called(&target(function, None)).unwrap();
        let event: Value = serde_json::from_slice(&call.payload.unwrap()).unwrap();
        assert_eq!((&event["source"], &event["detail"]), (&json!("aws.scheduler"), &json!("{}")));
        let bus = "arn:aws:events:us-east-1:000000000000:event-bus/default";
        let event = Some(("Type".to_owned(), "mine".to_owned()));
        let call = called(&Target { event, ..target(bus, Some("{\"a\":1}")) }).unwrap();
        let entry: Value = serde_json::from_str(&call.input).unwrap();
        assert_eq!((&*call.operation, &entry["Entries"][0]["Detail"]), ("PutEvents", &json!("{\"a\":1}")));
    }

    #[test]
    fn universal_targets_call_what_they_name() {
        let of = |action: &str, input: Value| {
            called(&target(&format!("arn:aws:scheduler:::aws-sdk:{action}"), Some(&input.to_string())))
        };
        let url = "http://localhost:4566/000000000000/q";
        let call = of("sqs:sendMessage", json!({"QueueUrl": url, "MessageBody": "x"})).unwrap();
        assert_eq!((&*call.service, &*call.operation), ("sqs", "SendMessage"));
        assert_eq!(call.resource.as_deref(), Some("arn:aws:sqs:us-east-1:000000000000:q"));
        let call = of("lambda:invoke", json!({"FunctionName": "f", "Payload": {"a": 1}})).unwrap();
        assert_eq!(call.payload.as_deref(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(call.input, r#"{"FunctionName":"f","InvocationType":"Event"}"#);
        let topic = "arn:aws:sns:us-east-1:000000000000:t";
        assert_eq!(of("sns:publish", json!({"TopicArn": topic})).unwrap().resource.as_deref(), Some(topic));
        let call = of("eventbridge:putEvents", json!({"Entries": [{}]})).unwrap();
        assert_eq!(call.resource.as_deref(), Some("arn:aws:events:us-east-1:000000000000:event-bus/default"));
        for (action, input, part) in [
            ("sqs:getQueueUrl", json!({}), "only reads"),
            ("ec2:startInstances", json!({}), "not ec2"),
            ("sqs:fly", json!({}), "no operation fly"),
            ("sqs:sendMessage", json!([1]), "no JSON object"),
            ("lambda:deleteFunction", json!({"FunctionName": "f"}), "is not spoken"),
            ("sqs", json!({}), "no service:apiAction"),
        ] {
            let refused = of(action, input).unwrap_err();
            assert!(refused.contains(part), "{action}: {refused}");
        }
        for arn in ["arn:aws:states:us-east-1:000000000000:stateMachine:s", "x"] {
            assert!(called(&target(arn, None)).is_err(), "{arn}");
        }
        let bus = "arn:aws:events:us-east-1:000000000000:event-bus/default";
        assert!(called(&target(bus, None)).unwrap_err().contains("EventBridgeParameters"));
        let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
        assert!(called(&target(function, Some("no json"))).unwrap_err().contains("has to be JSON"));
    }
}
