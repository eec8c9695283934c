//! Filter patterns: which events are wanted (CloudWatch Logs User Guide, "Filter pattern syntax for metric filters,
//! subscription filters, filter log events, and Live Tail"). Pure.
//!
//! ```text
//! ERROR -healthcheck "exact phrase"     text     terms, ?optional, -excluded, %regex%
//! { $.status >= 500 && $.user = "a*" }  json     conditions on members
//! [ip, user, ..., status = 5*, bytes]   fields   conditions on the words of a line
//! ```

mod condition;
mod fields;
mod json;
mod scanner;
mod text;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

/// A pattern that says for each event whether it is wanted.
#[derive(Debug)]
pub(crate) struct Pattern {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    All,
    Text(text::Terms),
    Json(json::Expression),
    Fields(fields::Fields),
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid filter pattern: {0}")]
pub(crate) struct PatternError(String);

impl PatternError {
    fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl Pattern {
    /// Reads a pattern; the empty one wants everything.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let text = text.trim();
        let kind = match text.as_bytes().first() {
            None => Kind::All,
            Some(b'{') => Kind::Json(json::parse(text)?),
            Some(b'[') => Kind::Fields(fields::parse(text)?),
            Some(_) => Kind::Text(text::parse(text)?),
        };
        Ok(Self { kind })
    }

    /// Whether an event with this message is wanted.
    pub(crate) fn matches(&self, message: &str) -> bool {
        match &self.kind {
            Kind::All => true,
            Kind::Text(terms) => terms.matches(message),
            Kind::Json(expression) => expression.matches(message),
            Kind::Fields(fields) => fields.matches(message),
        }
    }

    /// What the pattern names in a message that it wants: members by their selectors, words by their names.
    pub(crate) fn extract(&self, message: &str) -> BTreeMap<String, String> {
        match &self.kind {
            Kind::All | Kind::Text(_) => BTreeMap::new(),
            Kind::Json(expression) => expression.extract(message),
            Kind::Fields(fields) => fields.extract(message),
        }
    }
}
