//! Companion services: IAM, STS and CloudWatch Logs.

/// For the project's own fuzzers.
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod iam;
pub mod logs;
pub mod sts;
