//! Ports: what the pure parts need from the world outside, and what flows out of the platform without being waited for.

use std::sync::Arc;

use crate::{Scope, Timestamp};

/// The wall clock.
pub trait Clock: Send + Sync {
    /// The present moment, UTC.
    fn now(&self) -> Timestamp;
}

/// The source of randomness: keys, ids, tokens. Cryptographically strong in the server, seeded in tests.
pub trait Entropy: Send + Sync {
    /// Overwrites `buffer` with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// One log stream in one log group of one account and region.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogStream {
    /// Where the log group lives.
    pub scope: Scope,
    /// The log group, for a function `/aws/lambda/NAME` unless configured otherwise.
    pub group: String,
    /// The log stream, one for each execution environment.
    pub stream: String,
}

/// Who wrote a log record. Kept apart from its text, so that a function that prints a `REPORT` line forges nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The platform: `START`, `END`, `REPORT` and the like.
    Platform,
    /// The function's own output.
    Function,
}

/// One log event on its way to the log service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Where it belongs.
    pub stream: Arc<LogStream>,
    /// When it was written.
    pub at: Timestamp,
    /// Who wrote it.
    pub origin: Origin,
    /// The text without its final newline; may hold newlines inside.
    pub message: String,
}

/// Takes log records off the request path.
pub trait LogSink: Send + Sync {
    /// Hands over one record and returns at once. When the log service falls behind, the sink drops the record,
    /// counts it, and says in the stream how many were lost.
    fn write(&self, record: LogRecord);
}
