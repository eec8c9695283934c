//! See `lambent_wire::fuzz::xml`.
#![no_main]

use lambent_wire::fuzz;

libfuzzer_sys::fuzz_target!(init: seeds::write(fuzz::documents()), |bytes: &[u8]| fuzz::xml(bytes));

#[path = "../seeds.rs"]
mod seeds;
