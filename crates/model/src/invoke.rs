//! One invocation, what comes of it, and the port through which everything invokes functions.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{EventPolicy, FunctionArn, MemorySize, ProvisioningFuture, Qualifier, RequestId, TakeResponse};

/// One event on its way to a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The id that caller, function and logs share.
    pub request_id: RequestId,
    /// The event, JSON, byte for byte as the caller sent it.
    pub payload: Bytes,
    /// The ARN as invoked, with the qualifier when the caller used one.
    pub invoked_arn: String,
    /// `X-Amzn-Trace-Id` of the invocation.
    pub trace_id: String,
    /// The decoded client context, JSON.
    pub client_context: Option<String>,
    /// For whom, of a function with tenant isolation: its environments serve one tenant each.
    pub tenant_id: Option<String>,
    /// Whether the caller wants the last 4 KB of the invocation's log (`LogType: Tail`).
    pub tail: bool,
}

/// Why an invocation ended without a result of the function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `errorType` as in REPORT and telemetry: `Sandbox.Timedout`, `Runtime.ExitError`, or what the runtime reported.
    pub error_type: String,
    /// The error document that the caller receives, JSON.
    pub body: Bytes,
}

/// What became of an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The function's result, byte for byte.
    Success(Bytes),
    /// The function failed; to the caller still an HTTP 200, with `X-Amz-Function-Error`.
    Failed(Failure),
    /// The platform failed before the function had the event: a server fault (HTTP 500).
    Platform(String),
    /// The function's version could not go on from its snapshot, and has not had the event.
    NotRestored(RestoreFault),
}

/// Why a version with SnapStart could not go on. Texts are AWS's (Lambda API Reference, "Invoke").
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RestoreFault {
    /// `SnapStartException`.
    #[error(
        "The afterRestore() runtime hook encountered an error. For more information, check the Amazon CloudWatch logs."
    )]
    Hook,
    /// `SnapStartTimeoutException`.
    #[error("Lambda couldn't restore the snapshot within the timeout limit.")]
    TimedOut,
}

/// The figures of the `REPORT` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// From delivery of the event to the response.
    pub duration: Duration,
    /// The initialisation that preceded this invocation, when it was outside of it.
    pub init: Option<Duration>,
    /// The restore from a snapshot, where this invocation is the first after one.
    pub restore: Option<Duration>,
    /// The function's memory.
    pub memory: MemorySize,
    /// Peak memory of the environment in MB; `None` where nothing counts it.
    pub max_memory_used_mb: Option<u64>,
}

impl Report {
    /// Initialisation and invocation, rounded up to the next millisecond (AWS Lambda pricing; initialisation is
    /// billed for on-demand functions since August 2025).
    #[must_use]
    pub fn billed_ms(&self) -> u64 {
        let total = self.duration + self.init.or(self.restore).unwrap_or_default();
        u64::try_from(total.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
    }
}

/// The answer to an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// Result or error.
    pub outcome: Outcome,
    /// The measured figures; `None` when the function never had the event.
    pub report: Option<Report>,
    /// The last 4,096 bytes of the invocation's log, when asked for.
    pub log_tail: Option<Bytes>,
}

/// Which function is to be invoked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The function.
    pub function: FunctionArn,
    /// The version or alias; `None` when the caller named none, which means `$LATEST`.
    pub qualifier: Option<Qualifier>,
}

impl Target {
    /// The ARN with its qualifier, `$LATEST` when none was given.
    #[must_use]
    pub fn qualified(&self) -> String {
        self.function.qualified(self.qualifier.as_ref().unwrap_or(&Qualifier::Latest))
    }
}

/// The answer to a synchronous invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoked {
    /// The version that ran: `$LATEST` or a number.
    pub executed_version: String,
    /// What became of it.
    pub completed: Completed,
}

/// Why an invocation did not reach the function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// There is no such function or version.
    #[error("function not found")]
    NotFound,
    /// The function is not in a state that takes invocations.
    #[error("the function is currently in the following state: {state}")]
    NotReady {
        /// `Pending`, `Failed`, …
        state: &'static str,
    },
    /// A limit of concurrency is reached.
    #[error("rate exceeded: {reason}")]
    Throttled {
        /// `Reason` of `TooManyRequestsException`.
        reason: &'static str,
    },
    /// A function with tenant isolation was invoked without a tenant, or another one with a tenant.
    #[error(
        "{}",
        if *.isolated { "the function has tenant isolation and is invoked for a tenant" } else { "the function has no tenants" }
    )]
    Tenant {
        /// Whether the function has tenant isolation.
        isolated: bool,
    },
    /// The function would be invoked by what it does itself, for ever.
    #[error(transparent)]
    Recursive(#[from] crate::trace::Recursive),
    /// The server is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

/// The future of an invocation.
pub type InvokeFuture = Pin<Box<dyn Future<Output = Result<Invoked, InvokeError>> + Send>>;

/// Invokes functions.
pub trait Invoke: Send + Sync {
    /// Whether an invocation for this tenant, or for none, would find the function and its state right
    /// (`InvocationType: DryRun`).
    fn check(&self, target: &Target, tenant_id: Option<&str>) -> InvokeCheckFuture;

    /// The policy document that hangs on exactly this function, version or alias, JSON; `None` where there is none.
    fn resource_policy(&self, target: &Target) -> ResourcePolicyFuture;

    /// How events of exactly this function, version or alias are treated; `None` where there is no such function.
    fn event_policy(&self, target: &Target) -> EventPolicyFuture;

    /// The environments that are kept initialised for exactly this version or alias; `None` where none are.
    fn provisioning(&self, target: &Target) -> ProvisioningFuture;

    /// Runs one invocation to its end. Dropping the future does not cancel it.
    fn invoke(&self, target: Target, invocation: Arc<Invocation>) -> InvokeFuture;

    /// The same for a caller who takes the response as it is made. What `taker` has had is not in the outcome.
    fn invoke_streaming(
        &self,
        target: Target,
        invocation: Arc<Invocation>,
        taker: Arc<dyn TakeResponse>,
    ) -> InvokeFuture;
}

/// The future of [`Invoke::check`].
pub type InvokeCheckFuture = Pin<Box<dyn Future<Output = Result<(), InvokeError>> + Send>>;

/// The future of [`Invoke::resource_policy`].
pub type ResourcePolicyFuture = Pin<Box<dyn Future<Output = Option<String>> + Send>>;

/// The future of [`Invoke::event_policy`].
pub type EventPolicyFuture = Pin<Box<dyn Future<Output = Option<EventPolicy>> + Send>>;
