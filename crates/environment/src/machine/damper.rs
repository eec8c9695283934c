//! Holds back initialisations that fail one after the other, so that a function that cannot start does not keep the
//! host busy with trying.
//!
//! On AWS every caller of such a function gets its error, and gets it here. But while the next try is held back, the
//! error is that of the last one: a caller a second sees a try each at first, and a thousand callers a second do not
//! start a thousand interpreters.

use std::time::{Duration, Instant};

use lambent_model::{Failure, Outcome};

use super::Call;
use super::words::failed;

/// So many failures in a row are tried without a pause: the first invocation and the one within it, and one more.
const FREE: u32 = 3;
/// The first pause. Each is twice the last.
const FIRST: Duration = Duration::from_millis(100);
/// The longest. What was missing, a database for one, is found again after at most so long.
const LONGEST: Duration = Duration::from_secs(10);

/// Why an initialisation failed.
#[derive(Debug, Clone)]
pub(super) enum Cause {
    /// By the runtime's own word.
    Reported(Failure),
    /// As the platform saw it.
    Platform { error_type: String, message: String },
}

impl Cause {
    /// What the caller of this invocation is told.
    pub(super) fn outcome(&self, call: &Call) -> Outcome {
        match self {
            Self::Reported(failure) => Outcome::Failed(failure.clone()),
            Self::Platform { error_type, message } => failed(call, error_type, message),
        }
    }
}

/// How often initialisations have failed since the last that did not.
#[derive(Debug, Default)]
pub(super) struct Damper {
    failures: u32,
    last: Option<(Cause, Instant)>,
}

impl Damper {
    /// One more has failed.
    pub(super) fn failed(&mut self, cause: Cause, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.last = Some((cause, now));
    }

    /// The error to answer with and a line for the log, while no new try is due.
    pub(super) fn holds(&self, now: Instant) -> Option<(Cause, String)> {
        let (cause, at) = self.last.as_ref()?;
        let left = (*at + self.pause()).checked_duration_since(now).filter(|left| !left.is_zero())?;
        let note = format!(
            "the runtime was not started: its last {} initialisations failed, and the next is not tried for another \
             {:.1} seconds; the caller is given the last error",
            self.failures,
            left.as_secs_f64()
        );
        Some((cause.clone(), note))
    }

    fn pause(&self) -> Duration {
        match self.failures.checked_sub(FREE) {
            None => Duration::ZERO,
            // From the seventh doubling on it is the longest anyway.
            Some(doublings) => (FIRST * 2_u32.pow(doublings.min(7))).min(LONGEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let start = Instant::now();
        let mut damper = Damper::default();
        let cause = || Cause::Platform { error_type: "Runtime.ExitError".into(), message: "exit".into() };
        let mut pauses = Vec::new();
        for _ in 0..20 {
            damper.failed(cause(), start);
            let mut pause = Duration::ZERO;
            while damper.holds(start + pause).is_some() {
                pause += Duration::from_millis(50);
            }
            pauses.push(pause.as_millis());
        }
        assert_eq!(pauses[..10], [0, 0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000]);
        assert!(pauses[10..].iter().all(|pause| *pause == 10_000));
        assert!(Damper::default().holds(start).is_none());
    }
}
