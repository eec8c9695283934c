//! What can go wrong with records, by what the caller can do about it.

use std::path::PathBuf;

use super::Key;

/// Why the store refused or failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The record was not as the write expected; nothing of the commit was stored. Read again and decide anew.
    #[error("{key} is not at the expected version, read it again")]
    Conflict {
        /// The first record that was not as expected.
        key: Key,
    },
    /// A message is not leased to the caller any more; nothing of the commit was stored. Somebody else has it, or has
    /// settled it.
    #[error("message {id} is not leased to its settler any more")]
    LeaseLost {
        /// The message's number.
        id: u64,
    },
    /// A mailbox is not open; nothing of the commit was stored. Look which one its owner has now.
    #[error("mailbox {mailbox} is not open")]
    MailboxClosed {
        /// The mailbox's number.
        mailbox: u64,
    },
    /// The disk or a quota is full; nothing of the commit was stored. May be tried again once there is room.
    #[error("the disk that holds {path} is full, free some space and try again")]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// Another server uses the data directory.
    #[error("data directory {dir} is in use by {holder}, stop it or choose another data directory")]
    InUse {
        /// The data directory.
        dir: PathBuf,
        /// What the holder wrote into the lock file.
        holder: String,
    },
    /// A newer Lambent wrote the database.
    #[error("{path} has schema {found} and this program knows {known}, use the newer program that wrote it")]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// The database's schema.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
    /// The file is damaged or is no database at all.
    #[error("{path} is damaged ({detail}), restore it from a backup")]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// SQLite's words.
        detail: String,
    },
    /// The operating system failed the database; whether the commit will be there after a restart is unknown.
    /// The store takes no further commits, because after a failed fsync no later one can be believed.
    #[error("cannot write {path} ({detail}), check the disk and restart the server")]
    Io {
        /// The database.
        path: PathBuf,
        /// SQLite's words or the operating system's.
        detail: String,
    },
    /// SQLite refused for a reason that points at a defect of ours.
    #[error("the database {path} refused a statement: {detail}")]
    Database {
        /// The database.
        path: PathBuf,
        /// SQLite's words.
        detail: String,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// A value has no JSON form.
    #[error("cannot write {key} as JSON")]
    Encode {
        /// Which record.
        key: Key,
        /// Why.
        #[source]
        source: std::sync::Arc<serde_json::Error>,
    },
    /// A stored body is not what its owner expects.
    #[error("cannot read {key}, its body is not what this program expects")]
    Decode {
        /// Which record.
        key: Key,
        /// Why.
        #[source]
        source: std::sync::Arc<serde_json::Error>,
    },
}

impl Error {
    /// Sorts SQLite's errors by what can be done about them.
    pub(super) fn from_sqlite(path: &std::path::Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let (path, detail) = (path.to_owned(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt { path, detail },
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
                Self::Io { path, detail }
            }
            _ => Self::Database { path, detail },
        }
    }

    /// An operating system's error at `path`.
    pub(super) fn from_io(path: &std::path::Path, error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::StorageFull {
            return Self::DiskFull { path: path.to_owned() };
        }
        Self::Io { path: path.to_owned(), detail: error.to_string() }
    }
}
