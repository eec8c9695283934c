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
//! Source of the rules: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle"
//! (phases, suppressed init, reset) and "Using the Lambda runtime API" (who may call what when).

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lambent_model::MemorySize;
use lambent_sandbox_client::Exit;
use serde_json::json;

use crate::record::{Phase, Record, Verdict};
use lambent_model::{Failure, Invocation, Outcome, Report};

mod damper;
#[cfg(test)]
mod tests;

use damper::{Cause, Damper};

/// "The Init phase is limited to 10 seconds."
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
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
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The sandbox stands. It is frozen once it has been idle for `freeze_after`; never where the host cannot.
    Launched { freeze_after: Option<Duration> },
    /// The pool hands over an invocation: one with the launch, later ones after [`Effect::Available`].
    Invoke(Arc<Invocation>),
    /// The runtime asked for the next event.
    Next,
    /// The runtime reported how the invocation `request_id` (as it wrote it) went.
    Report { request_id: String, reported: Reported },
    /// The runtime reported that it cannot initialise.
    InitError { failure: Failure },
    /// The runtime could not be started at all.
    StartFailed { failure: Start },
    /// The runtime's process ended.
    Exited { exit: Exit, out_of_memory: bool },
    /// One of the runtime's connections has ended, as all do when it dies.
    Disconnected,
    /// The moment of an [`Effect::FreezeAt`] has come.
    FreezeDue,
    /// All processes of the sandbox are gone; it is ready for a new runtime.
    Reset,
    /// The sandbox is gone.
    Gone { reason: String },
    /// The deadline that was set has passed.
    Deadline,
    /// Finish what is running, then end.
    Retire,
}

/// What the runtime posted.
#[derive(Debug)]
pub(crate) enum Reported {
    Success(Bytes),
    TooLarge,
    Truncated,
    InvalidMode,
    Error(Failure),
}

/// Why there is no runtime process.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) error_type: String,
    pub(crate) message: String,
}

/// What to do about it, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    /// Start the runtime's process.
    StartRuntime,
    /// Kill every process but init.
    Reset,
    /// Tear the sandbox down, frozen or not.
    Kill,
    /// Say [`Event::FreezeDue`] then, or a moment later; one that was asked for before will do.
    FreezeAt(Instant),
    /// Stop every process of the sandbox, having taken over what they wrote.
    Freeze,
    /// Let them go on.
    Thaw,
    /// Give this event and its deadline to the runtime's pending request for one.
    Deliver(Arc<Invocation>, Instant),
    /// Answer the runtime's call.
    Reply(Verdicted),
    /// Answer the invocation's caller.
    Answer(Outcome, Option<Report>),
    /// Write a platform record.
    Log(Record),
    /// Write a line of the platform's for who reads the log.
    Note(String),
    /// Tell the pool that the runtime is initialised: what memory that takes is taken.
    Initialised,
    /// Set or clear the one deadline.
    Deadline(Option<Instant>),
    /// Apply the function's share of the CPU, or lift it while the runtime initialises.
    Throttle(bool),
    /// Tell the pool that the environment can take an invocation.
    Available,
    /// Give the invocation back to the pool, which finds another environment for it.
    Decline(Arc<Invocation>),
}

