//! The Invoke phase: an invocation comes, is delivered, and is answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lambent_model::{Invocation, Outcome, Report};

use super::words::{failed, response_too_large};
use super::{Call, Effect, Machine, Reported, SETTLE_GRACE, State, Step, Verdicted};
use crate::record::{Record, Verdict};

impl Machine {
    pub(super) fn invoke(&mut self, invocation: Arc<Invocation>, step: &mut Step<'_>) {
        self.state = match self.take() {
            State::Launching { waiting: None } => State::Launching { waiting: Some(invocation) },
            State::Initializing { since, waiting: None } => {
                State::Initializing { since, waiting: Some(invocation) }
            }
            State::Idle { .. } => self.deliver(invocation, step),
            State::Frozen => {
                step.push(Effect::Thaw);
                self.deliver(invocation, step)
            }
            State::Resetting { waiting: None } => State::Resetting { waiting: Some(invocation) },
            State::Settling { until, waiting: None } => {
                step.push(Effect::Deadline(Some(until.min(step.now + SETTLE_GRACE))));
                State::Settling { until, waiting: Some(invocation) }
            }
            State::Cold => self.reinitialize(invocation, step),
            // The pool raced with the end.
            State::Ended => {
                step.push(Effect::Decline(invocation));
                State::Ended
            }
            busy => unreachable!("the pool gave a second invocation to an environment in {busy:?}"),
        }
    }

    /// Idle ⇒ Running, Initializing ⇒ Running
    pub(super) fn deliver(&mut self, invocation: Arc<Invocation>, step: &mut Step<'_>) -> State {
        let init = self.unreported_init.take();
        let call = self.call(invocation, step.now, init);
        step.log(Record::Start { request_id: call.invocation.request_id });
        step.push(Effect::Deliver(Arc::clone(&call.invocation), call.deadline));
        step.push(Effect::Deadline(Some(call.deadline)));
        State::Running(call)
    }

    pub(super) fn call(
        &self,
        invocation: Arc<Invocation>,
        delivered: Instant,
        init: Option<Duration>,
    ) -> Call {
        Call { invocation, delivered, deadline: delivered + self.settings.timeout, init }
    }

    pub(super) fn reported(&mut self, request_id: &str, reported: Reported, step: &mut Step<'_>) {
        let State::Running(call) = &self.state else {
            let verdict = match self.state {
                // The answer to an invocation that has timed out, or a second answer.
                State::Idle { .. } | State::Frozen | State::Settling { .. } | State::Lingering { .. } => {
                    Verdicted::InvalidRequestId
                }
                _ => Verdicted::InvalidState(self.state_name()),
            };
            return step.push(Effect::Reply(verdict));
        };
        if call.invocation.request_id.to_string() != request_id {
            return step.push(Effect::Reply(Verdicted::InvalidRequestId));
        }
        let (reply, outcome) = match reported {
            Reported::Success(body) => (Verdicted::Accepted, Outcome::Success(body)),
            Reported::Error(failure) => (Verdicted::Accepted, Outcome::Failed(failure)),
            Reported::Streamed => (Verdicted::Accepted, Outcome::Success(Bytes::new())),
            Reported::TooLarge(limit) => {
                (Verdicted::TooLarge(limit), Outcome::Failed(response_too_large(limit)))
            }
            Reported::Truncated => {
                (Verdicted::Truncated, failed(call, "Runtime.TruncatedResponse", "Response body was cut off"))
            }
            Reported::InvalidMode => (
                Verdicted::InvalidMode,
                failed(call, "Runtime.InvalidResponseModeHeader", "Unknown function response mode"),
            ),
        };
        let State::Running(call) = self.take() else { unreachable!("checked above") };
        self.finish(&call, outcome, step);
        step.push(Effect::Reply(reply));
        // Running ⇒ Settling. The deadline stays: a runtime that answers and never comes back is reset by it.
        self.state = State::Settling { until: call.deadline, waiting: None };
    }

    /// END, REPORT and the caller's answer; the environment can be given the next invocation.
    pub(super) fn finish(&self, call: &Call, outcome: Outcome, step: &mut Step<'_>) {
        let verdict = match &outcome {
            Outcome::Success(_) => Verdict::Success,
            Outcome::Failed(failure) if failure.error_type == "Sandbox.Timedout" => Verdict::Timeout,
            Outcome::Failed(failure) => Verdict::Error { error_type: failure.error_type.clone() },
            Outcome::Platform(_) => Verdict::Error { error_type: "Platform.Failure".into() },
        };
        let duration = match verdict {
            // The timer fires late by scheduling; the function is charged for its timeout, not for that.
            Verdict::Timeout => self.settings.timeout,
            _ => step.now - call.delivered,
        };
        let report =
            Report { duration, init: call.init, memory: self.settings.memory, max_memory_used_mb: step.used };
        let request_id = call.invocation.request_id;
        step.log(Record::End { request_id, duration, verdict: verdict.clone() });
        step.log(Record::Report { request_id, report, verdict });
        // First to the pool: a caller that comes back at once must find the environment free.
        self.release(step);
        step.push(Effect::Answer(outcome, Some(report)));
    }
}
