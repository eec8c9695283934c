//! Why a command failed, and the exit code that follows.

use std::io;
use std::path::PathBuf;

use crate::{ExitCode, client, package};

/// A command that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server could not be reached, or refused.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// The folder cannot be packed.
    #[error(transparent)]
    Package(#[from] package::Error),
    /// The options do not fit the folder or each other.
    #[error("{0}")]
    Usage(String),
    /// The payload cannot be read.
    #[error("cannot read the payload from {}", from.display())]
    Payload {
        /// The file, or "standard input".
        from: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The payload is above AWS's limit.
    #[error("the payload has more than {limit} bytes, the most that an invocation takes")]
    PayloadSize {
        /// In bytes.
        limit: u64,
    },
    /// The server took the change, and it failed afterwards.
    #[error("{name} is in state {state}: {reason}")]
    State {
        /// The function.
        name: String,
        /// `State` or `LastUpdateStatus`.
        state: String,
        /// What the server says about it.
        reason: String,
    },
    /// The function is neither ready nor failed.
    #[error("{name} is not ready after {seconds} seconds; look again with \"aws lambda get-function\"")]
    NotReady {
        /// The function.
        name: String,
        /// How long was waited.
        seconds: u64,
    },
    /// What was asked for does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The answer lacks what AWS always sends.
    #[error("the server's answer to {operation} is unreadable: {what}")]
    Answer {
        /// The operation.
        operation: &'static str,
        /// What is wrong.
        what: String,
    },
    /// Standard output is closed or full.
    #[error("cannot write to standard output")]
    Output(#[from] io::Error),
}

impl Error {
    /// How the process ends.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Client(error) => error.exit_code(),
            Self::Usage(_) => ExitCode::Usage,
            Self::NotFound(_) => ExitCode::NotFound,
            _ => ExitCode::Failed,
        }
    }
}
