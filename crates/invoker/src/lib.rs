//! Pools of environments, admission, synchronous invoke.
//!
//! Each version of a function has one [`pool::Pool`]. An invocation takes the youngest free environment, so that the
//! rest can idle out, or starts one more: none queues behind a busy one. An update replaces the pool; what runs in the
//! old one finishes there.

mod invoker;
mod known;
mod pool;
mod share;

pub use invoker::{Compose, Heard, Invoker, Options};
