//! Messages: what may be sent, and what is kept of it beside its text (Amazon SQS API Reference, `SendMessage`; Developer
//! Guide, "Amazon SQS message metadata").

use std::collections::BTreeMap;

use bytes::Bytes;
use lambent_wire::Error;
use lambent_wire::sqs::types::{MessageAttributeValue, MessageSystemAttributeValue};
use lambent_wire::sqs::{error, types as t};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::attributes::{Attributes, DELAY_SECONDS};
use crate::digest;
use crate::names::{invalid_parameter, invalid_value, missing};

/// "A message can include up to 10 attributes."
const ATTRIBUTES: usize = 10;
/// "The name can be up to 256 characters long."
const ATTRIBUTE_NAME: usize = 256;
/// "The maximum length of MessageGroupId is 128 characters", and so it is with MessageDeduplicationId.
const ID: usize = 128;

/// A message as somebody wants to send it.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) body: String,
    pub(crate) delay_seconds: Option<i32>,
    pub(crate) attributes: BTreeMap<String, MessageAttributeValue>,
    pub(crate) system: BTreeMap<String, MessageSystemAttributeValue>,
    pub(crate) group: Option<String>,
    pub(crate) deduplication: Option<String>,
}

impl From<t::SendMessageRequest> for Draft {
    fn from(request: t::SendMessageRequest) -> Self {
        Self {
            body: request.message_body,
            delay_seconds: request.delay_seconds,
            attributes: request.message_attributes.unwrap_or_default(),
            system: request.message_system_attributes.unwrap_or_default(),
            group: request.message_group_id,
            deduplication: request.message_deduplication_id,
        }
    }
}

impl From<t::SendMessageBatchRequestEntry> for Draft {
    fn from(entry: t::SendMessageBatchRequestEntry) -> Self {
        Self {
            body: entry.message_body,
            delay_seconds: entry.delay_seconds,
            attributes: entry.message_attributes.unwrap_or_default(),
            system: entry.message_system_attributes.unwrap_or_default(),
            group: entry.message_group_id,
            deduplication: entry.message_deduplication_id,
        }
    }
}

/// What is kept beside a message's text. Short names, for there may be millions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    #[serde(rename = "i")]
    pub(crate) id: String,
    #[serde(rename = "m")]
    pub(crate) md5: String,
    #[serde(rename = "s")]
    pub(crate) sender: String,
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub(crate) deduplication: Option<String>,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<String>,
    #[serde(rename = "a", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) attributes: BTreeMap<String, MessageAttributeValue>,
}

/// A message that may be sent.
#[derive(Debug, PartialEq)]
pub(crate) struct Checked {
    pub(crate) head: Head,
    pub(crate) body: Bytes,
    pub(crate) delay_seconds: u32,
    /// By what a second one is recognised, in a FIFO queue.
    pub(crate) identity: Option<String>,
    pub(crate) md5_of_attributes: Option<String>,
    pub(crate) md5_of_system: Option<String>,
}

impl Draft {
    /// The size that counts: the text, and of each attribute name, type and value (Amazon SQS Developer Guide, "Amazon SQS
    /// message quotas").
    pub(crate) fn size(&self) -> usize {
        let value = |value: &MessageAttributeValue| {
            value.data_type.len()
                + value.string_value.as_ref().map_or(0, String::len)
                + value.binary_value.as_ref().map_or(0, |bytes| bytes.len())
        };
        self.body.len() + self.attributes.iter().map(|(name, v)| name.len() + value(v)).sum::<usize>()
    }

    /// Holds the message against what its queue takes.
    pub(crate) fn check(
        self,
        queue: &Attributes,
        fifo: bool,
        id: String,
        sender: &str,
    ) -> Result<Checked, Error> {
        let size = self.size();
        check_body(&self.body)?;
        check_attributes(&self.attributes)?;
        if size > queue.message_bytes() as usize {
            return Err(invalid_parameter(format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {} bytes.",
                queue.message_bytes()
            )));
        }
        let trace = trace_header(&self.system)?;
        let delay_seconds = delay(self.delay_seconds, queue, fifo)?;
        let identity = match fifo {
            true => Some(self.identity(queue)?),
            false => {
                if let Some(value) = &self.deduplication {
                    return Err(not_of_this_type(value, "MessageDeduplicationId"));
                }
                if let Some(group) = &self.group {
                    check_id(group, "MessageGroupId")?;
                }
                None
            }
        };
        let system: BTreeMap<String, MessageAttributeValue> =
            self.system.into_iter().map(|(name, value)| (name, as_attribute(value))).collect();
        Ok(Checked {
            md5_of_attributes: digest::of_attributes(&self.attributes),
            md5_of_system: digest::of_attributes(&system),
            head: Head {
                id,
                md5: digest::of_text(&self.body),
                sender: sender.to_owned(),
                group: self.group,
                deduplication: identity.clone(),
                trace,
                attributes: self.attributes,
            },
            body: self.body.into(),
            delay_seconds,
            identity,
        })
    }

    /// Group and deduplication id of a message for a FIFO queue.
    fn identity(&self, queue: &Attributes) -> Result<String, Error> {
        let group = self.group.as_deref().filter(|group| !group.is_empty());
        check_id(group.ok_or_else(|| missing("MessageGroupId"))?, "MessageGroupId")?;
        match &self.deduplication {
            Some(id) => check_id(id, "MessageDeduplicationId").map(|()| id.clone()),
            None if queue.deduplicates_by_content() => {
                Ok(lambent_model::Sha256(Sha256::digest(self.body.as_bytes()).into()).to_string())
            }
            None => Err(invalid_parameter(
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                 explicitly",
            )),
        }
    }
}

