//! What a policy decides (IAM User Guide, "Policy evaluation logic").

use lambent_model::AccountId;

use super::pattern::{expand, matches, pieces};
use super::{Document, Effect, OneOrMany, Statement, condition};

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
    /// Nobody in particular: whoever opens a function URL that asks for no signature.
    Anonymous,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// Who asks.
    pub who: Who<'a>,
    /// `lambda:InvokeFunction`.
    pub action: &'a str,
    /// The ARN of what it is asked of.
    pub resource: &'a str,
    /// Condition keys that are known of the call, such as `aws:SourceArn`; one with several values comes several times.
    pub keys: &'a [(&'a str, &'a str)],
}

/// What a policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A statement allows it, and none denies it.
    Allow,
    /// A statement denies it.
    Deny,
    /// No statement is about it.
    Silent,
}

impl Document {
    /// What the policy says to `access`.
    #[must_use]
    pub fn decision(&self, access: &Access<'_>) -> Decision {
        // The older language has no variables: `${` is a text there.
        decide(&self.statement, access, self.version.as_deref() == Some(super::parse::LANGUAGE))
    }
}

/// What statements say to `access`; `variables` is whether they are of the language that has some.
#[must_use]
pub fn decide(statements: &[Statement], access: &Access<'_>, variables: bool) -> Decision {
    let mut decision = Decision::Silent;
    for statement in statements.iter().filter(|statement| statement.is_about(access, variables)) {
        match statement.effect {
            Effect::Deny => return Decision::Deny,
            Effect::Allow => decision = Decision::Allow,
        }
    }
    decision
}

impl Statement {
    fn is_about(&self, access: &Access<'_>, variables: bool) -> bool {
        let action = access.action.to_ascii_lowercase();
        let is_action = |names: &OneOrMany| {
            names.iter().any(|name| matches(&pieces(&name.to_ascii_lowercase()), &action))
        };
        let is_resource = |names: &OneOrMany| {
            names.iter().any(|name| {
                let pattern =
                    if variables { expand(name, |key| access.value_of(key)) } else { Some(pieces(name)) };
                pattern.is_some_and(|pattern| matches(&pattern, access.resource))
            })
        };
        // Without the element a policy is one that has none: trust policies no resource, policies of a principal no
        // principal. Which must have which is decided when a document is read.
        self.principal.as_ref().is_none_or(|principals| principals.include(&access.who))
            && self.not_principal.as_ref().is_none_or(|principals| !principals.include(&access.who))
            && self.action.as_ref().is_none_or(is_action)
            && self.not_action.as_ref().is_none_or(|names| !is_action(names))
            && self.resource.as_ref().is_none_or(is_resource)
            && self.not_resource.as_ref().is_none_or(|names| !is_resource(names))
            && self.condition.as_ref().is_none_or(|condition| condition::holds(condition, access, variables))
    }
}

impl Access<'_> {
    /// Every value of a condition key; keys have no case.
    pub(super) fn values_of(&self, key: &str) -> Vec<String> {
        let known = self.keys.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key));
        let known: Vec<String> = known.map(|(_, value)| (*value).to_owned()).collect();
        if !known.is_empty() {
            return known;
        }
        let key = key.to_ascii_lowercase();
        let value = match (key.as_str(), self.who) {
            ("aws:principalaccount", Who::Aws { account, .. }) => account.to_string(),
            ("aws:principalarn", Who::Aws { arn, .. }) => principal_arn(arn),
            ("aws:principaltype", Who::Aws { arn, .. }) => principal_type(arn).to_owned(),
            ("aws:principalisawsservice", who) => matches!(who, Who::Service(_)).to_string(),
            ("aws:principalservicename", Who::Service(service)) => service.to_owned(),
            _ => return Vec::new(),
        };
        vec![value]
    }

    fn value_of(&self, key: &str) -> Option<String> {
        self.values_of(key).into_iter().next()
    }
}

/// Of a session the key is its role's ARN, not its own (IAM User Guide, "AWS global condition context keys"). The path of
/// the role is not in the session's ARN, so a policy that names one means no session here.
fn principal_arn(arn: &str) -> String {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    if let ["arn", partition, "sts", "", account, resource] = parts[..]
        && let Some(role) = resource.strip_prefix("assumed-role/").and_then(|rest| rest.split('/').next())
    {
        return format!("arn:{partition}:iam::{account}:role/{role}");
    }
    arn.to_owned()
}

fn principal_type(arn: &str) -> &'static str {
    if arn.contains(":assumed-role/") {
        "AssumedRole"
    } else if arn.ends_with(":root") {
        "Account"
    } else {
        "User"
    }
}
