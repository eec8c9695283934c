//! What happens to an environment.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lambent_model::{ExtensionId, Failure, Invocation};
use lambent_sandbox_client::{Ends, Exit};

use super::roster::Events;

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The sandbox stands. It is frozen once it has been idle for `freeze_after`; never where the host cannot.
    Launched { freeze_after: Option<Duration> },
    /// The pool hands over an invocation: one with the launch, later ones after [`Effect::Available`].
    Invoke(Arc<Invocation>),
    /// The runtime asked for the next event.
    Next,
    /// The runtime reported how the invocation `request_id` (as it wrote it) went, for which it took so long from the
    /// report's first byte to its last.
    Report { request_id: String, reported: Reported, sending: Duration },
    /// The runtime has been restored, or would have been, and cannot go on.
    RestoreError { failure: Failure },
    /// Its snapshot could not be brought to life.
    NotRestored,
    /// The runtime has come to where its snapshot is to be taken, and waits for an answer there.
    SnapshotDue { asking: Option<Ends> },
    /// The runtime reported that it cannot initialise.
    InitError { failure: Failure },
    /// The runtime could not be started at all.
    StartFailed { failure: Start },
    /// An extension registers; `identifier` is to be its own.
    Register { name: String, events: Events, identifier: ExtensionId },
    /// An extension asked for its next event.
    ExtensionNext { identifier: ExtensionId },
    /// An extension reported that it cannot initialise, or go on.
    ExtensionError { identifier: ExtensionId, init: bool, error_type: String },
    /// An extension could not be started. `kind` is the kind of error for its record.
    ExtensionStartFailed { slot: u8, kind: &'static str, message: String },
    /// An extension's process ended.
    ExtensionExited { slot: u8, exit: Exit },
    /// The runtime's process ended.
    Exited { exit: Exit, out_of_memory: bool },
    /// One of the runtime's connections has ended, as all do when it dies.
    Disconnected,
    /// The moment of an [`Effect::FreezeAt`] has come.
    FreezeDue,
    /// All processes of the sandbox are gone; it is ready for a new runtime.
    Reset,
    /// The sandbox is gone.
    Gone { reason: String },
    /// The deadline that was set has passed.
    Deadline,
    /// Finish what is running, then end.
    Retire,
}

/// What the runtime posted.
#[derive(Debug)]
pub(crate) enum Reported {
    Success(Bytes),
    /// The caller has had it, so many bytes, piece by piece.
    Streamed(usize),
    /// More than so many bytes.
    TooLarge(usize),
    Truncated,
    InvalidMode,
    Error(Failure),
}

/// Why there is no runtime process.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) error_type: String,
    pub(crate) message: String,
}
