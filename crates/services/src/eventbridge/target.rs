//! What a target of a rule is sent, in whose name, and what becomes of it where it cannot be. Pure.

use std::time::Duration;

use lambent_fabric::deliveries::{DeadLetter, Delivery, Retry, Source, What};
use lambent_model::{Arn, AwsCaller, AwsRequest, Timestamp};
use lambent_store::Write;
use serde_json::json;

use super::log_target::{self, Entry};
use super::names::BusName;
use super::records::Target;
use crate::sending::{Patience, Sender, attribute, delivery, request};

/// The service's principal in the policies of queues, topics and functions.
const SERVICE: &str = "events.amazonaws.com";

/// For how long a dead letter is tried: as long as a queue would keep it at the most.
const LETTER_TIME: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Where an event comes from that a target is to get.
pub(super) struct From<'a> {
    pub(super) bus: &'a BusName,
    pub(super) rule_arn: &'a str,
    pub(super) target: &'a Target,
    pub(super) event_id: &'a str,
    pub(super) trace_id: Option<&'a str>,
    pub(super) now: Timestamp,
}

impl From<'_> {
    /// The delivery of `text`, which was made of `event`.
    pub(super) fn deliver(&self, text: String, event: &str) -> Write {
        let target = self.target;
        let call = request(
            &target.arn,
            text,
            target.group.as_deref(),
            self.caller(),
            self.trace_id.map(str::to_owned),
        );
        let call = call.expect("a target's ARN was read when it was put");
        self.delivery(call, event)
    }

    /// The delivery of a log event, which was made of `event`, to a log group: in the service's own name, whatever role
    /// there is.
    pub(super) fn log(&self, entry: &Entry, event: &str) -> Write {
        let trace_id = self.trace_id.map(str::to_owned);
        let call = log_target::request(&self.target.arn, self.rule_arn, entry, self.service(), trace_id);
        self.delivery(call.expect("a target's ARN was read when it was put"), event)
    }

    fn delivery(&self, call: AwsRequest, event: &str) -> Write {
        let target = self.target;
        let patience = Patience {
            retries: target.retries,
            age_seconds: target.age_seconds,
            dead_letters: target.dead_letters.as_deref(),
        };
        let sender = Sender {
            arn: self.rule_arn,
            id: self.event_id,
            now: self.now,
            caller: self.service(),
            dead_letter: self.letter(event).to_string(),
        };
        delivery(&target.arn, call, patience, sender).enqueue()
    }

    /// What follows where a bus does not take the event: its dead letter, or a line in the server's log.
    pub(super) fn refused(&self, event: &str, code: &str, reason: &str) -> Option<Write> {
        let (rule, target) = (self.rule_arn, &self.target.arn);
        let Some(queue) = &self.target.dead_letters else {
            tracing::error!(
                rule,
                target,
                code,
                reason,
                event = self.event_id,
                "an event is lost: its target does not take it"
            );
            return None;
        };
        let mut letter = self.letter(event);
        letter["MessageAttributes"]["ERROR_CODE"] = attribute(code);
        letter["MessageAttributes"]["ERROR_MESSAGE"] = attribute(reason);
        letter["MessageAttributes"]["RETRY_ATTEMPTS"] = json!({"DataType": "Number", "StringValue": "0"});
        let empty = DeadLetter {
            queue: queue.clone(),
            caller: self.service(),
            input: letter.to_string(),
            explains: false,
        };
        Some(letter_delivery(empty, self.rule_arn, self.event_id, self.now).enqueue())
    }

    /// A role where the target names one, else the service itself on behalf of the rule.
    fn caller(&self) -> AwsCaller {
        match &self.target.role {
            // The session's name on AWS is of EventBridge's making, and documented nowhere.
            Some(role) => AwsCaller::Role {
                account: self.bus.scope().account,
                role: role.clone(),
                session: "events".to_owned(),
            },
            None => self.service(),
        }
    }

    fn service(&self) -> AwsCaller {
        AwsCaller::Service {
            account: self.bus.scope().account,
            name: SERVICE.to_owned(),
            source: self.rule_arn.to_owned(),
        }
    }

    /// A dead letter: the event, and whose it was. Why it is one is added by whoever gives up (User Guide, "Using dead-letter
    /// queues to process undelivered events").
    fn letter(&self, event: &str) -> serde_json::Value {
        json!({
            "MessageBody": event,
            "MessageAttributes": {
                "RULE_ARN": attribute(self.rule_arn),
                "TARGET_ARN": attribute(&self.target.arn),
            },
        })
    }
}

fn letter_delivery(letter: DeadLetter, rule: &str, id: &str, now: Timestamp) -> Delivery {
    let DeadLetter { queue, caller, input, .. } = letter;
    let scope = Arn::parse(&queue).and_then(|arn| arn.scope());
    let call = AwsRequest {
        service: "sqs".into(),
        operation: "SendMessage".into(),
        scope: scope.expect("the ARN of a dead-letter queue was read when it was put"),
        caller,
        resource: Some(queue.clone()),
        trace_id: None,
        input,
        payload: None,
    };
    Delivery {
        lane: queue,
        source: Source::Resource { arn: rule.to_owned(), id: id.to_owned() },
        what: What::Call(call),
        due: now,
        until: now.plus(LETTER_TIME),
        retry: Retry::patient(),
        dead_letter: None,
    }
}
