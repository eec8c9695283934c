//! What an environment does about it.

use std::sync::Arc;
use std::time::Instant;

use lambent_model::{ExtensionId, Invocation, Outcome, Report};
use lambent_sandbox_client::Ends;

use super::roster::Refusal;
use super::shutdown::Reason;
use crate::NoSnapshot;
use crate::record::Record;

/// What to do about it, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    /// Start the processes of external extensions.
    StartExtensions,
    /// Start the runtime's process.
    StartRuntime,
    /// Send SIGTERM to the runtime.
    TerminateRuntime,
    /// Kill the runtime, or the extension in a slot, with its process group.
    KillProgram(Option<u8>),
    /// Kill every process but init.
    Reset,
    /// Tear the sandbox down, frozen or not.
    Kill,
    /// Say [`Event::FreezeDue`] then, or a moment later; one that was asked for before will do.
    FreezeAt(Instant),
    /// Stop every process of the sandbox, having taken over what they wrote.
    Freeze,
    /// Let them go on: once an event that follows is written, otherwise at once.
    Thaw,
    /// Give this event and its deadline to the runtime's pending request for one.
    Deliver(Arc<Invocation>, Instant),
    /// Tell an extension of this invocation and its deadline, at once or when it asks.
    InvokeExtension(ExtensionId, Arc<Invocation>, Instant),
    /// Tell an extension that the environment shuts down, likewise.
    ShutDownExtension(ExtensionId, Reason, Instant),
    /// Answer the runtime's or extension's call.
    Reply(Verdicted),
    /// Answer the invocation's caller.
    Answer(Outcome, Option<Report>),
    /// Write a platform record.
    Log(Record),
    /// Write a line of the platform's for who reads the log.
    Note(String),
    /// Tell the pool that the runtime is initialised: what memory that takes is taken.
    Initialised,
    /// Set or clear the one deadline.
    Deadline(Option<Instant>),
    /// Apply the function's share of the CPU, or lift it while the runtime initialises.
    Throttle(bool),
    /// Have a snapshot taken, which is the end of the environment.
    TakeSnapshot { asking: Option<Ends> },
    /// Say why there will be no snapshot.
    NoSnapshot(NoSnapshot),
    /// Tell the pool that the environment can take an invocation.
    Available,
    /// Give the invocation back to the pool, which finds another environment for it.
    Decline(Arc<Invocation>),
}

/// The verdict on a call of the runtime or of an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdicted {
    Accepted,
    InvalidRequestId,
    InvalidState(&'static str),
    TooLarge(usize),
    Truncated,
    InvalidMode,
    /// A call of the Extensions API.
    Refused(Refusal),
}
