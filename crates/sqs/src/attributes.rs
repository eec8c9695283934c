//! The attributes of queues: what can be set, between which bounds, and how they are shown (Amazon SQS API Reference,
//! `SetQueueAttributes`).

use std::collections::BTreeMap;

use lambent_identity::policy::{Document, PolicyKind};
use lambent_wire::Error;
use lambent_wire::sqs::error;
use serde::{Deserialize, Serialize};

use crate::redrive::{Redrive, Sources};

/// What the attributes of a queue are, as texts; those that nobody has set have their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Attributes {
    set: BTreeMap<String, String>,
}

/// A whole number between bounds.
struct Number {
    name: &'static str,
    default: u32,
    least: u32,
    most: u32,
}

const fn number(name: &'static str, default: u32, least: u32, most: u32) -> Number {
    Number { name, default, least, most }
}

/// "Maximum message size … 1,048,576 bytes (1 MiB)" (Amazon SQS Developer Guide, "Amazon SQS message quotas").
pub(crate) const MESSAGE_BYTES: u32 = 1024 * 1024;
/// "The maximum is 12 hours."
pub(crate) const VISIBILITY_SECONDS: u32 = 43_200;
/// "The maximum is 15 minutes."
pub(crate) const DELAY_SECONDS: u32 = 900;
pub(crate) const WAIT_SECONDS: u32 = 20;

const DELAY: Number = number("DelaySeconds", 0, 0, DELAY_SECONDS);
const SIZE: Number = number("MaximumMessageSize", MESSAGE_BYTES, 1024, MESSAGE_BYTES);
const RETENTION: Number = number("MessageRetentionPeriod", 345_600, 60, 1_209_600);
const WAIT: Number = number("ReceiveMessageWaitTimeSeconds", 0, 0, WAIT_SECONDS);
const VISIBILITY: Number = number("VisibilityTimeout", 30, 0, VISIBILITY_SECONDS);
const KEY_REUSE: Number = number("KmsDataKeyReusePeriodSeconds", 300, 60, 86_400);
const NUMBERS: [Number; 6] = [DELAY, SIZE, RETENTION, WAIT, VISIBILITY, KEY_REUSE];

/// Those of FIFO queues alone.
const OF_FIFO: [&str; 4] =
    ["FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"];

impl Attributes {
    /// Changes some; an empty text takes one away where a queue can be without.
    pub(crate) fn change(
        &mut self,
        fifo: bool,
        new: bool,
        changes: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        for (name, value) in changes {
            check(fifo, new, name, value)?;
            match value.is_empty() {
                true => self.set.remove(name),
                false => self.set.insert(name.clone(), value.clone()),
            };
        }
        if self.text("FifoThroughputLimit") == Some("perMessageGroupId")
            && self.text("DeduplicationScope") != Some("messageGroup")
        {
            return Err(error::invalid_attribute_value(
                "FifoThroughputLimit can be set to perMessageGroupId only when DeduplicationScope is messageGroup.",
            ));
        }
        if self.text("KmsMasterKeyId").is_some()
            && changes.get("SqsManagedSseEnabled").is_some_and(|on| on == "true")
        {
            return Err(error::invalid_attribute_value(
                "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.",
            ));
        }
        Ok(())
    }

    /// The first attribute of `wanted` that is different here.
    pub(crate) fn differing<'w>(&self, fifo: bool, wanted: &'w BTreeMap<String, String>) -> Option<&'w str> {
        let has = self.shown(fifo);
        wanted
            .iter()
            .find(|(name, value)| !value.is_empty() && has.get(name.as_str()) != Some(*value))
            .map(|(name, _)| name.as_str())
    }

    /// Those that are shown: set ones, and the defaults of those that every queue has.
    pub(crate) fn shown(&self, fifo: bool) -> BTreeMap<String, String> {
        let mut shown = self.set.clone();
        let mut default = |name: &str, value: String| {
            shown.entry(name.to_owned()).or_insert(value);
        };
        for number in [DELAY, SIZE, RETENTION, WAIT, VISIBILITY] {
            default(number.name, number.default.to_string());
        }
        let has_key = self.text("KmsMasterKeyId").is_some();
        if has_key {
            default(KEY_REUSE.name, KEY_REUSE.default.to_string());
        }
        default("SqsManagedSseEnabled", (!has_key).to_string());
        if fifo {
            default("FifoQueue", "true".into());
            default("ContentBasedDeduplication", "false".into());
            default("DeduplicationScope", "queue".into());
            default("FifoThroughputLimit", "perQueue".into());
        }
        shown
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(String::as_str)
    }

    pub(crate) fn put(&mut self, name: &str, value: Option<String>) {
        match value {
            Some(value) => self.set.insert(name.to_owned(), value),
            None => self.set.remove(name),
        };
    }

    fn number(&self, number: &Number) -> u32 {
        self.text(number.name).and_then(|text| text.parse().ok()).unwrap_or(number.default)
    }

    pub(crate) fn delay_seconds(&self) -> u32 {
        self.number(&DELAY)
    }

    pub(crate) fn message_bytes(&self) -> u32 {
        self.number(&SIZE)
    }

    pub(crate) fn retention_seconds(&self) -> u32 {
        self.number(&RETENTION)
    }

    pub(crate) fn wait_seconds(&self) -> u32 {
        self.number(&WAIT)
    }

    pub(crate) fn visibility_seconds(&self) -> u32 {
        self.number(&VISIBILITY)
    }

    pub(crate) fn deduplicates_by_content(&self) -> bool {
        self.text("ContentBasedDeduplication") == Some("true")
    }

    pub(crate) fn deduplicates_by_group(&self) -> bool {
        self.text("DeduplicationScope") == Some("messageGroup")
    }

    pub(crate) fn redrive(&self) -> Option<Redrive> {
        self.text("RedrivePolicy").and_then(|text| Redrive::parse(text).ok())
    }

    pub(crate) fn sources(&self) -> Sources {
        let sources = self.text("RedriveAllowPolicy").and_then(|text| Sources::parse(text).ok());
        sources.unwrap_or(Sources::All)
    }
}

