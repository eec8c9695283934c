//! Counts and times of one combination of dimensions.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lambent_model::{Count, Level, Measure};

use crate::histogram::{Counter, Histogram, LATENCY};

/// One series of each kind. A histogram is there from its first time on: most functions never have most of them.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    counts: [Counter; Count::ALL.len()],
    times: [OnceLock<Box<Histogram>>; Measure::ALL.len()],
}

impl Sums {
    pub(crate) fn get(&self, count: Count) -> u64 {
        self.counts[count as usize].get()
    }

    pub(crate) fn times(&self, measure: Measure) -> Option<&Histogram> {
        self.times[measure as usize].get().map(|times| &**times)
    }

    fn times_or_new(&self, measure: Measure) -> &Histogram {
        self.times[measure as usize].get_or_init(|| Box::new(Histogram::new(LATENCY)))
    }

    /// Takes over what another has.
    pub(crate) fn absorb(&self, other: &Self) {
        for count in Count::ALL {
            self.counts[count as usize].add(other.get(count));
        }
        for measure in Measure::ALL {
            if let Some(times) = other.times(measure) {
                self.times_or_new(measure).absorb(times);
            }
        }
    }
}

impl lambent_model::Series for Sums {
    fn count(&self, count: Count, by: u64) {
        self.counts[count as usize].add(by);
    }

    fn measure(&self, measure: Measure, took: Duration) {
        self.times_or_new(measure).record(took);
    }
}

/// Levels of a function or an account.
#[derive(Debug, Default)]
pub(crate) struct Heights([AtomicU64; Level::ALL.len()]);

impl Heights {
    pub(crate) fn get(&self, level: Level) -> u64 {
        self.0[level as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, level: Level, value: u64) {
        self.0[level as usize].store(value, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_in_the_order_of_their_discriminants() {
        assert!(Count::ALL.iter().enumerate().all(|(place, count)| *count as usize == place));
        assert!(Measure::ALL.iter().enumerate().all(|(place, measure)| *measure as usize == place));
        assert!(Level::ALL.iter().enumerate().all(|(place, level)| *level as usize == place));
        assert!(lambent_model::Work::ALL.iter().enumerate().all(|(place, work)| *work as usize == place));
    }
}
