//! Sandboxes that wait for functions, so that a cold start takes a millisecond instead of fifty.
//!
//! ```text
//! a function is stored ──expect──▶ ┌ Stock ────────────────┐ ──prepare, one at a time──▶ launcher
//! an environment begins ─sandbox─▶ │ a shelf for each kind │
//!                                  └───────────────────────┘ ──assign, or launch──▶ launcher
//! ```
//!
//! `kinds` says what can wait for whom, `policy` how many, `stock` does it. What waits is nobody's: it is no environment of
//! any function, and counts for none.

mod kinds;
mod policy;
mod stock;

pub(crate) use kinds::kind;
pub use policy::Prewarm;
pub(crate) use stock::{Stock, room_here};
