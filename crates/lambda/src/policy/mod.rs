//! Resource policies: who else may use a function, a version or an alias (AWS Lambda Developer Guide, "Viewing
//! resource-based IAM policies in Lambda"; IAM User Guide, "IAM JSON policy element reference").

mod add;
mod document;
mod evaluate;

pub use add::AddStatement;
pub use document::Statement;
pub(crate) use document::{OneOrMany, Ordered, Principal};
pub use evaluate::{Access, Who};

use serde::{Deserialize, Serialize};

use crate::{Refusal, limits};

/// The policy of one function, version or alias; without statements there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Policy {
    /// The document's own name; `default` unless a whole document was put.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default)]
    statements: Vec<Statement>,
}

/// The version of the policy language (IAM User Guide, "IAM JSON policy elements: Version").
const LANGUAGE: &str = "2012-10-17";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    version: &'a str,
    id: &'a str,
    statement: &'a [Statement],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Given {
    version: String,
    #[serde(default)]
    id: Option<String>,
    statement: OneOrMore,
}

/// A document may hold its only statement without a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    Many(Vec<Statement>),
    One(Box<Statement>),
}

impl Policy {
    /// No policy.
    pub const NONE: Self = Self { id: None, statements: Vec::new() };

    /// A document that [`Policy::document`] made; `None` for another text.
    #[must_use]
    pub fn stored(document: &str) -> Option<Self> {
        let given: Given = serde_json::from_str(document).ok()?;
        let OneOrMore::Many(statements) = given.statement else { return None };
        Some(Self { id: given.id, statements })
    }

    /// Whether nobody is permitted anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// The document, compact JSON.
    #[must_use]
    pub fn document(&self) -> String {
        let id = self.id.as_deref().unwrap_or("default");
        let document = Document { version: LANGUAGE, id, statement: &self.statements };
        serde_json::to_string(&document).expect("statements are text, lists and maps of text")
    }

    /// Reads a whole document for the resource `arn` (API Reference, `PutResourcePolicy`).
    ///
    /// # Errors
    /// When it is no policy, is not for this resource, or says what would not be kept to.
    pub fn parse(document: &str, arn: &str) -> Result<Self, Refusal> {
        let invalid =
            |why: String| Refusal::InvalidParameter(format!("The policy document is not valid: {why}"));
        let given: Given = serde_json::from_str(document).map_err(|error| invalid(error.to_string()))?;
        if given.version != LANGUAGE {
            return Err(invalid(format!("its Version is '{}' and has to be '{LANGUAGE}'", given.version)));
        }
        let statements = match given.statement {
            OneOrMore::Many(statements) => statements,
            OneOrMore::One(statement) => vec![*statement],
        };
        if statements.is_empty() {
            return Err(invalid("it has no statement".into()));
        }
        let mut policy = Self { id: given.id, statements: Vec::new() };
        for statement in statements {
            statement.check(arn)?;
            policy.push(statement)?;
        }
        policy.check_size()?;
        Ok(policy)
    }

    /// With one more statement.
    ///
    /// # Errors
    /// When its id is taken, or the policy grows too long.
    pub fn with(&self, statement: Statement) -> Result<Self, Refusal> {
        let mut policy = self.clone();
        policy.push(statement)?;
        policy.check_size()?;
        Ok(policy)
    }

    /// Without one statement.
    ///
    /// # Errors
    /// When there is no such statement.
    pub fn without(&self, sid: &str) -> Result<Self, Refusal> {
        let mut policy = self.clone();
        policy.statements.retain(|statement| statement.sid.as_deref() != Some(sid));
        if policy.statements.len() == self.statements.len() {
            return Err(Refusal::NotFound(format!("Statement {sid} is not found in resource policy.")));
        }
        Ok(policy)
    }

    fn push(&mut self, statement: Statement) -> Result<(), Refusal> {
        if let Some(sid) = &statement.sid
            && self.statements.iter().any(|other| other.sid.as_deref() == Some(sid))
        {
            return Err(Refusal::Conflict(format!(
                "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the \
                 existing statement."
            )));
        }
        self.statements.push(statement);
        Ok(())
    }

    fn check_size(&self) -> Result<(), Refusal> {
        let size = self.document().len();
        if size > limits::POLICY_BYTES {
            return Err(Refusal::PolicyLength(format!(
                "The final policy size ({size}) is bigger than the limit ({}).",
                limits::POLICY_BYTES
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
