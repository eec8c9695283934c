//! The policy language (IAM User Guide, "IAM JSON policy element reference"): documents as they were written, and what
//! they decide. Trust policies of roles, policies of functions and, one day, those of principals are all of this.
//!
//! ```text
//! text ─ Document::parse(kind) ─▶ Document ─ decision(Access) ─▶ Allow | Deny | Silent
//!          refuses what would not be kept to
//! ```
//!
//! Pure: what is known of a call (time, addresses, tags) is given as condition keys. Policies are hostile: nothing here
//! recurses over them, and no pattern takes more than its length times the text's.

mod condition;
mod document;
mod evaluate;
mod limits;
mod parse;
mod pattern;
mod principal;
#[cfg(test)]
mod tests;

pub use document::{Document, Effect, OneOrMany, Ordered, Statement};
pub use evaluate::{Access, Decision, Who, decide};
pub use limits::{Limits, Missing, Which};
pub use parse::{Malformed, PolicyKind};
pub use pattern::like;
pub use principal::{Principals, is_principal_arn, is_service};
