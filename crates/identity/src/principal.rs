//! Who a caller is, once that is known.

use std::fmt;
use std::sync::Arc;

use lambent_model::AccountId;

use crate::terms::{SessionTerms, no_terms};

/// The caller of an operation (IAM User Guide, "AWS JSON policy elements: Principal").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The account itself: what any key stands for while signatures are not enforced.
    Root(AccountId),
    /// A session of a role. Functions call as one (Lambda Developer Guide, "Defining Lambda function permissions with an
    /// execution role").
    AssumedRole(RoleSession),
}

impl Principal {
    /// The account whose resources the caller reaches by their bare names.
    #[must_use]
    pub fn account(&self) -> &AccountId {
        match self {
            Self::Root(account) => account,
            Self::AssumedRole(session) => &session.account,
        }
    }
}

impl fmt::Display for Principal {
    /// The ARN, as error texts and `GetCallerIdentity` show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(account) => write!(f, "arn:aws:iam::{account}:root"),
            Self::AssumedRole(session) => session.fmt(f),
        }
    }
}

/// A session of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSession {
    /// The role's account.
    pub account: AccountId,
    /// The role's name, without its path.
    pub role: String,
    /// The session's name: for a function its own.
    pub name: String,
    /// Whether it is a function's, or was assumed by one: then it may do what functions may, and no more.
    pub of_function: bool,
    /// What narrows and marks it.
    pub terms: Arc<SessionTerms>,
}

impl RoleSession {
    /// The session that a function calls as, of the role that `arn` names, in `account`. Of a path in the role's ARN the session keeps nothing
    /// (IAM User Guide, "IAM identifiers": assumed-role).
    #[must_use]
    pub fn for_function(account: AccountId, arn: &str, name: impl Into<String>) -> Self {
        let role = arn.rsplit('/').next().unwrap_or_default().to_owned();
        Self { account, role, name: name.into(), of_function: true, terms: no_terms() }
    }
}

impl fmt::Display for RoleSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:aws:sts::{}:assumed-role/{}/{}", self.account, self.role, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_read_as_their_arns() {
        let account = AccountId::default_account();
        assert_eq!(Principal::Root(account.clone()).to_string(), "arn:aws:iam::000000000000:root");
        let session =
            RoleSession::for_function(account, "arn:aws:iam::000000000000:role/service-role/r", "f");
        assert_eq!(session.to_string(), "arn:aws:sts::000000000000:assumed-role/r/f");
    }
}
