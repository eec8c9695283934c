//! The outbox: what is sent to queues, topics, buses, buckets and other accounts' functions after an event has ended.
//!
//! A delivery is a message of its own, written in the transaction that ends the event it comes from: neither is there
//! without the other, and the event's slot is free before anything is sent. Each destination has a queue of its own, so
//! that one that does not answer delays no other. [`request`] words what is sent, `parcel` is how it lies in its queue,
//! `courier` sends.

mod courier;
mod parcel;
pub mod request;

pub use courier::DeliveryCourier;
pub use parcel::{Kind, Parcel};

/// What the names of these queues begin with; the destination's ARN follows.
const PREFIX: &str = "delivery/";
