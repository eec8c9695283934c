//! What follows from the end of an event: the messages that are written together with it. Pure but for ids.

use std::time::Duration;

use lambent_model::{
    Entropy, EventPolicy, FunctionArn, FunctionReference, RequestId, Scope, Target, Timestamp, trace,
};
use lambent_store::Write;

use super::record::{self, Answer};
use super::retry::Condition;
use super::{Envelope, State};
use crate::deliveries::{Kind, Record};

/// The end of an event.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) envelope: &'a Envelope,
    pub(super) state: State,
    /// Why it is given up; `None` after a success.
    pub(super) condition: Option<Condition>,
    /// The answer to the last attempt, where it reached the function.
    pub(super) answer: Option<Answer<'a>>,
    pub(super) now: Timestamp,
    /// For how long what is sent on is tried: an event's greatest age, once more, since what ends by age would have no
    /// time left.
    pub(super) patience: Duration,
}

impl End<'_> {
    /// The messages that go out: the record for its destination and, of what is given up, the dead letter. "Both"
    /// receive where both are configured.
    pub(super) fn writes(&self, policy: &EventPolicy, entropy: &dyn Entropy) -> Vec<Write> {
        let (destination, dead_letters) = match self.condition {
            None => (&policy.on_success, None),
            Some(_) => (&policy.on_failure, policy.dead_letters.as_ref()),
        };
        let record = destination.as_ref().map(|destination| self.record(destination, policy, entropy));
        let dead_letter = dead_letters.map(|queue| {
            let (code, message) = self.error();
            let kind = Kind::DeadLetter { code, message };
            self.sent(kind, queue, policy, entropy, self.envelope.payload.clone()).enqueue()
        });
        record.into_iter().chain(dead_letter).collect()
    }

    /// A function of the same account and region has the record as an event at once. All others are called.
    fn record(&self, destination: &str, policy: &EventPolicy, entropy: &dyn Entropy) -> Write {
        let Self { envelope, state, condition, answer, now, .. } = *self;
        let record = record::render(envelope, state, condition, answer, now).into();
        let Some(target) = function(destination, &envelope.target.function.scope) else {
            let kind = if condition.is_none() { Kind::Success } else { Kind::Failure };
            return self.sent(kind, destination, policy, entropy, record).enqueue();
        };
        let next = Envelope {
            target,
            request_id: RequestId::random(entropy),
            payload: record,
            trace_id: self.chain(),
            client_context: None,
            tenant_id: None,
            accepted: now,
        };
        next.enqueue(now)
    }

    fn sent(
        &self,
        kind: Kind,
        destination: &str,
        policy: &EventPolicy,
        entropy: &dyn Entropy,
        payload: bytes::Bytes,
    ) -> Record {
        Record {
            kind,
            destination: destination.to_owned(),
            target: self.envelope.target.clone(),
            role: policy.role.clone(),
            request_id: self.envelope.request_id,
            id: RequestId::random(entropy),
            trace_id: self.chain(),
            ended: self.now,
            until: self.now.plus(self.patience),
            payload,
        }
    }

    /// Of the same chain: a function that is its own destination, by whatever detour, is a loop. Where this one was the
    /// last that is allowed, the next one is stopped.
    fn chain(&self) -> String {
        let trace_id = &self.envelope.trace_id;
        trace::step(trace_id, &self.envelope.target.function).unwrap_or_else(|_| trace_id.clone())
    }

    /// The status and the text that a caller would have had.
    fn error(&self) -> (u16, String) {
        /// The word of `TooManyRequestsException`.
        const THROTTLED: (u16, &str) = (429, "Rate Exceeded.");
        let (code, text) = match (self.answer, self.condition) {
            (Some(answer), _) => return (200, answer.error_message()),
            (None, Some(Condition::ZeroReservedConcurrency)) => THROTTLED,
            (None, Some(Condition::RecursiveInvocation)) => {
                (400, "The function was stopped because it was detected in a recursive loop.")
            }
            (None, _) => match self.state.refused_by {
                Some(429) => THROTTLED,
                Some(code) => (code, "The function could not be run."),
                None if self.state.failed > 0 => (200, "The function failed, and the event became too old."),
                None => (429, "The event became too old."),
            },
        };
        (code, text.to_owned())
    }
}

/// The function of the same account and region that an ARN names.
fn function(destination: &str, scope: &Scope) -> Option<Target> {
    let FunctionReference { region, account, name, qualifier } = destination.parse().ok()?;
    let same = region.as_ref() == Some(&scope.region) && account.as_ref() == Some(&scope.account);
    same.then(|| Target { function: FunctionArn { scope: scope.clone(), name }, qualifier })
}

#[cfg(test)]
mod tests {
    use lambent_model::Qualifier;
    use serde_json::Value;

    use super::*;
    use crate::deliveries::{Delivery, What};

