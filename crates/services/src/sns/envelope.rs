//! What subscribers receive, byte for byte (SNS Developer Guide, "Parsing Amazon SNS message formats"; Lambda Developer
//! Guide, "Invoking Lambda functions with Amazon SNS notifications"). Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::message::{Content, Message};
use super::names::{SubscriptionArn, TopicArn};
use super::record::Protocol;
use super::sign::Version;

/// RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A signature, and where the certificate to check it with is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) version: Version,
    pub(super) signature: String,
    pub(super) certificate_url: String,
}

/// Scheme, host and port of this server, as receivers reach it.
#[derive(Debug, Clone)]
pub(super) struct Base(pub(super) String);

impl Base {
    /// Who opens it has no more messages.
    fn unsubscribe(&self, subscription: &SubscriptionArn) -> String {
        let arn = subscription.to_string();
        format!("{}/?Action=Unsubscribe&SubscriptionArn={}", self.0, utf8_percent_encode(&arn, ENCODED))
    }

    /// Who opens it confirms.
    fn confirm(&self, topic: &TopicArn, token: &str) -> String {
        let arn = topic.to_string();
        let arn = utf8_percent_encode(&arn, ENCODED);
        format!("{}/?Action=ConfirmSubscription&TopicArn={arn}&Token={token}", self.0)
    }
}

/// One message on its way to one subscriber.
pub(super) struct Addressed<'m> {
    pub(super) topic: &'m TopicArn,
    pub(super) subscription: &'m SubscriptionArn,
    pub(super) message: &'m Message,
    pub(super) protocol: Protocol,
    pub(super) base: &'m Base,
    /// `None` for FIFO topics, which sign nothing: they have no HTTP endpoints.
    pub(super) stamp: Option<&'m Stamp>,
}

impl Addressed<'_> {
    /// The JSON document that queues and HTTP endpoints receive.
    pub(super) fn document(&self) -> String {
        let Self { topic, message, .. } = self;
        let mut members = Members::new("Notification", &message.id);
        members.text("SequenceNumber", message.sequence.as_deref());
        members.text("TopicArn", Some(&topic.to_string()));
        members.text("Subject", message.subject.as_deref());
        members.text("Message", Some(message.content.text(self.protocol)));
        members.text("Timestamp", Some(&message.at.to_string()));
        members.stamp(self.stamp);
        members.text("UnsubscribeURL", Some(&self.base.unsubscribe(self.subscription)));
        if !message.attributes.is_empty() {
            members.attributes(&attributes(message));
        }
        members.end()
    }

    /// The event that functions receive.
    pub(super) fn event(&self) -> String {
        let Self { topic, message, stamp, .. } = self;
        let stamped = |part: fn(&Stamp) -> String| stamp.map(part);
        json!({"Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": self.subscription.to_string(),
            "Sns": {
                "Type": "Notification",
                "MessageId": message.id,
                "TopicArn": topic.to_string(),
                "Subject": message.subject,
                "Message": message.content.text(self.protocol),
                "Timestamp": message.at.to_string(),
                "SignatureVersion": stamped(|stamp| stamp.version.as_str().to_owned()),
                "Signature": stamped(|stamp| stamp.signature.clone()),
                "SigningCertUrl": stamped(|stamp| stamp.certificate_url.clone()),
                "UnsubscribeUrl": self.base.unsubscribe(self.subscription),
                "MessageAttributes": attributes(message),
            },
        }]})
        .to_string()
    }
}

/// What a notification's signature is of.
pub(super) fn notification_to_sign(topic: &TopicArn, message: &Message, protocol: Protocol) -> String {
    to_sign(&[
        ("Message", Some(message.content.text(protocol))),
        ("MessageId", Some(&message.id)),
        ("Subject", message.subject.as_deref()),
        ("Timestamp", Some(&message.at.to_string())),
        ("TopicArn", Some(&topic.to_string())),
        ("Type", Some("Notification")),
    ])
}

/// Each name and each value on a line of its own.
fn to_sign(members: &[(&str, Option<&str>)]) -> String {
    members.iter().filter_map(|(name, value)| Some(format!("{name}\n{}\n", (*value)?))).collect()
}

