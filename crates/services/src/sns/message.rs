//! A message, and what makes one (SNS API Reference, "Publish"; SNS Developer Guide, "Amazon SNS message attributes"). Pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use lambent_model::Timestamp;
use lambent_wire::Error;
use lambent_wire::sns::{error, types as t};
use serde_json::Value;

use super::names::invalid;
use super::record::Protocol;

/// "Messages … up to 256 KB in size (262,144 bytes)", attributes included.
pub(super) const BYTES: usize = 256 * 1024;
/// "Subjects must be … less than 100 characters long", which is to say at most.
const SUBJECT: usize = 100;
/// Names of attributes and ids of groups and of duplicates.
const NAME: usize = 256;
const ID: usize = 128;

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) content: Texts,
    pub(super) subject: Option<String>,
    pub(super) attributes: BTreeMap<String, Attribute>,
    /// `MessageGroupId`.
    pub(super) group: Option<String>,
    /// `MessageDeduplicationId`, given or made of the content.
    pub(super) deduplication: Option<String>,
    /// `SequenceNumber`, of FIFO topics.
    pub(super) sequence: Option<String>,
    /// `X-Amzn-Trace-Id` of whoever published it.
    pub(super) trace_id: Option<String>,
}

/// What a message says, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Texts {
    default: String,
    own: BTreeMap<Protocol, String>,
}

/// An attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) data_type: String,
    pub(super) content: Content,
}

/// An attribute's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Text(String),
    Binary(Bytes),
}

/// What `Publish` and an entry of `PublishBatch` have in common.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    pub(super) message: String,
    pub(super) subject: Option<String>,
    pub(super) structure: Option<String>,
    pub(super) attributes: Option<BTreeMap<String, t::MessageAttributeValue>>,
    pub(super) deduplication: Option<String>,
    pub(super) group: Option<String>,
}

/// What of its topic decides whether a draft is a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) fifo: bool,
    /// `ContentBasedDeduplication`.
    pub(super) by_content: bool,
}

impl Draft {
    /// Its size, attributes included.
    pub(super) fn bytes(&self) -> usize {
        let size = |(name, value): (&String, &t::MessageAttributeValue)| {
            let binary = value.binary_value.as_ref().map_or(0, |value| value.len());
            name.len() + value.data_type.len() + value.string_value.as_ref().map_or(0, String::len) + binary
        };
        self.message.len() + self.attributes.iter().flatten().map(size).sum::<usize>()
    }

    /// Checks it, and makes it a message without a sequence number.
    pub(super) fn checked(
        self,
        rules: Rules,
        id: String,
        at: Timestamp,
        trace_id: Option<&str>,
    ) -> Result<Message, Error> {
        if self.message.is_empty() {
            return Err(error::invalid_parameter_exception("Invalid parameter: Empty message"));
        }
        if self.bytes() > BYTES {
            return Err(error::invalid_parameter_exception("Invalid parameter: Message too long"));
        }
        let structured = match self.structure.as_deref() {
            None => false,
            Some("json") => true,
            Some(_) => return Err(invalid("MessageStructure", "")),
        };
        let subject = self.subject.filter(|subject| !subject.is_empty());
        if subject
            .as_deref()
            .is_some_and(|text| text.chars().count() > SUBJECT || text.chars().any(char::is_control))
        {
            return Err(invalid("Subject", ""));
        }
        let group = id_of("MessageGroupId", self.group)?;
        let given = id_of("MessageDeduplicationId", self.deduplication)?;
        let deduplication = match (rules.fifo, given) {
            (false, None) => None,
            (false, Some(_)) => {
                let reason = "The request includes MessageDeduplicationId parameter that is not valid for this topic type";
                return Err(invalid("MessageDeduplicationId", reason));
            }
            (true, _) if group.is_none() => {
                let text = "Invalid parameter: The MessageGroupId parameter is required for FIFO topics";
                return Err(error::invalid_parameter_exception(text));
            }
            (true, Some(given)) => Some(given),
            (true, None) if rules.by_content => Some(digest(&self.message)),
            (true, None) => {
                let text = "Invalid parameter: The topic should either have ContentBasedDeduplication enabled or \
                            MessageDeduplicationId provided explicitly";
                return Err(error::invalid_parameter_exception(text));
            }
        };
        Ok(Message {
            id,
            at,
            content: Texts::parse(&self.message, structured)?,
            subject,
            attributes: attributes(self.attributes.unwrap_or_default())?,
            group,
            deduplication,
            sequence: None,
            trace_id: trace_id.map(str::to_owned),
        })
    }
}

