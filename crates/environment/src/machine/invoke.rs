//! The Invoke phase: an invocation comes, is delivered, and is answered; it is over when the runtime and all extensions
//! have asked for the next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lambent_model::{Invocation, Outcome, Report, RequestId, RestoreFault};

use super::shutdown::{After, Reason};
use super::words::{failed, response_too_large};
use super::{Call, Effect, Machine, Reported, SETTLE_GRACE, State, Step, Verdicted};
use crate::record::{Record, Verdict};

/// An invocation that the runtime has answered while extensions are still at work on it.
#[derive(Debug)]
pub(super) struct Open {
    call: Call,
    verdict: Verdict,
    responded: Instant,
    /// What is to be said of the runtime once it is back, or has ended.
    done: Option<Done>,
    /// Whether extensions had been told of the invocation, and are waited for.
    extended: bool,
    /// The peak of memory by then.
    used: Option<u64>,
    /// The answer to a caller who wants the invocation's log, which is not complete before its end.
    held: Option<Outcome>,
}

impl Open {
    pub(super) fn request_id(&self) -> RequestId {
        self.call.invocation.request_id
    }
}

/// How the runtime has answered.
#[derive(Debug)]
struct Done {
    duration: Duration,
    produced_bytes: Option<usize>,
    sending: Duration,
}

impl Machine {
    pub(super) fn invoke(&mut self, invocation: Arc<Invocation>, step: &mut Step<'_>) {
        self.state = match self.take() {
            State::Launching { waiting: None } => State::Launching { waiting: Some(invocation) },
            State::Initializing { since, waiting: None, stage } => {
                State::Initializing { since, waiting: Some(invocation), stage }
            }
            State::Idle { .. } => return self.deliver(invocation, step),
            State::Frozen => {
                step.push(Effect::Thaw);
                return self.deliver(invocation, step);
            }
            State::Resetting { waiting: None } => State::Resetting { waiting: Some(invocation) },
            State::ShuttingDown(mut shutdown)
                if matches!(shutdown.after, After::Reset { waiting: None, .. }) =>
            {
                shutdown.after = After::reset(Some(invocation));
                State::ShuttingDown(shutdown)
            }
            State::Settling { until, waiting: None, back, open } => {
                step.push(Effect::Deadline(Some(until.min(step.now + SETTLE_GRACE))));
                State::Settling { until, waiting: Some(invocation), back, open }
            }
            State::Cold => return self.reinitialize(invocation, step),
            // The pool raced with the end.
            ended @ (State::Ended | State::ShuttingDown(_)) => {
                step.push(Effect::Decline(invocation));
                ended
            }
            busy => unreachable!("the pool gave a second invocation to an environment in {busy:?}"),
        }
    }

    /// Idle ⇒ Running, Initializing ⇒ Running
    pub(super) fn deliver(&mut self, invocation: Arc<Invocation>, step: &mut Step<'_>) {
        let init = self.unreported_init.take();
        let call = self.call(invocation, step.now, init);
        step.start(&call.invocation);
        let deadline = call.deadline;
        self.hand_over(call, step);
        step.push(Effect::Deadline(Some(deadline)));
    }

    /// Any ⇒ Running: the event goes to the runtime, and to the extensions that want to hear of it.
    pub(super) fn hand_over(&mut self, call: Call, step: &mut Step<'_>) {
        self.reported = None;
        step.push(Effect::Deliver(Arc::clone(&call.invocation), call.deadline));
        for id in self.roster.invoke() {
            step.push(Effect::InvokeExtension(id, Arc::clone(&call.invocation), call.deadline));
        }
        self.state = State::Running(call);
    }

    pub(super) fn call(
        &self,
        invocation: Arc<Invocation>,
        delivered: Instant,
        init: Option<Duration>,
    ) -> Call {
        Call {
            invocation,
            delivered,
            deadline: delivered + self.settings.timeout,
            init,
            streamed: 0,
            sending: Duration::ZERO,
        }
    }

