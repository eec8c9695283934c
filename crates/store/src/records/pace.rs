//! How many commits share one transaction: as many as make its sync cheap, and no more, for while the transaction is being
//! written everybody in it waits for the last of them.

use std::time::Duration;

/// Commits of one transaction at most. Longer ones would let the first wait for work that hides no further fsync: 64 already
/// reach 10,000 commits a second of a slow disk.
const MOST: usize = 256;
/// At least, so that a moment in which the processor was elsewhere does not have every commit pay for a sync.
const LEAST: usize = 16;
/// By how much the writing of a transaction may take longer than its sync: with four times, one twice as long would save a
/// tenth of the writer's time, and keep twice as many callers from going on with what they do meanwhile.
const WORK: f64 = 4.0;
/// What of the past counts: the last sixteen transactions or so.
const KEPT: f64 = 1.0 - 1.0 / 16.0;

/// What the last transactions took, in seconds.
#[derive(Debug, Default)]
pub(super) struct Pace {
    transactions: f64,
    commits: f64,
    work: f64,
    sync: f64,
}

impl Pace {
    /// How many commits the next transaction is to have at most.
    pub(super) fn limit(&self) -> usize {
        let limit = WORK * (self.sync / self.transactions) * (self.commits / self.work);
        if !limit.is_finite() {
            return MOST;
        }
        // Between two small numbers.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let limit = limit.clamp(LEAST as f64, MOST as f64) as usize;
        limit
    }

    /// A transaction of so many commits took so long to write, and so long to come onto the disk.
    pub(super) fn learn(&mut self, commits: usize, work: Duration, sync: Duration) {
        let mean = |past: f64, now: f64| KEPT * past + (1.0 - KEPT) * now;
        #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
        let commits = commits as f64;
        // Each alone, so that their ratio is that of sums: large transactions tell more than small ones.
        self.transactions = mean(self.transactions, 1.0);
        self.commits = mean(self.commits, commits);
        self.work = mean(self.work, work.as_secs_f64());
        self.sync = mean(self.sync, sync.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_are_as_long_as_their_sync_is_dear() {
        let micros = Duration::from_micros;
        for (work, sync, limit) in [
            // The writing of each commit, the sync of all.
            (50, 200, 16),
            (50, 400, 32),
            (10, 400, 160),
            (50, 5_000, 256),
            (1_000, 200, 16),
        ] {
            let mut pace = Pace::default();
            assert_eq!(pace.limit(), 256, "nothing is known");
            for commits in [1, 32, 7, 20] {
                pace.learn(commits, micros(work) * u32::try_from(commits).unwrap(), micros(sync));
            }
            assert!(pace.limit().abs_diff(limit) <= 1, "{work} {sync}: {}", pace.limit());
        }
        let mut pace = Pace::default();
        pace.learn(1, Duration::ZERO, Duration::ZERO);
        assert_eq!(pace.limit(), 256, "a clock that stands still says nothing");
    }
}
