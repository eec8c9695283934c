//! The life of an environment as a pure machine: what happened goes in, what to do comes out.
//!
//! ```text
//! Launching ──launched──▶ Initializing ──next──▶ Idle ⇄ Running ──response──▶ Settling ──next──▶ Idle ⇄ Frozen
//!                          │ 10 s, crash, error       │ timeout, crash
//!                          ▼                          ▼
//!                        Resetting ───reset───▶ Cold (or, with an invocation waiting, Reinitializing ──next──▶ Running)
//! ```
//!
//! The pool may hand over the next invocation as soon as the last one is answered ([`Effect::Available`]): the runtime
//! is then a moment away from `/next` or the sandbox is being reset, and both are sooner over than a cold start. A
//! runtime that lingers (work after the response) makes the machine decline the invocation it was given meanwhile.
//!
//! The transitions are in a file for each phase: `init`, `invoke`, `idle`, `end`.
//!
//! Source of the rules: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle"
//! (phases, suppressed init, reset) and "Using the Lambda runtime API" (who may call what when).

use std::sync::Arc;
use std::time::{Duration, Instant};

use lambent_model::{Invocation, MemorySize};

use crate::Initialization;
use crate::record::{Phase, Record, Verdict};

mod damper;
mod effect;
mod end;
mod event;
mod idle;
mod init;
mod invoke;
#[cfg(test)]
mod tests;
mod words;

use damper::Damper;
pub(crate) use effect::{Effect, Verdicted};
pub(crate) use event::{Event, Reported, Start};

/// Result of a synchronous invocation: 6 MB and 100 bytes of slack, as AWS's own message says.
pub(crate) const RESPONSE_LIMIT: usize = 6_291_556;

/// How long an invocation waits for a runtime that has answered but is not back at `/next`. Clients are back within 0.1
/// ms, so this is for those who are not: a runtime that has used up its share of the CPU stands still for up to a period
/// of the quota, which is so long. With less, a small function would be started anew although it is back a moment
/// later; what is not back after a whole period is at work.
const SETTLE_GRACE: Duration = Duration::from_millis(20);

/// A thousand processes are killed and gone within a second; what takes longer than this never goes.
const RESET_TIMEOUT: Duration = Duration::from_secs(30);

/// Linux's number of the signal that nothing survives.
const SIGKILL: i32 = 9;

/// The function's settings that the machine decides by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) timeout: Duration,
    pub(crate) memory: MemorySize,
    pub(crate) initialization: Initialization,
}

/// An invocation that the function has.
#[derive(Debug)]
struct Call {
    invocation: Arc<Invocation>,
    delivered: Instant,
    deadline: Instant,
    /// The initialisation that this invocation's REPORT names.
    init: Option<Duration>,
}

#[derive(Debug)]
enum State {
    Launching {
        waiting: Option<Arc<Invocation>>,
    },
    Initializing {
        since: Instant,
        waiting: Option<Arc<Invocation>>,
    },
    /// The runtime waits at `/next`.
    Idle {
        since: Instant,
    },
    /// The same, and nothing in the sandbox runs, init neither.
    Frozen,
    Running(Call),
    /// The caller has its answer; the runtime is not back at `/next` yet, and is reset at `until`.
    Settling {
        until: Instant,
        waiting: Option<Arc<Invocation>>,
    },
    /// Still not back at `/next`, and the pool has been told not to count on it.
    Lingering {
        until: Instant,
    },
    /// Processes are being killed; an invocation may wait for the initialisation that follows.
    Resetting {
        waiting: Option<Arc<Invocation>>,
    },
    /// A sandbox without a runtime.
    Cold,
    /// Initialisation inside an invocation, under the function's timeout.
    Reinitializing {
        invocation: Arc<Invocation>,
        since: Instant,
    },
    Ended,
}

/// The machine. See the module's text.
#[derive(Debug)]
pub(crate) struct Machine {
    settings: Settings,
    state: State,
    /// A finished initialisation that no REPORT has named yet.
    unreported_init: Option<Duration>,
    /// See [`Event::Launched`].
    freeze_after: Option<Duration>,
    damper: Damper,
    retiring: bool,
}

impl Machine {
    pub(crate) fn new(settings: Settings) -> Self {
        let state = State::Launching { waiting: None };
        Self {
            settings,
            state,
            unreported_init: None,
            freeze_after: None,
            damper: Damper::default(),
            retiring: false,
        }
    }

