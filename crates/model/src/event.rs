//! Invocations that nobody waits for, and the port that takes them.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::{Invocation, Target};

/// How the events of a function, a version or an alias are treated (API Reference, `FunctionEventInvokeConfig`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPolicy {
    /// Attempts after the first that follow a function error.
    pub retries: u8,
    /// How old an event may become.
    pub max_age: Duration,
    /// The function's reserved concurrency is 0: nothing is attempted.
    pub switched_off: bool,
    /// ARN that is sent the record of a success.
    pub on_success: Option<String>,
    /// ARN that is sent the record of a failure.
    pub on_failure: Option<String>,
    /// ARN of the queue or topic that is sent the event itself where it is given up.
    pub dead_letters: Option<String>,
    /// The function's execution role, in whose name its events and records are sent on.
    pub role: String,
}

/// An event was not accepted: the caller has to be told, for it will not be delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event could not be kept: {0}")]
pub struct AcceptError(pub String);

/// The future of an acceptance.
pub type AcceptFuture = Pin<Box<dyn Future<Output = Result<(), AcceptError>> + Send>>;

/// Takes invocations that nobody waits for.
pub trait AcceptEvent: Send + Sync {
    /// Resolves when the event is on the disk: from then on it is delivered at least once, or given up as its policy
    /// says.
    fn accept(&self, target: Target, invocation: Invocation) -> AcceptFuture;
}
