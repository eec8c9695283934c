//! Why a package cannot be stored or opened.

use std::path::{Path, PathBuf};

use lambent_model::Bytes;

/// What went wrong with a deployment package. The first two are the uploader's to mend and worded as AWS words them.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// Not a zip file, a damaged one, or one that must not be unpacked. AWS has one message for all of these.
    #[error("Could not unzip uploaded file. Please check your file, then try to upload again.")]
    NotAZip {
        /// What is wrong with it, for the log.
        detail: String,
    },
    /// It unpacks to more than allowed.
    #[error("Unzipped size must be smaller than {} bytes", limit.0)]
    TooLarge {
        /// What is allowed.
        limit: Bytes,
    },
    /// The disk is full; nothing was stored.
    #[error("the disk that holds {dir} is full, free some space and try again")]
    DiskFull {
        /// The directory of the packages.
        dir: PathBuf,
    },
    /// The disk has too little left; nothing was stored.
    #[error(
        "the disk that holds {dir} has {free_mb} MB free, and {reserve_mb} MB are kept in reserve: free some space and \
         try again"
    )]
    Reserve {
        /// The directory of the packages.
        dir: PathBuf,
        /// What is free.
        free_mb: u64,
        /// What has to stay free.
        reserve_mb: u64,
    },
    /// The program that unpacks failed for a reason of its own; nothing was stored.
    #[error("the unpack program failed: {detail}")]
    Unpacker {
        /// What it said or how it ended.
        detail: String,
    },
    /// The operating system failed us.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// The operating system's words.
        #[source]
        source: std::io::Error,
    },
}

impl CodeError {
    /// Wraps an operating system's error, telling a full disk from the rest.
    pub(super) fn io<E: Into<std::io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |error| {
            let source = error.into();
            match source.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    Self::DiskFull { dir: path.to_owned() }
                }
                _ => Self::Io { action, path: path.to_owned(), source },
            }
        }
    }
}
