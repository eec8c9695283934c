//! Snapshots of initialised functions, for SnapStart (AWS Lambda Developer Guide, "Improving startup performance with Lambda
//! SnapStart").
//!
//! ```text
//! take_snapshot ─▶ sandbox ─▶ init, hooks before ─▶ GET /restore/next ─▶ snapshot, end
//! spawn         ─▶ sandbox ─▶ restore ───────────▶ GET /restore/next ─▶ hooks after ─▶ GET /next
//! ```
//!
//! The connection on which the runtime asks does not live on in the snapshot: it is made anew in the sandbox in which the runtime
//! finds itself, and the question put once more in its name ([`ASKED_AGAIN`]).

use lambent_sandbox_client::Snapshot;

/// What the runtime has asked when its snapshot was taken. Clients look at no more of an answer than its status.
pub(crate) const ASKED_AGAIN: &str =
    "GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// What came of it.
pub(crate) type Taken = Result<Snapshot, NoSnapshot>;

/// Why there is no snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSnapshot {
    /// The function cannot initialise, or a hook of it fails.
    #[error("the function cannot be initialised ({0}); its log says more")]
    Function(String),
    /// The environment was ended from outside before it came to where its snapshot would have been taken.
    #[error("the environment ended before a snapshot could be taken of it")]
    Ended,
    /// It has come to invocations without asking for its restore.
    #[error("the runtime does not ask for /restore/next, as it has to for SnapStart")]
    NotAsked,
    /// It cannot be taken, here or of this function.
    #[error("{0}")]
    Engine(String),
}
