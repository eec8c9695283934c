//! Whom a role trusts.

use std::sync::Arc;

use lambent_identity::policy::{Access, Decision, Document, PolicyKind, Who};
use lambent_model::{AccountId, RoleTrust, RoleTrustFuture, TrustedRoles};
use lambent_wire::Error;

use super::Iam;
use super::names::role_arn;
use super::records::{Role, role_key};

/// The action that trust policies are about.
pub(crate) const ASSUME_ROLE: &str = "sts:AssumeRole";

/// The service that functions' roles have to trust (Lambda Developer Guide, "Defining Lambda function permissions with
/// an execution role").
const LAMBDA: &str = "lambda.amazonaws.com";

impl Role {
    /// What the trust policy says to somebody who would assume the role.
    pub(crate) fn trusts(&self, account: &AccountId, who: Who<'_>, keys: &[(&str, &str)]) -> Decision {
        self.lets(account, who, ASSUME_ROLE, keys)
    }

    /// What the trust policy says to an action of STS: `sts:TagSession`.
    pub(crate) fn lets(
        &self,
        account: &AccountId,
        who: Who<'_>,
        action: &str,
        keys: &[(&str, &str)],
    ) -> Decision {
        let resource = role_arn(account, &self.path, &self.name);
        let access = Access { who, action, resource: &resource, keys };
        // A document that is no policy of this release's was taken by another one; it trusts nobody.
        Document::parse(&self.trust, PolicyKind::Trust)
            .map_or(Decision::Silent, |policy| policy.decision(&access))
    }
}

impl Iam {
    /// The role of an ARN with its account; `None` where there is none.
    pub(crate) async fn role_of_arn(&self, arn: &str) -> Result<Option<(AccountId, Role)>, Error> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, "iam", "", account, resource] = parts[..] else { return Ok(None) };
        let name = resource.strip_prefix("role/").and_then(|rest| rest.rsplit('/').next());
        let (Ok(account), Some(name)) = (account.parse::<AccountId>(), name) else { return Ok(None) };
        let role = self.role_named(&account, name).await?;
        // The path is a part of the ARN; with another one it names nobody.
        let role = role.filter(|role| arn.ends_with(&format!(":role{}{}", role.path, role.name)));
        Ok(role.map(|role| (account, role)))
    }

    pub(crate) async fn role_named(&self, account: &AccountId, name: &str) -> Result<Option<Role>, Error> {
        Ok(self.get::<Role>(&role_key(account, name)).await?.map(|kept| kept.value))
    }
}

impl TrustedRoles for Iam {
    fn trust(&self, arn: &str, function_arn: &str) -> RoleTrustFuture {
        let (iam, arn, function_arn) = (self.clone(), arn.to_owned(), Arc::<str>::from(function_arn));
        Box::pin(async move {
            let Some((account, role)) = iam.role_of_arn(&arn).await.map_err(|error| error.message)? else {
                return Ok(RoleTrust::Unknown);
            };
            // What Lambda sends along is the function on whose behalf it asks (IAM User Guide, "The confused deputy
            // problem").
            let owner = function_arn.split(':').nth(4).unwrap_or_default();
            let keys = [("aws:SourceArn", &*function_arn), ("aws:SourceAccount", owner)];
            Ok(match role.trusts(&account, Who::Service(LAMBDA), &keys) {
                Decision::Allow => RoleTrust::Given,
                Decision::Deny | Decision::Silent => RoleTrust::Denied,
            })
        })
    }
}
