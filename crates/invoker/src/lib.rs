//! Pools of environments, admission, synchronous invoke.
//!
//! Each version of a function has one [`pool::Pool`]. An invocation takes the youngest free environment, so that the
//! rest can idle out, or starts one more: none queues behind a busy one. An update replaces the pool; what runs in the
//! old one finishes there.
//!
//! ```text
//! invocation ──▶ share: concurrency, requests a second ──▶ pool: a free environment ──▶ invoke
//!                    │ 429                                   │ none
//!                    ▼                                       ▼
//!                 caller ◀── 429 ── share: new environments a second, room: memory ──▶ start ──▶ invoke
//! ```

mod invoker;
mod known;
mod measure;
mod place;
mod pool;
mod rate;
mod room;
mod share;
#[cfg(test)]
mod simulation;

pub use invoker::{Available, Compose, Heard, Invoker, Options};