    struct Fixed;

    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
    const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:t";
    const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:g:live";
    const ELSEWHERE: &str = "arn:aws:lambda:us-east-1:111111111111:function:g";

    fn envelope() -> Envelope {
        let scope = Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() };
        Envelope {
            target: Target { function: FunctionArn { scope, name: "f".into() }, qualifier: None },
            request_id: "5b1f7b0e-0000-4000-8000-000000000001".parse().unwrap(),
            payload: bytes::Bytes::from_static(b"{\"n\":1}"),
            trace_id: "Root=1".into(),
            client_context: None,
            tenant_id: None,
            accepted: NOW,
        }
    }

    fn policy(on_success: &str, on_failure: &str, dead_letters: &str) -> EventPolicy {
        let given = |arn: &str| (!arn.is_empty()).then(|| arn.to_owned());
        EventPolicy {
            retries: 0,
            max_age: Duration::from_secs(60),
            switched_off: false,
            on_success: given(on_success),
            on_failure: given(on_failure),
            dead_letters: given(dead_letters),
            role: "arn:aws:iam::000000000000:role/r".into(),
        }
    }

    fn end(
        condition: Option<Condition>,
        state: State,
        answer: Option<Answer<'_>>,
        policy: &EventPolicy,
    ) -> Vec<(String, Vec<u8>)> {
        let envelope = envelope();
        let end = End { envelope: &envelope, state, condition, answer, now: NOW, patience: policy.max_age };
        let enqueued = |write| match write {
            Write::Enqueue { queue, body, .. } => (queue, body),
            other => panic!("{other:?} is no message"),
        };
        end.writes(policy, &Fixed).into_iter().map(enqueued).collect()
    }

    const FAILED: Answer<'static> =
        Answer { executed_version: "$LATEST", payload: b"{\"errorMessage\":\"bad\"}", failed: true };

    #[test]
    fn each_end_has_its_own_messages() {
        let all = policy(TOPIC, QUEUE, TOPIC);
        let queues = |condition, policy: &EventPolicy| -> Vec<String> {
            end(condition, State::default(), None, policy).into_iter().map(|(queue, _)| queue).collect()
        };
        let gone = Some(Condition::RetriesExhausted);
        assert_eq!(queues(None, &all), [format!("delivery/{TOPIC}")]);
        assert_eq!(
            queues(gone, &all),
            [format!("delivery/{QUEUE}"), format!("delivery/{TOPIC}")],
            "both receive"
        );
        assert_eq!(queues(gone, &policy(TOPIC, "", "")), [""; 0]);
        // A function here has the record as an event, one of another account is called.
        let here = "event/arn:aws:lambda:us-east-1:000000000000:function:g";
        assert_eq!(queues(gone, &policy("", FUNCTION, "")), [here]);
        assert_eq!(queues(gone, &policy("", ELSEWHERE, "")), [format!("delivery/{ELSEWHERE}")]);
    }

    #[test]
    fn a_dead_letter_says_what_a_caller_would_have_heard() {
        let refused = |code| State { refused_by: Some(code), ..State::default() };
        let failed = State { failed: 1, ..State::default() };
        let old = Condition::EventAgeExceeded;
        for (condition, state, answer, code, text) in [
            (Condition::RetriesExhausted, failed, Some(FAILED), 200, "bad"),
            (Condition::ZeroReservedConcurrency, State::default(), None, 429, "Rate Exceeded."),
            (Condition::RecursiveInvocation, State::default(), None, 400, "recursive loop"),
            (old, refused(429), None, 429, "Rate Exceeded."),
            (old, refused(500), None, 500, "could not be run"),
            (old, failed, None, 200, "failed"),
        ] {
            let (queue, body) = end(Some(condition), state, answer, &policy("", "", QUEUE)).remove(0);
            let delivery = Delivery::decode(&queue, NOW, body).unwrap();
            assert_eq!(delivery.until, NOW.plus(Duration::from_secs(60)));
            let What::Call(call) = delivery.what else { panic!("queues are called") };
            let input: Value = serde_json::from_str(&call.input).unwrap();
            let attribute = |name: &str| input["MessageAttributes"][name]["StringValue"].as_str().unwrap();
            assert_eq!(attribute("ErrorCode"), code.to_string(), "{condition:?}");
            assert!(attribute("ErrorMessage").contains(text), "{condition:?}: {input}");
            assert_eq!(input["MessageBody"], "{\"n\":1}");
            assert!(call.trace_id.unwrap().starts_with("Root=1;Lineage="));
        }
    }

    #[test]
    fn a_record_goes_to_the_version_that_is_named() {
        let (_, body) = end(None, State::default(), None, &policy(FUNCTION, "", "")).remove(0);
        let next = Envelope::decode(body).unwrap();
        assert_eq!(next.target.qualifier, Some(Qualifier::Alias("live".into())));
        let record: Value = serde_json::from_slice(&next.payload).unwrap();
        assert_eq!(record["requestContext"]["condition"], "Success");
    }
}
