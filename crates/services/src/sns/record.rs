//! A topic and a subscription, as they are stored.

use std::collections::BTreeMap;

use lambent_model::{AccountId, Scope, Timestamp};
use lambent_store::{Key, Partition};
use serde::{Deserialize, Serialize};

use super::names::{SubscriptionArn, TopicArn};

const TOPIC: &str = "sns-topic";
const SUBSCRIPTION: &str = "sns-subscription";

/// A tag, in the order in which it was given.
pub(super) type Tags = Vec<(String, String)>;

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Topic {
    pub(super) created: Timestamp,
    /// As they were given, by AWS's names; what was not given is not there.
    pub(super) attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) tags: Tags,
    /// `SubscriptionsDeleted`.
    #[serde(default)]
    pub(super) subscriptions_deleted: u64,
}

impl Topic {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.attribute(name) == Some("true")
    }
}

/// How messages go to a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Protocol {
    Lambda,
    Sqs,
    Http,
    Https,
}

impl Protocol {
    /// AWS's name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Lambda => "lambda",
            Self::Sqs => "sqs",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(super) const fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }
}

/// How far a subscription has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// Its endpoint has been asked whether it wants messages.
    Pending,
    /// It has messages.
    Confirmed,
    /// Somebody without a signature has ended it, and its endpoint may take that back. Nobody sees it meanwhile.
    Ended,
}

/// A subscription to a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subscription {
    pub(super) protocol: Protocol,
    pub(super) endpoint: String,
    pub(super) owner: AccountId,
    /// `SubscriptionPrincipal`: the ARN of who subscribed.
    pub(super) principal: String,
    pub(super) created: Timestamp,
    /// As they were given, by AWS's names.
    pub(super) attributes: BTreeMap<String, String>,
    /// Whether messages go to it.
    pub(super) state: State,
    /// What is said to confirm it, where that has to be done.
    #[serde(default)]
    pub(super) token: Option<String>,
    /// `ConfirmationWasAuthenticated`: somebody of the owner's account subscribed or confirmed.
    pub(super) authenticated: bool,
    /// `AuthenticateOnUnsubscribe`: nobody but owners may end it.
    #[serde(default)]
    pub(super) guarded: bool,
}

impl Subscription {
    pub(super) fn is_pending(&self) -> bool {
        self.state == State::Pending
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    pub(super) fn is_raw(&self) -> bool {
        self.attribute("RawMessageDelivery") == Some("true")
    }
}

pub(super) fn topics(scope: &Scope) -> Partition {
    Partition { kind: TOPIC, partition: partition(scope) }
}

pub(super) fn topic_key(topic: &TopicArn) -> Key {
    Key { kind: TOPIC, partition: partition(&topic.scope), name: topic.name.clone() }
}

/// The subscriptions of all topics of an account in a region, those of one topic next to each other.
pub(super) fn subscriptions(scope: &Scope) -> Partition {
    Partition { kind: SUBSCRIPTION, partition: partition(scope) }
}

/// What the names of a topic's subscriptions begin with.
pub(super) fn beginning(topic: &TopicArn) -> String {
    format!("{}:", topic.name)
}

pub(super) fn subscription_key(arn: &SubscriptionArn) -> Key {
    Key {
        kind: SUBSCRIPTION,
        partition: partition(&arn.topic.scope),
        name: format!("{}{}", beginning(&arn.topic), arn.id),
    }
}

fn partition(scope: &Scope) -> String {
    format!("{}/{}", scope.account, scope.region)
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A confirmed subscription with these attributes.
    pub(in super::super) fn subscription(protocol: Protocol, attributes: &[(&str, &str)]) -> Subscription {
        let given = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Subscription {
            protocol,
            endpoint: "endpoint".into(),
            owner: AccountId::default_account(),
            principal: "arn:aws:iam::000000000000:root".into(),
            created: Timestamp::from_millis(0),
            attributes: given.collect(),
            state: State::Confirmed,
            token: None,
            authenticated: true,
            guarded: false,
        }
    }
}
