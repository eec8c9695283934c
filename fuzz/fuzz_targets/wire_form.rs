//! See `lambent_wire::fuzz::form`.
#![no_main]

use lambent_wire::fuzz;

libfuzzer_sys::fuzz_target!(init: seeds::write(fuzz::forms()), |bytes: &[u8]| fuzz::form(bytes));

#[path = "../seeds.rs"]
mod seeds;
