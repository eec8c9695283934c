//! The Init phase, and initialisation inside an invocation.

use std::sync::Arc;
use std::time::Duration;

use lambent_model::{Failure, Invocation, Outcome};

use super::damper::{Cause, Damper};
use super::words::failed;
use super::{Effect, Machine, Start, State, Step, Verdicted};
use crate::record::{Phase, Record, Verdict};

impl Machine {
    pub(super) fn launched(&mut self, freeze_after: Option<Duration>, step: &mut Step<'_>) {
        self.freeze_after = freeze_after;
        // Launching ⇒ Initializing
        let waiting = match self.take() {
            State::Launching { waiting } => waiting,
            // Ended while the sandbox was being made: nobody needs it.
            other => {
                self.state = other;
                return step.push(Effect::Kill);
            }
        };
        self.state = State::Initializing { since: step.now, waiting };
        step.log(Record::InitStart { phase: Phase::Init });
        step.push(Effect::StartRuntime);
        let limit = self.settings.initialization.limit(self.settings.timeout);
        step.push(Effect::Deadline(Some(step.now + limit)));
    }

    /// Cold ⇒ Reinitializing, Resetting ⇒ Reinitializing; ⇒ Cold at once where one initialisation after the other fails.
    pub(super) fn reinitialize(&mut self, invocation: Arc<Invocation>, step: &mut Step<'_>) -> State {
        step.log(Record::Start { request_id: invocation.request_id });
        if let Some((cause, note)) = self.damper.holds(step.now) {
            step.push(Effect::Note(note));
            step.push(Effect::Deadline(None));
            let call = self.call(invocation, step.now, None);
            self.finish(&call, cause.outcome(&call), step);
            return State::Cold;
        }
        step.log(Record::InitStart { phase: Phase::Invoke });
        step.push(Effect::StartRuntime);
        step.push(Effect::Deadline(Some(step.now + self.settings.timeout)));
        State::Reinitializing { invocation, since: step.now }
    }

    pub(super) fn initialised(&mut self, step: &mut Step<'_>) {
        self.damper = Damper::default();
        step.push(Effect::Initialised);
    }

    pub(super) fn init_error(&mut self, failure: Failure, step: &mut Step<'_>) {
        let verdict = Verdict::Error { error_type: failure.error_type.clone() };
        if matches!(self.state, State::Initializing { .. } | State::Reinitializing { .. }) {
            self.damper.failed(Cause::Reported(failure.clone()), step.now);
        }
        match self.take() {
            State::Initializing { since, waiting } => {
                step.push(Effect::Reply(Verdicted::Accepted));
                let duration = step.now - since;
                step.log(Record::InitReport { duration, phase: Phase::Init, verdict });
                let Some(invocation) = waiting else { return self.abandon(step) };
                // The first invocation answers with the reported error; a later one initialises again.
                step.log(Record::Start { request_id: invocation.request_id });
                let call = self.call(invocation, step.now, Some(duration));
                self.finish(&call, Outcome::Failed(failure), step);
                self.reset(None, step);
            }
            State::Reinitializing { invocation, since } => {
                step.push(Effect::Reply(Verdicted::Accepted));
                let duration = step.now - since;
                step.log(Record::InitReport { duration, phase: Phase::Invoke, verdict });
                let call = self.call(invocation, since, None);
                self.finish(&call, Outcome::Failed(failure), step);
                self.reset(None, step);
            }
            other => {
                self.state = other;
                step.push(Effect::Reply(Verdicted::InvalidState(self.state_name())));
            }
        }
    }

    pub(super) fn start_failed(&mut self, start: &Start, step: &mut Step<'_>) {
        let (call, phase) = match self.take() {
            State::Initializing { since, waiting } => {
                (waiting.map(|invocation| self.call(invocation, since, None)), Phase::Init)
            }
            State::Reinitializing { invocation, since } => {
                (Some(self.call(invocation, since, None)), Phase::Invoke)
            }
            other => return self.state = other,
        };
        let Start { error_type, message } = start;
        let cause = Cause::Platform { error_type: error_type.clone(), message: message.clone() };
        self.damper.failed(cause, step.now);
        let verdict = Verdict::Error { error_type: start.error_type.clone() };
        step.log(Record::InitReport { duration: Duration::ZERO, phase, verdict });
        let Some(call) = call else { return self.abandon(step) };
        if phase == Phase::Init {
            step.log(Record::Start { request_id: call.invocation.request_id });
        }
        let outcome = failed(&call, &start.error_type, &start.message);
        self.finish(&call, outcome, step);
        // There is nothing to kill and nothing a second try would change until the next invocation.
        step.push(Effect::Deadline(None));
        self.state = State::Cold;
    }
}
