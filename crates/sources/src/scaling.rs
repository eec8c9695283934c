//! How many batches of a queue may be under way. Pure: time and everything that happened come in.
//!
//! "Lambda starts processing five batches at a time with five concurrent invocations of your function. If messages are still
//! available, Lambda increases the number of processes that are reading batches by up to 300 more concurrent invokes per
//! minute. The maximum number of invokes that an event source mapping can process simultaneously is 1,250." And on errors and
//! throttles: "Lambda gradually backs off, reducing the amount of concurrency allocated" (Developer Guide, "Configuring
//! scaling behavior for SQS event source mappings", "Handling errors for an SQS event source"). How gradually, it does not
//! say: here a failure takes a tenth, and at least one, and a success below the usual number gives one back.

use std::time::Duration;

use lambent_model::Timestamp;

/// "Each event poller can handle up to 10 concurrent invokes" (the same page, provisioned mode).
const OF_A_POLLER: u32 = 10;

/// What sums of many small steps may lack.
const ROUNDING: f64 = 1e-6;

/// Within which bounds, and how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What there is without a backlog.
    pub floor: u32,
    /// The most.
    pub ceiling: u32,
    /// How many more in a minute of backlog.
    pub per_minute: u32,
}

impl Rule {
    /// Nothing is configured.
    pub const STANDARD: Self = Self { floor: 5, ceiling: 1250, per_minute: 300 };

    /// `ScalingConfig.MaximumConcurrency`.
    #[must_use]
    pub fn at_most(most: u32) -> Self {
        Self { floor: Self::STANDARD.floor.min(most), ceiling: most, ..Self::STANDARD }
    }

    /// `ProvisionedPollerConfig`, in pollers: "up to 1,000 concurrent invokes per minute".
    #[must_use]
    pub fn provisioned(minimum: u32, maximum: u32) -> Self {
        let (floor, ceiling) = (minimum.saturating_mul(OF_A_POLLER), maximum.saturating_mul(OF_A_POLLER));
        Self { floor, ceiling: ceiling.max(floor), per_minute: 1000 }
    }
}

/// See the module's text.
#[derive(Debug, Clone)]
pub struct Scaling {
    rule: Rule,
    allowed: f64,
    /// Since when there has been a backlog that nothing was free for.
    behind_since: Option<Timestamp>,
}

impl Scaling {
    /// At the floor.
    #[must_use]
    pub fn new(rule: Rule) -> Self {
        Self { rule, allowed: f64::from(rule.floor), behind_since: None }
    }

    /// Other bounds. A higher floor is there at once, as it is at the start.
    pub fn configure(&mut self, rule: Rule) {
        if rule.floor > self.rule.floor {
            self.allowed = self.allowed.max(f64::from(rule.floor));
        }
        self.rule = rule;
        self.allowed = self.allowed.min(f64::from(rule.ceiling));
    }

