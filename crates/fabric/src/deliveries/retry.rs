//! How often and when a delivery is tried again. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The retries of a delivery, phase after phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// In their order; after the last there is no further attempt.
    pub phases: Vec<Phase>,
    /// Whether a destination that is gone, or refuses, ends the delivery at once. Where it may be made or permitted later,
    /// waiting is right.
    pub refusal_ends: bool,
}

/// Some retries with waits of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// How many.
    pub count: u32,
    /// Milliseconds before the first of them.
    pub first: u64,
    /// Milliseconds before the last of them, or the most there are.
    pub last: u64,
    /// How the waits grow between the two.
    pub curve: Curve,
}

/// How waits grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Curve {
    /// By the same amount each time.
    Linear,
    /// Doubled each time, up to the last.
    Exponential,
}

impl Retry {
    /// For what has to arrive however long it takes: after a second, doubled up to five minutes, without end. How AWS
    /// tries is not documented.
    #[must_use]
    pub fn patient() -> Self {
        let phase = Phase { count: u32::MAX, first: 1_000, last: 300_000, curve: Curve::Exponential };
        Self { phases: vec![phase], refusal_ends: false }
    }

    /// The wait after so many failures before this one; `None` where nothing follows.
    #[must_use]
    pub fn wait(&self, failed: u32) -> Option<Duration> {
        let mut left = failed;
        for phase in &self.phases {
            match left.checked_sub(phase.count) {
                None => return Some(phase.wait(left)),
                Some(beyond) => left = beyond,
            }
        }
        None
    }
}

/// A wait with up to a quarter more or less, as `random` has it, so that what failed together does not come back together:
/// "Amazon SNS applies jittering to delivery retries" (SNS Developer Guide, "Amazon SNS message delivery retries"), EventBridge
/// has "an exponential back off and jitter" (User Guide, "Event retry policy"). How much, neither says; on average waits are as
/// long as they are documented to be.
#[must_use]
pub(super) fn jittered(wait: Duration, random: u32) -> Duration {
    wait.mul_f64(0.75 + f64::from(random) / f64::from(u32::MAX) / 2.0)
}

impl Phase {
    fn wait(self, index: u32) -> Duration {
        let Self { count, first, last, curve } = self;
        let millis = match curve {
            Curve::Exponential => first.saturating_mul(1 << index.min(32)).min(last),
            Curve::Linear => {
                let steps = u64::from(count.saturating_sub(1)).max(1);
                first + last.saturating_sub(first) * u64::from(index) / steps
            }
        };
        Duration::from_millis(millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_spread_around_what_they_are_to_be() {
        let wait = |random| jittered(Duration::from_secs(100), random).as_millis();
        assert_eq!((wait(0), wait(u32::MAX / 2), wait(u32::MAX)), (75_000, 99_999, 125_000));
        assert_eq!(jittered(Duration::ZERO, u32::MAX), Duration::ZERO, "at once is at once");
    }

    #[test]
    fn phases_follow_each_other_and_end() {
        let phase = |count, first, last, curve| Phase { count, first, last, curve };
        let retry = Retry {
            phases: vec![
                phase(2, 0, 0, Curve::Linear),
                phase(3, 10, 30, Curve::Linear),
                phase(4, 1_000, 5_000, Curve::Exponential),
            ],
            refusal_ends: true,
        };
        let waits: Vec<_> = (0..10).map(|failed| retry.wait(failed).map(|wait| wait.as_millis())).collect();
        let expected = [0, 0, 10, 20, 30, 1_000, 2_000, 4_000, 5_000].map(Some);
        assert_eq!(waits[..9], expected);
        assert_eq!(waits[9], None);
        assert_eq!(Retry { phases: Vec::new(), refusal_ends: true }.wait(0), None, "none at all");
        assert_eq!(Retry::patient().wait(0), Some(Duration::from_secs(1)));
        assert_eq!(Retry::patient().wait(u32::MAX - 1), Some(Duration::from_secs(300)));
    }
}
