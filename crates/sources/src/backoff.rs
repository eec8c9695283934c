//! How long a mapping leaves its source alone after something went wrong, and when Lambda gives it up. Pure.

use std::time::Duration;

use lambent_model::Timestamp;

/// After the first call that failed; doubled by each further one.
const FIRST: Duration = Duration::from_millis(500);
/// The longest of those waits.
const LONGEST: Duration = Duration::from_secs(30);
/// After the first attempt that was refused, and the longest of those waits: the message's visibility timeout runs.
const FIRST_REFUSAL: Duration = Duration::from_millis(250);
const LONGEST_REFUSAL: Duration = Duration::from_secs(10);
/// For how long what is missing may come back before the mapping is disabled. AWS does not say how long it waits.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// What keeps a mapping from being polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// AWS's code, where a mapping is disabled for it when it lasts (Developer Guide, "Logging Lambda API calls using
    /// CloudTrail", `LambdaESMDisabled`).
    pub code: Option<&'static str>,
    /// What happened.
    pub text: String,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Backoff {
    pace: f64,
    failures: u32,
    until: Option<Timestamp>,
    /// What has been missing, and since when.
    lasting: Option<(&'static str, Timestamp)>,
}

impl Backoff {
    /// Nothing is wrong. `pace` is how many of its seconds a second of the clock has.
    #[must_use]
    pub(crate) fn new(pace: f64) -> Self {
        Self { pace, failures: 0, until: None, lasting: None }
    }

    /// When to try again.
    #[must_use]
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// A call has failed; the code when it has for too long.
    pub(crate) fn failed(&mut self, trouble: Trouble, now: Timestamp) -> Option<&'static str> {
        let wait = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures += 1;
        self.until = Some(now.plus(wait.div_f64(self.pace)));
        let code = trouble.code?;
        let since = match self.lasting {
            Some((before, since)) if before == code => since,
            _ => now,
        };
        self.lasting = Some((code, since));
        (now >= since.plus(PATIENCE.div_f64(self.pace))).then_some(code)
    }

    /// A call has succeeded.
    pub(crate) fn succeeded(&mut self) {
        (self.failures, self.until, self.lasting) = (0, None, None);
    }

    /// How long a batch waits that has been refused so many times before.
    #[must_use]
    pub(crate) fn refused(&self, before: u32) -> Duration {
        FIRST_REFUSAL.saturating_mul(1 << before.min(16)).min(LONGEST_REFUSAL).div_f64(self.pace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn missing(code: &'static str) -> Trouble {
        Trouble { code: Some(code), text: String::new() }
    }

    #[test]
    fn waits_double_until_something_succeeds() {
        let mut backoff = Backoff::new(1.0);
        let waits: Vec<i64> = (0..8)
            .map(|_| {
                assert_eq!(backoff.failed(Trouble { code: None, text: String::new() }, at(0)), None);
                backoff.until().unwrap().millis()
            })
            .collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        backoff.succeeded();
        assert_eq!(backoff.until(), None);
        let waits: Vec<u64> =
            (0..7).map(|before| u64::try_from(backoff.refused(before).as_millis()).unwrap()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 10_000]);
    }

    #[test]
    fn what_is_missing_for_long_ends_a_mapping() {
        let mut backoff = Backoff::new(1.0);
        assert_eq!(backoff.failed(missing("A"), at(0)), None);
        assert_eq!(backoff.failed(missing("B"), at(800_000)), None, "another reason begins anew");
        assert_eq!(backoff.failed(missing("B"), at(1_699_999)), None);
        assert_eq!(backoff.failed(missing("B"), at(1_700_000)), Some("B"));
        let mut backoff = Backoff::new(900.0);
        assert_eq!(backoff.failed(missing("A"), at(0)), None);
        assert_eq!(
            backoff.failed(missing("A"), at(1000)),
            Some("A"),
            "a second that counts as a quarter of an hour"
        );
    }
}
