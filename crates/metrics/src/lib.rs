//! Metrics: counters, levels and histograms, kept in memory and written as text for Prometheus.
//!
//! ```text
//! Metrics ──┬─ account and region ── levels, and the sums of functions that are gone
//!           ├─ function (weak) ── levels ── resource ── counts, histograms
//!           └─ work of the platform ── histograms
//! ```
//!
//! A measurement is a few additions to numbers that belong to one function alone: no lock is shared by all functions,
//! and nothing is allocated but the first time that a series has something to say. A function's series live as long as
//! somebody knows the function; what they counted goes on in its account's sums, so that those never fall.
//!
//! Sums over minutes, as CloudWatch keeps them, are differences of these counters.

mod exposition;
mod function;
mod histogram;
mod mapping;
mod series;
mod sink;

pub use exposition::{Kind, Labels, Text};
pub use histogram::{Counter, Histogram, LATENCY};
pub use sink::{Limits, Metrics};
