//! Asynchronous invocation: events that nobody waits for (Developer Guide, "Invoking a Lambda function asynchronously").
//!
//! Each function has a queue of its own, so that none delays another. [`retry`] decides what follows from an attempt,
//! [`record`] words what destinations are sent, `outbox` writes it for [`deliveries`](crate::deliveries), `courier` makes the
//! attempts, [`Inbox`] takes events in.

mod courier;
mod envelope;
mod inbox;
mod outbox;
pub mod record;
pub mod retry;

use std::sync::Arc;

use lambent_model::{MetricSink, Series, Target};

pub use courier::EventCourier;
pub use envelope::{Envelope, State};
pub use inbox::Inbox;
pub use retry::TimeScale;

/// The series in which a function's events are counted (Developer Guide, "Types of metrics for Lambda functions":
/// asynchronous invocation metrics).
pub(crate) fn series(metrics: &dyn MetricSink, target: &Target) -> Arc<dyn Series> {
    metrics.function(&target.function).resource(None, "$LATEST")
}

/// What the names of these queues begin with; the function's ARN follows.
const PREFIX: &str = "event/";