    /// The runtime asks for the next event.
    pub(super) fn next(&mut self, step: &mut Step<'_>) {
        match &mut self.state {
            State::Initializing { .. } | State::Reinitializing { .. } => self.runtime_ready(step),
            // A repeated request while an invocation runs gets the same event again.
            State::Running(call) => {
                step.push(Effect::Deliver(Arc::clone(&call.invocation), call.deadline));
            }
            State::Settling { back, open, .. } | State::Lingering { back, open, .. } => {
                *back = true;
                if let Some(open) = open {
                    step.runtime_is_back(open);
                }
                self.settle(step);
            }
            // A second poller of an idle environment waits beside the first; a runtime that is being killed waits
            // for its end.
            _ => {}
        }
    }

    pub(super) fn reported(
        &mut self,
        request_id: &str,
        reported: Reported,
        sending: Duration,
        step: &mut Step<'_>,
    ) {
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
        let mut streamed = 0;
        let (reply, outcome) = match reported {
            Reported::Success(body) => (Verdicted::Accepted, Outcome::Success(body)),
            Reported::Error(failure) => (Verdicted::Accepted, Outcome::Failed(failure)),
            Reported::Streamed(bytes) => {
                streamed = bytes;
                (Verdicted::Accepted, Outcome::Success(Bytes::new()))
            }
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
        let State::Running(mut call) = self.take() else { unreachable!("checked above") };
        (call.streamed, call.sending) = (streamed, sending);
        let until = call.deadline;
        // "The function's response is returned as soon as the function code is complete, without waiting for extensions."
        // Who is told of the runtime is told how long it took to come back, which is part of the invocation then.
        let open = if self.roster.anyone() {
            Some(self.answer_early(call, outcome, step))
        } else {
            self.finish(&call, outcome, step);
            None
        };
        step.push(Effect::Reply(reply));
        // Running ⇒ Settling. The deadline stays: a runtime that answers and never comes back is reset by it, and so are
        // extensions.
        self.state = State::Settling { until, waiting: None, back: false, open };
    }

    /// The caller's answer, but not the invocation's end.
    fn answer_early(&self, call: Call, outcome: Outcome, step: &mut Step<'_>) -> Open {
        let verdict = verdict(&outcome);
        let report = self.report(&call, step.now - call.delivered, step);
        let done = Some(Done {
            duration: report.duration,
            produced_bytes: call.produced(&outcome),
            sending: call.sending,
        });
        let extended = self.roster.is_busy();
        let held = if call.invocation.tail {
            Some(outcome)
        } else {
            self.release(step);
            step.push(Effect::Answer(outcome, Some(report)));
            None
        };
        Open { call, verdict, responded: step.now, done, extended, used: step.used, held }
    }

    /// The end of an invocation that extensions were still at work on: END and REPORT, of the whole time. "The duration is
    /// the total time it takes for the runtime and all your extensions' invocations to complete."
    pub(super) fn close(&self, open: Option<Open>, verdict: Option<Verdict>, step: &mut Step<'_>) {
        let Some(mut open) = open else { return };
        let verdict = verdict.unwrap_or(open.verdict);
        if let Some(done) = open.done.take() {
            // It never came back.
            step.done(&open.call, verdict.clone(), &done, None);
        }
        let duration = self.duration(&verdict, &open.call, step);
        let mut report = self.report(&open.call, duration, step);
        report.max_memory_used_mb = report.max_memory_used_mb.or(open.used);
        let extensions = open.extended.then(|| step.now - open.responded);
        step.end(&open.call, report, verdict, extensions);
        if let Some(outcome) = open.held {
            self.release(step);
            step.push(Effect::Answer(outcome, Some(report)));
        }
    }

    /// Settling or Lingering ⇒ Idle, or Running, once the runtime and all extensions are back.
    pub(super) fn settle(&mut self, step: &mut Step<'_>) {
        match &self.state {
            State::Settling { back: true, .. } | State::Lingering { back: true, .. }
                if !self.roster.is_busy() => {}
            _ => return,
        }
        match self.take() {
            State::Settling { waiting, open, .. } => {
                self.close(open, None, step);
                match waiting {
                    Some(invocation) => self.deliver(invocation, step),
                    None => self.rest(step),
                }
            }
            State::Lingering { open, .. } => {
                self.close(open, None, step);
                self.release(step);
                self.rest(step);
            }
            other => self.state = other,
        }
    }

    /// END, REPORT and the caller's answer; the environment can be given the next invocation.
    pub(super) fn finish(&self, call: &Call, outcome: Outcome, step: &mut Step<'_>) {
        let report = self.conclude(call, &outcome, step);
        // First to the pool: a caller that comes back at once must find the environment free.
        self.release(step);
        step.push(Effect::Answer(outcome, Some(report)));
    }

    /// An invocation that ends with its processes.
    pub(super) fn fail(
        &mut self,
        call: &Call,
        outcome: Outcome,
        reason: Reason,
        runtime_lives: bool,
        step: &mut Step<'_>,
    ) {
        if self.roster.anyone() {
            // Their shutdown takes a while: the next invocation goes elsewhere meanwhile.
            let report = self.conclude(call, &outcome, step);
            step.push(Effect::Answer(outcome, Some(report)));
            return self.stop(reason, After::Reset { waiting: None, owed: true }, runtime_lives, step);
        }
        self.finish(call, outcome, step);
        self.stop(reason, After::reset(None), runtime_lives, step);
    }

    fn conclude(&self, call: &Call, outcome: &Outcome, step: &mut Step<'_>) -> Report {
        let verdict = verdict(outcome);
        let duration = self.duration(&verdict, call, step);
        let report = self.report(call, duration, step);
        step.runtime_done(call, outcome, duration);
        step.end(call, report, verdict, None);
        report
    }

    fn duration(&self, verdict: &Verdict, call: &Call, step: &Step<'_>) -> Duration {
        match verdict {
            // The timer fires late by scheduling; the function is charged for its timeout, not for that.
            Verdict::Timeout => self.settings.timeout,
            _ => step.now - call.delivered,
        }
    }

    fn report(&self, call: &Call, duration: Duration, step: &Step<'_>) -> Report {
        let (init, restore) = if self.settings.restores { (None, call.init) } else { (call.init, None) };
        Report { duration, init, restore, memory: self.settings.memory, max_memory_used_mb: step.used }
    }
}

impl Call {
    fn produced(&self, outcome: &Outcome) -> Option<usize> {
        match outcome {
            Outcome::Success(body) => Some(self.streamed + body.len()),
            Outcome::Failed(_) | Outcome::Platform(_) | Outcome::NotRestored(_) => None,
        }
    }
}

fn verdict(outcome: &Outcome) -> Verdict {
    match outcome {
        Outcome::Success(_) => Verdict::Success,
        Outcome::Failed(failure) if failure.error_type == "Sandbox.Timedout" => Verdict::Timeout,
        Outcome::Failed(failure) => Verdict::Error { error_type: failure.error_type.clone() },
        Outcome::Platform(_) => Verdict::Error { error_type: "Platform.Failure".into() },
        Outcome::NotRestored(RestoreFault::Hook) => {
            Verdict::Error { error_type: "Runtime.RestoreError".into() }
        }
        Outcome::NotRestored(RestoreFault::TimedOut) => {
            Verdict::Error { error_type: "Runtime.RestoreTimeout".into() }
        }
    }
}

impl Step<'_> {
    /// The invocation's record of its start.
    pub(super) fn start(&mut self, invocation: &Arc<Invocation>) {
        self.log(Record::Start { invocation: Arc::clone(invocation) });
    }

