//! See `lambent_identity::fuzz::policy`.
#![no_main]

use lambent_identity::fuzz;

libfuzzer_sys::fuzz_target!(init: seeds::write(fuzz::policies()), |bytes: &[u8]| fuzz::policy(bytes));

#[path = "../seeds.rs"]
mod seeds;
