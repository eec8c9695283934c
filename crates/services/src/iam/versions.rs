//! Versions of managed policies (IAM User Guide, "Versioning IAM policies").

use lambent_model::AccountId;
use lambent_wire::iam::{error, types as t};
use lambent_wire::{Empty, Error};

use super::documents::{check_managed, encoded};
use super::names::date;
use super::page::page;
use super::policies::Managed;
use super::records::{Policy, Version};
use super::{Iam, aws};

/// Versions that a policy may have at once.
const VERSIONS_MAX: usize = 5;

fn shown(policy: &Policy, number: u32, version: &Version, with_document: bool) -> t::PolicyVersion {
    t::PolicyVersion {
        document: with_document.then(|| encoded(&version.document)),
        version_id: Some(format!("v{number}")),
        is_default_version: Some(policy.default == number),
        create_date: Some(date(version.created)),
    }
}

fn number(id: &str) -> Option<u32> {
    id.strip_prefix('v')?.split('.').next()?.parse().ok()
}

fn absent(arn: &str, id: &str) -> Error {
    error::no_such_entity_exception(format!("Policy {arn} version {id} does not exist or is not attachable."))
}

impl Iam {
    pub(super) async fn create_policy_version(
        &self,
        account: &AccountId,
        input: t::CreatePolicyVersionRequest,
    ) -> Result<t::CreatePolicyVersionResponse, Error> {
        check_managed(&input.policy_document)?;
        let now = self.clock.now();
        let change = |policy: &mut Policy| {
            if policy.versions.len() >= VERSIONS_MAX {
                return Err(error::limit_exceeded_exception(
                    "A managed policy can have up to 5 versions. Before you create a new version, you must delete an \
                     existing version.",
                ));
            }
            let (number, version) =
                (policy.next, Version { document: input.policy_document.clone(), created: now });
            policy.next += 1;
            policy.updated = now;
            if input.set_as_default == Some(true) {
                policy.default = number;
            }
            policy.versions.insert(number, version.clone());
            Ok(t::CreatePolicyVersionResponse {
                policy_version: Some(shown(policy, number, &version, false)),
            })
        };
        self.change_policy(account, &input.policy_arn, change).await
    }

    pub(super) async fn get_policy_version(
        &self,
        account: &AccountId,
        input: t::GetPolicyVersionRequest,
    ) -> Result<t::GetPolicyVersionResponse, Error> {
        let not_found = || absent(&input.policy_arn, &input.version_id);
        let version = match self.managed(account, &input.policy_arn).await? {
            Managed::Aws(policy) if input.version_id == aws::VERSION => policy.version(true),
            Managed::Aws(_) => return Err(not_found()),
            Managed::Own(own) => {
                let found = number(&input.version_id).and_then(|n| own.value.versions.get_key_value(&n));
                let (number, version) = found.ok_or_else(not_found)?;
                shown(&own.value, *number, version, true)
            }
        };
        Ok(t::GetPolicyVersionResponse { policy_version: Some(version) })
    }

    pub(super) async fn list_policy_versions(
        &self,
        account: &AccountId,
        input: t::ListPolicyVersionsRequest,
    ) -> Result<t::ListPolicyVersionsResponse, Error> {
        let versions: Vec<_> = match self.managed(account, &input.policy_arn).await? {
            Managed::Aws(policy) => vec![(1, policy.version(false))],
            Managed::Own(own) => {
                let versions = own.value.versions.iter();
                versions
                    .map(|(number, version)| (*number, shown(&own.value, *number, version, false)))
                    .collect()
            }
        };
        // The newest come first.
        let key = |(number, _): &(u32, t::PolicyVersion)| format!("{:010}", u32::MAX - number);
        let page = page(versions, key, input.marker.as_deref(), input.max_items)?;
        Ok(t::ListPolicyVersionsResponse {
            is_truncated: page.is_truncated(),
            versions: Some(page.items.into_iter().map(|(_, version)| version).collect()),
            marker: page.marker,
        })
    }

    pub(super) async fn set_default_policy_version(
        &self,
        account: &AccountId,
        input: t::SetDefaultPolicyVersionRequest,
    ) -> Result<Empty, Error> {
        let now = self.clock.now();
        let change = |policy: &mut Policy| {
            let found = number(&input.version_id).filter(|number| policy.versions.contains_key(number));
            policy.default = found.ok_or_else(|| absent(&input.policy_arn, &input.version_id))?;
            policy.updated = now;
            Ok(Empty {})
        };
        self.change_policy(account, &input.policy_arn, change).await
    }

    pub(super) async fn delete_policy_version(
        &self,
        account: &AccountId,
        input: t::DeletePolicyVersionRequest,
    ) -> Result<Empty, Error> {
        let change = |policy: &mut Policy| {
            let found = number(&input.version_id).filter(|number| policy.versions.contains_key(number));
            let number = found.ok_or_else(|| absent(&input.policy_arn, &input.version_id))?;
            if number == policy.default {
                return Err(error::delete_conflict_exception(
                    "Cannot delete the default version of a policy.",
                ));
            }
            policy.versions.remove(&number);
            Ok(Empty {})
        };
        self.change_policy(account, &input.policy_arn, change).await
    }
}