    /// The runtime is done with it.
    fn runtime_done(&mut self, call: &Call, outcome: &Outcome, duration: Duration) {
        let done = Done { duration, produced_bytes: call.produced(outcome), sending: call.sending };
        self.done(call, verdict(outcome), &done, None);
    }

    /// The runtime has answered before, and asks for the next event now.
    fn runtime_is_back(&mut self, open: &mut Open) {
        if let Some(done) = open.done.take() {
            self.done(&open.call, open.verdict.clone(), &done, Some(self.now - open.responded));
            // What is counted of extensions is what they take beyond it.
            open.responded = self.now;
        }
    }

    fn done(&mut self, call: &Call, verdict: Verdict, done: &Done, overhead: Option<Duration>) {
        let invocation = Arc::clone(&call.invocation);
        let Done { duration, produced_bytes, sending } = *done;
        self.log(Record::RuntimeDone { invocation, duration, verdict, produced_bytes, sending, overhead });
    }

    /// It is over; `extensions` is how long they took beyond the runtime.
    fn end(&mut self, call: &Call, report: Report, verdict: Verdict, extensions: Option<Duration>) {
        let invocation = Arc::clone(&call.invocation);
        self.log(Record::End { request_id: invocation.request_id });
        self.log(Record::Report { invocation, report, verdict, extensions });
    }
}
