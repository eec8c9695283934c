//! A rate as a bucket of tokens: filled as time passes, never beyond its size.

use std::time::{Duration, Instant};

/// How much of something there may be in a time.
#[derive(Debug)]
pub(crate) struct Bucket {
    size: u32,
    /// In which an empty bucket is full again.
    period: Duration,
    /// In parts of a token: what accrues between two looks may be less than one.
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// A full bucket of `size` tokens, which come anew within `period`.
    pub(crate) fn new(size: u32, period: Duration, now: Instant) -> Self {
        Self { size, period, tokens: f64::from(size), filled: now }
    }

    /// Whether there is a token; nothing is taken.
    pub(crate) fn has(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled);
        self.filled = self.filled.max(now);
        let size = f64::from(self.size);
        self.tokens = (self.tokens + size * passed.as_secs_f64() / self.period.as_secs_f64()).min(size);
        self.tokens >= 1.0
    }

    /// Takes a token that [`Bucket::has`] has found.
    pub(crate) fn take(&mut self) {
        self.tokens -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back_with_time_and_no_more_than_that() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut bucket = Bucket::new(10, second, start);
        let mut taken = |at| {
            let mut count = 0;
            while bucket.has(at) {
                bucket.take();
                count += 1;
            }
            count
        };
        assert_eq!(taken(start), 10);
        assert_eq!(taken(start), 0);
        assert_eq!(taken(start + second / 2), 5);
        assert_eq!(taken(start + second / 4), 0, "time that goes back brings nothing");
        assert_eq!(taken(start + second * 100), 10, "unused tokens do not pile up");
    }
}
