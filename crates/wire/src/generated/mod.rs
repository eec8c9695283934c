//! What `cargo xtask codegen` writes, a file for each service. AWS's API references document the members.

pub mod application_autoscaling;
pub mod events;
pub mod iam;
pub mod lambda;
pub mod logs;
pub mod scheduler;
pub mod sns;
pub mod sqs;
pub mod sts;