/// The Runtime API's verdict on a call of the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdicted {
    Accepted,
    InvalidRequestId,
    InvalidState(&'static str),
    TooLarge,
    Truncated,
    InvalidMode,
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

    fn launched(&mut self, freeze_after: Option<Duration>, step: &mut Step<'_>) {
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
        step.push(Effect::Deadline(Some(step.now + INIT_TIMEOUT)));
    }

    fn invoke(&mut self, invocation: Arc<Invocation>, step: &mut Step<'_>) {
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
    fn deliver(&mut self, invocation: Arc<Invocation>, step: &mut Step<'_>) -> State {
        let init = self.unreported_init.take();
        let call = self.call(invocation, step.now, init);
        step.log(Record::Start { request_id: call.invocation.request_id });
        step.push(Effect::Deliver(Arc::clone(&call.invocation), call.deadline));
        step.push(Effect::Deadline(Some(call.deadline)));
        State::Running(call)
    }

    fn call(&self, invocation: Arc<Invocation>, delivered: Instant, init: Option<Duration>) -> Call {
        Call { invocation, delivered, deadline: delivered + self.settings.timeout, init }
    }

    /// Cold ⇒ Reinitializing, Resetting ⇒ Reinitializing; ⇒ Cold at once where one initialisation after the other fails.
    fn reinitialize(&mut self, invocation: Arc<Invocation>, step: &mut Step<'_>) -> State {
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

    fn next(&mut self, step: &mut Step<'_>) {
        self.state = match self.take() {
            State::Initializing { since, waiting } => {
                let duration = step.now - since;
                self.initialised(step);
                self.unreported_init = Some(duration);
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

    fn initialised(&mut self, step: &mut Step<'_>) {
        self.damper = Damper::default();
        step.push(Effect::Initialised);
    }

    /// Any ⇒ Idle. The caller has its answer by now; freezing is left to a later moment, since whoever calls again at
    /// once should pay for neither that nor the thawing.
    fn idle(&self, step: &mut Step<'_>) -> State {
        step.push(Effect::Deadline(None));
        if let Some(after) = self.freeze_after {
            step.push(Effect::FreezeAt(step.now + after));
        }
        State::Idle { since: step.now }
    }

    /// Idle ⇒ Frozen, if it has been idle for long enough: it may have run since that was asked for.
    fn freeze_due(&mut self, step: &mut Step<'_>) {
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
    fn disconnected(&mut self, step: &mut Step<'_>) {
        if matches!(self.state, State::Frozen) {
            step.push(Effect::Thaw);
            self.state = State::Idle { since: step.now };
        }
    }

    /// Nobody waits for the environment any more: offer it, or end it when it is to retire.
    fn release(&self, step: &mut Step<'_>) {
        step.push(if self.retiring { Effect::Kill } else { Effect::Available });
    }

    fn reported(&mut self, request_id: &str, reported: Reported, step: &mut Step<'_>) {
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
            Reported::TooLarge => (Verdicted::TooLarge, Outcome::Failed(response_too_large())),
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
    fn finish(&self, call: &Call, outcome: Outcome, step: &mut Step<'_>) {
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

    /// The end of an initialisation that no invocation waited for: nobody would learn of it, so nothing is kept.
    fn abandon(&mut self, step: &mut Step<'_>) {
        step.push(Effect::Deadline(None));
        step.push(Effect::Kill);
        self.state = State::Ended;
    }

    fn init_error(&mut self, failure: Failure, step: &mut Step<'_>) {
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

    fn start_failed(&mut self, start: &Start, step: &mut Step<'_>) {
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

    fn exited(&mut self, exit: Exit, out_of_memory: bool, step: &mut Step<'_>) {
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
    fn reset(&mut self, waiting: Option<Arc<Invocation>>, step: &mut Step<'_>) {
        if self.retiring && waiting.is_none() {
            return self.abandon(step);
        }
        step.push(Effect::Deadline(Some(step.now + RESET_TIMEOUT)));
        // Before the killing: a thousand processes die by the CPU time of the sandbox, and take a quarter of a minute
        // with a small function's share. The initialisation that follows has none either.
        step.push(Effect::Throttle(false));
        step.push(Effect::Reset);
        self.state = State::Resetting { waiting };
    }

    fn reset_done(&mut self, step: &mut Step<'_>) {
        self.state = match self.take() {
            State::Resetting { waiting: Some(invocation) } => self.reinitialize(invocation, step),
            State::Resetting { waiting: None } => {
                step.push(Effect::Deadline(None));
                State::Cold
            }
            other => other,
        }
    }

    fn deadline(&mut self, step: &mut Step<'_>) {
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

    fn time_out(&mut self, call: &Call, step: &mut Step<'_>) {
        let text = format!("Task timed out after {:.2} seconds", self.settings.timeout.as_secs_f64());
        self.finish(call, failed(call, "Sandbox.Timedout", &text), step);
        self.reset(None, step);
    }

    fn gone(&mut self, reason: &str, step: &mut Step<'_>) {
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

    fn retire(&mut self, step: &mut Step<'_>) {
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

fn failed(call: &Call, error_type: &str, message: &str) -> Outcome {
    let message = format!("RequestId: {} Error: {message}", call.invocation.request_id);
    // Written by hand for the order of the keys: `errorType` first, as AWS has it.
    let body = format!(r#"{{"errorType":{},"errorMessage":{}}}"#, json!(error_type), json!(message));
    Outcome::Failed(Failure { error_type: error_type.to_owned(), body: body.into() })
}

fn killed(call: &Call) -> Outcome {
    failed(call, "Runtime.ExitError", &exit_text(Exit::Signal(SIGKILL)))
}

fn response_too_large() -> Failure {
    Failure {
        error_type: "Function.ResponseSizeTooLarge".into(),
        body: format!(
            "{{\"errorMessage\":\"Response payload size exceeded maximum allowed payload size \
             ({RESPONSE_LIMIT} bytes).\",\"errorType\":\"Function.ResponseSizeTooLarge\"}}"
        )
        .into(),
    }
}

/// How AWS words the end of a runtime; signal names are Go's, as its platform prints them.
fn exit_text(exit: Exit) -> String {
    match exit {
        Exit::Code(0) => "Runtime exited without providing a reason".into(),
        Exit::Code(code) => format!("Runtime exited with error: exit status {code}"),
        Exit::Signal(signal) => {
            let name = match signal {
                1 => "hangup",
                2 => "interrupt",
                3 => "quit",
                4 => "illegal instruction",
                5 => "trace/breakpoint trap",
                6 => "aborted",
                7 => "bus error",
                8 => "floating point exception",
                SIGKILL => "killed",
                10 => "user defined signal 1",
                11 => "segmentation fault",
                12 => "user defined signal 2",
                13 => "broken pipe",
                14 => "alarm clock",
                15 => "terminated",
                31 => "bad system call",
                other => return format!("Runtime exited with error: signal: signal {other}"),
            };
            format!("Runtime exited with error: signal: {name}")
        }
    }
}