/// "The MessageDeduplicationId can contain up to 128 alphanumeric characters … and punctuation"; groups likewise.
fn id_of(name: &str, id: Option<String>) -> Result<Option<String>, Error> {
    let Some(id) = id else { return Ok(None) };
    match (1..=ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(Some(id)),
        false => Err(invalid(
            name,
            &format!(
                "The {name} can only include alphanumeric and punctuation characters. 1 to {ID} in length"
            ),
        )),
    }
}

/// "A SHA-256 hash … generated … using the body of the message, but not the attributes."
fn digest(text: &str) -> String {
    use sha2::Digest as _;
    lambent_model::Sha256(sha2::Sha256::digest(text).into()).to_string()
}

impl Texts {
    /// One text for all, or a JSON object with a text for each protocol and one for all others.
    pub(super) fn parse(text: &str, structured: bool) -> Result<Self, Error> {
        if !structured {
            return Ok(Self { default: text.to_owned(), own: BTreeMap::new() });
        }
        let refused = |what: &str| {
            error::invalid_parameter_exception(format!("Invalid parameter: Message Structure - {what}"))
        };
        let Ok(Value::Object(mut texts)) = serde_json::from_str(text) else {
            return Err(refused("JSON message body failed to parse"));
        };
        let Some(Value::String(default)) = texts.remove("default") else {
            return Err(refused("No default entry in JSON message body"));
        };
        // "Non-string values will cause the key to be ignored."
        let mut own = |protocol: Protocol| match texts.remove(protocol.as_str()) {
            Some(Value::String(text)) => Some((protocol, text)),
            _ => None,
        };
        let all = [Protocol::Lambda, Protocol::Sqs, Protocol::Http, Protocol::Https];
        Ok(Self { default, own: all.into_iter().filter_map(&mut own).collect() })
    }

    /// What it says to subscribers of this protocol.
    pub(super) fn text(&self, protocol: Protocol) -> &str {
        self.own.get(&protocol).unwrap_or(&self.default)
    }
}

fn attributes(
    given: BTreeMap<String, t::MessageAttributeValue>,
) -> Result<BTreeMap<String, Attribute>, Error> {
    given.into_iter().map(|(name, value)| Ok((name.clone(), attribute(&name, value)?))).collect()
}

