//! Companion services: CloudWatch Logs.

pub mod logs;
