//! What follows from the end of an event: the messages that are written together with it. Pure but for ids.

use std::time::Duration;

use lambent_model::{
    Entropy, EventPolicy, FunctionArn, FunctionReference, RequestId, Scope, Target, Timestamp, trace,
};
use lambent_store::Write;

use super::record::{self, Answer};
use super::retry::Condition;
use super::{Envelope, State};
use crate::deliveries::{Kind, Parcel};

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
            self.parcel(kind, queue, policy, entropy, self.envelope.payload.clone()).enqueue()
        });
        record.into_iter().chain(dead_letter).collect()
    }

    /// A function of the same account and region has the record as an event at once. All others are called.
    fn record(&self, destination: &str, policy: &EventPolicy, entropy: &dyn Entropy) -> Write {
        let Self { envelope, state, condition, answer, now, .. } = *self;
        let record = record::render(envelope, state, condition, answer, now).into();
        let Some(target) = function(destination, &envelope.target.function.scope) else {
            let kind = if condition.is_none() { Kind::Success } else { Kind::Failure };
            return self.parcel(kind, destination, policy, entropy, record).enqueue();
        };
        let next = Envelope {
            target,
            request_id: RequestId::random(entropy),
            payload: record,
            trace_id: self.chain(),
            client_context: None,
            accepted: now,
        };
        next.enqueue(now)
    }

    fn parcel(
        &self,
        kind: Kind,
        destination: &str,
        policy: &EventPolicy,
        entropy: &dyn Entropy,
        payload: bytes::Bytes,
    ) -> Parcel {
        Parcel {
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