fn check(fifo: bool, new: bool, name: &str, value: &str) -> Result<(), Error> {
    let unknown = || Err(error::invalid_attribute_name(format!("Unknown Attribute {name}.")));
    let invalid = || Err(error::invalid_attribute_value(format!("Invalid value for the parameter {name}.")));
    if let Some(number) = NUMBERS.iter().find(|number| number.name == name) {
        let fits = value.parse().is_ok_and(|value: u32| (number.least..=number.most).contains(&value));
        return if fits { Ok(()) } else { invalid() };
    }
    if OF_FIFO.contains(&name) && !fifo {
        // What a queue is cannot be said to be false either.
        return unknown();
    }
    let one_of = |values: &[&str]| if values.contains(&value) { Ok(()) } else { invalid() };
    match name {
        "FifoQueue" if new => one_of(&["true"]),
        // A queue stays what it was made as.
        "FifoQueue" => one_of(&["true"]),
        "ContentBasedDeduplication" | "SqsManagedSseEnabled" => one_of(&["true", "false"]),
        "DeduplicationScope" => one_of(&["messageGroup", "queue"]),
        "FifoThroughputLimit" => one_of(&["perQueue", "perMessageGroupId"]),
        "Policy" | "RedrivePolicy" | "RedriveAllowPolicy" | "KmsMasterKeyId" if value.is_empty() => Ok(()),
        "Policy" => Document::parse(value, PolicyKind::Resource).map(drop).or_else(|_| invalid()),
        "RedrivePolicy" => Redrive::parse(value).map(drop),
        "RedriveAllowPolicy" => Sources::parse(value).map(drop),
        "KmsMasterKeyId" => Ok(()),
        _ => unknown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(fifo: bool, name: &str, value: &str) -> &'static str {
        let changes = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        match Attributes::default().change(fifo, true, &changes) {
            Ok(()) => "",
            Err(error) => error.code,
        }
    }

    #[test]
    fn values_are_held_to_their_bounds() {
        const VALUE: &str = "InvalidAttributeValue";
        const NAME: &str = "InvalidAttributeName";
        for (fifo, name, value, expected) in [
            (false, "DelaySeconds", "0", ""),
            (false, "DelaySeconds", "900", ""),
            (false, "DelaySeconds", "901", VALUE),
            (false, "DelaySeconds", "-1", VALUE),
            (false, "DelaySeconds", "", VALUE),
            (false, "MaximumMessageSize", "1023", VALUE),
            (false, "MaximumMessageSize", "1048576", ""),
            (false, "MaximumMessageSize", "1048577", VALUE),
            (false, "MessageRetentionPeriod", "59", VALUE),
            (false, "MessageRetentionPeriod", "1209600", ""),
            (false, "ReceiveMessageWaitTimeSeconds", "21", VALUE),
            (false, "VisibilityTimeout", "43200", ""),
            (false, "VisibilityTimeout", "43201", VALUE),
            (false, "FifoQueue", "true", NAME),
            (false, "FifoQueue", "false", NAME),
            (false, "ContentBasedDeduplication", "true", NAME),
            (true, "FifoQueue", "true", ""),
            (true, "FifoQueue", "false", VALUE),
            (true, "ContentBasedDeduplication", "yes", VALUE),
            (true, "DeduplicationScope", "messageGroup", ""),
            (true, "FifoThroughputLimit", "perMessageGroupId", VALUE),
            (false, "RedrivePolicy", "", ""),
            (false, "Policy", "{", VALUE),
            (false, "QueueArn", "x", NAME),
            (false, "Nothing", "x", NAME),
        ] {
            assert_eq!(code(fifo, name, value), expected, "{fifo} {name}={value}");
        }
    }

    #[test]
    fn a_queue_that_is_made_again_has_to_be_the_same() {
        let mut attributes = Attributes::default();
        let set = BTreeMap::from([("VisibilityTimeout".to_owned(), "5".to_owned())]);
        attributes.change(false, true, &set).unwrap();
        assert_eq!(attributes.differing(false, &set), None);
        assert_eq!(attributes.differing(false, &BTreeMap::new()), None);
        let default = BTreeMap::from([("DelaySeconds".to_owned(), "0".to_owned())]);
        assert_eq!(attributes.differing(false, &default), None);
        let other = BTreeMap::from([("VisibilityTimeout".to_owned(), "30".to_owned())]);
        assert_eq!(attributes.differing(false, &other), Some("VisibilityTimeout"));
        assert_eq!(attributes.visibility_seconds(), 5);
        assert_eq!(attributes.shown(false)["SqsManagedSseEnabled"], "true");
        assert!(!attributes.shown(false).contains_key("FifoQueue"));
        assert_eq!(attributes.shown(true)["DeduplicationScope"], "queue");
    }
}
