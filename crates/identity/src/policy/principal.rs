//! `Principal` and `NotPrincipal` (IAM User Guide, "AWS JSON policy elements: Principal").

use lambent_model::AccountId;
use serde::{Deserialize, Serialize};

use super::{OneOrMany, Ordered, Who};

/// Whom a statement means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Principals {
    /// `*`.
    Any(String),
    /// By kind: `AWS`, `Service`, `Federated`.
    Kinds(Ordered<OneOrMany>),
}

impl Principals {
    /// Principals of one kind.
    #[must_use]
    pub fn of_kind(kind: &str, name: String) -> Self {
        Self::Kinds(Ordered(vec![(kind.to_owned(), OneOrMany::One(name))]))
    }

    /// Whether `who` is one of them.
    #[must_use]
    pub fn include(&self, who: &Who<'_>) -> bool {
        let kinds = match self {
            Self::Any(text) => return text == "*",
            Self::Kinds(kinds) => kinds,
        };
        kinds.0.iter().any(|(kind, names)| match (kind.as_str(), who) {
            ("AWS", Who::Aws { account, arn }) => names.iter().any(|name| is_aws(name, account, arn)),
            ("Service", Who::Service(service)) => names.iter().any(|name| name == *service),
            // "Everyone", either way it is written.
            ("AWS", Who::Anonymous) => names.iter().any(|name| name == "*"),
            _ => false,
        })
    }

    /// What is wrong with the names; `None` when each could be somebody.
    pub(super) fn fault(&self) -> Option<String> {
        let kinds = match self {
            Self::Any(text) if text == "*" => return None,
            Self::Any(text) => return Some(format!("Invalid principal in policy: \"{text}\"")),
            Self::Kinds(kinds) => kinds,
        };
        if kinds.0.is_empty() {
            return Some("Invalid principal in policy".to_owned());
        }
        kinds.0.iter().find_map(|(kind, names)| {
            let fits: fn(&str) -> bool = match kind.as_str() {
                "AWS" => is_aws_name,
                "Service" => is_service,
                "Federated" => |name| !name.is_empty(),
                "CanonicalUser" => |name| !name.is_empty(),
                _ => return Some(format!("Invalid principal in policy: unknown kind \"{kind}\"")),
            };
            let wrong = names.iter().find(|name| !fits(name))?;
            Some(format!("Invalid principal in policy: \"{kind}\":\"{wrong}\""))
        })
    }

    /// The kinds that are named, `AWS` and its like.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        let kinds: &[(String, OneOrMany)] = match self {
            Self::Any(_) => &[],
            Self::Kinds(kinds) => &kinds.0,
        };
        kinds.iter().map(|(kind, _)| kind.as_str())
    }
}

/// A principal is meant by its own ARN, by its account, or, a session, by its role.
fn is_aws(name: &str, account: &AccountId, arn: &str) -> bool {
    if matches!(name, "*") || name == arn || name == account.as_str() {
        return true;
    }
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    let ["arn", _, "iam", "", owner, resource] = parts[..] else { return false };
    if owner != account.as_str() {
        return false;
    }
    let role_of_session = || {
        let session = arn.splitn(6, ':').nth(5)?.strip_prefix("assumed-role/")?;
        session.split('/').next()
    };
    match resource.strip_prefix("role/") {
        // The session's ARN does not hold the role's path.
        Some(role) => role_of_session().is_some_and(|session| role.rsplit('/').next() == Some(session)),
        None => resource == "root",
    }
}

/// `*`, an account, an ARN of IAM or STS, or the unique id of a principal that is gone.
fn is_aws_name(name: &str) -> bool {
    let is_id = || {
        let id = ["AROA", "AIDA"].iter().find_map(|prefix| name.strip_prefix(prefix));
        id.is_some_and(|id| id.len() >= 12 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    };
    name == "*" || name.parse::<AccountId>().is_ok() || is_principal_arn(name) || is_id()
}

/// `arn:aws:iam::123456789012:role/r` and its kin.
#[must_use]
pub fn is_principal_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, service, "", account, name] = parts[..] else { return false };
    let kinds: &[&str] = match service {
        "iam" => &["root", "user/", "role/"],
        "sts" => &["assumed-role/", "federated-user/"],
        _ => return false,
    };
    partition.starts_with("aws")
        && account.parse::<AccountId>().is_ok()
        && kinds.iter().any(|kind| match kind.ends_with('/') {
            true => name.strip_prefix(kind).is_some_and(|rest| !rest.is_empty()),
            false => name == *kind,
        })
}

/// `s3.amazonaws.com`, and the few services under `amazon.com`.
#[must_use]
pub fn is_service(text: &str) -> bool {
    let text = text.strip_suffix(".cn").unwrap_or(text);
    let name = text.strip_suffix(".amazonaws.com").or_else(|| text.strip_suffix(".amazon.com"));
    name.is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
    })
}
