//! What can go wrong between this client and the server.

use std::io;

use crate::ExitCode;

/// A call that brought no answer, or a refusal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens.
    #[error("cannot reach {address}: {}; start the server with \"lambent up\" or name another with --endpoint", reason(&cause.0))]
    Unreachable {
        /// Host and port.
        address: String,
        /// Why; part of the message, since what to do comes after it.
        cause: Unchained,
    },
    /// The connection broke while the answer was awaited.
    #[error("the connection to {address} broke before the answer was complete")]
    Broken {
        /// Host and port.
        address: String,
        /// How.
        source: hyper::Error,
    },
    /// The server takes too long.
    #[error("{address} has not answered within {seconds} seconds")]
    Slow {
        /// Host and port.
        address: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The answer is longer than any that AWS Lambda gives.
    #[error("the answer of {address} is longer than {limit} bytes")]
    TooLong {
        /// Host and port.
        address: String,
        /// The bound, in bytes.
        limit: usize,
    },
    /// A request of ours cannot be written.
    #[error("cannot form the request")]
    Request(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is none of AWS's.
    #[error("{address} does not answer as AWS does; is it a Lambent server?")]
    NotAws {
        /// Host and port.
        address: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server understood and refused.
    #[error("{message} ({code})")]
    Refused {
        /// AWS's error code.
        code: String,
        /// What the server says about it.
        message: String,
    },
}

impl Error {
    /// Whether what was named does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        // A route that the server lacks is 404 as well, but nobody's resource.
        matches!(self, Self::Refused { code, .. } if code == "ResourceNotFoundException")
    }

    /// How a command that fails so ends.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Unreachable { .. } => ExitCode::Unreachable,
            _ if self.is_not_found() => ExitCode::NotFound,
            _ => ExitCode::Failed,
        }
    }
}

/// An error of the operating system that stands in the message of the one that holds it, not in its chain.
#[derive(Debug)]
pub struct Unchained(pub(crate) io::Error);

/// "connection refused" rather than "Connection refused (os error 111)"; what has no such name keeps its own words.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::TimedOut | io::ErrorKind::ConnectionReset => {
            error.kind().to_string()
        }
        _ => error.to_string(),
    }
}
