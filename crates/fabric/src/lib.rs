//! Deliveries that outlive a crash: an envelope in a durable queue, attempts, retries, age, and what follows from the
//! end.
//!
//! Built for what invokes functions without a caller that waits. Today that is [`events`], asynchronous invocation, and
//! [`deliveries`], what is sent on after it; event source mappings and the like are to become further users of the same
//! parts:
//!
//! - [`lanes`] decides, purely, from which queue to take how much and when: fair between queues, within bounds, slower where
//!   attempts are refused.
//! - `dispatcher` is the task around it: it takes, has attempts made, commits what follows from them.
//! - [`batch`] decides, purely, what passes a filter, what goes together and what has to keep its order.
//! - A [`Courier`] is a user: it makes one attempt, and says what follows.
//!
//! What follows from an attempt is committed in one transaction: the message's end or its next due time, and every message
//! that comes out of it. No task waits for a further hop while it holds a slot.

pub mod batch;
pub mod deliveries;
mod dispatcher;
pub mod events;
pub mod lanes;

pub use dispatcher::{Again, AttemptFuture, Courier, Dispatcher, Verdict};
