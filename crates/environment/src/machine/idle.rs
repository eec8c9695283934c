//! Between invocations: freezing, thawing, being offered.

use super::shutdown::{After, Reason};
use super::{Effect, Machine, State, Step};

impl Machine {
    /// Any ⇒ Idle. The caller has its answer by now; freezing is left to a later moment, since whoever calls again at
    /// once should pay for neither that nor the thawing.
    pub(super) fn rest(&mut self, step: &mut Step<'_>) {
        if self.retiring && self.roster.anyone() {
            return self.stop(Reason::Spindown, After::End, true, step);
        }
        step.push(Effect::Deadline(None));
        if let Some(after) = self.freeze_after {
            step.push(Effect::FreezeAt(step.now + after));
        }
        self.state = State::Idle { since: step.now };
    }

    /// Idle ⇒ Frozen, if it has been idle for long enough: it may have run since that was asked for.
    pub(super) fn freeze_due(&mut self, step: &mut Step<'_>) {
        let (State::Idle { since }, Some(after)) = (&self.state, self.freeze_after) else { return };
        let due = *since + after;
        if step.now < due {
            return step.push(Effect::FreezeAt(due));
        }
        step.push(Effect::Freeze);
        self.state = State::Frozen;
    }

    /// Frozen ⇒ Idle: if the runtime was killed from outside, init has to run to say so. Otherwise the next invocation
    /// would find out. It stays thawed until then.
    pub(super) fn disconnected(&mut self, step: &mut Step<'_>) {
        if matches!(self.state, State::Frozen) {
            step.push(Effect::Thaw);
            self.state = State::Idle { since: step.now };
        }
    }

    /// Nobody waits for the environment any more: offer it, or end it when it is to retire. Extensions are told
    /// of that when all are back.
    pub(super) fn release(&self, step: &mut Step<'_>) {
        if !self.retiring {
            step.push(Effect::Available);
        } else if !self.roster.anyone() {
            step.push(Effect::Kill);
        }
    }
}
