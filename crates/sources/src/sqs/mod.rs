//! Queues of SQS (Developer Guide, "Using Lambda with Amazon SQS").
//!
//! [`Group`] decides, purely; `task` carries out what it says by the calls of `queue`; [`message`] is what comes and what
//! functions are given for it, [`response`] what they answer.

mod group;
pub mod message;
mod queue;
pub mod response;
mod settings;
mod task;

pub use group::{Attempt, Effect, Event, Group};
pub use message::Message;
pub use settings::{Filter, Settings};
pub(crate) use task::{Ended, Wish, run};
