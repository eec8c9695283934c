//! What is called to hand something to a target: the services that take an event, a message or an object. Pure.

use std::time::Duration;

use bytes::Bytes;
use lambent_fabric::deliveries::{Curve, DeadLetter, Delivery, Phase, Retry, Source, What};
use lambent_model::{Arn, AwsCaller, AwsRequest, Timestamp};
use serde_json::{Value, json};

/// "By default, EventBridge retries sending the event for 24 hours and up to 185 times with an exponential back off and
/// jitter" (EventBridge User Guide, "Event retry policy"); EventBridge Scheduler has the same defaults.
const RETRIES: u32 = 185;
const AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// The first of the waits, and the longest: 185 of them fill the 24 hours.
const WAITS: (u64, u64) = (1_000, 500_000);

/// A kind of target, by its ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Function,
    Queue,
    Topic,
    Bus,
    LogGroup,
}

impl Kind {
    /// The kind of target that an ARN names.
    ///
    /// # Errors
    /// It names none that is delivered to.
    pub(crate) fn of(arn: &str) -> Result<Self, String> {
        let parsed = Arn::parse(arn).filter(|arn| arn.scope().is_some());
        let parsed = parsed.ok_or_else(|| format!("{arn} is no ARN of a target"))?;
        match (parsed.service, parsed.resource) {
            ("lambda", resource) if resource.starts_with("function:") => Ok(Self::Function),
            ("sqs", _) => Ok(Self::Queue),
            ("sns", _) => Ok(Self::Topic),
            ("events", resource) if resource.starts_with("event-bus/") => Ok(Self::Bus),
            ("logs", resource) if resource.starts_with("log-group:") => Ok(Self::LogGroup),
            (service, _) => Err(format!(
                "lambent delivers to functions, queues, topics, event buses and log groups, and not to {service} ({arn})"
            )),
        }
    }
}

/// Whether failed deliveries can be sent to a queue.
///
/// # Errors
/// Why not.
pub(crate) fn check_dead_letters(arn: &str) -> Result<(), String> {
    match Kind::of(arn) {
        Ok(Kind::Queue) if !arn.ends_with(".fifo") => Ok(()),
        _ => Err(format!("the dead-letter queue {arn} is no standard queue of SQS")),
    }
}

/// A call that hands `text` to a function, a queue or a topic. A message group is a queue's.
///
/// # Errors
/// The ARN is none of those.
pub(crate) fn request(
    arn: &str,
    text: String,
    group: Option<&str>,
    caller: AwsCaller,
    trace_id: Option<String>,
) -> Result<AwsRequest, String> {
    let scope = Arn::parse(arn).and_then(|arn| arn.scope()).ok_or_else(|| format!("{arn} is no ARN"))?;
    let (service, operation, input, payload): (_, _, Value, _) = match Kind::of(arn)? {
        Kind::Function => (
            "lambda",
            "Invoke",
            json!({"FunctionName": arn, "InvocationType": "Event"}),
            Some(Bytes::from(text)),
        ),
        Kind::Queue => {
            let mut input = json!({"MessageBody": text});
            if let Some(group) = group {
                input["MessageGroupId"] = group.into();
            }
            ("sqs", "SendMessage", input, None)
        }
        Kind::Topic => ("sns", "Publish", json!({"TopicArn": arn, "Message": text}), None),
        Kind::Bus | Kind::LogGroup => return Err(format!("{arn} takes no text")),
    };
    Ok(AwsRequest {
        service: service.into(),
        operation: operation.into(),
        scope,
        caller,
        resource: Some(arn.to_owned()),
        trace_id,
        input: input.to_string(),
        payload,
    })
}

/// How long and how often a target is tried, and where goes what it never takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience<'a> {
    pub(crate) retries: Option<u32>,
    pub(crate) age_seconds: Option<u32>,
    /// The ARN of a queue.
    pub(crate) dead_letters: Option<&'a str>,
}

/// Whose delivery it is.
pub(crate) struct Sender<'a> {
    /// The rule's or schedule's ARN.
    pub(crate) arn: &'a str,
    /// What the event or the execution is called.
    pub(crate) id: &'a str,
    pub(crate) now: Timestamp,
    /// In whose name dead letters are sent.
    pub(crate) caller: AwsCaller,
    /// The input of `SendMessage` for a dead letter.
    pub(crate) dead_letter: String,
}

/// The delivery of a call to a target.
pub(crate) fn delivery(
    target: &str,
    call: AwsRequest,
    patience: Patience<'_>,
    sender: Sender<'_>,
) -> Delivery {
    let count = patience.retries.unwrap_or(RETRIES);
    let phase = Phase { count, first: WAITS.0, last: WAITS.1, curve: Curve::Exponential };
    let age = patience.age_seconds.map_or(AGE, |seconds| Duration::from_secs(seconds.into()));
    let Sender { arn, id, now, caller, dead_letter } = sender;
    Delivery {
        lane: target.to_owned(),
        source: Source::Resource { arn: arn.to_owned(), id: id.to_owned() },
        what: What::Call(call),
        due: now,
        until: now.plus(age),
        retry: Retry { phases: vec![phase], refusal_ends: true },
        dead_letter: patience.dead_letters.map(|queue| DeadLetter {
            queue: queue.to_owned(),
            caller,
            input: dead_letter,
            explains: true,
        }),
    }
}

/// An attribute of a message.
pub(crate) fn attribute(value: &str) -> Value {
    json!({"DataType": "String", "StringValue": value})
}
