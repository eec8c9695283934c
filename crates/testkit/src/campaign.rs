//! A fuzz target in an ordinary test: so many inputs out of a seed, always the same ones.
//!
//! `cargo xtask prove fuzz` drives the same targets for hours, by coverage. This is the sample of it that every change
//! goes through, on a stable compiler and without a word of luck: `LAMBENT_FUZZ_SEED` chooses another one,
//! `LAMBENT_FUZZ_ROUNDS` a longer one.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::mutate::Mutator;

/// Inputs of one campaign: together the targets take about a minute, without optimisation.
const ROUNDS: u64 = 200_000;

/// Gives `target` every seed as it is, then mutations of them.
///
/// # Panics
/// With the target, after the input has been printed as a Rust byte string.
pub fn campaign(seeds: &[Vec<u8>], target: impl Fn(&[u8])) {
    let (seed, rounds) = (number("LAMBENT_FUZZ_SEED", 1), number("LAMBENT_FUZZ_ROUNDS", ROUNDS));
    seeds.iter().for_each(|input| attempt(input, seed, &target));
    let mut mutator = Mutator::new(seed, seeds);
    for _ in 0..rounds {
        attempt(&mutator.next_input(), seed, &target);
    }
}

fn attempt(input: &[u8], seed: u64, target: &impl Fn(&[u8])) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
        eprintln!("LAMBENT_FUZZ_SEED={seed} failed with b\"{}\"", input.escape_ascii());
        resume_unwind(panic);
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name)
        .map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, not a number")))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn seeds() -> Vec<Vec<u8>> {
        vec![b"PK\x03\x04 one".to_vec(), b"two".to_vec()]
    }

    #[test]
    fn a_campaign_repeats_itself_and_goes_beyond_its_seeds() {
        let inputs = || {
            let mut mutator = Mutator::new(7, &seeds());
            (0..1000).map(|_| mutator.next_input()).collect::<Vec<_>>()
        };
        assert_eq!(inputs(), inputs());
        let mut different = inputs();
        different.sort();
        different.dedup();
        assert!(different.len() > 800, "{} of 1,000 inputs differ", different.len());
    }

    #[test]
    fn a_planted_fault_is_found() {
        let shortest = Mutex::new(usize::MAX);
        let found = catch_unwind(AssertUnwindSafe(|| {
            campaign(&seeds(), |input| {
                let mut shortest = shortest.lock().expect("no panic happens under the lock");
                *shortest = (*shortest).min(input.len());
                drop(shortest);
                assert!(!input.starts_with(b"PK") || input.get(2) != Some(&0xff), "planted");
            });
        }));
        assert!(found.is_err(), "200,000 inputs did not reach one byte");
        assert_eq!(shortest.into_inner().ok(), Some(0), "the empty input comes as well");
    }
}
