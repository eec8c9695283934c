//! The outbox: what is sent to queues, topics, buses, buckets, functions and addresses after something has been accepted
//! or has ended.
//!
//! A delivery is a message of its own, written in the transaction of what it follows from: neither is there without the
//! other, and whoever wrote it holds nothing while it is sent. Each lane is a queue of its own, so that a destination that
//! does not answer delays no other. `delivery` is a delivery as it lies in its queue, `retry` says how often and when,
//! `courier` sends, and [`record`] words what follows from an event of asynchronous invocation.

mod courier;
mod delivery;
mod log_stream;
pub mod record;
mod retry;
mod trouble;

pub use courier::{DeliveryCourier, PostCourier};
pub use delivery::{DeadLetter, Delivery, Source, What};
pub use record::{Kind, Record};
pub use retry::{Curve, Phase, Retry};
pub use trouble::{Trouble, Troubles};

/// What the names of the queues of calls begin with; the lane follows.
const PREFIX: &str = "delivery/";

/// What those of posts begin with. They have slots of their own: addresses may be anybody's, and slow.
const POSTS: &str = "post/";

/// Whether a queue of the store is a lane of the outbox.
#[must_use]
pub fn is_lane(queue: &str) -> bool {
    queue.starts_with(PREFIX) || queue.starts_with(POSTS)
}

/// What the name of a lane begins with whose deliveries keep their order: while the first waits for another attempt, all
/// behind it wait. They have to be due in the order in which they are to be sent.
pub const IN_ORDER: &str = "in-order/";
