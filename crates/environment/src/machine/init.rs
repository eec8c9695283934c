//! The Init phase, and initialisation inside an invocation: extensions start and register, the runtime starts, and all
//! ask for their first event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lambent_model::{Failure, Invocation, Outcome, RestoreFault};
use lambent_sandbox_client::Ends;

use super::damper::{Cause, Damper};
use super::shutdown::{After, Reason};
use super::words::failed;
use super::{Effect, Machine, Start, State, Step, Verdicted};
use crate::record::{Phase, Record, Verdict};
use crate::{Initialization, NoSnapshot};

/// How far an initialisation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// External extensions start and register.
    Registering,
    /// The runtime starts and initialises the function.
    Runtime,
    /// The runtime is at `/next`, and extensions are still on their way to theirs.
    Extensions,
}

/// An initialisation that has failed, its records written.
struct FailedInit {
    phase: Phase,
    since: Instant,
    waiting: Option<Arc<Invocation>>,
}

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
        step.log(Record::InitStart { phase: self.first_phase() });
        let stage = self.begin(step);
        self.state = State::Initializing { since: step.now, waiting, stage };
        let limit = self.settings.initialization.limit(self.settings.timeout);
        step.push(Effect::Deadline(Some(step.now + limit)));
    }

    /// Cold ⇒ Reinitializing, Resetting ⇒ Reinitializing; ⇒ Cold at once where one initialisation after the other fails.
    ///
    /// The invocation's START follows: AWS writes it after what this initialisation writes, also when that fails.
    pub(super) fn reinitialize(&mut self, invocation: Arc<Invocation>, step: &mut Step<'_>) {
        if let Some((cause, note)) = self.damper.holds(step.now) {
            step.start(&invocation);
            step.push(Effect::Note(note));
            step.push(Effect::Deadline(None));
            let call = self.call(invocation, step.now, None);
            self.finish(&call, cause.outcome(&call), step);
            self.state = State::Cold;
            return;
        }
        step.log(Record::InitStart { phase: Phase::Invoke });
        let stage = self.begin(step);
        step.push(Effect::Deadline(Some(step.now + self.settings.timeout)));
        self.state = State::Reinitializing { invocation, since: step.now, stage };
    }

    /// Starts what comes first. "After each extension registers with Lambda, Lambda starts the Runtime init phase."
    fn begin(&mut self, step: &mut Step<'_>) -> Stage {
        self.reported = None;
        self.roster.launch(&self.settings.extensions);
        if self.settings.extensions.is_empty() {
            step.push(Effect::StartRuntime);
            return Stage::Runtime;
        }
        step.push(Effect::StartExtensions);
        Stage::Registering
    }

    /// The runtime is at its first `/next`: registration closes.
    pub(super) fn runtime_ready(&mut self, step: &mut Step<'_>) {
        let (State::Initializing { stage, .. } | State::Reinitializing { stage, .. }) = &mut self.state
        else {
            return;
        };
        // A second question waits beside the first; one without a runtime is an extension's, which has no business there.
        if *stage != Stage::Runtime {
            return;
        }
        *stage = Stage::Extensions;
        self.roster.close();
        step.log(Record::InitRuntimeDone { phase: self.init_phase(), verdict: Verdict::Success });
        self.advance(step);
    }

    /// Goes on with an initialisation as far as the extensions let it.
    pub(super) fn advance(&mut self, step: &mut Step<'_>) {
        let (State::Initializing { stage, .. } | State::Reinitializing { stage, .. }) = &mut self.state
        else {
            return;
        };
        match stage {
            Stage::Registering if self.roster.have_registered() => {
                *stage = Stage::Runtime;
                step.push(Effect::StartRuntime);
            }
            Stage::Extensions if self.roster.are_waiting() => self.initialised(step),
            _ => {}
        }
    }

    fn init_phase(&self) -> Phase {
        if matches!(self.state, State::Initializing { .. }) { self.first_phase() } else { Phase::Invoke }
    }

    fn first_phase(&self) -> Phase {
        if self.settings.restores { Phase::Restore } else { Phase::Init }
    }

    /// Initializing ⇒ Ended: the runtime has come to where its snapshot is to be taken, and the rest is not the machine's.
    pub(super) fn snapshot_due(&mut self, asking: Option<Ends>, step: &mut Step<'_>) {
        match self.take() {
            State::Initializing { since, waiting: None, stage: Stage::Runtime }
                if self.settings.initialization == Initialization::Snapshot =>
            {
                let (phase, verdict) = (Phase::Init, Verdict::Success);
                step.log(Record::InitRuntimeDone { phase, verdict: verdict.clone() });
                step.log(Record::InitReport { duration: step.now - since, phase, verdict });
                step.push(Effect::Deadline(None));
                step.push(Effect::TakeSnapshot { asking });
            }
            other => self.state = other,
        }
    }

    /// Initializing ⇒ Ended: there is nothing of the function's in the sandbox, and whoever waits for it finds another one.
    pub(super) fn not_restored(&mut self, step: &mut Step<'_>) {
        match self.take() {
            State::Initializing { waiting, .. } if self.settings.restores => {
                if let Some(invocation) = waiting {
                    step.push(Effect::Decline(invocation));
                }
                self.abandon(step);
            }
            other => self.state = other,
        }
    }

    /// Initializing ⇒ Idle or Running, Reinitializing ⇒ Running
    fn initialised(&mut self, step: &mut Step<'_>) {
        if self.settings.initialization == Initialization::Snapshot {
            step.push(Effect::NoSnapshot(NoSnapshot::NotAsked));
            return self.stop(Reason::Spindown, After::End, true, step);
        }
        self.damper = Damper::default();
        step.push(Effect::Initialised);
        self.log_standings(step);
        match self.take() {
            State::Initializing { since, waiting, .. } => {
                let duration = step.now - since;
                // One ahead of invocations has a report of its own, and is no part of what an invocation is billed.
                self.unreported_init = (!self.settings.initialization.is_ahead()).then_some(duration);
                step.log(Record::InitReport {
                    duration,
                    phase: self.first_phase(),
                    verdict: Verdict::Success,
                });
                match waiting {
                    Some(invocation) => {
                        self.deliver(invocation, step);
                        step.push(Effect::Throttle(true));
                    }
                    None => {
                        step.push(Effect::Throttle(true));
                        self.release(step);
                        self.rest(step);
                    }
                }
            }
            State::Reinitializing { invocation, since, .. } => {
                let duration = step.now - since;
                step.log(Record::InitReport { duration, phase: Phase::Invoke, verdict: Verdict::Success });
                step.push(Effect::Throttle(true));
                // The time of a suppressed initialisation belongs to the invocation: it counts from `since`, and
                // the deadline set then stays.
                step.start(&invocation);
                let call = self.call(invocation, since, None);
                self.hand_over(call, step);
            }
            other => self.state = other,
        }
    }

    fn log_standings(&self, step: &mut Step<'_>) {
        for standing in self.roster.standings() {
            step.log(Record::Extension(standing));
        }
    }

    /// Takes an initialisation out of the state that has failed after `duration`, or just now. `None` where there is none.
    fn failed_init(
        &mut self,
        verdict: &Verdict,
        duration: Option<Duration>,
        step: &mut Step<'_>,
    ) -> Option<FailedInit> {
        let phase = self.init_phase();
        let (since, waiting, stage) = match self.take() {
            State::Initializing { since, waiting, stage } => (since, waiting, stage),
            State::Reinitializing { invocation, since, stage } => (since, Some(invocation), stage),
            other => {
                self.state = other;
                return None;
            }
        };
        if stage == Stage::Runtime {
            step.log(Record::InitRuntimeDone { phase, verdict: verdict.clone() });
        }
        self.log_standings(step);
        let duration = duration.unwrap_or(step.now - since);
        step.log(Record::InitReport { duration, phase, verdict: verdict.clone() });
        if self.settings.initialization == Initialization::Snapshot {
            let why = verdict.error_type().unwrap_or("it took too long").to_owned();
            step.push(Effect::NoSnapshot(NoSnapshot::Function(why)));
        }
        Some(FailedInit { phase, since, waiting })
    }

    /// The runtime has reported that it cannot go on; `outcome` is what an invocation gets that will not see another try.
    pub(super) fn init_error(&mut self, failure: Failure, outcome: Outcome, step: &mut Step<'_>) {
        let verdict = Verdict::Error { error_type: failure.error_type.clone() };
        let Some(init) = self.failed_init(&verdict, None, step) else {
            return step.push(Effect::Reply(Verdicted::InvalidState(self.state_name())));
        };
        self.roster.close();
        self.damper.failed(Cause::Reported(failure), step.now);
        step.push(Effect::Reply(Verdicted::Accepted));
        match (init.phase, init.waiting) {
            (_, None) => self.stop(Reason::Failure, After::End, true, step),
            // Once more, inside the invocation: what failed may not fail again.
            (Phase::Init, waiting) => self.stop(Reason::Failure, After::reset(waiting), true, step),
            (Phase::Restore, Some(invocation)) => {
                step.start(&invocation);
                let call = self.call(invocation, step.now, Some(step.now - init.since));
                self.fail(&call, outcome, Reason::Failure, true, step);
            }
            (Phase::Invoke, Some(invocation)) => {
                step.start(&invocation);
                let call = self.call(invocation, init.since, None);
                self.fail(&call, outcome, Reason::Failure, true, step);
            }
        }
    }

    pub(super) fn start_failed(&mut self, start: &Start, step: &mut Step<'_>) {
        let verdict = Verdict::Error { error_type: start.error_type.clone() };
        let Some(init) = self.failed_init(&verdict, Some(Duration::ZERO), step) else { return };
        let Start { error_type, message } = start;
        let cause = Cause::Platform { error_type: error_type.clone(), message: message.clone() };
        self.damper.failed(cause, step.now);
        let Some(invocation) = init.waiting else {
            return self.stop(Reason::Failure, After::End, false, step);
        };
        step.start(&invocation);
        let call = self.call(invocation, init.since, None);
        let outcome = failed(&call, &start.error_type, &start.message);
        if !self.settings.extensions.is_empty() {
            return self.fail(&call, outcome, Reason::Failure, false, step);
        }
        self.finish(&call, outcome, step);
        // There is nothing to kill and nothing a second try would change until the next invocation.
        step.push(Effect::Deadline(None));
        self.state = State::Cold;
    }

    /// A process has died in an initialisation. True when there was one.
    pub(super) fn crashed_in_init(
        &mut self,
        error_type: &str,
        message: &str,
        runtime_lives: bool,
        step: &mut Step<'_>,
    ) -> bool {
        let verdict = Verdict::Error { error_type: error_type.into() };
        let Some(init) = self.failed_init(&verdict, None, step) else { return false };
        let cause = Cause::Platform { error_type: error_type.into(), message: message.into() };
        self.damper.failed(cause, step.now);
        match (init.phase, init.waiting) {
            (_, None) => self.stop(Reason::Failure, After::End, runtime_lives, step),
            // A crash without a report: initialise once more, inside the invocation.
            (Phase::Init | Phase::Restore, waiting) => {
                self.stop(Reason::Failure, After::reset(waiting), runtime_lives, step);
            }
            (Phase::Invoke, Some(invocation)) => {
                step.start(&invocation);
                let call = self.call(invocation, init.since, None);
                let outcome = failed(&call, error_type, message);
                self.fail(&call, outcome, Reason::Failure, runtime_lives, step);
            }
        }
        true
    }

    /// The time for an initialisation is over. True when there was one.
    pub(super) fn init_timed_out(&mut self, step: &mut Step<'_>) -> bool {
        let Some(init) = self.failed_init(&Verdict::Timeout, None, step) else { return false };
        match (init.phase, init.waiting) {
            (_, None) => self.stop(Reason::Timeout, After::End, true, step),
            // Another try would take as long, and the caller has waited.
            (Phase::Restore, Some(invocation)) => {
                step.start(&invocation);
                let call = self.call(invocation, step.now, Some(step.now - init.since));
                self.fail(&call, Outcome::NotRestored(RestoreFault::TimedOut), Reason::Timeout, true, step);
            }
            (Phase::Init, waiting) => {
                self.stop(Reason::Timeout, After::reset(waiting), true, step);
            }
            (Phase::Invoke, Some(invocation)) => {
                step.start(&invocation);
                let call = self.call(invocation, init.since, None);
                self.time_out(&call, step);
            }
        }
        true
    }
}