/// "A message can include only XML, JSON, and unformatted text": the characters of XML 1.0.
fn check_body(body: &str) -> Result<(), Error> {
    if body.is_empty() {
        return Err(missing("MessageBody"));
    }
    let fits = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    // Nearly all are of these alone, which is seen many bytes at a time.
    let plain = |c: &u8| matches!(*c, b'\t' | b'\n' | b'\r' | b' '..=0x7f);
    if body.as_bytes().iter().fold(true, |fits, c| fits & plain(c)) || body.chars().all(fits) {
        return Ok(());
    }
    Err(error::invalid_message_contents(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
    ))
}

fn check_attributes(attributes: &BTreeMap<String, MessageAttributeValue>) -> Result<(), Error> {
    if attributes.len() > ATTRIBUTES {
        return Err(invalid_parameter(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{ATTRIBUTES}].",
            attributes.len()
        )));
    }
    attributes.iter().try_for_each(|(name, value)| check_attribute(name, value))
}

fn check_attribute(name: &str, value: &MessageAttributeValue) -> Result<(), Error> {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.');
    let lower = name.to_ascii_lowercase();
    let is_name = (1..=ATTRIBUTE_NAME).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..");
    if !is_name {
        return Err(invalid_parameter(
            "Message (user) attribute name can contain only A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) \
             characters, must not start or end with a period, have periods in succession, or have more than 256 characters.",
        ));
    }
    if lower.starts_with("aws.") || lower.starts_with("amazon.") {
        return Err(invalid_parameter(format!(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.': '{name}'."
        )));
    }
    let kind = value.data_type.split('.').next().unwrap_or_default();
    let (text, bytes) = (value.string_value.as_deref(), value.binary_value.as_deref());
    if kind.is_empty() {
        return Err(invalid_parameter(format!(
            "The message attribute '{name}' must contain a non-empty message attribute type."
        )));
    }
    let is_empty = || {
        invalid_parameter(format!(
            "The message attribute '{name}' must contain a non-empty message attribute value for message attribute type \
             '{kind}'."
        ))
    };
    match kind {
        "String" => text.filter(|text| !text.is_empty()).map(drop).ok_or_else(is_empty),
        "Number" => {
            let text = text.filter(|text| !text.is_empty()).ok_or_else(is_empty)?;
            let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
            is_number.then_some(()).ok_or_else(|| {
                invalid_parameter(format!("Could not cast message attribute '{name}' value to number."))
            })
        }
        "Binary" => bytes.filter(|bytes| !bytes.is_empty()).map(drop).ok_or_else(is_empty),
        _ => Err(invalid_parameter(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is \
             Binary, Number, and String."
        ))),
    }
}

/// "Currently, the only supported message system attribute is AWSTraceHeader."
fn trace_header(system: &BTreeMap<String, MessageSystemAttributeValue>) -> Result<Option<String>, Error> {
    let mut trace = None;
    for (name, value) in system {
        match (name.as_str(), value.data_type.as_str(), &value.string_value) {
            ("AWSTraceHeader", "String", Some(text)) if !text.is_empty() => trace = Some(text.clone()),
            ("AWSTraceHeader", ..) => {
                return Err(invalid_parameter(
                    "Message system attribute AWSTraceHeader must be a non-empty value of the type String.",
                ));
            }
            _ => {
                return Err(invalid_parameter(format!("Message system attribute name '{name}' is invalid.")));
            }
        }
    }
    Ok(trace)
}

fn delay(wanted: Option<i32>, queue: &Attributes, fifo: bool) -> Result<u32, Error> {
    let Some(wanted) = wanted else { return Ok(queue.delay_seconds()) };
    let seconds = u32::try_from(wanted).ok().filter(|seconds| *seconds <= DELAY_SECONDS);
    let Some(seconds) = seconds else {
        return Err(invalid_value(
            &wanted.to_string(),
            "DelaySeconds",
            "DelaySeconds must be >= 0 and <= 900.",
        ));
    };
    // A FIFO queue delays all of its messages alike; SDKs that send the zero are let pass.
    if fifo && seconds > 0 {
        return Err(not_of_this_type(&seconds.to_string(), "DelaySeconds"));
    }
    Ok(if fifo { queue.delay_seconds() } else { seconds })
}

fn not_of_this_type(value: &str, parameter: &str) -> Error {
    invalid_value(value, parameter, "The request include parameter that is not valid for this queue type")
}

fn check_id(id: &str, parameter: &str) -> Result<(), Error> {
    if (1..=ID).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_graphic()) {
        return Ok(());
    }
    Err(invalid_value(
        id,
        parameter,
        &format!("{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length"),
    ))
}

fn as_attribute(value: MessageSystemAttributeValue) -> MessageAttributeValue {
    MessageAttributeValue {
        data_type: value.data_type,
        string_value: value.string_value,
        binary_value: value.binary_value,
        ..MessageAttributeValue::default()
    }
}

#[cfg(test)]
mod tests;
