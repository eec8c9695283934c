//! See `lambent_services::fuzz::query`.
#![no_main]

use lambent_services::fuzz;

libfuzzer_sys::fuzz_target!(init: seeds::write(fuzz::queries()), |bytes: &[u8]| fuzz::query(bytes));

#[path = "../seeds.rs"]
mod seeds;
