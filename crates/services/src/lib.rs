//! Companion services: CloudWatch Logs.

/// For the project's own fuzzers.
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod logs;
