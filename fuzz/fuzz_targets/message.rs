//! See `lambent_sandbox_protocol::fuzz::message`.
#![no_main]

use lambent_sandbox_protocol::fuzz;

libfuzzer_sys::fuzz_target!(init: seeds::write(fuzz::messages()), |bytes: &[u8]| fuzz::message(bytes));

#[path = "../seeds.rs"]
mod seeds;
