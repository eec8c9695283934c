//! Companion services: IAM, STS, CloudWatch Logs, SNS and Application Auto Scaling.

pub mod autoscaling;

/// For the project's own fuzzers.
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod iam;
pub mod logs;
pub mod sns;
pub mod sts;
