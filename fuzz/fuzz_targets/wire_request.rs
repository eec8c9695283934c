//! See `lambent_wire::fuzz::request`.
#![no_main]

use lambent_wire::fuzz;

libfuzzer_sys::fuzz_target!(init: seeds::write(fuzz::requests()), |bytes: &[u8]| fuzz::request(bytes));

#[path = "../seeds.rs"]
mod seeds;
