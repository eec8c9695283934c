//! Attributes of topics and of subscriptions (SNS API Reference, "SetTopicAttributes", "SetSubscriptionAttributes"): what
//! may be set, and to what. Pure.
//!
//! What would have no effect here is refused, each with what to do instead.

use std::collections::BTreeMap;

use lambent_wire::Error;
use lambent_wire::sns::error;
use serde_json::Value;

use super::delivery_policy::{DeliveryPolicy, Level};
use super::names::{TopicArn, invalid};
use super::record::Protocol;
use super::sign::Version;
use super::{filter, policy};

/// Where an attribute was set, by which AWS words what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// With the others when the thing was made.
    First,
    /// Alone, later.
    Later,
}

impl Given {
    fn refuse(self, name: &str, reason: &str) -> Error {
        error::invalid_parameter_exception(match self {
            Self::First => format!("Invalid parameter: Attributes Reason: {name}: {reason}"),
            Self::Later => format!("Invalid parameter: {name}: {reason}"),
        })
    }

    fn unknown(self, name: &str) -> Error {
        match self {
            Self::First => invalid("Attributes", &format!("Unknown attribute {name}")),
            Self::Later => invalid("AttributeName", ""),
        }
    }
}

/// The characters of a display name.
const DISPLAY_NAME: usize = 100;

/// The protocols of `…SuccessFeedbackRoleArn` and its kin.
const FEEDBACK: [&str; 5] = ["Application", "Firehose", "HTTP", "Lambda", "SQS"];

/// What a topic has that was given nothing.
pub(super) fn default_of_topic(name: &str) -> &'static str {
    match name {
        "ContentBasedDeduplication" | "FifoTopic" => "false",
        "FifoThroughputScope" => "Topic",
        "SignatureVersion" => "1",
        "TracingConfig" => "PassThrough",
        _ => "",
    }
}

/// Sets an attribute of a topic. An empty value takes away what was set before.
pub(super) fn set_topic(
    attributes: &mut BTreeMap<String, String>,
    topic: &TopicArn,
    name: &str,
    value: &str,
    given: Given,
) -> Result<(), Error> {
    check_topic(topic, name, value, given)?;
    set(attributes, name, value);
    Ok(())
}

fn set(attributes: &mut BTreeMap<String, String>, name: &str, value: &str) {
    if value.is_empty() {
        attributes.remove(name);
    } else {
        attributes.insert(name.to_owned(), value.to_owned());
    }
}

fn check_topic(topic: &TopicArn, name: &str, value: &str, given: Given) -> Result<(), Error> {
    let refuse = |reason: &str| Err(given.refuse(name, reason));
    match name {
        _ if value.is_empty() && is_topic_attribute(name) && name != "FifoTopic" => Ok(()),
        "DeliveryPolicy" => {
            DeliveryPolicy::parse(value, Level::Topic).map(drop).map_err(|reason| given.refuse(name, &reason))
        }
        "DisplayName" if value.chars().count() <= DISPLAY_NAME => Ok(()),
        "DisplayName" => refuse("must be at most 100 characters long"),
        "Policy" => policy::check(value),
        "SignatureVersion" if Version::parse(value).is_some() => Ok(()),
        "SignatureVersion" => refuse("must be 1 or 2"),
        "TracingConfig" if value == "PassThrough" => Ok(()),
        "TracingConfig" => {
            refuse("lambent passes trace headers through and keeps no traces of topics: set PassThrough")
        }
        "FifoTopic" if given == Given::Later => Err(invalid("AttributeName", "")),
        "FifoTopic" if is_flag(value) => Ok(()),
        "ContentBasedDeduplication" | "FifoThroughputScope" if !topic.is_fifo() => Err(given.unknown(name)),
        "ContentBasedDeduplication" if is_flag(value) => Ok(()),
        "FifoThroughputScope" if ["Topic", "MessageGroup"].contains(&value) => Ok(()),
        "FifoTopic" | "ContentBasedDeduplication" => refuse("must be true or false"),
        "FifoThroughputScope" => refuse("must be Topic or MessageGroup"),
        "KmsMasterKeyId" => refuse("lambent has no KMS and encrypts no messages: leave it out"),
        "ArchivePolicy" => refuse("lambent does not archive messages: leave it out"),
        // Of no delivery the status is logged, as here; Terraform sets it with every topic.
        _ if is_feedback(name) && name.ends_with("SampleRate") && value == "0" => Ok(()),
        _ if is_feedback(name) => refuse("lambent does not log the status of deliveries: leave it out"),
        _ => Err(given.unknown(name)),
    }
}

fn is_flag(value: &str) -> bool {
    ["true", "false"].contains(&value)
}

fn is_topic_attribute(name: &str) -> bool {
    const KNOWN: [&str; 9] = [
        "ArchivePolicy",
        "ContentBasedDeduplication",
        "DeliveryPolicy",
        "DisplayName",
        "FifoThroughputScope",
        "KmsMasterKeyId",
        "Policy",
        "SignatureVersion",
        "TracingConfig",
    ];
    KNOWN.contains(&name) || is_feedback(name)
}

