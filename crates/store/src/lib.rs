//! Durable records, change feed and content-addressed code.
