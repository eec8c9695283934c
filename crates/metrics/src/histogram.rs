//! Numbers that many threads add to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in microseconds of what takes from a tenth of a millisecond to the longest timeout, 15 minutes.
pub const LATENCY: &[u64] = &[
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    900_000_000,
];

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, by: u64) {
        // Each number stands for itself: no reader concludes from one to another.
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// What was added up.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The distribution of times.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// How many fell between the bound before and this one; one more for those above the last.
    buckets: Box<[Counter]>,
    sum_micros: Counter,
}

impl Histogram {
    /// An empty one with ascending upper bounds, in microseconds and inclusive.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| Counter::default()).collect();
        Self { bounds, buckets, sum_micros: Counter::default() }
    }

    /// Takes one time.
    pub fn record(&self, took: Duration) {
        // 584,000 years are enough for everybody.
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[self.bounds.partition_point(|bound| *bound < micros)].add(1);
        self.sum_micros.add(micros);
    }

    /// Takes over what another with the same bounds has.
    ///
    /// # Panics
    /// When the bounds differ, which is a mistake in the calling code.
    pub fn absorb(&self, other: &Self) {
        assert!(std::ptr::eq(self.bounds, other.bounds), "histograms of different things");
        for (own, theirs) in self.buckets.iter().zip(&other.buckets) {
            own.add(theirs.get());
        }
        self.sum_micros.add(other.sum_micros.get());
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(Counter::get).sum()
    }

    /// The sum in seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "microseconds of 285 years are exact")]
    pub fn sum_seconds(&self) -> f64 {
        self.sum_micros.get() as f64 / 1e6
    }

    /// The upper bounds in seconds with how many are not above them, the last without a bound.
    #[expect(clippy::cast_precision_loss, reason = "bounds are far below 2^52")]
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<f64>, u64)> {
        let bounds = self.bounds.iter().map(|bound| Some(*bound as f64 / 1e6)).chain([None]);
        bounds.zip(&self.buckets).scan(0, |below, (bound, bucket)| {
            *below += bucket.get();
            Some((bound, *below))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::new(&[1_000, 1_000_000]);
        for micros in [0, 1_000, 1_001, 1_000_000, 1_000_001] {
            histogram.record(Duration::from_micros(micros));
        }
        let cumulative: Vec<_> = histogram.cumulative().collect();
        assert_eq!(cumulative, [(Some(0.001), 2), (Some(1.0), 4), (None, 5)]);
        assert_eq!((histogram.count(), histogram.sum_seconds()), (5, 2.002002));
    }

    #[test]
    fn bounds_ascend() {
        assert!(LATENCY.is_sorted());
    }
}
