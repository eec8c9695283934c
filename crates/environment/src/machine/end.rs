//! What ends an invocation or the environment: crashes, timeouts, the reset that follows, retirement.

use std::sync::Arc;

use lambent_model::{Invocation, Outcome};
use lambent_sandbox_client::Exit;

use super::damper::Cause;
use super::words::{exit_text, failed, killed};
use super::{Call, Effect, Machine, RESET_TIMEOUT, State, Step};
use crate::record::{Phase, Record, Verdict};

impl Machine {
    /// The end of an initialisation that no invocation waited for: nobody would learn of it, so nothing is kept.
    pub(super) fn abandon(&mut self, step: &mut Step<'_>) {
        step.push(Effect::Deadline(None));
        step.push(Effect::Kill);
        self.state = State::Ended;
    }

    pub(super) fn exited(&mut self, exit: Exit, out_of_memory: bool, step: &mut Step<'_>) {
        let error_type = if out_of_memory { "Runtime.OutOfMemory" } else { "Runtime.ExitError" };
        let verdict = Verdict::Error { error_type: error_type.into() };
        if matches!(self.state, State::Initializing { .. } | State::Reinitializing { .. }) {
            let cause = Cause::Platform { error_type: error_type.into(), message: exit_text(exit) };
            self.damper.failed(cause, step.now);
        }
        match self.take() {
            State::Initializing { since, waiting } => {
                let duration = step.now - since;
                step.log(Record::InitReport { duration, phase: Phase::Init, verdict });
                // A crash without a report: initialise once more, inside the invocation.
                if waiting.is_none() {
                    return self.abandon(step);
                }
                self.reset(waiting, step);
            }
            State::Reinitializing { invocation, since } => {
                let duration = step.now - since;
                step.log(Record::InitReport { duration, phase: Phase::Invoke, verdict });
                let call = self.call(invocation, since, None);
                self.finish(&call, failed(&call, error_type, &exit_text(exit)), step);
                self.reset(None, step);
            }
            State::Running(call) => {
                self.finish(&call, failed(&call, error_type, &exit_text(exit)), step);
                self.reset(None, step);
            }
            State::Idle { .. } => self.reset(None, step),
            // Init had said so before it was frozen, and is the one who resets.
            State::Frozen => {
                step.push(Effect::Thaw);
                self.reset(None, step);
            }
            State::Settling { waiting, .. } => self.reset(waiting, step),
            State::Lingering { .. } => self.abandon(step),
            // The death of a runtime that is being killed is no news.
            other => self.state = other,
        }
    }

    /// Any ⇒ Resetting; ⇒ Ended when nobody will need the environment again.
    pub(super) fn reset(&mut self, waiting: Option<Arc<Invocation>>, step: &mut Step<'_>) {
        // One that was initialised ahead is replaced by another such: its next invocation is not to wait.
        if (self.retiring || self.settings.initialization.is_ahead()) && waiting.is_none() {
            return self.abandon(step);
        }
        step.push(Effect::Deadline(Some(step.now + RESET_TIMEOUT)));
        // Before the killing: a thousand processes die by the CPU time of the sandbox, and take a quarter of a minute
        // with a small function's share. The initialisation that follows has none either.
        step.push(Effect::Throttle(false));
        step.push(Effect::Reset);
        self.state = State::Resetting { waiting };
    }

    pub(super) fn reset_done(&mut self, step: &mut Step<'_>) {
        self.state = match self.take() {
            State::Resetting { waiting: Some(invocation) } => self.reinitialize(invocation, step),
            State::Resetting { waiting: None } => {
                step.push(Effect::Deadline(None));
                State::Cold
            }
            other => other,
        }
    }

    pub(super) fn deadline(&mut self, step: &mut Step<'_>) {
        match self.take() {
            State::Initializing { since, waiting } => {
                let duration = step.now - since;
                step.log(Record::InitReport { duration, phase: Phase::Init, verdict: Verdict::Timeout });
                if waiting.is_none() {
                    return self.abandon(step);
                }
                self.reset(waiting, step);
            }
            State::Reinitializing { invocation, since } => {
                let duration = step.now - since;
                step.log(Record::InitReport { duration, phase: Phase::Invoke, verdict: Verdict::Timeout });
                let call = self.call(invocation, since, None);
                self.time_out(&call, step);
            }
            State::Running(call) => self.time_out(&call, step),
            State::Settling { until, waiting } if step.now >= until => self.reset(waiting, step),
            State::Settling { until, waiting } => {
                if let Some(invocation) = waiting {
                    step.push(Effect::Decline(invocation));
                }
                step.push(Effect::Deadline(Some(until)));
                self.state = State::Lingering { until };
            }
            State::Lingering { until } if step.now >= until => self.abandon(step),
            // What was killed does not go: no invocation can be trusted to it, nor to what it left.
            State::Resetting { waiting } => {
                if let Some(invocation) = waiting {
                    step.push(Effect::Decline(invocation));
                }
                self.abandon(step);
            }
            other => self.state = other,
        }
    }

    pub(super) fn time_out(&mut self, call: &Call, step: &mut Step<'_>) {
        let text = format!("Task timed out after {:.2} seconds", self.settings.timeout.as_secs_f64());
        self.finish(call, failed(call, "Sandbox.Timedout", &text), step);
        self.reset(None, step);
    }

    pub(super) fn gone(&mut self, reason: &str, step: &mut Step<'_>) {
        match self.take() {
            State::Launching { waiting: Some(_) } => {
                step.push(Effect::Answer(Outcome::Platform(reason.to_owned()), None));
            }
            // The sandbox died around an initialisation: the function's doing, and no second sandbox would differ.
            State::Initializing { waiting: Some(invocation), since } => {
                let call = self.call(invocation, since, None);
                self.finish(&call, killed(&call), step);
            }
            State::Resetting { waiting: Some(invocation) }
            | State::Settling { waiting: Some(invocation), .. } => step.push(Effect::Decline(invocation)),
            // init died with the function's processes: the memory limit spares nobody in the sandbox.
            State::Running(call) => self.finish(&call, killed(&call), step),
            State::Reinitializing { invocation, since } => {
                let call = self.call(invocation, since, None);
                self.finish(&call, killed(&call), step);
            }
            _ => {}
        }
        step.push(Effect::Deadline(None));
    }

    pub(super) fn retire(&mut self, step: &mut Step<'_>) {
        self.retiring = true;
        let busy = match &self.state {
            State::Launching { waiting }
            | State::Initializing { waiting, .. }
            | State::Resetting { waiting }
            | State::Settling { waiting, .. } => waiting.is_some(),
            State::Running(_) | State::Reinitializing { .. } => true,
            State::Idle { .. } | State::Frozen | State::Lingering { .. } | State::Cold | State::Ended => {
                false
            }
        };
        // A busy environment ends by `release`.
        if !busy {
            self.abandon(step);
        }
    }
}
