//! Reading documents: what is a policy of its kind and can be kept to, in AWS's words for what is not.

use super::{Document, Statement, condition};

/// The version of the language.
pub(super) const LANGUAGE: &str = "2012-10-17";
/// The one before it.
const OLDER: &str = "2008-10-17";

/// What a policy hangs on, which decides which elements it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// A role's or another principal's: actions and resources, no principals.
    Identity,
    /// A role's trust policy: principals and actions of STS, no resources.
    Trust,
    /// A resource's: principals, actions and resources.
    Resource,
}

/// A text that is no policy of its kind. The message is AWS's where AWS's is known.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[error("{0}")]
pub struct Malformed(pub String);

impl Malformed {
    fn new<T>(text: impl Into<String>) -> Result<T, Self> {
        Err(Self(text.into()))
    }
}

impl Document {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`Malformed`] for what is no policy of this kind.
    pub fn parse(text: &str, kind: PolicyKind) -> Result<Self, Malformed> {
        let value: serde_json::Value = match serde_json::from_str(text) {
            Ok(value @ serde_json::Value::Object(_)) => value,
            _ => return Malformed::new("This policy contains invalid Json"),
        };
        if value.get("Statement").is_none() {
            return Malformed::new("Missing required field Statement");
        }
        // From the text, not the value: keys keep their order, and one that comes twice is refused.
        let document: Self = serde_json::from_str(text)
            .map_err(|error| Malformed(format!("Syntax errors in policy. ({error})")))?;
        if document.version.as_deref().is_some_and(|version| version != LANGUAGE && version != OLDER) {
            return Malformed::new("The policy must contain a valid version string");
        }
        if document.statement.is_empty() {
            return Malformed::new("Syntax errors in policy. (it has no statement)");
        }
        let mut sids = std::collections::BTreeSet::new();
        for statement in &document.statement {
            if let Some(sid) = statement.sid.as_deref().filter(|sid| !sid.is_empty())
                && !sids.insert(sid)
            {
                return Malformed::new("Statement IDs (SID) in a single policy must be unique.");
            }
            statement.check(kind)?;
        }
        Ok(document)
    }
}

impl Statement {
    fn check(&self, kind: PolicyKind) -> Result<(), Malformed> {
        self.check_principals(kind)?;
        self.check_actions(kind)?;
        self.check_resources(kind)?;
        match self.condition.as_ref().and_then(condition::fault) {
            Some(fault) => Malformed::new(fault),
            None => Ok(()),
        }
    }

    fn check_principals(&self, kind: PolicyKind) -> Result<(), Malformed> {
        let given = [&self.principal, &self.not_principal].into_iter().flatten();
        match (kind, given.clone().count()) {
            (PolicyKind::Identity, 0) => {}
            (PolicyKind::Identity, _) => {
                return Malformed::new("Policy document should not specify a principal.");
            }
            (_, 1) => {}
            (_, 0) => return Malformed::new("Missing required field Principal"),
            _ => return Malformed::new("Syntax errors in policy. (both Principal and NotPrincipal)"),
        }
        match given.clone().find_map(|principals| principals.fault()) {
            Some(fault) => Malformed::new(fault),
            None => Ok(()),
        }
    }

    fn check_actions(&self, kind: PolicyKind) -> Result<(), Malformed> {
        let actions = match (&self.action, &self.not_action) {
            (Some(actions), None) | (None, Some(actions)) => actions,
            (None, None) if kind == PolicyKind::Trust => {
                return Malformed::new("Missing required field Action");
            }
            (None, None) => return Malformed::new("Policy statement must contain actions."),
            _ => return Malformed::new("Syntax errors in policy. (both Action and NotAction)"),
        };
        if actions.iter().next().is_none() {
            return Malformed::new("Policy statement must contain actions.");
        }
        for action in actions.iter() {
            let service = action.split_once(':').map(|(service, _)| service);
            match (kind, service) {
                (PolicyKind::Trust, Some("sts")) => {}
                (PolicyKind::Trust, _) => {
                    return Malformed::new("AssumeRole policy may only specify STS AssumeRole actions.");
                }
                (_, None) if action != "*" => {
                    return Malformed::new(
                        "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
                    );
                }
                (_, Some("")) => return Malformed::new("Vendor is not valid"),
                _ => {}
            }
        }
        Ok(())
    }

    fn check_resources(&self, kind: PolicyKind) -> Result<(), Malformed> {
        let resources = match (&self.resource, &self.not_resource) {
            (None, None) if kind == PolicyKind::Trust => return Ok(()),
            (Some(_), _) if kind == PolicyKind::Trust => {
                return Malformed::new("Has prohibited field Resource");
            }
            (_, Some(_)) if kind == PolicyKind::Trust => {
                return Malformed::new("Has prohibited field NotResource");
            }
            (Some(resources), None) | (None, Some(resources)) => resources,
            (None, None) => return Malformed::new("Policy statement must contain resources."),
            _ => return Malformed::new("Syntax errors in policy. (both Resource and NotResource)"),
        };
        if resources.iter().next().is_none() {
            return Malformed::new("Policy statement must contain resources.");
        }
        let is_arn = |text: &str| text.starts_with("arn:") || text.starts_with('*') || text.starts_with("${");
        match resources.iter().find(|text| !is_arn(text)) {
            Some(text) => Malformed::new(format!("Resource {text} must be in ARN format or \"*\".")),
            None => Ok(()),
        }
    }
}