/// The message that asks an endpoint whether it wants to have messages, or tells it that it has no more.
pub(super) struct Confirmation<'m> {
    pub(super) topic: &'m TopicArn,
    pub(super) id: &'m str,
    pub(super) at: lambent_model::Timestamp,
    pub(super) token: &'m str,
    /// The subscription that has ended, where one has.
    pub(super) ended: Option<&'m SubscriptionArn>,
    pub(super) base: &'m Base,
}

impl Confirmation<'_> {
    /// `x-amz-sns-message-type`.
    pub(super) fn kind(&self) -> &'static str {
        if self.ended.is_some() { "UnsubscribeConfirmation" } else { "SubscriptionConfirmation" }
    }

    fn text(&self) -> String {
        match self.ended {
            None => format!(
                "You have chosen to subscribe to the topic {}.\nTo confirm the subscription, visit the SubscribeURL included \
                 in this message.",
                self.topic
            ),
            Some(subscription) => format!(
                "You have chosen to deactivate subscription {subscription}.\nTo cancel this operation and restore the \
                 subscription, visit the SubscribeURL included in this message."
            ),
        }
    }

    /// What its signature is of.
    pub(super) fn to_sign(&self) -> String {
        to_sign(&[
            ("Message", Some(&self.text())),
            ("MessageId", Some(self.id)),
            ("SubscribeURL", Some(&self.base.confirm(self.topic, self.token))),
            ("Timestamp", Some(&self.at.to_string())),
            ("Token", Some(self.token)),
            ("TopicArn", Some(&self.topic.to_string())),
            ("Type", Some(self.kind())),
        ])
    }

    /// The JSON document.
    pub(super) fn document(&self, stamp: &Stamp) -> String {
        let mut members = Members::new(self.kind(), self.id);
        members.text("Token", Some(self.token));
        members.text("TopicArn", Some(&self.topic.to_string()));
        members.text("Message", Some(&self.text()));
        members.text("SubscribeURL", Some(&self.base.confirm(self.topic, self.token)));
        members.text("Timestamp", Some(&self.at.to_string()));
        members.stamp(Some(stamp));
        members.end()
    }
}

/// `MessageAttributes` as subscribers see them.
fn attributes(message: &Message) -> Map<String, Value> {
    let shown = message.attributes.iter().map(|(name, attribute)| {
        let value = match &attribute.content {
            Content::Text(text) => text.clone(),
            Content::Binary(bytes) => STANDARD.encode(bytes),
        };
        (name.clone(), json!({"Type": attribute.data_type, "Value": value}))
    });
    shown.collect()
}

/// A document in AWS's layout, a member on a line.
struct Members(String);

impl Members {
    fn new(kind: &str, id: &str) -> Self {
        let mut members = Self("{".to_owned());
        members.text("Type", Some(kind));
        members.text("MessageId", Some(id));
        members
    }

