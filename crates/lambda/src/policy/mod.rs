//! Resource policies: who else may use a function, a version or an alias (AWS Lambda Developer Guide, "Viewing
//! resource-based IAM policies in Lambda"; IAM User Guide, "IAM JSON policy element reference").

mod add;

pub use add::AddStatement;
use lambent_identity::policy::like;
pub use lambent_identity::policy::{Access, Decision, Statement, Who};
use lambent_identity::policy::{Document, PolicyKind, decide};

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

impl Policy {
    /// No policy.
    pub const NONE: Self = Self { id: None, statements: Vec::new() };

    /// A document that [`Policy::document`] made; `None` for another text.
    #[must_use]
    pub fn stored(document: &str) -> Option<Self> {
        let Document { id, statement, .. } = serde_json::from_str(document).ok()?;
        Some(Self { id, statements: statement })
    }

    /// What the policy says to `access`.
    #[must_use]
    pub fn decision(&self, access: &Access<'_>) -> Decision {
        decide(&self.statements, access, true)
    }

    fn whole(&self) -> Document {
        let id = Some(self.id.clone().unwrap_or_else(|| "default".to_owned()));
        Document { version: Some(LANGUAGE.to_owned()), id, statement: self.statements.clone() }
    }

    /// Whether nobody is permitted anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// The document, compact JSON.
    #[must_use]
    pub fn document(&self) -> String {
        serde_json::to_string(&self.whole()).expect("statements are text, lists and maps of text")
    }

    /// Reads a whole document for the resource `arn` (API Reference, `PutResourcePolicy`).
    ///
    /// # Errors
    /// When it is no policy, is not for this resource, or says what would not be kept to.
    pub fn parse(document: &str, arn: &str) -> Result<Self, Refusal> {
        let invalid =
            |why: String| Refusal::InvalidParameter(format!("The policy document is not valid: {why}"));
        let given =
            Document::parse(document, PolicyKind::Resource).map_err(|error| invalid(error.to_string()))?;
        if given.version.as_deref() != Some(LANGUAGE) {
            let version = given.version.unwrap_or_default();
            return Err(invalid(format!("its Version is '{version}' and has to be '{LANGUAGE}'")));
        }
        let mut policy = Self { id: given.id, statements: Vec::new() };
        for statement in given.statement {
            check(&statement, arn).map_err(|why| {
                let sid = statement.sid.as_deref().unwrap_or("without a Sid");
                invalid(format!("statement {sid}: {why}"))
            })?;
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

/// What a policy of a function may say beyond the language's rules.
fn check(statement: &Statement, arn: &str) -> Result<(), String> {
    let principals = [&statement.principal, &statement.not_principal].into_iter().flatten();
    if let Some(kind) =
        principals.flat_map(|all| all.kinds()).find(|kind| *kind != "AWS" && *kind != "Service")
    {
        return Err(format!("principals of the kind '{kind}' are not supported"));
    }
    let actions = [&statement.action, &statement.not_action].into_iter().flatten();
    if let Some(action) = actions.flat_map(|all| all.iter()).find(|a| *a != "*" && !a.starts_with("lambda:"))
    {
        return Err(format!("'{action}' is not an action of Lambda"));
    }
    // One with a variable is known with the call.
    let is_here = |pattern: &str| pattern.contains("${") || like(pattern, arn);
    if let Some(other) =
        statement.resource.iter().flat_map(|all| all.iter()).find(|pattern| !is_here(pattern))
    {
        return Err(format!("the resource '{other}' is not {arn}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
