//! What follows from an attempt. Pure.
//!
//! Developer Guide, "How Lambda handles errors and retries with asynchronous invocation": a function error is followed by
//! two more attempts, after one minute and after two; throttles and errors of the platform return the event to the queue
//! for up to six hours, with waits that grow from one second to five minutes.

use std::time::Duration;

use lambent_model::{EventPolicy, Timestamp};

use super::State;

/// After the first function error, and after the second.
const RETRY_WAITS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];
/// After the first attempt that could not be made; doubled by each further one.
const FIRST_DEFERRAL: Duration = Duration::from_secs(1);
/// The longest of those waits.
const LONGEST_DEFERRAL: Duration = Duration::from_secs(300);

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempted {
    /// The function returned.
    Succeeded,
    /// The function failed, timed out, or crashed.
    Failed,
    /// It could not be made: throttled, or the platform failed.
    Deferred,
}

/// Why an event is given up, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The function failed each time.
    RetriesExhausted,
    /// It became too old, or would be at the next attempt.
    EventAgeExceeded,
    /// The function's reserved concurrency is 0.
    ZeroReservedConcurrency,
    /// The function is invoked by what it does itself. AWS sends a record then, and does not document its word.
    RecursiveInvocation,
}

impl Condition {
    /// `condition` of the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
            Self::ZeroReservedConcurrency => "ZeroReservedConcurrency",
            Self::RecursiveInvocation => "RecursiveInvocation",
        }
    }
}

/// What to do with the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is done.
    Done,
    /// It is given up.
    GiveUp(Condition),
    /// It is attempted again.
    Again {
        /// Not before.
        due: Timestamp,
        /// What to note.
        state: State,
    },
}

/// By how much waits and ages are shortened: 1.0 is AWS's time, 0.01 makes a minute 0.6 s, for tests and development.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeScale(pub f64);

impl TimeScale {
    pub(crate) fn apply(self, duration: Duration) -> Duration {
        duration.mul_f64(self.0)
    }
}

/// Whether an event is to be attempted at all.
#[must_use]
pub fn before(
    policy: &EventPolicy,
    accepted: Timestamp,
    now: Timestamp,
    scale: TimeScale,
) -> Option<Condition> {
    if policy.switched_off {
        Some(Condition::ZeroReservedConcurrency)
    } else if now > accepted.plus(scale.apply(policy.max_age)) {
        Some(Condition::EventAgeExceeded)
    } else {
        None
    }
}

/// What follows from an attempt that ended at `now`.
#[must_use]
pub fn after(
    attempted: Attempted,
    state: State,
    policy: &EventPolicy,
    accepted: Timestamp,
    now: Timestamp,
    scale: TimeScale,
) -> Next {
    let (wait, state) = match attempted {
        Attempted::Succeeded => return Next::Done,
        Attempted::Failed => {
            let failed = state.failed + 1;
            if failed > u32::from(policy.retries) {
                return Next::GiveUp(Condition::RetriesExhausted);
            }
            let wait = RETRY_WAITS[(failed as usize).min(RETRY_WAITS.len()) - 1];
            (wait, State { failed, ..State::default() })
        }
        Attempted::Deferred => {
            let wait = FIRST_DEFERRAL.saturating_mul(1 << state.deferred.min(16)).min(LONGEST_DEFERRAL);
            (wait, State { deferred: state.deferred.saturating_add(1), ..state })
        }
    };
    let due = now.plus(scale.apply(wait));
    if due > accepted.plus(scale.apply(policy.max_age)) {
        return Next::GiveUp(Condition::EventAgeExceeded);
    }
    Next::Again { due, state }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(0);

    fn policy(retries: u8, seconds: u64) -> EventPolicy {
        let max_age = Duration::from_secs(seconds);
        EventPolicy {
            retries,
            max_age,
            switched_off: false,
            on_success: None,
            on_failure: None,
            dead_letters: None,
            role: String::new(),
        }
    }

    /// The times of all attempts in seconds, and how it ends, if each attempt ends alike and takes no time.
    fn run(attempted: Attempted, policy: &EventPolicy) -> (Vec<i64>, Next) {
        let (mut now, mut state, mut times) = (START, State::default(), Vec::new());
        loop {
            times.push(now.seconds());
            match after(attempted, state, policy, START, now, TimeScale(1.0)) {
                Next::Again { due, state: noted } => (now, state) = (due, noted),
                end => return (times, end),
            }
        }
    }

    #[test]
    fn a_function_that_fails_is_tried_again_after_one_and_two_minutes() {
        let gone = Next::GiveUp(Condition::RetriesExhausted);
        assert_eq!(run(Attempted::Failed, &policy(2, 21_600)), (vec![0, 60, 180], gone));
        assert_eq!(run(Attempted::Failed, &policy(1, 21_600)), (vec![0, 60], gone));
        assert_eq!(run(Attempted::Failed, &policy(0, 21_600)), (vec![0], gone));
        // A retry that would fall past the age is not waited for.
        let old = Next::GiveUp(Condition::EventAgeExceeded);
        assert_eq!(run(Attempted::Failed, &policy(2, 100)), (vec![0, 60], old));
        assert_eq!(run(Attempted::Succeeded, &policy(2, 60)), (vec![0], Next::Done));
    }

    #[test]
    fn what_cannot_be_attempted_waits_longer_and_longer_up_to_its_age() {
        let (times, end) = run(Attempted::Deferred, &policy(0, 21_600));
        assert_eq!(times[..10], [0, 1, 3, 7, 15, 31, 63, 127, 255, 511]);
        assert!(times[9..].windows(2).all(|pair| pair[1] - pair[0] == 300), "{times:?}");
        assert_eq!(end, Next::GiveUp(Condition::EventAgeExceeded));
        assert!((21_300..=21_600).contains(times.last().unwrap()));
    }

    #[test]
    fn deferrals_use_up_no_attempts_and_a_failure_begins_them_anew() {
        let state = State { failed: 1, deferred: 5, refused_by: None };
        let next = |attempted| after(attempted, state, &policy(2, 21_600), START, START, TimeScale(0.5));
        let again = |millis, failed, deferred| Next::Again {
            due: Timestamp::from_millis(millis),
            state: State { failed, deferred, refused_by: None },
        };
        assert_eq!(next(Attempted::Deferred), again(16_000, 1, 6));
        assert_eq!(next(Attempted::Failed), again(60_000, 2, 0));
    }

    #[test]
    fn nothing_is_attempted_that_is_too_old_or_switched_off() {
        let check = |policy: &EventPolicy, seconds: i64| {
            before(policy, START, Timestamp::from_millis(seconds * 1000), TimeScale(1.0))
        };
        assert_eq!(check(&policy(2, 60), 60), None);
        assert_eq!(check(&policy(2, 60), 61), Some(Condition::EventAgeExceeded));
        let off = EventPolicy { switched_off: true, ..policy(2, 60) };
        assert_eq!(check(&off, 0), Some(Condition::ZeroReservedConcurrency));
    }
}