fn is_feedback(name: &str) -> bool {
    let kind = FEEDBACK.iter().find_map(|protocol| name.strip_prefix(protocol));
    let kinds = ["SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"];
    kind.is_some_and(|kind| kinds.contains(&kind))
}

/// Sets an attribute of a subscription.
pub(super) fn set_subscription(
    attributes: &mut BTreeMap<String, String>,
    topic: &TopicArn,
    protocol: Protocol,
    name: &str,
    value: &str,
    given: Given,
) -> Result<(), Error> {
    let refuse = |reason: &str| Err(given.refuse(name, reason));
    match name {
        // Its policy may no longer be one in the other scope, so they are looked at together, at the end.
        "FilterPolicy" if value.is_empty() || filter::is_none(value) => {
            attributes.remove(name);
            return Ok(());
        }
        "FilterPolicy" => {}
        "FilterPolicyScope" if value.is_empty() || filter::Scope::parse(value).is_some() => {}
        "FilterPolicyScope" => {
            return refuse(&format!(
                "Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
            ));
        }
        "RawMessageDelivery" if is_flag(&value.to_ascii_lowercase()) => {
            if protocol == Protocol::Lambda && value.eq_ignore_ascii_case("true") {
                return Err(invalid(
                    "Attributes",
                    "Delivery protocol [lambda] does not support raw message delivery.",
                ));
            }
            set(attributes, name, &value.to_ascii_lowercase());
            return Ok(());
        }
        "RawMessageDelivery" => return refuse(&format!("Invalid value [{value}]. Must be true or false.")),
        "RedrivePolicy" if value.is_empty() => {}
        "RedrivePolicy" => {
            let queue = dead_letter_queue(topic, value).map_err(|reason| given.refuse(name, &reason))?;
            // "FIFO topic subscriptions use FIFO queues, and standard topic subscriptions use standard queues." Asked here
            // alone: what was taken before goes on having its dead letters.
            if topic.is_fifo() && !queue.ends_with(super::names::FIFO) {
                return refuse("the dead-letter queue of a FIFO topic's subscription has to be a FIFO queue");
            }
        }
        "DeliveryPolicy" if !protocol.is_http() && !value.is_empty() => {
            return refuse("only subscriptions of HTTP and HTTPS endpoints have a delivery policy");
        }
        "DeliveryPolicy" if value.is_empty() => {}
        "DeliveryPolicy" => {
            let parsed = DeliveryPolicy::parse(value, Level::Subscription);
            parsed.map(drop).map_err(|reason| given.refuse(name, &reason))?;
        }
        "ReplayPolicy" => {
            return refuse("lambent does not archive messages and can replay none: leave it out");
        }
        "SubscriptionRoleArn" => return refuse("it is for Firehose, which lambent does not offer"),
        _ => return Err(given.unknown(name)),
    }
    set(attributes, name, value);
    Ok(())
}

/// Checks a filter policy and its scope, which may have been set in any order.
pub(super) fn check_filter(attributes: &BTreeMap<String, String>, given: Given) -> Result<(), Error> {
    let Some(text) = attributes.get("FilterPolicy") else { return Ok(()) };
    let scope = attributes.get("FilterPolicyScope").and_then(|scope| filter::Scope::parse(scope));
    let parsed = filter::parse(text, scope.unwrap_or(filter::Scope::Attributes));
    parsed.map(drop).map_err(|reason| given.refuse("FilterPolicy", &reason))
}

