//! Durable records with versions, a change feed, and content-addressed deployment packages.
//!
//! [`Store`] keeps small JSON documents in SQLite. Owners bring their own schema: the store sees a kind, a
//! partition, a name and bytes. [`CodeStore`] keeps deployment packages by the SHA-256 of the zip file and unpacks
//! each of them once, in a separate process without rights.
//!
//! [`queue`] is durable queues beside the records, written in the same transaction by further variants of [`Write`];
//! [`mailbox`] is queues that clients poll. A
//! PostgreSQL engine will stand behind the same methods and has to pass the same tests (`tests/contract.rs`).

pub mod code;
pub mod mailbox;
pub mod queue;
mod records;

pub use code::{CodeError, CodeOptions, CodeStore, Package, merged_digest};
/// For `examples/batches.rs` alone, which writes as the store does and without it.
#[doc(hidden)]
pub use records::Wal;
pub use records::{Change, Changes, ChangesError, Error, Expect, Key, Partition, Record, Store, Write};
