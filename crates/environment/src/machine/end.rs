//! What ends an invocation or the environment: crashes, timeouts, the end of the sandbox, retirement.

use lambent_model::Outcome;
use lambent_sandbox_client::Exit;

use super::invoke::Open;
use super::shutdown::{After, Reason};
use super::words::{ended, exit_text, failed, killed};
use super::{Call, Effect, Machine, State, Step};
use crate::record::{Record, Verdict};

impl Machine {
    /// The runtime's process has ended.
    pub(super) fn exited(&mut self, exit: Exit, out_of_memory: bool, step: &mut Step<'_>) {
        if let State::ShuttingDown(shutdown) = &mut self.state {
            // It was told to, or killed.
            if std::mem::take(&mut shutdown.runtime) {
                self.dismiss(step);
            }
            return;
        }
        let error_type = match self.reported.take() {
            _ if out_of_memory => "Runtime.OutOfMemory",
            Some(reported) => reported,
            None => "Runtime.ExitError",
        };
        self.crashed(error_type, &exit_text(exit), false, step);
    }

    /// An extension's process has ended.
    pub(super) fn extension_exited(&mut self, slot: u8, exit: Exit, step: &mut Step<'_>) {
        self.roster.exited(slot);
        if matches!(self.state, State::ShuttingDown(_)) {
            return self.shutdown_goes_on(step);
        }
        let error_type = self.reported.take().unwrap_or("Extension.Crash");
        self.crashed(error_type, &ended(exit), true, step);
    }

    /// A process is gone without which the environment cannot go on.
    pub(super) fn crashed(
        &mut self,
        error_type: &str,
        message: &str,
        runtime_lives: bool,
        step: &mut Step<'_>,
    ) {
        let request_id = match &self.state {
            State::Running(call) => Some(Some(call.invocation.request_id)),
            State::Settling { open, .. } | State::Lingering { open, .. } => {
                Some(open.as_ref().map(Open::request_id))
            }
            State::Reinitializing { invocation, .. } => Some(Some(invocation.request_id)),
            State::Initializing { .. } | State::Idle { .. } => Some(None),
            // The death of a process that is being killed is no news.
            _ => None,
        };
        if let Some(request_id) = request_id {
            let (error_type, message) = (error_type.to_owned(), message.to_owned());
            step.log(Record::Fault { request_id, error_type, message });
        }
        if self.crashed_in_init(error_type, message, runtime_lives, step) {
            return;
        }
        let verdict = || Some(Verdict::Error { error_type: error_type.into() });
        match self.take() {
            State::Running(call) => {
                let outcome = failed(&call, error_type, message);
                self.fail(&call, outcome, Reason::Failure, runtime_lives, step);
            }
            State::Idle { .. } => self.stop(Reason::Failure, After::reset(None), runtime_lives, step),
            // Init had said so before it was frozen, and is the one who resets.
            State::Frozen => {
                step.push(Effect::Thaw);
                self.stop(Reason::Failure, After::reset(None), runtime_lives, step);
            }
            State::Settling { waiting, open, .. } => {
                self.close(open, verdict(), step);
                self.stop(Reason::Failure, After::reset(waiting), runtime_lives, step);
            }
            State::Lingering { open, .. } => {
                self.close(open, verdict(), step);
                self.stop(Reason::Failure, After::End, runtime_lives, step);
            }
            // The death of a process that is being killed is no news.
            other => self.state = other,
        }
    }

    pub(super) fn reset_done(&mut self, step: &mut Step<'_>) {
        match self.take() {
            State::Resetting { waiting: Some(invocation) } => self.reinitialize(invocation, step),
            State::Resetting { waiting: None } => {
                step.push(Effect::Deadline(None));
                self.state = State::Cold;
            }
            other => self.state = other,
        }
    }

