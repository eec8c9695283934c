//! How many environments to start and to end, so that as many are initialised as are wanted; and what of that is told to
//! those who asked for them. Pure.
//!
//! Source: AWS Lambda Developer Guide, "Configuring provisioned concurrency for a function"; API Reference,
//! `GetProvisionedConcurrencyConfig`.

use std::time::{Duration, Instant};

use lambent_model::{Provisioning, ProvisioningStatus};

/// Environments of one kind that are being initialised at once. They compete with invocations for the same processors:
/// a few keep all of them busy, and more would only make each take longer.
const AT_ONCE: u32 = 4;

/// Failures in a row before that is what the configuration's status says: one may be by chance, and tools that wait for
/// `READY` give up at the first `FAILED`.
const FAILURES: u32 = 3;

/// After the first failure; twice as long after each that follows.
const BACKOFF: Duration = Duration::from_secs(1);
/// The longest time between two tries.
const BACKOFF_LIMIT: Duration = Duration::from_secs(60);
/// Until the machine's memory is looked at again.
const FULL_PAUSE: Duration = Duration::from_secs(5);

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Census {
    /// Being initialised.
    pub(crate) starting: u32,
    /// Initialised.
    pub(crate) ready: u32,
    /// Of these, with an invocation.
    pub(crate) busy: u32,
    /// Of those that are ready, so old that another is to take their place.
    pub(crate) old: u32,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Steps {
    pub(crate) start: u32,
    pub(crate) end_starting: u32,
    /// The oldest first.
    pub(crate) end_ready: u32,
}

/// Decides for `wanted` environments. An old one ends when the one that takes its place is ready: there is never one less
/// than there could be, and at most one more.
pub(crate) fn decide(wanted: u32, census: Census, may_start: bool) -> Steps {
    let end_ready = census.ready.saturating_sub(wanted);
    let (ready, old) = (census.ready - end_ready, census.old.saturating_sub(end_ready));
    let goal = wanted + old.min(1);
    let end_starting = (ready + census.starting).saturating_sub(goal);
    let starting = census.starting - end_starting;
    let missing = goal.saturating_sub(ready + starting);
    let start = if may_start { missing.min(AT_ONCE.saturating_sub(starting)) } else { 0 };
    Steps { start, end_starting, end_ready }
}

/// How starting has gone of late.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempts {
    failures: u32,
    reason: Option<&'static str>,
    not_before: Option<Instant>,
    /// Whether all that is wanted has been there since it was wanted.
    reached: bool,
}

impl Attempts {
    /// Something else is wanted.
    pub(crate) fn begin(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn succeeded(&mut self) {
        (self.failures, self.reason, self.not_before) = (0, None, None);
    }

    /// `launched` is whether the function was there to fail.
    pub(crate) fn failed(&mut self, launched: bool, now: Instant) {
        self.reason = Some(if launched { INIT_FAILURE } else { NO_SANDBOX });
        self.failures += 1;
        let doublings = (self.failures - 1).min(16);
        self.not_before = Some(now + BACKOFF_LIMIT.min(BACKOFF * (1 << doublings)));
    }

    /// The machine has no memory for one more. While others are `starting`, that may be because of what is kept for them,
    /// which is more than they need once they are initialised.
    pub(crate) fn full(&mut self, starting: bool, now: Instant) {
        if starting {
            self.not_before = Some(now + BACKOFF);
            return;
        }
        self.reason = Some(FULL);
        self.failures = FAILURES;
        self.not_before = Some(now + FULL_PAUSE);
    }

    /// When the next may be started, where that is not yet.
    pub(crate) fn wait(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|at| *at > now)
    }

    /// Takes note of how much there is of what is wanted.
    pub(crate) fn see(&mut self, wanted: u32, ready: u32) {
        self.reached |= ready >= wanted;
    }

    /// Why there is less than is wanted; `None` while that may still come.
    fn failure(&self) -> Option<&'static str> {
        self.reason.filter(|_| self.failures >= FAILURES)
    }
}

/// AWS's word for a function whose initialisation fails. It documents none for its own failures: those have one of the same
/// form, for programs, and say more behind it.
const INIT_FAILURE: &str = "FUNCTION_ERROR_INIT_FAILURE";
const NO_SANDBOX: &str =
    "INTERNAL_ERROR: the execution environments could not be made; the server's log says why";
const FULL: &str = "INSUFFICIENT_CAPACITY: the machine has no memory for more execution environments; free some, or ask \
                    for less";