/// AWS words these as SQS does.
fn attribute(name: &str, given: t::MessageAttributeValue) -> Result<Attribute, Error> {
    let refused = |text: String| Err(error::invalid_parameter_value_exception(text));
    let is_named = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty()
        || name.len() > NAME
        || !name.bytes().all(is_named)
        || name.starts_with('.')
        || name.ends_with('.')
        || name.contains("..")
    {
        return refused(format!("Invalid attribute name: {name:?}"));
    }
    let kind = given.data_type.split('.').next().unwrap_or_default();
    if !["Binary", "Number", "String"].contains(&kind) || given.data_type.len() > NAME {
        return refused(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is \
             Binary, Number, and String."
        ));
    }
    let empty = || {
        refused(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute type \
             '{}'.",
            given.data_type
        ))
    };
    let content = match (kind, given.string_value, given.binary_value) {
        ("Binary", None, Some(bytes)) if !bytes.is_empty() => Content::Binary(bytes.into_bytes()),
        ("Binary", ..) => return empty(),
        (_, Some(text), None) if !text.is_empty() => Content::Text(text),
        _ => return empty(),
    };
    if let (true, Content::Text(text)) = (kind == "Number", &content)
        && !text.parse::<f64>().is_ok_and(f64::is_finite)
    {
        return refused(format!("Could not cast message attribute '{name}' value to number."));
    }
    Ok(Attribute { data_type: given.data_type, content })
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// An attribute of a type.
    pub(in super::super) fn attribute(data_type: &str, value: &str) -> Attribute {
        let content = match data_type {
            "Binary" => Content::Binary(value.to_owned().into()),
            _ => Content::Text(value.to_owned()),
        };
        Attribute { data_type: data_type.to_owned(), content }
    }

    /// A message with attributes.
    pub(in super::super) fn message(text: &str, attributes: Vec<(&str, Attribute)>) -> Message {
        Message {
            id: "0190b6a4-0000-4000-8000-000000000001".into(),
            at: Timestamp::from_millis(1_335_920_046_655),
            content: Texts::parse(text, false).unwrap(),
            subject: None,
            attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            group: None,
            deduplication: None,
            sequence: None,
            trace_id: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDARD: Rules = Rules { fifo: false, by_content: false };
    const FIFO: Rules = Rules { fifo: true, by_content: false };

    fn check(draft: Draft, rules: Rules) -> Result<Message, String> {
        draft.checked(rules, "id".into(), Timestamp::from_millis(0), None).map_err(|error| error.message)
    }

    fn draft(message: &str) -> Draft {
        Draft { message: message.into(), ..Draft::default() }
    }

    #[test]
    fn a_message_has_its_limits() {
        assert!(check(draft(&"m".repeat(BYTES)), STANDARD).is_ok());
        for (draft, reason) in [
            (draft(""), "Empty message"),
            (draft(&"m".repeat(BYTES + 1)), "Message too long"),
            (Draft { subject: Some("s".repeat(101)), ..draft("m") }, "Invalid parameter: Subject"),
            (Draft { subject: Some("a\nb".into()), ..draft("m") }, "Invalid parameter: Subject"),
            (Draft { structure: Some("xml".into()), ..draft("m") }, "MessageStructure"),
            (Draft { structure: Some("json".into()), ..draft("m") }, "JSON message body failed to parse"),
            (
                Draft { structure: Some("json".into()), ..draft("{}") },
                "No default entry in JSON message body",
            ),
            (Draft { deduplication: Some("d".into()), ..draft("m") }, "not valid for this topic type"),
            (Draft { group: Some("a b".into()), ..draft("m") }, "alphanumeric and punctuation"),
        ] {
            let error = check(draft, STANDARD).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        assert_eq!(
            check(Draft { subject: Some(String::new()), ..draft("m") }, STANDARD).unwrap().subject,
            None
        );
        assert!(check(Draft { group: Some("g".into()), ..draft("m") }, STANDARD).is_ok(), "fair queues");
    }

    #[test]
    fn a_fifo_topic_wants_a_group_and_something_to_tell_duplicates_by() {
        let grouped = Draft { group: Some("g".into()), ..draft("m") };
        assert!(check(draft("m"), FIFO).unwrap_err().contains("MessageGroupId parameter is required"));
        assert!(check(grouped.clone(), FIFO).unwrap_err().contains("ContentBasedDeduplication enabled or"));
        let by_content = check(grouped.clone(), Rules { by_content: true, ..FIFO }).unwrap();
        let hash = "62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a";
        assert_eq!(by_content.deduplication.as_deref(), Some(hash));
        let given = Draft { deduplication: Some("d".into()), ..grouped };
        assert_eq!(
            check(given, Rules { by_content: true, ..FIFO }).unwrap().deduplication.as_deref(),
            Some("d")
        );
    }

    #[test]
    fn attributes_have_types() {
        let with = |name: &str, data_type: &str, text: Option<&str>, binary: Option<&str>| {
            let value = t::MessageAttributeValue {
                data_type: data_type.into(),
                string_value: text.map(str::to_owned),
                binary_value: binary.map(|bytes| lambent_wire::Blob::from(bytes.to_owned())),
            };
            check(
                Draft { attributes: Some(BTreeMap::from([(name.to_owned(), value)])), ..draft("m") },
                STANDARD,
            )
        };
        assert!(with("a.b-c_1", "String", Some("x"), None).is_ok());
        assert!(with("a", "Number", Some("-1.5e3"), None).is_ok());
        assert!(with("a", "Binary", None, Some("x")).is_ok());
        assert!(with("a", "String.Array", Some("[]"), None).is_ok());
        for (message, reason) in [
            (with("a", "String", Some(""), None), "must contain non-empty message attribute value"),
            (with("a", "String", None, Some("x")), "must contain non-empty message attribute value"),
            (with("a", "Binary", Some("x"), None), "must contain non-empty message attribute value"),
            (with("a", "Number", Some("x"), None), "Could not cast message attribute 'a' value to number."),
            (with("a", "Number", Some("inf"), None), "Could not cast message attribute 'a' value to number."),
            (with("a", "Boolean", Some("x"), None), "the set of supported type prefixes"),
            (with(".a", "String", Some("x"), None), "Invalid attribute name"),
        ] {
            assert!(message.as_ref().unwrap_err().contains(reason), "{message:?}");
        }
    }

    #[test]
    fn each_protocol_may_have_a_text_of_its_own() {
        let texts =
            Texts::parse(r#"{"default": "all", "sqs": "queue", "lambda": {"a": 1}, "email": "x"}"#, true);
        let texts = texts.unwrap();
        assert_eq!((texts.text(Protocol::Sqs), texts.text(Protocol::Lambda)), ("queue", "all"));
    }
}
