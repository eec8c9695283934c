//! What tools ask of the account itself.

use lambent_identity::Principal;
use lambent_model::AccountId;
use lambent_wire::iam::{error, types as t};
use lambent_wire::{Error, common};

use super::Iam;

impl Iam {
    /// There are no users: an access key stands for its account, whose root user it answers.
    pub(super) fn get_user(
        principal: &Principal,
        input: t::GetUserRequest,
    ) -> Result<t::GetUserResponse, Error> {
        if let Some(name) = input.user_name {
            return Err(error::no_such_entity_exception(format!(
                "The user with name {name} cannot be found."
            )));
        }
        match principal {
            Principal::Root(account) => Ok(t::GetUserResponse {
                user: Some(t::User {
                    user_id: Some(account.to_string()),
                    arn: Some(principal.to_string()),
                    ..t::User::default()
                }),
            }),
            Principal::AssumedRole(_) => Err(common::validation_exception(
                "Must specify userName when calling with non-User credentials",
            )),
        }
    }

    pub(super) fn list_account_aliases() -> t::ListAccountAliasesResponse {
        t::ListAccountAliasesResponse {
            account_aliases: Some(Vec::new()),
            is_truncated: Some(false),
            marker: None,
        }
    }

    /// Counts of what there is, and the quotas that are kept.
    pub(super) async fn get_account_summary(
        &self,
        account: &AccountId,
    ) -> Result<t::GetAccountSummaryResponse, Error> {
        let (roles, policies) = (self.roles(account).await?, self.policies(account).await?);
        let count = |len: usize| i32::try_from(len).unwrap_or(i32::MAX);
        let versions = policies.iter().map(|policy| policy.versions.len()).sum();
        let summary = [
            ("Users", 0),
            ("Groups", 0),
            ("Roles", count(roles.len())),
            ("RolesQuota", 1_000),
            ("Policies", count(policies.len())),
            ("PoliciesQuota", 1_500),
            ("PolicySizeQuota", 6_144),
            ("PolicyVersionsInUse", count(versions)),
            ("VersionsPerPolicyQuota", 5),
            ("AttachedPoliciesPerRoleQuota", 10),
            ("AssumeRolePolicySizeQuota", 2_048),
            ("RolePolicySizeQuota", 10_240),
            ("InstanceProfiles", 0),
            ("MFADevices", 0),
            ("AccountMFAEnabled", 0),
        ];
        let summary = summary.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Ok(t::GetAccountSummaryResponse { summary_map: Some(summary) })
    }
}
