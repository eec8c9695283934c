//! The events: append-only segments of each log group, closed ones sorted, compressed and indexed by time.
//!
//! ```text
//! append ──▶ NUMBER.log ──16 MiB──▶ rewrite: sort, compress ──▶ NUMBER.GEN.seg
//!                   ▲ recover at start                 retention, deletions: whole files go, or are rewritten
//!                   └──────────── scan: pages, searches ───────────┘
//! ```
//!
//! One thread writes. Readers take the list of segments of a moment and read the files by themselves.

pub(super) mod files;
pub(super) mod frame;
pub(super) mod position;
pub(super) mod rewrite;
pub(super) mod scan;
pub(super) mod segment;
pub(super) mod space;
pub(super) mod split;

#[cfg(test)]
mod tests;
