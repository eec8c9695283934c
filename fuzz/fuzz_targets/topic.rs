//! See `lambent_services::fuzz::topic`.
#![no_main]

use lambent_services::fuzz;

libfuzzer_sys::fuzz_target!(init: seeds::write(fuzz::topics()), |bytes: &[u8]| fuzz::topic(bytes));

#[path = "../seeds.rs"]
mod seeds;
