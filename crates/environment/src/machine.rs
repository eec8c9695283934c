//! The life of an environment as a pure machine: what happened goes in, what to do comes out.
//!
//! ```text
//! Launching ──launched──▶ Initializing ──next──▶ Idle ⇄ Running ──response──▶ Settling ──next──▶ Idle ⇄ Frozen
//!                          │ 10 s, crash, error       │ timeout, crash
//!                          ▼                          ▼
//!                        Resetting ───reset───▶ Cold (or, with an invocation waiting, Reinitializing ──next──▶ Running)
//! ```
//!
//! With extensions `next` is everybody's: the runtime's and each extension's (`roster`), and before Resetting, and before
//! the end, comes ShuttingDown, in which they are told.
//!
//! The pool may hand over the next invocation as soon as the last one is answered ([`Effect::Available`]): the runtime
//! is then a moment away from `/next` or the sandbox is being reset, and both are sooner over than a cold start. A
//! runtime that lingers (work after the response) makes the machine decline the invocation it was given meanwhile.
//!
//! The transitions are in a file for each phase: `init`, `invoke`, `idle`, `end`,
//! `shutdown`.
//!
//! Source of the rules: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle"
//! (phases, suppressed init, reset) and "Using the Lambda runtime API" (who may call what when).

use std::sync::Arc;
use std::time::{Duration, Instant};

use lambent_model::{ExtensionId, Invocation, MemorySize, Outcome, RestoreFault};

use crate::Initialization;
use crate::record::Record;

mod damper;
mod effect;
mod end;
mod event;
mod idle;
mod init;
mod invoke;
mod roster;
mod shutdown;
#[cfg(test)]
mod tests;
mod words;

use damper::Damper;
pub(crate) use effect::{Effect, Verdicted};
pub(crate) use event::{Event, Reported, Start};
use init::Stage;
use invoke::Open;
use roster::Roster;
pub(crate) use roster::{Events, MOST_EXTENSIONS, Refusal, Standing};
pub(crate) use shutdown::Reason;
use shutdown::Shutdown;

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
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) timeout: Duration,
    pub(crate) memory: MemorySize,
    pub(crate) initialization: Initialization,
    /// Whether its first initialisation is the restore of a snapshot.
    pub(crate) restores: bool,
    /// The files in `/opt/extensions`, each an external extension of that name.
    pub(crate) extensions: Vec<String>,
}

/// An invocation that the function has.
#[derive(Debug)]
struct Call {
    invocation: Arc<Invocation>,
    delivered: Instant,
    deadline: Instant,
    /// The initialisation that this invocation's REPORT names.
    init: Option<Duration>,
    /// Bytes of the response that the caller has had already.
    streamed: usize,
    /// How long the runtime took to send its answer.
    sending: Duration,
}

#[derive(Debug)]
enum State {
    Launching {
        waiting: Option<Arc<Invocation>>,
    },
    Initializing {
        since: Instant,
        waiting: Option<Arc<Invocation>>,
        stage: Stage,
    },
    /// The runtime waits at `/next`, and so do all extensions.
    Idle {
        since: Instant,
    },
    /// The same, and nothing in the sandbox runs, init neither.
    Frozen,
    Running(Call),
    /// The runtime has answered; it or an extension is not back at `/next` yet, and all are reset at `until`.
    Settling {
        until: Instant,
        waiting: Option<Arc<Invocation>>,
        /// Whether the runtime is.
        back: bool,
        /// The invocation, if it was not over with the runtime's answer.
        open: Option<Open>,
    },
    /// Still not back at `/next`, and the pool has been told not to count on it.
    Lingering {
        until: Instant,
        back: bool,
        open: Option<Open>,
    },
    /// Runtime and extensions have been told to end.
    ShuttingDown(Shutdown),
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
        stage: Stage,
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
    roster: Roster,
    /// What an extension has said of its end, which is about to follow: the type of the environment's error.
    reported: Option<&'static str>,
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
            roster: Roster::default(),
            reported: None,
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
            State::Resetting { .. } | State::ShuttingDown(_) => "Resetting",
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
            Event::SnapshotDue { asking } => self.snapshot_due(asking, step),
            Event::Report { request_id, reported, sending } => {
                self.reported(&request_id, reported, sending, step);
            }
            Event::InitError { failure } => {
                self.init_error(failure.clone(), Outcome::Failed(failure), step);
            }
            Event::RestoreError { failure } => {
                self.init_error(failure, Outcome::NotRestored(RestoreFault::Hook), step);
            }
            Event::NotRestored => self.not_restored(step),
            Event::StartFailed { failure } => self.start_failed(&failure, step),
            Event::Register { name, events, identifier } => self.register(&name, events, identifier, step),
            Event::ExtensionNext { identifier } => self.extension_next(identifier, step),
            Event::ExtensionError { identifier, init, error_type } => {
                self.extension_error(identifier, init, error_type, step);
            }
            Event::ExtensionStartFailed { slot, kind, message } => {
                self.extension_start_failed(slot, kind, &message, step);
            }
            Event::ExtensionExited { slot, exit } => self.extension_exited(slot, exit, step),
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

    fn register(&mut self, name: &str, events: Events, identifier: ExtensionId, step: &mut Step<'_>) {
        // Outside of an initialisation there is nobody to register: who does was not started by us.
        let registered = match self.state {
            State::Initializing { .. } | State::Reinitializing { .. } => {
                self.roster.register(name, events, identifier)
            }
            _ => Err(Refusal::RegistrationClosed),
        };
        step.judge(registered);
        self.advance(step);
    }

    fn extension_next(&mut self, identifier: ExtensionId, step: &mut Step<'_>) {
        step.judge(self.roster.next(identifier));
        self.advance(step);
        self.settle(step);
    }

    fn extension_error(
        &mut self,
        identifier: ExtensionId,
        init: bool,
        error_type: String,
        step: &mut Step<'_>,
    ) {
        let (state, fatal) =
            if init { ("InitError", "Extension.InitError") } else { ("ExitError", "Extension.ExitError") };
        let judged = self.roster.fail(identifier, state, error_type);
        if judged.is_ok() {
            // It is about to end, or to end its runtime; this says why. The first word counts.
            self.reported.get_or_insert(fatal);
        }
        step.judge(judged);
    }

    fn extension_start_failed(&mut self, slot: u8, kind: &str, message: &str, step: &mut Step<'_>) {
        self.roster.launch_failed(slot, kind);
        let registering = matches!(&self.state, State::Initializing { stage, .. } | State::Reinitializing { stage, .. }
                if *stage == Stage::Registering);
        self.crashed("Extension.LaunchError", message, !registering, step);
    }

    /// The name of the extension with this identifier, if telemetry can be subscribed to now: until the environment is
    /// initialised.
    pub(crate) fn subscriber(&self, identifier: ExtensionId) -> Result<&str, NoSubscriber> {
        let name = self.roster.name(identifier).ok_or(NoSubscriber::Unknown)?;
        match self.state {
            State::Initializing { .. } | State::Reinitializing { .. } => Ok(name),
            _ => Err(NoSubscriber::Closed),
        }
    }
}

/// Why somebody cannot subscribe to telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSubscriber {
    /// No extension has this identifier.
    Unknown,
    /// The environment is initialised.
    Closed,
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

    fn judge(&mut self, judged: Result<(), Refusal>) {
        self.push(Effect::Reply(judged.map_or_else(Verdicted::Refused, |()| Verdicted::Accepted)));
    }
}
