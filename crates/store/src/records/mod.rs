//! Records: what owners put, and the handle through which they do.
//!
//! ```text
//! commit ──▶ bounded queue ──▶ writer thread: one transaction for all that wait, fsync ──▶ feed ──▶ answers
//!                               keeper thread: copies the log into the database
//! get, list, all ──▶ a few read-only connections on blocking threads (each sees a snapshot)
//! ```

mod error;
mod failpoint;
mod feed;
mod handover;
mod pace;
mod readers;
mod schema;
mod store;
mod wal;
mod writer;

pub use error::Error;
pub use feed::{Change, Changes, ChangesError};
#[cfg(test)]
pub(crate) use schema::open_for_writing;
pub use store::Store;
pub use wal::Wal;

use lambent_model::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::queue::Lease;

/// Names one record. Keys of one kind and partition are ordered by the bytes of their names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// What the record is, such as `function`; each kind has one owner.
    pub kind: &'static str,
    /// What the kind is divided by, usually `account/region`.
    pub partition: String,
    /// The record's name in its partition.
    pub name: String,
}

impl Key {
    /// The partition the key lies in.
    #[must_use]
    pub fn partition(&self) -> Partition {
        Partition { kind: self.kind, partition: self.partition.clone() }
    }

    /// The key, without a copy of its names; what is left has none.
    fn take(&mut self) -> Self {
        let (partition, name) = (std::mem::take(&mut self.partition), std::mem::take(&mut self.name));
        Self { kind: self.kind, partition, name }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} in {:?}", self.kind, self.name, self.partition)
    }
}

/// All records of one kind that share a partition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Partition {
    /// What the records are.
    pub kind: &'static str,
    /// What they share, usually `account/region`.
    pub partition: String,
}

/// What a write takes to be there; anything else is [`Error::Conflict`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Whatever is there. Deleting what is not there succeeds.
    Any,
    /// No such record.
    Absent,
    /// The record at exactly this version.
    Version(u64),
    /// The record at any version.
    Present,
}

/// One change of one record or one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Creates or replaces the record.
    Put {
        /// Which record.
        key: Key,
        /// What has to be there.
        expect: Expect,
        /// The new body, JSON by convention; the store does not look inside.
        body: Vec<u8>,
    },
    /// Removes the record.
    Delete {
        /// Which record.
        key: Key,
        /// What has to be there.
        expect: Expect,
    },
    /// Adds a message to a queue. Its number is what the commit answers for this write.
    Enqueue {
        /// Any name; see [`crate::queue`].
        queue: String,
        /// When it may be taken.
        due: Timestamp,
        /// A few bytes that [`Write::Postpone`] may replace.
        state: Vec<u8>,
        /// What is never changed.
        body: Vec<u8>,
    },
    /// Removes a message that was taken, and ends its lease.
    Finish {
        /// What taking it gave.
        lease: Lease,
    },
    /// Removes the first messages of a queue that nobody takes from.
    Discard {
        /// Which queue.
        queue: String,
        /// Those that were due before this time.
        before: Timestamp,
        /// At most so many: others wait for the writer meanwhile.
        count: usize,
    },
    /// Gives a message back that was taken, and ends its lease.
    Postpone {
        /// What taking it gave.
        lease: Lease,
        /// When it may be taken again.
        due: Timestamp,
        /// The new state.
        state: Vec<u8>,
    },
    /// Has a mailbox take messages; see [`crate::mailbox`].
    OpenMailbox {
        /// Its number, which no other has, below 2^63.
        mailbox: u64,
    },
    /// Ends a mailbox with all that is in it.
    CloseMailbox {
        /// Which.
        mailbox: u64,
    },
}

impl Write {
    /// A put of `value` as JSON.
    ///
    /// # Errors
    /// [`Error::Encode`] when the value has no JSON form.
    pub fn put(key: Key, expect: Expect, value: &impl Serialize) -> Result<Self, Error> {
        match serde_json::to_vec(value) {
            Ok(body) => Ok(Self::Put { key, expect, body }),
            Err(source) => Err(Error::Encode { key, source: source.into() }),
        }
    }
}

/// A record as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which record.
    pub key: Key,
    /// Grows with each write of the whole store and is never used again, not even after a delete.
    pub version: u64,
    /// What the owner put.
    pub body: Vec<u8>,
}

impl Record {
    /// The body read as JSON.
    ///
    /// # Errors
    /// [`Error::Decode`] when the body is not what `T` expects.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|source| Error::Decode { key: self.key.clone(), source: source.into() })
    }
}
