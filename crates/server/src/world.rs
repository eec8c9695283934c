//! The real clock and the real randomness.

use std::cell::RefCell;
use std::time::SystemTime;

use lambent_model::{Clock, Entropy, Timestamp};

/// The operating system's wall clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}

/// The operating system's random source.
pub(crate) struct SystemEntropy;

/// So much is asked for at once: enough for the ids of some dozens of requests, each of which would otherwise be a call
/// of the system.
const STOCK: usize = 1024;

/// Random bytes that nobody has had yet, those at the front.
struct Stock {
    bytes: [u8; STOCK],
    left: usize,
}

thread_local! {
    static STOCKED: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; STOCK], left: 0 }) };
}

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        if buffer.len() > STOCK / 8 {
            return random(buffer);
        }
        STOCKED.with_borrow_mut(|stock| {
            if stock.left < buffer.len() {
                random(&mut stock.bytes);
                stock.left = STOCK;
            }
            let rest = stock.left - buffer.len();
            let taken = &mut stock.bytes[rest..stock.left];
            buffer.copy_from_slice(taken);
            // What may become a key is not to stay here.
            taken.fill(0);
            stock.left = rest;
        });
    }
}

fn random(buffer: &mut [u8]) {
    getrandom::fill(buffer).expect("the kernel's random source is ready once the machine has booted");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_bytes_are_handed_out_twice() {
        let mut seen = HashSet::new();
        for length in [16, 20, 4, 8, 128, 129, 2048].into_iter().cycle().take(700) {
            let mut bytes = vec![0; length];
            SystemEntropy.fill(&mut bytes);
            // Four random bytes may come again by chance.
            assert!(seen.insert(bytes.clone()) || length == 4);
            assert!(length < 8 || bytes.iter().any(|byte| *byte != 0));
        }
    }
}