    /// The name of the state, for the Runtime API's errors and the log.
    pub(crate) fn state_name(&self) -> &'static str {
        match self.state {
            State::Launching { .. } => "Launching",
            State::Initializing { .. } | State::Reinitializing { .. } => "Started",
            State::Idle { .. } | State::Frozen => "Ready",
            State::Running(_) => "Running",
            State::Settling { .. } | State::Lingering { .. } => "ResponseSent",
            State::Resetting { .. } => "Resetting",
            State::Cold => "Cold",
            State::Ended => "Ended",
        }
    }

    /// Whether the function has the invocation of this id and has not answered it.
    pub(crate) fn runs(&self, request_id: &str) -> bool {
        matches!(&self.state, State::Running(call) if call.invocation.request_id.to_string() == request_id)
    }

    /// Whether nothing is expected of the sandbox any more.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Takes one event and says what to do. `now` is monotonic; `max_memory_used_mb` the peak so far.
    pub(crate) fn apply(
        &mut self,
        event: Event,
        now: Instant,
        max_memory_used_mb: Option<u64>,
    ) -> Vec<Effect> {
        let mut effects = Vec::with_capacity(6);
        let step = &mut Step { effects: &mut effects, now, used: max_memory_used_mb };
        match event {
            Event::Launched { freeze_after } => self.launched(freeze_after, step),
            Event::Invoke(invocation) => self.invoke(invocation, step),
            Event::Next => self.next(step),
            Event::Report { request_id, reported } => self.reported(&request_id, reported, step),
            Event::InitError { failure } => self.init_error(failure, step),
            Event::StartFailed { failure } => self.start_failed(&failure, step),
            Event::Exited { exit, out_of_memory } => self.exited(exit, out_of_memory, step),
            Event::Disconnected => self.disconnected(step),
            Event::FreezeDue => self.freeze_due(step),
            Event::Reset => self.reset_done(step),
            Event::Gone { reason } => self.gone(&reason, step),
            Event::Deadline => self.deadline(step),
            Event::Retire => self.retire(step),
        }
        effects
    }

    fn take(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Ended)
    }

    fn next(&mut self, step: &mut Step<'_>) {
        self.state = match self.take() {
            State::Initializing { since, waiting } => {
                let duration = step.now - since;
                self.initialised(step);
                // One ahead of invocations has a report of its own, and is no part of what an invocation is billed.
                self.unreported_init = (!self.settings.initialization.is_ahead()).then_some(duration);
                step.log(Record::InitReport { duration, phase: Phase::Init, verdict: Verdict::Success });
                match waiting {
                    Some(invocation) => {
                        let running = self.deliver(invocation, step);
                        step.push(Effect::Throttle(true));
                        running
                    }
                    None => {
                        step.push(Effect::Throttle(true));
                        self.release(step);
                        self.idle(step)
                    }
                }
            }
            State::Reinitializing { invocation, since } => {
                let duration = step.now - since;
                self.initialised(step);
                step.log(Record::InitReport { duration, phase: Phase::Invoke, verdict: Verdict::Success });
                step.push(Effect::Throttle(true));
                // The time of a suppressed initialisation belongs to the invocation: it counts from `since`, and
                // the deadline set then stays.
                let call = self.call(invocation, since, None);
                step.push(Effect::Deliver(Arc::clone(&call.invocation), call.deadline));
                State::Running(call)
            }
            // A repeated request while an invocation runs gets the same event again.
            State::Running(call) => {
                step.push(Effect::Deliver(Arc::clone(&call.invocation), call.deadline));
                State::Running(call)
            }
            State::Settling { waiting: Some(invocation), .. } => self.deliver(invocation, step),
            State::Settling { waiting: None, .. } => self.idle(step),
            State::Lingering { .. } => {
                self.release(step);
                self.idle(step)
            }
            // A second poller of an idle environment waits beside the first; a runtime that is being killed waits
            // for its end.
            other => other,
        }
    }
}

/// The effects of one event, with the moment it happened.
struct Step<'a> {
    effects: &'a mut Vec<Effect>,
    now: Instant,
    used: Option<u64>,
}

impl Step<'_> {
    fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    fn log(&mut self, record: Record) {
        self.push(Effect::Log(record));
    }
}
