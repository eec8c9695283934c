//! Companion services: IAM, STS, CloudWatch Logs, SNS and Application Auto Scaling.

pub mod autoscaling;
mod dispatch;
pub mod eventbridge;

/// For the project's own fuzzers.
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod iam;
pub mod logs;
mod remembered;
mod schedule;
pub mod scheduler;
mod sending;
pub mod sns;
pub mod sts;
