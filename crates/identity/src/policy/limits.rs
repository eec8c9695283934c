//! What a session with session policies may: what its role's policies and its own both allow (IAM User Guide, "Session
//! policies").

use super::{Access, Decision, Document};

/// The policies that bind such a session, as they are when it calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The role's own policies.
    pub identity: Vec<Document>,
    /// The role's permissions boundary.
    pub boundary: Option<Document>,
    /// Session policies, of which one has to allow what is done.
    pub session: Vec<Document>,
    /// Condition keys of the session: its tags.
    pub keys: Vec<(String, String)>,
}

/// Why a session may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// One of the policies denies it.
    Denied(Which),
    /// None of them allows it.
    Silent(Which),
}

/// Which policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The role's.
    Identity,
    /// Its boundary.
    Boundary,
    /// The session's.
    Session,
}

impl Limits {
    /// Whether the session may, by its own policies and those of its role.
    ///
    /// # Errors
    /// [`Missing`] says which policies are in the way; a denial comes before a silence.
    pub fn check(&self, access: &Access<'_>) -> Result<(), Missing> {
        let own = self.keys.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let keys: Vec<(&str, &str)> = access.keys.iter().copied().chain(own).collect();
        let access = Access { keys: &keys, ..*access };
        let mut said = vec![(Which::Identity, together(&self.identity, &access))];
        said.extend(self.boundary.iter().map(|boundary| (Which::Boundary, boundary.decision(&access))));
        said.push((Which::Session, together(&self.session, &access)));
        let first = |decision| said.iter().find(|(_, said)| *said == decision).map(|(which, _)| *which);
        match (first(Decision::Deny), first(Decision::Silent)) {
            (Some(which), _) => Err(Missing::Denied(which)),
            (None, Some(which)) => Err(Missing::Silent(which)),
            (None, None) => Ok(()),
        }
    }
}

/// What policies say together.
fn together(policies: &[Document], access: &Access<'_>) -> Decision {
    let mut decision = Decision::Silent;
    for policy in policies {
        match policy.decision(access) {
            Decision::Deny => return Decision::Deny,
            Decision::Allow => decision = Decision::Allow,
            Decision::Silent => {}
        }
    }
    decision
}

impl Missing {
    /// In AWS's words (IAM User Guide, "Troubleshoot access denied error messages").
    #[must_use]
    pub fn words(self, action: &str) -> String {
        let policies = |which| match which {
            Which::Identity => "identity-based policy",
            Which::Boundary => "permissions boundary",
            Which::Session => "session policy",
        };
        match self {
            Self::Denied(Which::Identity) => "with an explicit deny in an identity-based policy".to_owned(),
            Self::Denied(which) => format!("with an explicit deny in a {}", policies(which)),
            Self::Silent(which) => format!("because no {} allows the {action} action", policies(which)),
        }
    }
}

#[cfg(test)]
mod tests {
    use lambent_model::AccountId;

    use super::*;
    use crate::policy::{PolicyKind, Who};

    fn policy(effect: &str, action: &str, condition: &str) -> Document {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Action":"{action}","Resource":"*"{condition}}}}}"#
        );
        Document::parse(&text, PolicyKind::Identity).unwrap()
    }

    #[test]
    fn all_have_to_allow_it() {
        use Missing::{Denied, Silent};
        let allow = |action| policy("Allow", action, "");
        let deny = policy("Deny", "s3:GetObject", "");
        let tagged =
            policy("Allow", "s3:*", r#","Condition":{"StringEquals":{"aws:PrincipalTag/team":"red"}}"#);
        for (identity, boundary, session, expected) in [
            (vec![allow("s3:*")], None, vec![allow("s3:Get*")], Ok(())),
            (vec![allow("s3:*")], None, vec![allow("sqs:*"), allow("s3:Get*")], Ok(())),
            (vec![allow("s3:*")], None, vec![tagged], Ok(())),
            (vec![allow("s3:*")], None, vec![allow("sqs:*")], Err(Silent(Which::Session))),
            (vec![allow("sqs:*")], None, vec![allow("s3:*")], Err(Silent(Which::Identity))),
            (vec![], None, vec![allow("s3:*")], Err(Silent(Which::Identity))),
            (vec![allow("s3:*")], Some(allow("sqs:*")), vec![allow("s3:*")], Err(Silent(Which::Boundary))),
            (vec![], None, vec![allow("s3:*"), deny.clone()], Err(Denied(Which::Session))),
            (vec![allow("s3:*"), deny], None, vec![], Err(Denied(Which::Identity))),
        ] {
            let keys = vec![("aws:PrincipalTag/team".to_owned(), "red".to_owned())];
            let limits = Limits { identity, boundary, session, keys };
            let account = AccountId::default_account();
            let who = Who::Aws { account: &account, arn: "arn:aws:sts::000000000000:assumed-role/r/s" };
            let access = Access { who, action: "s3:GetObject", resource: "arn:aws:s3:::b/k", keys: &[] };
            assert_eq!(limits.check(&access), expected, "{limits:?}");
        }
        assert_eq!(Silent(Which::Session).words("s3:X"), "because no session policy allows the s3:X action");
        assert_eq!(Denied(Which::Boundary).words("s3:X"), "with an explicit deny in a permissions boundary");
    }
}
