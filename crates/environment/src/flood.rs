//! How much one environment may log.
//!
//! Two buckets, of records and of bytes, are filled as time passes. Once one of them is empty, everything is dropped
//! and counted until a part of both is there again: so a flood leaves one notice a second in the log and not one beside
//! every record that happens to fit.

use lambent_model::Timestamp;

/// What CloudWatch Logs took of one stream for most of its life: five calls of `PutLogEvents` a second, each with at
/// most 1 MiB and 10,000 records ("CloudWatch Logs quotas").
const PER_SECOND: Amount = Amount { records: 50_000, bytes: 5 * 1024 * 1024 };
/// What an environment may have saved up: the debugging output of one invocation, not of many.
const BURST_SECONDS: u64 = 5;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Amount {
    records: u64,
    bytes: u64,
}

/// What has been dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// What becomes of a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept,
    /// Kept, and the first after a flood.
    KeptAfter(Dropped),
    Dropped,
}

/// The buckets of one environment.
#[derive(Debug)]
pub(crate) struct Flood {
    left: Amount,
    filled: Timestamp,
    dropping: bool,
    dropped: Amount,
}

impl Flood {
    pub(crate) fn new(now: Timestamp) -> Self {
        let left =
            Amount { records: PER_SECOND.records * BURST_SECONDS, bytes: PER_SECOND.bytes * BURST_SECONDS };
        Self { left, filled: now, dropping: false, dropped: Amount::default() }
    }

    /// Whether what comes now is being dropped.
    pub(crate) fn is_dropping(&self) -> bool {
        self.dropping
    }

    /// Counts one record.
    pub(crate) fn take(&mut self, now: Timestamp, bytes: usize) -> Fate {
        let bytes = bytes as u64;
        // Most records come while both buckets are far from empty: time is looked at when they are not.
        if self.left.records == 0 || self.left.bytes < bytes || self.dropping {
            self.fill(now);
            let enough = if self.dropping { PER_SECOND } else { Amount { records: 1, bytes } };
            if self.left.records < enough.records || self.left.bytes < enough.bytes.max(bytes) {
                self.dropping = true;
                self.dropped.records += 1;
                self.dropped.bytes += bytes;
                return Fate::Dropped;
            }
            self.dropping = false;
        }
        self.left.records -= 1;
        self.left.bytes -= bytes;
        self.settle().map_or(Fate::Kept, Fate::KeptAfter)
    }

    /// What has been dropped since the last time; to be asked where something ends, so that it is not left unsaid.
    pub(crate) fn settle(&mut self) -> Option<Dropped> {
        if self.dropped.records == 0 {
            return None;
        }
        let Amount { records, bytes } = std::mem::take(&mut self.dropped);
        Some(Dropped { records, bytes })
    }

    fn fill(&mut self, now: Timestamp) {
        // A clock that is set back fills nothing, and counts from there on.
        let millis = u64::try_from(now.millis() - self.filled.millis()).unwrap_or(0);
        let millis = millis.min(BURST_SECONDS * 1000);
        if millis == 0 && now >= self.filled {
            return;
        }
        self.filled = now;
        let more = |left: u64, rate: u64| (left + rate * millis / 1000).min(rate * BURST_SECONDS);
        self.left = Amount {
            records: more(self.left.records, PER_SECOND.records),
            bytes: more(self.left.bytes, PER_SECOND.bytes),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// Takes `count` records and says how many were kept.
    fn kept(flood: &mut Flood, now: Timestamp, count: usize, bytes: usize) -> usize {
        (0..count).filter(|_| flood.take(now, bytes) != Fate::Dropped).count()
    }

    #[test]
    fn what_cloudwatch_would_take_is_kept_for_ever() {
        let mut flood = Flood::new(at(0));
        for second in 0..20 {
            assert_eq!(kept(&mut flood, at(second * 1000), 50_000, 100), 50_000, "second {second}");
        }
    }

    #[test]
    fn flood_is_cut_to_the_rate_and_counted_once_a_second() {
        let mut flood = Flood::new(at(0));
        let (mut kept, mut dropped, mut notices) = (0, 0, 0);
        for step in 0..10_000 {
            for _ in 0..100 {
                match flood.take(at(step), 1000) {
                    Fate::Kept => kept += 1,
                    Fate::KeptAfter(lost) => {
                        kept += 1;
                        notices += 1;
                        dropped += lost.records;
                    }
                    Fate::Dropped => {}
                }
            }
        }
        dropped += flood.settle().map_or(0, |lost| lost.records);
        assert_eq!(kept + dropped, 1_000_000, "nothing is lost uncounted");
        // Fifteen seconds' worth of 5 MiB: the burst and what ten seconds bring.
        assert!((73_000..=78_700).contains(&kept), "{kept}");
        assert!((1..=11).contains(&notices), "{notices}");
    }

    #[test]
    fn records_without_content_are_limited_too() {
        let mut flood = Flood::new(at(0));
        assert_eq!(kept(&mut flood, at(0), 300_000, 0), 250_000);
        assert!(flood.is_dropping());
        assert_eq!(flood.settle(), Some(Dropped { records: 50_000, bytes: 0 }));
        assert_eq!(flood.settle(), None);
    }

    #[test]
    fn clock_that_is_set_back_does_not_silence_the_function() {
        let mut flood = Flood::new(at(1_000_000));
        kept(&mut flood, at(1_000_000), 250_001, 0);
        assert_eq!(flood.take(at(0), 0), Fate::Dropped);
        assert!(matches!(flood.take(at(1000), 0), Fate::KeptAfter(_)));
    }
}
