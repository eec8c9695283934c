//! What the policies of a role say.

use std::sync::Arc;

use lambent_identity::RoleSession;
use lambent_identity::policy::{Access, Decision, Document, Limits, PolicyKind};
use lambent_model::AccountId;
use lambent_wire::Error;

use super::names::{parse_policy_arn, role_arn};
use super::records::{Policy, Role, policy_key};
use super::{Iam, aws};

/// The policies of a role, as they were when it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePermissions {
    /// Inline and managed.
    policies: Vec<Document>,
    /// The permissions boundary.
    boundary: Option<Document>,
}

impl RolePermissions {
    /// What they say together: a boundary allows nothing by itself, and what it does not allow nobody gets by a policy
    /// (IAM User Guide, "Permissions boundaries for IAM entities").
    #[must_use]
    pub fn decision(&self, access: &Access<'_>) -> Decision {
        let bounded = self.boundary.as_ref().map(|boundary| boundary.decision(access));
        let mut decision = Decision::Silent;
        for policy in &self.policies {
            match policy.decision(access) {
                Decision::Deny => return Decision::Deny,
                Decision::Allow => decision = Decision::Allow,
                Decision::Silent => {}
            }
        }
        match bounded {
            Some(Decision::Deny) => Decision::Deny,
            Some(Decision::Silent) => Decision::Silent,
            Some(Decision::Allow) | None => decision,
        }
    }
}

impl Iam {
    /// What the role of this ARN may; `None` where there is no such role. It is read once, and again after a change of any
    /// role or policy.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn permissions(&self, role_arn: &str) -> Result<Option<Arc<RolePermissions>>, Error> {
        let role = role_arn.to_owned();
        let began = match self.permitted.look(&role) {
            Ok(known) => return Ok(known),
            Err(began) => began,
        };
        let found = self.read_permissions(role_arn).await?.map(Arc::new);
        self.permitted.keep(role, found.clone(), began);
        Ok(found)
    }

    async fn read_permissions(&self, role_arn: &str) -> Result<Option<RolePermissions>, Error> {
        let Some((_, role)) = self.role_of_arn(role_arn).await? else { return Ok(None) };
        let Role { inline, attached, boundary, .. } = role;
        // A document that is no policy of this release's was taken by another one; it allows nothing.
        let parse = |text: &str| Document::parse(text, PolicyKind::Identity).ok();
        let mut policies: Vec<Document> = inline.values().filter_map(|text| parse(text)).collect();
        for arn in &attached {
            policies.extend(self.managed_document(arn).await?.as_deref().and_then(parse));
        }
        let boundary = match boundary {
            None => None,
            // One that cannot be read allows nothing, which is what a boundary without statements does.
            Some(arn) => {
                Some(self.managed_document(&arn).await?.as_deref().and_then(parse).unwrap_or(Document {
                    version: None,
                    id: None,
                    statement: Vec::new(),
                }))
            }
        };
        Ok(Some(RolePermissions { policies, boundary }))
    }

    /// What binds a session that session policies narrow; `None` for any other one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn limits(&self, session: &RoleSession) -> Result<Option<Limits>, Error> {
        if !session.terms.narrow() {
            return Ok(None);
        }
        let parse = |text: &str| Document::parse(text, PolicyKind::Identity).ok();
        let mut policies: Vec<Document> =
            session.terms.policy.as_deref().and_then(parse).into_iter().collect();
        for arn in &session.terms.policy_arns {
            policies.extend(self.managed_document(arn).await?.as_deref().and_then(parse));
        }
        let role = self.role_named(&session.account, &session.role).await?;
        let permissions = match &role {
            Some(role) => self.permissions(&role_arn(&session.account, &role.path, &role.name)).await?,
            None => None,
        };
        // A role that was deleted meanwhile allows nothing any more.
        let (identity, boundary) = permissions.map_or_else(Default::default, |permissions| {
            (permissions.policies.clone(), permissions.boundary.clone())
        });
        let keys = session.terms.keys(role.as_ref().map_or(&[], |role| &role.tags));
        Ok(Some(Limits { identity, boundary, session: policies, keys }))
    }

    /// The ARN of a role with its path, for one that may lack it; the same where there is no such role.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn full_role_arn(&self, arn: &str) -> Result<String, Error> {
        let unknown = || Ok(arn.to_owned());
        let Some((front, name)) = arn.split_once(":role/") else { return unknown() };
        let account = front.rsplit(':').next().and_then(|account| account.parse::<AccountId>().ok());
        let (Some(account), false) = (account, name.contains('/')) else { return unknown() };
        let role = self.role_named(&account, name).await?;
        Ok(role.map_or_else(|| arn.to_owned(), |role| role_arn(&account, &role.path, &role.name)))
    }

    /// Whether an ARN names a policy that sessions of roles of `account` may have.
    pub(crate) async fn is_session_policy(&self, account: &AccountId, arn: &str) -> Result<bool, Error> {
        let Ok(named) = parse_policy_arn(arn) else { return Ok(false) };
        let is_near = named.owner == "aws" || named.owner == account.as_str();
        Ok(is_near && self.managed_document(arn).await?.is_some())
    }

    /// The version that counts of a managed policy.
    async fn managed_document(&self, arn: &str) -> Result<Option<String>, Error> {
        if let Some(policy) = aws::find(arn) {
            return Ok(Some(policy.document().to_owned()));
        }
        let named = parse_policy_arn(arn)?;
        let Ok(account) = named.owner.parse() else { return Ok(None) };
        let policy = self.get::<Policy>(&policy_key(&account, named.name)).await?;
        let document = policy.and_then(|kept| {
            let Policy { mut versions, default, .. } = kept.value;
            versions.remove(&default).map(|version| version.document)
        });
        Ok(document)
    }
}
