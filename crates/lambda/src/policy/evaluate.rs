//! Whether a policy permits something (IAM User Guide, "Policy evaluation logic", "IAM JSON policy elements: Condition
//! operators").

use lambent_model::AccountId;

use super::{OneOrMany, Ordered, Policy, Principal, Statement};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who<'a> {
    /// A principal of an account, by its ARN: `arn:aws:sts::A:assumed-role/r/s`, `arn:aws:iam::A:root`.
    Aws {
        /// The principal's account.
        account: &'a AccountId,
        /// Its ARN.
        arn: &'a str,
    },
    /// A service: `s3.amazonaws.com`.
    Service(&'a str),
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// Who asks.
    pub who: Who<'a>,
    /// `lambda:InvokeFunction`.
    pub action: &'a str,
    /// The function's ARN, with the qualifier that was used.
    pub resource: &'a str,
    /// Condition keys that are known of the call, such as `aws:SourceArn`.
    pub keys: &'a [(&'a str, &'a str)],
}

impl Policy {
    /// Whether a statement allows it.
    #[must_use]
    pub fn allows(&self, access: &Access<'_>) -> bool {
        self.statements.iter().any(|statement| statement.allows(access))
    }
}

impl Statement {
    fn allows(&self, access: &Access<'_>) -> bool {
        self.effect == "Allow"
            && self.principal.is(&access.who)
            && self
                .action
                .iter()
                .any(|action| like(&action.to_ascii_lowercase(), &access.action.to_ascii_lowercase()))
            && self.resource.iter().any(|pattern| like(pattern, access.resource))
            && self.condition.as_ref().is_none_or(|condition| holds(condition, access))
    }
}

impl Principal {
    fn is(&self, who: &Who<'_>) -> bool {
        let kinds = match self {
            Self::Any(text) => return text == "*",
            Self::Kinds(kinds) => kinds,
        };
        kinds.0.iter().any(|(kind, names)| match (kind.as_str(), who) {
            ("AWS", Who::Aws { account, arn }) => names.iter().any(|name| is_aws(name, account, arn)),
            ("Service", Who::Service(service)) => names.iter().any(|name| name == *service),
            _ => false,
        })
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

/// Each operator and each key has to hold, one of a key's values is enough.
fn holds(condition: &Ordered<Ordered<OneOrMany>>, access: &Access<'_>) -> bool {
    condition.0.iter().all(|(operator, keys)| {
        keys.0.iter().all(|(key, values)| {
            let found = value_of(key, access);
            compare(operator, found.as_deref(), values)
        })
    })
}

fn value_of(key: &str, access: &Access<'_>) -> Option<String> {
    let known = access.keys.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
    if let Some((_, value)) = known {
        return Some((*value).to_owned());
    }
    let Who::Aws { account, arn } = access.who else { return None };
    match key.to_ascii_lowercase().as_str() {
        "aws:principalaccount" => Some(account.to_string()),
        "aws:principalarn" => Some(arn.to_owned()),
        _ => None,
    }
}

/// Whether a value is as the statement has it.
type Matches = fn(&str, &str) -> bool;

/// What decides about one value, and whether the operator is the negative of it.
fn operation(operator: &str) -> Option<(Matches, bool)> {
    let equal: Matches = |pattern, value| pattern == value;
    let ignoring_case: Matches = str::eq_ignore_ascii_case;
    Some(match operator {
        "StringEquals" => (equal, false),
        "StringNotEquals" => (equal, true),
        "StringEqualsIgnoreCase" => (ignoring_case, false),
        "StringNotEqualsIgnoreCase" => (ignoring_case, true),
        "StringLike" => (like, false),
        "StringNotLike" => (like, true),
        "ArnEquals" | "ArnLike" => (arn_like, false),
        "ArnNotEquals" | "ArnNotLike" => (arn_like, true),
        "Bool" => (ignoring_case, false),
        _ => return None,
    })
}

/// Whether conditions may use the operator.
pub(super) fn is_operator(operator: &str) -> bool {
    operator == "Null" || operation(operator.strip_suffix("IfExists").unwrap_or(operator)).is_some()
}

fn compare(operator: &str, found: Option<&str>, values: &OneOrMany) -> bool {
    if operator == "Null" {
        return values.iter().any(|absent| absent.eq_ignore_ascii_case("true") == found.is_none());
    }
    let (operator, if_exists) = match operator.strip_suffix("IfExists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    let Some((matches, negative)) = operation(operator) else { return false };
    match found {
        // "If the key is not present, … the negated operators … match"; the positive ones do not.
        None => if_exists || negative,
        Some(found) => values.iter().any(|value| matches(value, found)) != negative,
    }
}

/// Each of the six parts of an ARN by itself: a `*` does not reach over a colon but in the last.
fn arn_like(pattern: &str, value: &str) -> bool {
    let (patterns, values): (Vec<_>, Vec<_>) =
        (pattern.splitn(6, ':').collect(), value.splitn(6, ':').collect());
    patterns.len() == values.len()
        && patterns.iter().zip(&values).all(|(pattern, value)| like(pattern, value))
}

/// `*` for any text, `?` for one character.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on when the last star has to take one more: the usual walk without recursion, since policies are
    // hostile.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(b'?') => (p, t) = (p + 1, t + 1),
            Some(byte) if *byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}
