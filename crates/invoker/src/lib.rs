//! Pools of environments, admission, synchronous invoke.
//!
//! Each version of a function has one [`pool::Pool`]. An invocation takes the youngest free environment, so that the
//! rest can idle out, or starts one more, when it is its turn to ([`Starts`]), and takes what becomes free before that: none
//! queues behind a busy one alone. An update replaces the pool; what runs in the old one finishes there.
//!
//! ```text
//! invocation ──▶ share: concurrency, requests a second ──▶ pool: a free environment ──▶ invoke
//!                    │ 429                                   │ none
//!                    ▼                                       ▼
//!                                                 starts: whose turn it is ──▶ free after all ──▶ invoke
//!                                                            ▼
//!                 caller ◀── 429 ── share: new environments a second, room: memory ──▶ start ──▶ invoke
//! ```
//!
//! Beside the pools of versions stand those of provisioned concurrency, from which an invocation of exactly that version or
//! alias is served first. `provisioned` decides, purely, how many environments are to start and to end there; `keep` does
//! it. An environment that is in no pool, as one whose snapshot is taken, has its turn and its memory by `apart`.

mod apart;
mod invoker;
mod keep;
mod known;
mod measure;
mod place;
mod pool;
mod provisioned;
mod rate;
mod room;
mod share;
#[cfg(test)]
mod simulation;
mod standing;
mod starts;

pub use apart::Apart;
pub use invoker::{Available, Compose, Heard, Invoker, Options};
pub use starts::Starts;
