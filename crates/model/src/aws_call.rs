//! Calls of AWS services by the platform itself, and the port through which everything makes them.
//!
//! A destination, a poller, a template: whoever needs another service holds an [`AwsCall`] and knows neither addresses,
//! protocols nor keys. Whether the service is this server's own or another endpoint is decided behind it.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::{AccountId, Scope};

/// The session of a role in whose name a call is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsCaller {
    /// The role's account.
    pub account: AccountId,
    /// The role's ARN.
    pub role: String,
    /// The session's name, for a function its own.
    pub session: String,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsRequest {
    /// The service's name in signatures: `sqs`.
    pub service: &'static str,
    /// AWS's name of the operation: `SendMessage`.
    pub operation: &'static str,
    /// The account and region that it acts in, which are those of the resource where one is named.
    pub scope: Scope,
    /// Who calls.
    pub caller: AwsCaller,
    /// The ARN of what the call is about, where it has one. Endpoints can be configured for it. A queue is named by it
    /// alone: its URL is the endpoint's to know, and `QueueUrl` is added on the way.
    pub resource: Option<String>,
    /// `X-Amzn-Trace-Id` with the lineage of the chain that the call is part of.
    pub trace_id: Option<String>,
    /// The members of the input by the model's names, a JSON object.
    pub input: String,
    /// The member that is the request's body as it is, where the operation has one: `Body` of `PutObject`.
    pub payload: Option<Bytes>,
}

/// The answer to a call that succeeded: the body as the service's protocol has it, JSON or XML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsAnswer {
    /// The body.
    pub body: Bytes,
}

/// Why a call did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AwsCallError {
    /// There is nobody to call. It says what to do.
    #[error("{0}")]
    NotReachable(String),
    /// The input is none for the operation.
    #[error("the call cannot be made: {0}")]
    Invalid(String),
    /// The service refused, or failed.
    #[error("{code} (status {status}): {message}")]
    Service {
        /// The HTTP status.
        status: u16,
        /// AWS's name for it.
        code: String,
        /// The service's text.
        message: String,
    },
    /// No answer came.
    #[error("there was no answer: {0}")]
    NoAnswer(String),
}

impl AwsCallError {
    /// Whether the same call would fail again for as long as nobody changes the server's configuration: the request
    /// itself is what is wrong, and no resource, permission or outage that may come and go.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::NotReachable(_) | Self::Invalid(_) => true,
            Self::NoAnswer(_) => false,
            Self::Service { status: 413, .. } => true,
            Self::Service { code, .. } => FINAL_CODES.contains(&code.as_str()),
        }
    }
}

/// What SQS, SNS, EventBridge, S3 and Lambda call a request that is wrong in itself, most of all one that is too large
/// (their API References: errors of `SendMessage`, `Publish`, `PutEvents`, `PutObject`, `Invoke`).
const FINAL_CODES: [&str; 12] = [
    "EntityTooLarge",
    "InvalidAddress",
    "InvalidMessageContents",
    "InvalidParameter",
    "InvalidParameterValue",
    "InvalidParameterValueException",
    "InvalidRequestContentException",
    "MissingParameter",
    "RequestTooLargeException",
    "UnsupportedOperation",
    "ValidationError",
    "ValidationException",
];

/// The future of a call.
pub type AwsCallFuture = Pin<Box<dyn Future<Output = Result<AwsAnswer, AwsCallError>> + Send>>;

/// Calls AWS services: this server's own, or those of configured endpoints.
pub trait AwsCall: Send + Sync {
    /// Why calls about this resource, an ARN, could never be made, and what to do about it; `None` where they can. For
    /// the moment at which somebody configures it.
    fn not_reachable(&self, resource: &str) -> Option<String>;

    /// Makes one call. It is tried once: what follows from a failure is the caller's to decide, who may have a queue.
    fn call(&self, request: AwsRequest) -> AwsCallFuture;
}
