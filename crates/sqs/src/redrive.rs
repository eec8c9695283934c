//! Redrive policies: where messages go that were received too often, and who may send them there (Amazon SQS Developer
//! Guide, "Using dead-letter queues in Amazon SQS").

use lambent_wire::Error;
use serde_json::{Map, Value};

use crate::names::{QueueName, invalid_value};

/// "The maxReceiveCount … valid values are from 1 to 1000".
const MOST_RECEIVES: u64 = 1000;
/// "You can specify up to 10 source queues."
const SOURCES: usize = 10;

/// `RedrivePolicy`, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redrive {
    pub(crate) target: QueueName,
    pub(crate) after: u64,
}

/// `RedriveAllowPolicy`, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sources {
    All,
    None,
    Named(Vec<String>),
}

impl Redrive {
    /// Reads a policy; whether its target exists is not looked at.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |reason: &str| invalid_value(text, "RedrivePolicy", reason);
        let map = object(text).ok_or_else(|| invalid("Redrive policy is not a valid JSON map."))?;
        let lacks =
            |name: &str| invalid(&format!("Redrive policy does not contain mandatory attribute: {name}."));
        let target = map.get("deadLetterTargetArn").ok_or_else(|| lacks("deadLetterTargetArn"))?;
        let count = map.get("maxReceiveCount").ok_or_else(|| lacks("maxReceiveCount"))?;
        if let Some(unknown) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(invalid(&format!("Redrive policy contains an unknown attribute: {unknown}.")));
        }
        let target = target.as_str().and_then(QueueName::of_arn);
        let target = target.ok_or_else(|| invalid("Invalid value for deadLetterTargetArn."))?;
        // Tools write the number as a text as well.
        let number = count.as_u64().or_else(|| count.as_str()?.parse().ok());
        match number {
            Some(after) if (1..=MOST_RECEIVES).contains(&after) => Ok(Self { target, after }),
            _ => {
                let shown = count.as_str().map_or_else(|| count.to_string(), str::to_owned);
                Err(invalid(&format!(
                    "Invalid value for maxReceiveCount: {shown}, valid values are from 1 to 1000 both inclusive."
                )))
            }
        }
    }
}

const KEYS: [&str; 2] = ["deadLetterTargetArn", "maxReceiveCount"];

impl Sources {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |reason: &str| invalid_value(text, "RedriveAllowPolicy", reason);
        let map = object(text).ok_or_else(|| invalid("Redrive allow policy is not a valid JSON map."))?;
        let named = map.get("sourceQueueArns").and_then(Value::as_array);
        match (map.get("redrivePermission").and_then(Value::as_str), named) {
            (Some("allowAll"), None) => Ok(Self::All),
            (Some("denyAll"), None) => Ok(Self::None),
            (Some("byQueue"), Some(arns)) if (1..=SOURCES).contains(&arns.len()) => {
                let arns = arns.iter().map(|arn| arn.as_str().filter(|arn| QueueName::of_arn(arn).is_some()));
                let arns: Option<Vec<&str>> = arns.collect();
                let arns = arns.ok_or_else(|| invalid("Invalid value for sourceQueueArns."))?;
                Ok(Self::Named(arns.into_iter().map(str::to_owned).collect()))
            }
            (Some("byQueue"), _) => {
                Err(invalid("byQueue takes between 1 and 10 ARNs of queues in sourceQueueArns."))
            }
            (Some("allowAll" | "denyAll"), Some(_)) => {
                Err(invalid("sourceQueueArns can only be given with the redrivePermission byQueue."))
            }
            _ => Err(invalid("redrivePermission has to be one of allowAll, denyAll and byQueue.")),
        }
    }

    pub(crate) fn allow(&self, source: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Named(arns) => arns.iter().any(|arn| arn == source),
        }
    }
}

fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:dead";

    #[test]
    fn redrive_policies_are_read_and_refused() {
        for count in ["3", "\"3\""] {
            let text = format!(r#"{{"deadLetterTargetArn":"{ARN}","maxReceiveCount":{count}}}"#);
            let redrive = Redrive::parse(&text).unwrap();
            assert_eq!((redrive.target.arn().as_str(), redrive.after), (ARN, 3));
        }
        for (text, words) in [
            ("[]", "not a valid JSON map"),
            ("{}", "mandatory attribute: deadLetterTargetArn"),
            (&format!(r#"{{"deadLetterTargetArn":"{ARN}"}}"#), "mandatory attribute: maxReceiveCount"),
            (&format!(r#"{{"deadLetterTargetArn":"{ARN}","maxReceiveCount":0}}"#), "maxReceiveCount: 0,"),
            (&format!(r#"{{"deadLetterTargetArn":"{ARN}","maxReceiveCount":1001}}"#), "from 1 to 1000"),
            (r#"{"deadLetterTargetArn":"x","maxReceiveCount":1}"#, "Invalid value for deadLetterTargetArn"),
        ] {
            let error = Redrive::parse(text).unwrap_err();
            assert!(error.message.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn who_may_name_a_queue_as_its_target() {
        let other = "arn:aws:sqs:us-east-1:000000000000:other";
        for (text, named, others) in [
            (r#"{"redrivePermission":"allowAll"}"#.to_owned(), true, true),
            (r#"{"redrivePermission":"denyAll"}"#.to_owned(), false, false),
            (format!(r#"{{"redrivePermission":"byQueue","sourceQueueArns":["{ARN}"]}}"#), true, false),
        ] {
            let sources = Sources::parse(&text).unwrap();
            assert_eq!((sources.allow(ARN), sources.allow(other)), (named, others), "{text}");
        }
        for text in [
            r#"{"redrivePermission":"some"}"#,
            r#"{"redrivePermission":"byQueue"}"#,
            r#"{"redrivePermission":"byQueue","sourceQueueArns":["x"]}"#,
            r#"{"redrivePermission":"denyAll","sourceQueueArns":[]}"#,
            "x",
        ] {
            assert!(Sources::parse(text).is_err(), "{text}");
        }
    }
}
