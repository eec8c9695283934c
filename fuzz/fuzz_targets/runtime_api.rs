//! See `lambent_environment::fuzz::runtime_api`.
#![no_main]

use lambent_environment::fuzz;

libfuzzer_sys::fuzz_target!(init: seeds::write(fuzz::requests()), |bytes: &[u8]| fuzz::runtime_api(bytes));

#[path = "../seeds.rs"]
mod seeds;
