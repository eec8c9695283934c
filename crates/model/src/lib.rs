//! Ids, ARNs, units and ports: the words every other crate speaks.
//!
//! Nothing here does I/O, reads a clock or knows tokio. A type moves in when a third crate needs it, not before.

mod arn;
mod aws_call;
mod event;
mod http_post;
mod ids;
mod invoke;
mod metric;
mod port;
mod provisioned;
mod respond;
mod role;
mod time;
pub mod trace;
mod units;

pub use arn::{Arn, FunctionArn, FunctionReference, ParseReferenceError};
pub use aws_call::{
    AwsAllowedFuture, AwsAnswer, AwsCall, AwsCallError, AwsCallFuture, AwsCaller, AwsRequest,
    ReadPolicyFuture, ResourcePolicies,
};
pub use event::{AcceptError, AcceptEvent, AcceptFuture, EventPolicy};
pub use http_post::{HttpPost, PostFuture, PostHttp};
pub use ids::{
    AccountId, EnvironmentId, ExtensionId, ParseIdError, Qualifier, Region, RequestId, RevisionId, Scope,
    Sha256,
};
pub use invoke::{
    Completed, EventPolicyFuture, Failure, Invocation, Invoke, InvokeCheckFuture, InvokeError, InvokeFuture,
    Invoked, Outcome, Report, ResourcePolicyFuture, RestoreFault, Target,
};
pub use metric::{
    Count, EventCount, FunctionMetrics, Level, Levels, MappingMetrics, Measure, MetricSink, Series, Work,
};
pub use port::{Clock, Entropy, LogRecord, LogSink, LogStream, Origin};
pub use provisioned::{Provisioning, ProvisioningFuture, ProvisioningStatus};
pub use respond::{PieceFuture, ResponseHead, TakeResponse};
pub use role::{RoleTrust, RoleTrustFuture, TrustedRoles};
pub use time::Timestamp;
pub use trace::{Segment, TraceSink};
pub use units::{Bytes, MemorySize};
