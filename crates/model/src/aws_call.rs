//! Calls of AWS services by the platform itself, and the port through which everything makes them.
//!
//! A destination, a poller, a template: whoever needs another service holds an [`AwsCall`] and knows neither addresses,
//! protocols nor keys. Whether the service is this server's own or another endpoint is decided behind it.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{AccountId, Scope};

/// In whose name a call is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AwsCaller {
    /// A session of a role: it may what the role's policies allow.
    Role {
        /// The role's account.
        account: AccountId,
        /// The role's ARN.
        role: String,
        /// The session's name, for a function its own.
        session: String,
    },
    /// A service on behalf of a resource: it may what the policy of what it calls allows (IAM User Guide, "The confused
    /// deputy problem").
    Service {
        /// The account of the resource on whose behalf it calls.
        account: AccountId,
        /// `sns.amazonaws.com`.
        name: String,
        /// The ARN of that resource: a topic, a rule, a bucket.
        source: String,
    },
}

impl AwsCaller {
    /// The account whose keys sign the call, and which `aws:SourceAccount` names.
    #[must_use]
    pub fn account(&self) -> &AccountId {
        match self {
            Self::Role { account, .. } | Self::Service { account, .. } => account,
        }
    }
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsRequest {
    /// The service's name in signatures: `sqs`.
    pub service: Cow<'static, str>,
    /// AWS's name of the operation: `SendMessage`.
    pub operation: Cow<'static, str>,
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

impl AwsCallError {
    /// Whether the destination is not there, or does not want it: no outage, and nothing that passes by itself. Throttling
    /// is none, whatever its status.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Service { status, code, .. } => {
                (400..500).contains(status)
                    && !matches!(status, 408 | 429)
                    && !["Throttl", "OverLimit", "TooManyRequests", "SlowDown"]
                        .iter()
                        .any(|word| code.contains(word))
            }
            Self::NotReachable(_) | Self::Invalid(_) | Self::NoAnswer(_) => false,
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

/// The future of [`AwsCall::allowed`].
pub type AwsAllowedFuture = Pin<Box<dyn Future<Output = Result<(), AwsCallError>> + Send>>;

/// The future of [`ResourcePolicies::policy`].
pub type ReadPolicyFuture = Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send>>;

/// Knows the policies that hang on the resources of a service.
pub trait ResourcePolicies: Send + Sync {
    /// The policy of exactly this resource, an ARN: a JSON document, `None` where there is none. The error says why it
    /// cannot be read.
    fn policy(&self, arn: &str) -> ReadPolicyFuture;
}

/// Calls AWS services: this server's own, or those of configured endpoints.
pub trait AwsCall: Send + Sync {
    /// Why calls about this resource, an ARN, could never be made, and what to do about it; `None` where they can. For
    /// the moment at which somebody configures it.
    fn not_reachable(&self, resource: &str) -> Option<String>;

    /// Whether a caller may do `action` (`sqs:SendMessage`) with this resource, an ARN: what [`call`](Self::call) would
    /// ask, ahead of it, with the same errors: only a [refusal](AwsCallError::is_refusal) says that it may not. For the
    /// moment at which somebody configures it; where a configured endpoint is called, that one decides, and here
    /// everything is allowed.
    fn allowed(&self, caller: &AwsCaller, action: &str, resource: &str) -> AwsAllowedFuture;

    /// Makes one call. It is tried once: what follows from a failure is the caller's to decide, who may have a queue.
    fn call(&self, request: AwsRequest) -> AwsCallFuture;
}