/// What is told about one configuration, whose environments are of one version or, while an alias has weights, of two. In
/// use are also those of a version that an alias is about to leave.
pub(crate) fn told<'a>(
    requested: u32,
    in_use: u32,
    parts: impl IntoIterator<Item = (u32, Census, &'a Attempts)>,
) -> Provisioning {
    let (mut available, mut allocated) = (0, 0);
    let (mut failure, mut all_ready) = (None, true);
    for (wanted, census, attempts) in parts {
        available += census.ready.min(wanted);
        allocated += (census.ready + census.starting).min(wanted);
        if census.ready < wanted {
            failure = failure.or(attempts.failure());
            all_ready &= attempts.reached;
        }
    }
    let status = match failure {
        Some(_) => ProvisioningStatus::Failed,
        None if all_ready => ProvisioningStatus::Ready,
        None => ProvisioningStatus::InProgress,
    };
    Provisioning { requested, allocated, available, in_use, status, reason: failure.map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_by_what_is_wanted_and_what_there_is() {
        let of = |starting, ready, old| Census { starting, ready, busy: 0, old };
        let steps = |start, end_starting, end_ready| Steps { start, end_starting, end_ready };
        for (wanted, census, expected, why) in [
            (0, of(0, 0, 0), steps(0, 0, 0), "nothing"),
            (3, of(0, 0, 0), steps(3, 0, 0), "all at once where they are few"),
            (9, of(0, 0, 0), steps(4, 0, 0), "no more at once than the processors bear"),
            (9, of(3, 5, 0), steps(1, 0, 0), "what starts already counts"),
            (2, of(0, 2, 0), steps(0, 0, 0), "as wanted"),
            (1, of(0, 3, 0), steps(0, 0, 2), "less is wanted"),
            (1, of(3, 0, 0), steps(0, 2, 0), "less is wanted before it was there"),
            (1, of(2, 1, 0), steps(0, 2, 0), "what is ready stays rather than what starts"),
            (0, of(2, 2, 2), steps(0, 2, 2), "the end of the configuration"),
            (2, of(0, 2, 2), steps(1, 0, 0), "the first old one is replaced"),
            (2, of(1, 2, 2), steps(0, 0, 0), "one after the other"),
            (2, of(0, 3, 2), steps(1, 0, 1), "its place is taken, and the next is replaced"),
            (2, of(0, 3, 1), steps(0, 0, 1), "the last one"),
            (2, of(0, 1, 1), steps(2, 0, 0), "a crash while one is old"),
        ] {
            assert_eq!(decide(wanted, census, true), expected, "{why}: {wanted} of {census:?}");
            let patient = Steps { start: 0, ..expected };
            assert_eq!(decide(wanted, census, false), patient, "{why}, and none may start");
        }
    }

    #[test]
    fn status_by_what_is_there_and_how_starting_went() {
        let now = Instant::now();
        let census = |ready| Census { starting: 1, ready, busy: 1, old: 0 };
        let status = |attempts: &Attempts, ready| {
            let told = told(3, 1, [(3, census(ready), attempts)]);
            (told.status, told.available, told.reason)
        };
        let mut attempts = Attempts::default();
        assert_eq!(status(&attempts, 2), (ProvisioningStatus::InProgress, 2, None));
        attempts.failed(true, now);
        attempts.failed(true, now);
        assert_eq!(status(&attempts, 2).0, ProvisioningStatus::InProgress, "by chance");
        attempts.failed(true, now);
        assert_eq!(status(&attempts, 2), (ProvisioningStatus::Failed, 2, Some(INIT_FAILURE.into())));
        attempts.succeeded();
        assert_eq!(status(&attempts, 2).0, ProvisioningStatus::InProgress);
        attempts.see(3, 3);
        assert_eq!(status(&attempts, 3), (ProvisioningStatus::Ready, 3, None));
        assert_eq!(status(&attempts, 2).0, ProvisioningStatus::Ready, "one is being renewed");
        attempts.full(true, now);
        assert_eq!(status(&attempts, 2).0, ProvisioningStatus::Ready, "room may be kept for what starts");
        attempts.full(false, now);
        assert_eq!(status(&attempts, 2).0, ProvisioningStatus::Failed);
        assert!(status(&attempts, 2).2.unwrap().starts_with("INSUFFICIENT_CAPACITY: "));
        assert_eq!(status(&attempts, 4).1, 3, "the one that takes an old one's place is not told");
    }

    #[test]
    fn tries_come_further_and_further_apart() {
        let now = Instant::now();
        let mut attempts = Attempts::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            attempts.failed(false, now);
            waits.push(attempts.wait(now).unwrap().duration_since(now).as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(attempts.wait(now + BACKOFF_LIMIT), None);
    }
}