    pub(super) fn deadline(&mut self, step: &mut Step<'_>) {
        if self.init_timed_out(step) {
            return;
        }
        match self.take() {
            State::Running(call) => self.time_out(&call, step),
            State::Settling { until, waiting, open, .. } if step.now >= until => {
                self.close(open, Some(Verdict::Timeout), step);
                self.stop(Reason::Timeout, After::reset(waiting), true, step);
            }
            State::Settling { until, waiting, back, open } => {
                if let Some(invocation) = waiting {
                    step.push(Effect::Decline(invocation));
                }
                step.push(Effect::Deadline(Some(until)));
                self.state = State::Lingering { until, back, open };
            }
            State::Lingering { until, open, .. } if step.now >= until => {
                self.close(open, Some(Verdict::Timeout), step);
                self.stop(Reason::Timeout, After::End, true, step);
            }
            // What was killed does not go: no invocation can be trusted to it, nor to what it left.
            State::Resetting { waiting } => {
                if let Some(invocation) = waiting {
                    step.push(Effect::Decline(invocation));
                }
                self.abandon(step);
            }
            State::ShuttingDown(shutdown) => {
                self.state = State::ShuttingDown(shutdown);
                self.shutdown_due(step);
            }
            other => self.state = other,
        }
    }

    pub(super) fn time_out(&mut self, call: &Call, step: &mut Step<'_>) {
        let text = format!("Task timed out after {:.2} seconds", self.settings.timeout.as_secs_f64());
        self.fail(call, failed(call, "Sandbox.Timedout", &text), Reason::Timeout, true, step);
    }

    pub(super) fn gone(&mut self, reason: &str, step: &mut Step<'_>) {
        match self.take() {
            State::Launching { waiting: Some(_) } => {
                step.push(Effect::Answer(Outcome::Platform(reason.to_owned()), None));
            }
            // The sandbox died around an initialisation: the function's doing, and no second sandbox would differ.
            State::Initializing { waiting: Some(invocation), since, .. }
            | State::Reinitializing { invocation, since, .. } => {
                step.start(&invocation);
                let call = self.call(invocation, since, None);
                self.finish(&call, killed(&call), step);
            }
            State::Resetting { waiting: Some(invocation) } => step.push(Effect::Decline(invocation)),
            State::ShuttingDown(shutdown) => {
                if let After::Reset { waiting: Some(invocation), .. } = shutdown.after {
                    step.push(Effect::Decline(invocation));
                }
            }
            State::Settling { waiting, open, .. } => {
                self.close(open, Some(Verdict::Error { error_type: "Runtime.ExitError".into() }), step);
                if let Some(invocation) = waiting {
                    step.push(Effect::Decline(invocation));
                }
            }
            State::Lingering { open, .. } => {
                self.close(open, Some(Verdict::Error { error_type: "Runtime.ExitError".into() }), step);
            }
            // init died with the function's processes: the memory limit spares nobody in the sandbox.
            State::Running(call) => self.finish(&call, killed(&call), step),
            _ => {}
        }
        step.push(Effect::Deadline(None));
    }

    pub(super) fn retire(&mut self, step: &mut Step<'_>) {
        self.retiring = true;
        match &mut self.state {
            State::Launching { waiting }
            | State::Initializing { waiting, .. }
            | State::Resetting { waiting }
            | State::Settling { waiting, open: None, .. }
                if waiting.is_some() => {}
            // A busy environment ends by `release` or `rest`, one whose extensions are at work with them.
            State::Running(_)
            | State::Reinitializing { .. }
            | State::Settling { open: Some(_), .. }
            | State::Lingering { open: Some(_), .. } => {}
            State::ShuttingDown(shutdown) => {
                if matches!(shutdown.after, After::Reset { waiting: None, .. }) {
                    shutdown.after = After::End;
                }
            }
            State::Cold | State::Ended | State::Launching { .. } | State::Resetting { .. } => {
                self.abandon(step)
            }
            State::Frozen => {
                if self.roster.anyone() {
                    step.push(Effect::Thaw);
                }
                self.stop(Reason::Spindown, After::End, true, step);
            }
            _ => self.stop(Reason::Spindown, After::End, true, step),
        }
    }
}
