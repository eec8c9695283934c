//! The port through which measurements leave: what is counted, of what, and who takes it.
//!
//! Names and meanings of functions' metrics are AWS's (Lambda Developer Guide, "Types of metrics for Lambda
//! functions"). A measurement is handed over where it is decided and nowhere else, and is never waited for.

use std::sync::Arc;
use std::time::Duration;

use crate::{FunctionArn, Qualifier, Scope};

/// What is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Count {
    /// The function had the event, whatever came of it. Neither throttled invocations nor those that the platform
    /// failed to bring to the function are among them.
    Invocations,
    /// Invocations that ended in an error of the function: what it raised, timeouts, crashes, too large results.
    Errors,
    /// Requests refused because there was no concurrency for them. They are neither invocations nor errors.
    Throttles,
    /// Requests that the platform failed: the function had no event. Ours; on AWS the caller's HTTP 500 says it.
    Faults,
    /// Invocations on provisioned concurrency.
    ProvisionedConcurrencyInvocations,
    /// Invocations on standard concurrency while all provisioned concurrency was in use.
    ProvisionedConcurrencySpilloverInvocations,
    /// Invocations stopped because they were part of a loop.
    RecursiveInvocationsDropped,
    /// Events queued for asynchronous invocation.
    AsyncEventsReceived,
    /// Events dropped without having been processed successfully.
    AsyncEventsDropped,
    /// Events that could not be sent to a dead-letter queue.
    DeadLetterErrors,
    /// Events that could not be sent to a destination.
    DestinationDeliveryFailures,
    /// Requests to a function URL.
    UrlRequestCount,
    /// Of those, the ones answered with a status of 400 to 499.
    Url4xxCount,
    /// Of those, the ones answered with a status of 500 to 599.
    Url5xxCount,
}

impl Count {
    /// All of them, each at the place that its discriminant says.
    pub const ALL: [Self; 14] = [
        Self::Invocations,
        Self::Errors,
        Self::Throttles,
        Self::Faults,
        Self::ProvisionedConcurrencyInvocations,
        Self::ProvisionedConcurrencySpilloverInvocations,
        Self::RecursiveInvocationsDropped,
        Self::AsyncEventsReceived,
        Self::AsyncEventsDropped,
        Self::DeadLetterErrors,
        Self::DestinationDeliveryFailures,
        Self::UrlRequestCount,
        Self::Url4xxCount,
        Self::Url5xxCount,
    ];
}

/// A time of which the distribution is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// From the delivery of the event to the response, the initialisation not included.
    Duration,
    /// The initialisation that preceded an invocation, as `Init Duration` in its REPORT.
    InitDuration,
    /// What an invocation waited for an environment of its own: sandbox, runtime and initialisation. Ours.
    ColdStart,
    /// From the response to the end of the last extension.
    PostRuntimeExtensionsDuration,
    /// From the queueing of an asynchronous event to its invocation.
    AsyncEventAge,
    /// The age of the last record of a batch from a stream.
    IteratorAge,
    /// From the arrival of a function URL's request to its answer.
    UrlRequestLatency,
}

impl Measure {
    /// All of them, each at the place that its discriminant says.
    pub const ALL: [Self; 7] = [
        Self::Duration,
        Self::InitDuration,
        Self::ColdStart,
        Self::PostRuntimeExtensionsDuration,
        Self::AsyncEventAge,
        Self::IteratorAge,
        Self::UrlRequestLatency,
    ];
}

/// A number that goes up and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// Invocations under way, of a function or of an account in a region.
    ConcurrentExecutions,
    /// Of an account in a region: invocations under way of functions without reserved concurrency.
    UnreservedConcurrentExecutions,
}

impl Level {
    /// All of them, each at the place that its discriminant says.
    pub const ALL: [Self; 2] = [Self::ConcurrentExecutions, Self::UnreservedConcurrentExecutions];
}

/// Work of the platform itself, which takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Work {
    /// A commit to the store, from the wish to the answer.
    StoreCommit,
    /// The making of a sandbox.
    Launch,
    /// The same, when it failed.
    FailedLaunch,
}

impl Work {
    /// All of them, each at the place that its discriminant says.
    pub const ALL: [Self; 3] = [Self::StoreCommit, Self::Launch, Self::FailedLaunch];
}

/// What is counted of an event source mapping, in events (Developer Guide, "Types of metrics for Lambda functions", event
/// source mapping metrics).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventCount {
    /// Fetched.
    Polled,
    /// Not let through by the filters.
    FilteredOut,
    /// Handed to the function.
    Invoked,
    /// Handed to it in vain, or in vain in part.
    FailedInvoke,
    /// Deleted from the source after it.
    Deleted,
    /// Times that the source, or the function, was left alone for a while because something was wrong. Ours.
    BackOffs,
}

impl EventCount {
    /// All of them, each at the place that its discriminant says.
    pub const ALL: [Self; 6] =
        [Self::Polled, Self::FilteredOut, Self::Invoked, Self::FailedInvoke, Self::Deleted, Self::BackOffs];
}

/// Takes measurements off the request path.
pub trait MetricSink: Send + Sync {
    /// The series of one function. Whoever knows the function keeps it, and the series go away with the last holder.
    fn function(&self, function: &FunctionArn) -> Arc<dyn FunctionMetrics>;
    /// The levels of an account in a region.
    fn account(&self, scope: &Scope) -> Arc<dyn Levels>;
    /// The counts of an event source mapping, by its id. They go away with the last holder.
    fn mapping(&self, scope: &Scope, id: &str) -> Arc<dyn MappingMetrics>;
    /// Takes the time that work of the platform took.
    fn work(&self, work: Work, took: Duration);
}

/// The series of one function.
pub trait FunctionMetrics: Levels {
    /// The series of what was invoked, AWS's dimension `Resource`: the function (`None`), a version or an alias; of an
    /// alias each version that ran apart (`ExecutedVersion`).
    fn resource(&self, qualifier: Option<&Qualifier>, executed_version: &str) -> Arc<dyn Series>;
}

/// Levels of a function or an account.
pub trait Levels: Send + Sync {
    /// Sets a level.
    fn set(&self, level: Level, value: u64);
}

/// Counts of one event source mapping.
pub trait MappingMetrics: Send + Sync {
    /// Adds to a count.
    fn count(&self, count: EventCount, by: u64);
}

/// Counts and times of one combination of dimensions.
pub trait Series: Send + Sync {
    /// Adds to a count.
    fn count(&self, count: Count, by: u64);
    /// Takes one time.
    fn measure(&self, measure: Measure, took: Duration);
}
