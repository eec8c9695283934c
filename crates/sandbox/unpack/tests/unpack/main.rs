//! The code store with the real program, and with programs that misbehave.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod hostile;
mod packages;
mod program;
mod support;