/// The queue that a redrive policy names.
pub(super) fn dead_letter_queue(topic: &TopicArn, policy: &str) -> Result<String, String> {
    const TARGET: &str = "deadLetterTargetArn";
    let Ok(Value::Object(policy)) = serde_json::from_str(policy) else {
        return Err("failed to parse JSON.".into());
    };
    if let Some(unknown) = policy.keys().find(|name| *name != TARGET) {
        return Err(format!("invalid JSON. Attribute {unknown} is unknown."));
    }
    let Some(Value::String(arn)) = policy.get(TARGET) else {
        return Err(format!("{TARGET} must be the ARN of a queue"));
    };
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", _, "sqs", region, account, name] = parts[..] else {
        return Err(format!("{TARGET} is an invalid arn"));
    };
    // "The Amazon SNS subscription and Amazon SQS queue must be under the same AWS account and Region."
    if region != topic.scope.region.as_str() || account != topic.scope.account.as_str() {
        return Err(format!("{TARGET} must be in the account and the region of the subscription"));
    }
    if name.ends_with(".fifo") && !topic.is_fifo() {
        return Err("FIFO queues are dead-letter queues of FIFO topics alone".into());
    }
    Ok(arn.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> TopicArn {
        TopicArn::parse("TopicArn", &format!("arn:aws:sns:us-east-1:000000000000:{name}")).unwrap()
    }

    #[test]
    fn attributes_of_topics_are_checked() {
        let set = |topic: &TopicArn, name: &str, value: &str, given| {
            let mut attributes = BTreeMap::new();
            set_topic(&mut attributes, topic, name, value, given)
                .map(|()| attributes)
                .map_err(|error| error.message)
        };
        let (standard, fifo) = (topic("t"), topic("t.fifo"));
        for (topic, name, value) in [
            (&standard, "DisplayName", "Orders"),
            (&standard, "SignatureVersion", "2"),
            (&standard, "TracingConfig", "PassThrough"),
            (&standard, "LambdaSuccessFeedbackSampleRate", "0"),
            (&fifo, "ContentBasedDeduplication", "true"),
            (&fifo, "FifoThroughputScope", "MessageGroup"),
        ] {
            assert_eq!(set(topic, name, value, Given::Later).unwrap()[name], value);
            assert!(set(topic, name, "", Given::Later).unwrap().is_empty());
        }
        for (topic, name, value, reason) in [
            (&standard, "SignatureVersion", "3", "SignatureVersion: must be 1 or 2"),
            (&standard, "TracingConfig", "Active", "PassThrough"),
            (&standard, "KmsMasterKeyId", "alias/aws/sns", "encrypts no messages"),
            (&standard, "LambdaSuccessFeedbackRoleArn", "arn", "status of deliveries"),
            (&standard, "ContentBasedDeduplication", "true", "AttributeName"),
            (&standard, "FifoTopic", "true", "AttributeName"),
            (&standard, "Colour", "red", "AttributeName"),
            (&fifo, "FifoThroughputScope", "Queue", "must be Topic or MessageGroup"),
            (&standard, "DeliveryPolicy", "{}", "http must be"),
        ] {
            let error = set(topic, name, value, Given::Later).unwrap_err();
            assert!(error.contains(reason), "{name}: {error}");
        }
        let first = set(&standard, "Colour", "red", Given::First).unwrap_err();
        assert_eq!(first, "Invalid parameter: Attributes Reason: Unknown attribute Colour");
    }

    #[test]
    fn attributes_of_subscriptions_are_checked() {
        let set = |protocol, name: &str, value: &str, given| {
            let mut attributes = BTreeMap::new();
            let set = set_subscription(&mut attributes, &topic("t"), protocol, name, value, given);
            set.and_then(|()| check_filter(&attributes, given))
                .map(|()| attributes)
                .map_err(|error| error.message)
        };
        let queue = r#"{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead"}"#;
        let of_fifo = |value: &str| {
            let fifo = topic("t.fifo");
            set_subscription(&mut BTreeMap::new(), &fifo, Protocol::Sqs, "RedrivePolicy", value, Given::First)
        };
        assert!(of_fifo(&queue.replace("dead\"", "dead.fifo\"")).is_ok());
        assert!(of_fifo(queue).unwrap_err().message.contains("has to be a FIFO queue"));
        assert!(set(Protocol::Lambda, "RedrivePolicy", queue, Given::First).is_ok());
        assert!(set(Protocol::Sqs, "FilterPolicy", r#"{"a": ["b"]}"#, Given::First).is_ok());
        assert!(set(Protocol::Sqs, "FilterPolicy", "{}", Given::Later).unwrap().is_empty());
        assert_eq!(
            set(Protocol::Sqs, "RawMessageDelivery", "True", Given::First).unwrap()["RawMessageDelivery"],
            "true"
        );
        for (protocol, name, value, given, reason) in [
            (
                Protocol::Sqs,
                "RedrivePolicy",
                r#"{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": 3}"#,
                Given::First,
                "Invalid parameter: Attributes Reason: RedrivePolicy: invalid JSON. Attribute maxReceiveCount is unknown.",
            ),
            (
                Protocol::Sqs,
                "RedrivePolicy",
                &queue.replace("us-east-1", "eu-west-1"),
                Given::Later,
                "the region",
            ),
            (
                Protocol::Sqs,
                "RedrivePolicy",
                &queue.replace("dead\"", "dead.fifo\""),
                Given::Later,
                "FIFO topics alone",
            ),
            (
                Protocol::Sqs,
                "FilterPolicy",
                r#"{"a": {"b": ["c"]}}"#,
                Given::Later,
                "Invalid parameter: FilterPolicy: Filter policy scope MessageAttributes does not support nested",
            ),
            (
                Protocol::Lambda,
                "RawMessageDelivery",
                "true",
                Given::First,
                "does not support raw message delivery",
            ),
            (Protocol::Sqs, "DeliveryPolicy", "{}", Given::First, "HTTP and HTTPS endpoints"),
            (Protocol::Sqs, "FilterPolicyScope", "Both", Given::First, "Invalid value [Both]"),
            (Protocol::Sqs, "Colour", "red", Given::Later, "Invalid parameter: AttributeName"),
        ] {
            let error = set(protocol, name, value, given).unwrap_err();
            assert!(error.contains(reason), "{name}: {error}");
        }
    }
}
