//! Companion services: CloudWatch Logs.
