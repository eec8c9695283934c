//! See `lambent_environment::fuzz::frames`.
#![no_main]

use lambent_environment::fuzz;

libfuzzer_sys::fuzz_target!(init: seeds::write(fuzz::written()), |bytes: &[u8]| fuzz::frames(bytes));

#[path = "../seeds.rs"]
mod seeds;
