//! What can go wrong with the log file.

use std::path::PathBuf;

/// The log file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory for the file is not there and cannot be made.
    #[error("cannot create the directory {path} for logs")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file cannot be made.
    #[error("cannot make the log file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("cannot use the log file {path}")]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file was written by a newer version.
    #[error(
        "the log file {path} has format {found}, this version reads up to {known}: use a newer lambent, or move the file away"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The file's format.
        found: i64,
        /// The newest format that this version reads.
        known: i64,
    },
    /// The writer's thread did not start.
    #[error("cannot start the thread that writes logs")]
    Thread(#[source] std::io::Error),
    /// A batch could not be written. It is kept and tried again.
    #[error("cannot write to the log file {path}: {reason}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        reason: String,
    },
    /// The service has been closed.
    #[error("the log file {path} has been closed")]
    Closed {
        /// The file.
        path: PathBuf,
    },
}
