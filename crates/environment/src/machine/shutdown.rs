//! The Shutdown phase, and the reset that behaves like it: the runtime first, then its extensions (AWS Lambda Developer
//! Guide, "Using the Lambda Extensions API", Shutdown phase).
//!
//! Without extensions nobody is told anything: what is left is killed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lambent_model::Invocation;

use super::roster::Dismissal;
use super::{Effect, Machine, RESET_TIMEOUT, State, Step};

/// "2,000 ms: A function with one or more registered external extensions."
const WITH_EXTERNAL: Duration = Duration::from_secs(2);
/// "500 ms: A function with a registered internal extension."
const WITH_INTERNAL: Duration = Duration::from_millis(500);
/// "For a function with external extensions, Lambda reserves up to 300 ms (500 ms for a runtime with an internal extension)
/// for the runtime process to perform a graceful shutdown."
const RUNTIMES_SHARE: Duration = Duration::from_millis(300);

/// `shutdownReason` of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Spindown,
    Timeout,
    Failure,
}

impl Reason {
    /// As the event has it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Spindown => "spindown",
            Self::Timeout => "timeout",
            Self::Failure => "failure",
        }
    }
}

/// What follows a shutdown.
#[derive(Debug)]
pub(super) enum After {
    /// The environment's end.
    End,
    /// Every process is killed; an invocation may wait for the initialisation that follows.
    Reset {
        waiting: Option<Arc<Invocation>>,
        /// Whether the pool is still to be told that it can have the environment.
        owed: bool,
    },
}

impl After {
    pub(super) fn reset(waiting: Option<Arc<Invocation>>) -> Self {
        Self::Reset { waiting, owed: false }
    }
}

/// A shutdown under way.
#[derive(Debug)]
pub(super) struct Shutdown {
    /// Whether the runtime has been told and still lives.
    pub(super) runtime: bool,
    reason: Reason,
    /// When whoever is left is killed.
    end: Instant,
    pub(super) after: After,
}

impl Machine {
    /// Any ⇒ ShuttingDown, of which nothing is kept when nobody will need the environment again; at once on to what follows, where nobody has registered to be told.
    pub(super) fn stop(&mut self, reason: Reason, after: After, runtime_lives: bool, step: &mut Step<'_>) {
        let after = match after {
            // One that was initialised ahead is replaced by another such: its next invocation is not to wait.
            After::Reset { waiting: None, .. }
                if self.retiring || self.settings.initialization.is_ahead() =>
            {
                After::End
            }
            after => after,
        };
        if !self.roster.anyone() {
            return self.stopped(after, step);
        }
        let external = self.roster.has_external();
        let end = step.now + if external { WITH_EXTERNAL } else { WITH_INTERNAL };
        self.state = State::ShuttingDown(Shutdown { runtime: runtime_lives, reason, end, after });
        if !runtime_lives {
            return self.dismiss(step);
        }
        step.push(Effect::TerminateRuntime);
        step.push(Effect::Deadline(Some(if external { step.now + RUNTIMES_SHARE } else { end })));
    }

    /// The runtime has ended, or its time has: the extensions' turn.
    pub(super) fn dismiss(&mut self, step: &mut Step<'_>) {
        let State::ShuttingDown(shutdown) = &mut self.state else { return };
        if std::mem::take(&mut shutdown.runtime) {
            step.push(Effect::KillProgram(None));
        }
        for dismissal in self.roster.dismiss() {
            step.push(match dismissal {
                Dismissal::Tell(id) => Effect::ShutDownExtension(id, shutdown.reason, shutdown.end),
                Dismissal::Kill(slot) => Effect::KillProgram(Some(slot)),
            });
        }
        step.push(Effect::Deadline(Some(shutdown.end)));
        self.shutdown_goes_on(step);
    }

    /// A process has ended: the last ends the shutdown.
    pub(super) fn shutdown_goes_on(&mut self, step: &mut Step<'_>) {
        match &self.state {
            State::ShuttingDown(shutdown) if !shutdown.runtime && self.roster.are_gone() => {}
            _ => return,
        }
        if let State::ShuttingDown(shutdown) = self.take() {
            self.stopped(shutdown.after, step);
        }
    }

    /// The time for the runtime, or for all, is over.
    pub(super) fn shutdown_due(&mut self, step: &mut Step<'_>) {
        match self.take() {
            State::ShuttingDown(shutdown) if shutdown.runtime && step.now < shutdown.end => {
                self.state = State::ShuttingDown(shutdown);
                self.dismiss(step);
            }
            State::ShuttingDown(shutdown) => self.stopped(shutdown.after, step),
            other => self.state = other,
        }
    }

    fn stopped(&mut self, after: After, step: &mut Step<'_>) {
        match after {
            After::End => self.abandon(step),
            After::Reset { waiting, owed } => {
                if owed {
                    step.push(Effect::Available);
                }
                self.reset(waiting, step);
            }
        }
    }

    /// Any ⇒ Resetting
    fn reset(&mut self, waiting: Option<Arc<Invocation>>, step: &mut Step<'_>) {
        step.push(Effect::Deadline(Some(step.now + RESET_TIMEOUT)));
        // Before the killing: a thousand processes die by the CPU time of the sandbox, and take a quarter of a minute
        // with a small function's share. The initialisation that follows has none either.
        step.push(Effect::Throttle(false));
        step.push(Effect::Reset);
        self.state = State::Resetting { waiting };
    }

    /// Any ⇒ Ended: nothing is kept.
    pub(super) fn abandon(&mut self, step: &mut Step<'_>) {
        step.push(Effect::Deadline(None));
        step.push(Effect::Kill);
        self.state = State::Ended;
    }
}
