//! The query language of CloudWatch Logs Insights (CloudWatch Logs User Guide, "CloudWatch Logs Insights query syntax").
//! Pure: a text becomes a [`Query`], a [`Run`] takes events and gives rows.
//!
//! ```text
//! text ─ lexer ─ parse ─▶ Query      event ─ fields, filter, parse ─▶ gather: the best rows so far, within a bound
//!                                                                    └▶ stats:  groups ─▶ records ─ what follows
//! ```

mod aggregate;
mod ast;
mod eval;
mod event;
mod expression;
mod extract;
mod functions;
mod gather;
mod lexer;
mod parse;
mod records;
mod run;
mod stats;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use ast::Query;
pub(crate) use event::{Row, fields_of};
pub(crate) use run::{Exhausted, Run};

/// Why a text is no query, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct QueryError {
    pub(crate) reason: String,
    /// The characters that are meant, by their offsets in the text.
    pub(crate) span: std::ops::Range<usize>,
}
