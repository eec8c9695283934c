//! Live Tail: who watches, and what they have not seen yet.

use lambent_model::LogStream;

/// The sessions that watch what is written.
#[derive(Debug, Default)]
pub(super) struct Tail {}

impl Tail {
    /// Shows an event that was just written to everybody who watches its group.
    pub(super) fn offer(&self, _stream: &LogStream, _at_ms: i64, _ingested_ms: i64, _message: &str) {}
}
