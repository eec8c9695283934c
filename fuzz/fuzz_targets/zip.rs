//! See `lambent_sandbox_unpack::fuzz::zip`.
#![no_main]

use lambent_sandbox_unpack::fuzz;

libfuzzer_sys::fuzz_target!(init: seeds::write(fuzz::zips()), |bytes: &[u8]| fuzz::zip(bytes));

#[path = "../seeds.rs"]
mod seeds;
