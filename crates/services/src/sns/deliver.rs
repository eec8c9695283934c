//! Messages as deliveries: what is sent to whom, how often it is tried, and where it goes when nobody takes it.
//!
//! SNS Developer Guide, "Amazon SNS message delivery retries", "Amazon SNS raw message delivery", "Amazon SNS
//! dead-letter queues".

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use lambent_fabric::deliveries::{Curve, DeadLetter, Delivery, IN_ORDER, Phase, Retry, Source, What};
use lambent_model::{AwsCaller, AwsRequest, HttpPost, Scope, Timestamp};
use lambent_store::Write;
use lambent_wire::Error;
use lambent_wire::sns::error;
use serde_json::{Map, Value, json};

use super::attributes::dead_letter_queue;
use super::delivery_policy::DeliveryPolicy;
use super::envelope::{Addressed, Base, Stamp, notification_to_sign};
use super::hot::Hot;
use super::message::{Content, Message};
use super::names::{SubscriptionArn, TopicArn};
use super::publish::Outbox;
use super::record::{Protocol, Subscription, Topic};
use super::{Sns, endpoint, sign, subscription_attributes};

/// The principal that policies of queues and functions name.
const SERVICE: &str = "sns.amazonaws.com";

/// What HTTP endpoints see; some look for it.
const AGENT: &str = "Amazon Simple Notification Service Agent";

/// How long a delivery is tried at most: the phases of AWS's own endpoints take 23 days, and this is no limit of theirs.
const TIME: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3_600);

/// "AWS managed endpoints": 3 times without delay, 2 times 1 second apart, 10 times with exponential backoff from 1 to 20
/// seconds, 100,000 times 20 seconds apart.
fn managed() -> Retry {
    let phase = |count, first, last, curve| Phase { count, first, last, curve };
    Retry {
        phases: vec![
            phase(3, 0, 0, Curve::Linear),
            phase(2, 1_000, 1_000, Curve::Linear),
            phase(10, 1_000, 20_000, Curve::Exponential),
            phase(100_000, 20_000, 20_000, Curve::Linear),
        ],
        // "Amazon SNS doesn't retry the message delivery that fails as a result of a client-side error."
        refusal_ends: true,
    }
}

/// The retries of a delivery policy; waits that are the same are one phase.
fn of_policy(policy: &DeliveryPolicy) -> Retry {
    let mut phases: Vec<Phase> = Vec::new();
    for wait in policy.retries.unwrap_or_default().waits() {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        match phases.last_mut().filter(|last| last.first == millis) {
            Some(last) => last.count += 1,
            None => phases.push(Phase { count: 1, first: millis, last: millis, curve: Curve::Linear }),
        }
    }
    Retry { phases, refusal_ends: true }
}

/// What keeps the server from answering, which is no fault of the client's.
pub(super) fn unavailable(error: &dyn std::error::Error) -> Error {
    error::internal_error_exception(error.to_string())
}

/// A subscription with its topic.
pub(super) struct Target<'t> {
    pub(super) topic: &'t TopicArn,
    pub(super) record: &'t Topic,
    pub(super) arn: &'t SubscriptionArn,
    pub(super) subscription: &'t Subscription,
}

impl Sns {
    /// Puts a message into the outbox, once for each who wants it.
    pub(super) async fn deliver(
        &self,
        topic: &TopicArn,
        hot: &Hot,
        message: &Message,
        outbox: &mut Outbox<'_>,
    ) -> Result<(), Error> {
        let wanted: Vec<_> =
            hot.filters.matches(message).into_iter().map(|at| &hot.subscriptions[at]).collect();
        let version = hot.topic.attribute("SignatureVersion").and_then(sign::Version::parse);
        // One signature for each text; FIFO topics sign nothing.
        let mut stamps = HashMap::<&str, Stamp>::new();
        for kept in wanted.iter().filter(|kept| !kept.value.is_raw() && !topic.is_fifo()) {
            let text = message.content.text(kept.value.protocol);
            if !stamps.contains_key(text) {
                let to_sign = notification_to_sign(topic, message, kept.value.protocol);
                stamps.insert(text, self.stamp(version.unwrap_or(sign::Version::One), to_sign).await?);
            }
        }
        for kept in wanted {
            let arn = SubscriptionArn { topic: topic.clone(), id: kept.id.clone() };
            let stamp = stamps.get(message.content.text(kept.value.protocol));
            let target = Target { topic, record: &hot.topic, arn: &arn, subscription: &kept.value };
            outbox.push(target.delivery(message, stamp, &self.inner.base).enqueue()).await?;
        }
        Ok(())
    }
}

