//! See `lambent_services::fuzz::pattern`.
#![no_main]

use lambent_services::fuzz;

libfuzzer_sys::fuzz_target!(init: seeds::write(fuzz::patterns()), |bytes: &[u8]| fuzz::pattern(bytes));

#[path = "../seeds.rs"]
mod seeds;
