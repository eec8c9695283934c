//! A durable queue: messages that are due at some time, taken under a lease, and settled.
//!
//! ```text
//! commit(Enqueue) ──▶ message ──▶ arrivals          in the transaction of whatever else the commit writes
//! take(queue, now) ─▶ Message under a Lease          in the order of due times, then of arrival
//! commit(Finish | Postpone) ─▶ gone, or due later    again together with anything else: a dead-letter message, a record
//! ```
//!
//! A queue is a name; it exists while it has messages. Owners bring the content: a body that never changes and a small
//! state beside it (how often it was tried, for one).
//!
//! A [`Lease`] keeps a message from being taken twice and ends with the process that took it. The engine for one machine
//! keeps its leases in memory, for no other process takes its messages: after a crash all of them are free again, which
//! is what at-least-once asks for, and taking a message writes nothing. An engine that several processes share has to write
//! them down, with the same effect for callers. What a client holds for longer than a process lives, a visibility
//! timeout of SQS for one, is a due time.

mod apply;
mod arrivals;
mod keep;
mod leases;
mod take;

use std::sync::Arc;

use lambent_model::Timestamp;

pub(crate) use apply::{Applied, Refused, apply};
pub use arrivals::{Arrivals, ArrivalsError};
pub(crate) use arrivals::{BACKLOG, Sender};
pub use keep::{Entry, Extent, Place};
pub(crate) use keep::{entries, extent};
pub(crate) use leases::Leases;
pub(crate) use take::{take, waiting};

/// The right to settle a message. A later lease on the same message makes an earlier one worthless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    id: u64,
    token: u64,
    /// Its body has a row of its own.
    apart: bool,
}

impl Lease {
    /// Names the message, for as long as it lives; later messages have larger numbers.
    #[must_use]
    pub fn id(self) -> u64 {
        self.id
    }
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What settles it.
    pub lease: Lease,
    /// When it was due.
    pub due: Timestamp,
    /// What its owner noted last.
    pub state: Vec<u8>,
    /// What its owner put.
    pub body: Vec<u8>,
}

/// What [`crate::Store::take`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taken {
    /// The messages that were due.
    pub messages: Vec<Message>,
    /// When the first is due of those that were left and are not leased.
    pub next: Option<Timestamp>,
}

/// A message has been enqueued or postponed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its queue.
    pub queue: Arc<str>,
    /// When it may be taken.
    pub due: Timestamp,
}
