//! Lifecycle configurations: what is removed by itself, and when (User Guide, "Managing the lifecycle of objects").
//!
//! ```text
//! PUT ?lifecycle ─▶ check ─▶ the bucket's record ─▶ rules (read once) ─▶ keeper: walks, asks the rules, deletes
//!                                                        ╰─▶ x-amz-expiration, x-amz-abort-date
//! ```
//!
//! `rules` and `check` are pure. Every moment that a rule names is a midnight (UTC), so that the `keeper` looks once a day,
//! as S3 does, when the server starts, and when a configuration is put.

mod check;
mod keeper;
mod rules;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use check::check;
pub(crate) use rules::{Lifecycle, SECONDS_OF_DAY};