    /// Batches that may be under way.
    #[must_use]
    pub fn allowed(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and the ceiling"
        )]
        let allowed = (self.allowed + ROUNDING) as usize;
        allowed
    }

    /// How long it takes until one more is allowed, where there is a backlog.
    #[must_use]
    pub fn step(&self) -> Option<Duration> {
        let grows = self.behind_since.is_some() && self.allowed < f64::from(self.rule.ceiling);
        grows.then(|| Duration::from_secs_f64(60.0 / f64::from(self.rule.per_minute)))
    }

    /// Looks whether there is a backlog while everything that is allowed is under way. `pace` is how many of its seconds a
    /// second of the clock has.
    pub fn observe(&mut self, is_behind: bool, now: Timestamp, pace: f64) {
        let since = self.behind_since.replace(now).filter(|_| is_behind);
        if !is_behind {
            self.behind_since = None;
        }
        if let Some(since) = since {
            #[expect(clippy::cast_precision_loss, reason = "minutes, not centuries")]
            let seconds = (now.micros() - since.micros()).max(0) as f64 / 1e6 * pace;
            let grown = self.allowed + seconds * f64::from(self.rule.per_minute) / 60.0;
            self.allowed =
                grown.min(f64::from(self.rule.ceiling)).max(self.allowed.min(f64::from(self.rule.ceiling)));
        }
    }

    /// The queue was empty: what is not in use goes, down to the floor.
    pub fn quiet(&mut self, under_way: usize) {
        let used = f64::from(u32::try_from(under_way).unwrap_or(u32::MAX));
        let floor = f64::from(self.rule.floor);
        if self.allowed > floor {
            self.allowed = self.allowed.min(used).max(floor);
        }
        self.behind_since = None;
    }

    /// A batch failed, or could not be handed over.
    pub fn failed(&mut self) {
        self.allowed = (self.allowed - (self.allowed / 10.0).max(1.0)).max(1.0);
        self.behind_since = None;
    }

    /// A batch succeeded.
    pub fn succeeded(&mut self) {
        if self.allowed < f64::from(self.rule.floor) {
            self.allowed = (self.allowed + 1.0).min(f64::from(self.rule.floor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// Behind from the first second to the last, looked at each second.
    fn behind(rule: Rule, seconds: i64) -> usize {
        let mut scaling = Scaling::new(rule);
        (0..=seconds).for_each(|second| scaling.observe(true, at(second), 1.0));
        scaling.allowed()
    }

    #[test]
    fn a_backlog_lets_it_grow_to_its_ceiling() {
        for (rule, seconds, allowed) in [
            (Rule::STANDARD, 0, 5),
            (Rule::STANDARD, 60, 305),
            (Rule::STANDARD, 248, 1245),
            (Rule::STANDARD, 600, 1250),
            (Rule::at_most(2), 0, 2),
            (Rule::at_most(2), 60, 2),
            (Rule::at_most(100), 0, 5),
            (Rule::at_most(100), 60, 100),
            (Rule::provisioned(2, 200), 0, 20),
            (Rule::provisioned(2, 200), 60, 1020),
            (Rule::provisioned(2, 2), 60, 20),
        ] {
            assert_eq!(behind(rule, seconds), allowed, "{rule:?} after {seconds} s");
        }
    }

    #[test]
    fn it_shrinks_when_quiet_and_gradually_when_failing() {
        let mut scaling = Scaling::new(Rule::STANDARD);
        (0..=60).for_each(|second| scaling.observe(true, at(second), 1.0));
        scaling.quiet(40);
        assert_eq!(scaling.allowed(), 40);
        scaling.quiet(0);
        assert_eq!(scaling.allowed(), 5);
        let seen: Vec<usize> = (0..6)
            .map(|_| {
                scaling.failed();
                scaling.allowed()
            })
            .collect();
        assert_eq!(seen, [4, 3, 2, 1, 1, 1], "one batch goes on trying");
        scaling.quiet(0);
        assert_eq!(scaling.allowed(), 1, "an empty queue is no success");
        (0..9).for_each(|_| scaling.succeeded());
        assert_eq!(scaling.allowed(), 5);
    }

    #[test]
    fn only_time_behind_counts() {
        let mut scaling = Scaling::new(Rule::STANDARD);
        scaling.observe(true, at(0), 1.0);
        scaling.observe(false, at(10), 1.0);
        scaling.observe(true, at(20), 1.0);
        assert_eq!((scaling.allowed(), scaling.step()), (5, Some(Duration::from_millis(200))));
        scaling.observe(true, at(21), 1.0);
        assert_eq!(scaling.allowed(), 10);
        scaling.configure(Rule::at_most(3));
        assert_eq!((scaling.allowed(), scaling.step()), (3, None));
        scaling.configure(Rule::provisioned(2, 3));
        assert_eq!(scaling.allowed(), 20, "more pollers are there at once");
        scaling.failed();
        scaling.configure(Rule::provisioned(2, 4));
        assert_eq!(scaling.allowed(), 18, "what has backed off stays so where the floor is the same");
        let mut fast = Scaling::new(Rule::STANDARD);
        fast.observe(true, at(0), 60.0);
        fast.observe(true, at(1), 60.0);
        assert_eq!(fast.allowed(), 305, "a second that counts as a minute");
    }
}