impl Target<'_> {
    fn caller(&self) -> AwsCaller {
        AwsCaller::Service {
            account: self.topic.scope.account.clone(),
            name: SERVICE.to_owned(),
            source: self.topic.to_string(),
        }
    }

    fn delivery(&self, message: &Message, stamp: Option<&Stamp>, base: &Base) -> Delivery {
        let protocol = self.subscription.protocol;
        let addressed =
            Addressed { topic: self.topic, subscription: self.arn, message, protocol, base, stamp };
        let raw = self.subscription.is_raw();
        let text = || match raw {
            true => message.content.text(protocol).to_owned(),
            false => addressed.document(),
        };
        let what = match protocol {
            Protocol::Lambda => What::Call(self.invocation(message, addressed.event())),
            Protocol::Sqs => What::Call(self.send(message, &self.subscription.endpoint, text())),
            Protocol::Http | Protocol::Https => {
                What::Post(self.post("Notification", &message.id, raw, text()))
            }
        };
        let dead_letter = self.dead_letter_queue().map(|queue| DeadLetter {
            input: self.message_input(message, &queue, text()).to_string(),
            caller: self.caller(),
            explains: false,
            queue,
        });
        self.outgoing(what, &message.id, message.at, message.group.as_deref(), dead_letter)
    }

    /// What an endpoint is told about its subscription itself.
    pub(super) fn notice(&self, kind: &str, id: &str, at: Timestamp, document: String) -> Write {
        let what = match self.subscription.protocol {
            Protocol::Http | Protocol::Https => What::Post(self.post(kind, id, false, document)),
            // Only queues of other accounts are asked; a FIFO queue takes nothing without a group.
            Protocol::Sqs | Protocol::Lambda => {
                let queue = &self.subscription.endpoint;
                let mut input = json!({"MessageBody": document});
                if queue.ends_with(super::names::FIFO) {
                    input["MessageGroupId"] = kind.into();
                    input["MessageDeduplicationId"] = id.into();
                }
                What::Call(self.call("sqs", "SendMessage", queue, input.to_string(), None, None))
            }
        };
        self.outgoing(what, id, at, None, None).enqueue()
    }

    fn outgoing(
        &self,
        what: What,
        id: &str,
        at: Timestamp,
        group: Option<&str>,
        dead_letter: Option<DeadLetter>,
    ) -> Delivery {
        let retry = match &what {
            What::Call(_) => managed(),
            What::Post(_) => of_policy(&subscription_attributes::effective(self.record, self.subscription)),
        };
        Delivery {
            lane: self.lane(group),
            source: Source::Resource { arn: self.arn.to_string(), id: id.to_owned() },
            what,
            due: at,
            until: at.plus(TIME),
            retry,
            dead_letter,
        }
    }

    /// An endpoint that does not answer delays no other; neither do two subscriptions of it each other. Of a FIFO topic the
    /// groups do not delay each other either, and each keeps its order.
    fn lane(&self, group: Option<&str>) -> String {
        match group.filter(|_| self.topic.is_fifo()) {
            Some(group) => format!("{IN_ORDER}{}/{group}", self.arn),
            None => self.arn.to_string(),
        }
    }

    fn call(
        &self,
        service: &'static str,
        operation: &'static str,
        resource: &str,
        input: String,
        payload: Option<Bytes>,
        trace_id: Option<&str>,
    ) -> AwsRequest {
        let mut parts = resource.split(':').skip(3);
        let (region, account) = (parts.next(), parts.next());
        // Endpoints were checked when they were subscribed.
        let scope = region.zip(account).and_then(|(region, account)| {
            Some(Scope { account: account.parse().ok()?, region: region.parse().ok()? })
        });
        AwsRequest {
            service: service.into(),
            operation: operation.into(),
            scope: scope.unwrap_or_else(|| self.topic.scope.clone()),
            caller: self.caller(),
            resource: Some(resource.to_owned()),
            trace_id: trace_id.map(str::to_owned),
            input,
            payload,
        }
    }

    fn invocation(&self, message: &Message, event: String) -> AwsRequest {
        let function = &self.subscription.endpoint;
        let input = json!({"FunctionName": function, "InvocationType": "Event"}).to_string();
        self.call("lambda", "Invoke", function, input, Some(event.into()), message.trace_id.as_deref())
    }

    fn send(&self, message: &Message, queue: &str, text: String) -> AwsRequest {
        let input = self.message_input(message, queue, text).to_string();
        self.call("sqs", "SendMessage", queue, input, None, message.trace_id.as_deref())
    }

    /// The input of `SendMessage`: raw, a queue's message has the attributes of the topic's.
    fn message_input(&self, message: &Message, queue: &str, text: String) -> Value {
        let mut input = json!({"MessageBody": text});
        if self.subscription.is_raw()
            && self.subscription.protocol == Protocol::Sqs
            && !message.attributes.is_empty()
        {
            input["MessageAttributes"] = attributes(message).into();
        }
        if let Some(trace_id) = &message.trace_id {
            input["MessageSystemAttributes"] =
                json!({"AWSTraceHeader": {"DataType": "String", "StringValue": trace_id}});
        }
        if let Some(group) = &message.group {
            input["MessageGroupId"] = group.as_str().into();
        }
        // A standard queue of a FIFO topic's has no duplicates to tell apart.
        if let Some(id) = message.deduplication.as_ref().filter(|_| queue.ends_with(super::names::FIFO)) {
            input["MessageDeduplicationId"] = id.as_str().into();
        }
        input
    }

    fn post(&self, kind: &str, id: &str, raw: bool, body: String) -> HttpPost {
        let effective = subscription_attributes::effective(self.record, self.subscription);
        let content_type = effective.content_type.unwrap_or_else(|| "text/plain; charset=UTF-8".to_owned());
        let mut headers = vec![
            ("content-type".to_owned(), content_type),
            ("user-agent".to_owned(), AGENT.to_owned()),
            ("x-amz-sns-message-type".to_owned(), kind.to_owned()),
            ("x-amz-sns-message-id".to_owned(), id.to_owned()),
            ("x-amz-sns-topic-arn".to_owned(), self.topic.to_string()),
        ];
        if kind != "SubscriptionConfirmation" {
            headers.push(("x-amz-sns-subscription-arn".to_owned(), self.arn.to_string()));
        }
        if raw {
            headers.push(("x-amz-sns-rawdelivery".to_owned(), "true".to_owned()));
        }
        let target = endpoint::Target::parse(&self.subscription.endpoint);
        let (url, authorization) = match target {
            Some(target) => (target.url.to_string(), target.authorization),
            None => (self.subscription.endpoint.clone(), None),
        };
        headers.extend(authorization.map(|value| ("authorization".to_owned(), value)));
        HttpPost { url, headers, body: body.into() }
    }

    fn dead_letter_queue(&self) -> Option<String> {
        let policy = self.subscription.attribute("RedrivePolicy")?;
        dead_letter_queue(self.topic, policy).ok()
    }
}

/// Attributes as `SendMessage` takes them.
fn attributes(message: &Message) -> Map<String, Value> {
    let one = message.attributes.iter().map(|(name, attribute)| {
        let value = match &attribute.content {
            Content::Text(text) => json!({"DataType": attribute.data_type, "StringValue": text}),
            Content::Binary(bytes) => {
                json!({"DataType": attribute.data_type, "BinaryValue": STANDARD.encode(bytes)})
            }
        };
        (name.clone(), value)
    });
    one.collect()
}