    fn member(&mut self, name: &str, value: &str) {
        let comma = if self.0.len() > 1 { "," } else { "" };
        self.0.push_str(&format!("{comma}\n  \"{name}\" : {value}"));
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.member(name, &Value::from(value).to_string());
        }
    }

    fn stamp(&mut self, stamp: Option<&Stamp>) {
        self.text("SignatureVersion", stamp.map(|stamp| stamp.version.as_str()));
        self.text("Signature", stamp.map(|stamp| stamp.signature.as_str()));
        self.text("SigningCertURL", stamp.map(|stamp| stamp.certificate_url.as_str()));
    }

    fn attributes(&mut self, attributes: &Map<String, Value>) {
        let one =
            |(name, value): (&String, &Value)| format!("\n    {} : {value}", Value::from(name.as_str()));
        let all: Vec<String> = attributes.iter().map(one).collect();
        self.member("MessageAttributes", &format!("{{{}\n  }}", all.join(",")));
    }

    fn end(self) -> String {
        self.0 + "\n}"
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::testing::{attribute, message};
    use super::*;

    fn topic() -> TopicArn {
        TopicArn::parse("TopicArn", "arn:aws:sns:us-west-2:123456789012:MyTopic").unwrap()
    }

    fn stamp() -> Stamp {
        let certificate_url = "http://127.0.0.1:4566/SimpleNotificationService-0.pem".into();
        Stamp { version: Version::One, signature: "c2ln".into(), certificate_url }
    }

    fn with(message: &Message, stamp: Option<&Stamp>, show: fn(&Addressed<'_>) -> String) -> String {
        let (topic, base) = (topic(), Base("http://127.0.0.1:4566".into()));
        let subscription = SubscriptionArn { topic: topic.clone(), id: "c9135db0".into() };
        let protocol = Protocol::Sqs;
        show(&Addressed { topic: &topic, subscription: &subscription, message, protocol, base: &base, stamp })
    }

    #[test]
    fn a_notification_has_the_layout_of_aws() {
        let mut message = message(
            "Hello \"world\"!\n",
            vec![("n", attribute("Number", "1")), ("b", attribute("Binary", "x"))],
        );
        message.subject = Some("My First Message".into());
        let document = with(&message, Some(&stamp()), |addressed| addressed.document());
        let expected = r#"{
  "Type" : "Notification",
  "MessageId" : "0190b6a4-0000-4000-8000-000000000001",
  "TopicArn" : "arn:aws:sns:us-west-2:123456789012:MyTopic",
  "Subject" : "My First Message",
  "Message" : "Hello \"world\"!\n",
  "Timestamp" : "2012-05-02T00:54:06.655Z",
  "SignatureVersion" : "1",
  "Signature" : "c2ln",
  "SigningCertURL" : "http://127.0.0.1:4566/SimpleNotificationService-0.pem",
  "UnsubscribeURL" : "http://127.0.0.1:4566/?Action=Unsubscribe&SubscriptionArn=arn%3Aaws%3Asns%3Aus-west-2%3A123456789012%3AMyTopic%3Ac9135db0",
  "MessageAttributes" : {
    "b" : {"Type":"Binary","Value":"eA=="},
    "n" : {"Type":"Number","Value":"1"}
  }
}"#;
        assert_eq!(document, expected);
    }

    #[test]
    fn a_fifo_topics_notification_has_a_number_and_no_signature() {
        let mut message = message("hi", vec![]);
        message.sequence = Some("10000000000000000001".into());
        let document = with(&message, None, |addressed| addressed.document());
        let document: Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["SequenceNumber"], "10000000000000000001");
        assert!(document.get("Signature").is_none() && document.get("MessageAttributes").is_none());
    }

    #[test]
    fn a_functions_event_names_subject_and_attributes_even_where_there_are_none() {
        let event = with(&message("hi", vec![]), Some(&stamp()), |addressed| addressed.event());
        let event: Value = serde_json::from_str(&event).unwrap();
        let record = &event["Records"][0];
        assert_eq!(record["EventSource"], "aws:sns");
        assert_eq!(record["EventSubscriptionArn"], "arn:aws:sns:us-west-2:123456789012:MyTopic:c9135db0");
        let sns = record["Sns"].as_object().unwrap();
        assert!(sns["Subject"].is_null());
        assert_eq!(sns["MessageAttributes"], json!({}));
        assert_eq!(
            (&sns["Message"], &sns["SigningCertUrl"]),
            (&json!("hi"), &json!(stamp().certificate_url))
        );
    }

    #[test]
    fn what_is_signed_leaves_out_what_is_not_there() {
        let mut message = message("Hello", vec![]);
        let text = notification_to_sign(&topic(), &message, Protocol::Sqs);
        assert_eq!(
            text,
            "Message\nHello\nMessageId\n0190b6a4-0000-4000-8000-000000000001\nTimestamp\n2012-05-02T00:54:06.655Z\nTopicArn\n\
             arn:aws:sns:us-west-2:123456789012:MyTopic\nType\nNotification\n"
        );
        message.subject = Some("S".into());
        assert!(
            notification_to_sign(&topic(), &message, Protocol::Sqs).contains("\nSubject\nS\nTimestamp\n")
        );
    }
}
