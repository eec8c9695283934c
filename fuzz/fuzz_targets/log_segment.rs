//! See `lambent_services::fuzz::segment`.
#![no_main]

use lambent_services::fuzz;

libfuzzer_sys::fuzz_target!(init: seeds::write(fuzz::segments()), |bytes: &[u8]| fuzz::segment(bytes));

#[path = "../seeds.rs"]
mod seeds;
