//! What narrows and marks a session: session policies, session tags, and the identity that it began with.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What a session was given beside its role (STS API Reference, "AssumeRole").
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionTerms {
    /// The inline session policy as it was given.
    #[serde(default, rename = "p", skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// ARNs of managed policies that are session policies too; what they say counts at each call.
    #[serde(default, rename = "a", skip_serializing_if = "Vec::is_empty")]
    pub policy_arns: Vec<String>,
    /// Session tags, those that were inherited included.
    #[serde(default, rename = "t", skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<SessionTag>,
    /// Whoever began the chain of sessions says that it is.
    #[serde(default, rename = "s", skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
}

/// A session tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionTag {
    /// Its key, whose case is kept and does not count.
    #[serde(rename = "k")]
    pub key: String,
    /// Its value.
    #[serde(rename = "v")]
    pub value: String,
    /// Whether sessions that this one assumes have it too.
    #[serde(default, rename = "t", skip_serializing_if = "std::ops::Not::not")]
    pub transitive: bool,
}

impl SessionTerms {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether policies narrow the session.
    #[must_use]
    pub fn narrow(&self) -> bool {
        self.policy.is_some() || !self.policy_arns.is_empty()
    }

    /// The condition keys that calls of the session have: `aws:PrincipalTag/KEY` and `aws:SourceIdentity` (IAM User Guide,
    /// "AWS global condition context keys"). Tags of the session stand before those of its role, which `role` are.
    #[must_use]
    pub fn keys(&self, role: &[(String, String)]) -> Vec<(String, String)> {
        let is_here = |key: &str| self.tags.iter().any(|tag| tag.key.eq_ignore_ascii_case(key));
        let own = self.tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str()));
        let roles = role.iter().filter(|(key, _)| !is_here(key));
        let tags = own.chain(roles.map(|(key, value)| (key.as_str(), value.as_str())));
        let mut keys: Vec<_> =
            tags.map(|(key, value)| (format!("aws:PrincipalTag/{key}"), value.to_owned())).collect();
        keys.extend(self.source_identity.iter().map(|who| ("aws:SourceIdentity".to_owned(), who.clone())));
        keys
    }

    /// Bytes of them in a token.
    #[must_use]
    pub fn packed(&self) -> usize {
        match self.is_empty() {
            true => 0,
            false => self.json().len(),
        }
    }

    pub(crate) fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and lists of them are JSON")
    }
}

/// The terms of a session that has none.
#[must_use]
pub fn no_terms() -> Arc<SessionTerms> {
    Arc::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sessions_tags_stand_before_its_roles() {
        let tag = |key: &str| SessionTag { key: key.into(), value: "session".into(), transitive: false };
        let terms = SessionTerms {
            tags: vec![tag("Department")],
            source_identity: Some("ann".into()),
            ..SessionTerms::default()
        };
        let role = [("department".to_owned(), "role".to_owned()), ("team".to_owned(), "role".to_owned())];
        let keys = terms.keys(&role);
        let keys: Vec<_> = keys.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(
            keys,
            [
                ("aws:PrincipalTag/Department", "session"),
                ("aws:PrincipalTag/team", "role"),
                ("aws:SourceIdentity", "ann"),
            ]
        );
        assert_eq!((SessionTerms::default().packed(), terms.narrow()), (0, false));
    }
}
