//! Managed policies on roles.

use lambent_model::AccountId;
use lambent_store::Expect;
use lambent_wire::iam::{error, types as t};
use lambent_wire::{Empty, Error};

use super::Iam;
use super::documents::exceeded;
use super::names::parse_policy_arn;
use super::page::page;
use super::policies::Managed;
use super::records::{Kept, Role, policy_key, role_key};

/// Managed policies of a role (IAM User Guide, "IAM and AWS STS quotas").
const ATTACHED_MAX: usize = 10;

impl Iam {
    /// A policy that a role may be given.
    pub(super) async fn attachable(&self, account: &AccountId, arn: &str) -> Result<Managed, Error> {
        self.find_managed(account, arn).await?.ok_or_else(|| {
            let hint = match arn.starts_with("arn:aws:iam::aws:") {
                true => " (of the policies that AWS manages, lambent has those in docs/compatibility.md)",
                false => "",
            };
            let text = format!("Policy {arn} does not exist or is not attachable.{hint}");
            error::no_such_entity_exception(text)
        })
    }

    pub(super) async fn attach_role_policy(
        &self,
        account: &AccountId,
        input: t::AttachRolePolicyRequest,
    ) -> Result<Empty, Error> {
        loop {
            let Kept { value: mut role, at } = self.role(account, &input.role_name).await?;
            let policy = self.attachable(account, &input.policy_arn).await?;
            role.attached.insert(input.policy_arn.clone());
            if role.attached.len() > ATTACHED_MAX {
                return Err(exceeded("PoliciesPerRole", ATTACHED_MAX));
            }
            let mut writes = vec![Self::put(role_key(account, &role.name), Expect::Version(at), &role)?];
            if let Managed::Own(own) = policy {
                // As it is: so that nobody deletes it at the same time.
                let key = policy_key(account, &own.value.name);
                writes.push(Self::put(key, Expect::Version(own.at), &own.value)?);
            }
            if self.commit(writes).await? {
                return Ok(Empty {});
            }
        }
    }

    pub(super) async fn detach_role_policy(
        &self,
        account: &AccountId,
        input: t::DetachRolePolicyRequest,
    ) -> Result<Empty, Error> {
        let change = |role: &mut Role| match role.attached.remove(&input.policy_arn) {
            true => Ok(Empty {}),
            false => {
                Err(error::no_such_entity_exception(format!("Policy {} was not found.", input.policy_arn)))
            }
        };
        self.change_role(account, &input.role_name, change).await
    }

    pub(super) async fn list_attached_role_policies(
        &self,
        account: &AccountId,
        input: t::ListAttachedRolePoliciesRequest,
    ) -> Result<t::ListAttachedRolePoliciesResponse, Error> {
        let role = self.role(account, &input.role_name).await?.value;
        let prefix = format!(":policy{}", input.path_prefix.as_deref().unwrap_or("/"));
        let arns = role.attached.into_iter().filter(|arn| arn.contains(&prefix)).collect();
        let page = page(arns, String::clone, input.marker.as_deref(), input.max_items)?;
        let shown = |arn: String| t::AttachedPolicy {
            policy_name: arn.rsplit('/').next().map(str::to_owned),
            policy_arn: Some(arn),
        };
        Ok(t::ListAttachedRolePoliciesResponse {
            is_truncated: page.is_truncated(),
            attached_policies: Some(page.items.into_iter().map(shown).collect()),
            marker: page.marker,
        })
    }

    /// Roles alone: there are neither users nor groups.
    pub(super) async fn list_entities_for_policy(
        &self,
        account: &AccountId,
        input: t::ListEntitiesForPolicyRequest,
    ) -> Result<t::ListEntitiesForPolicyResponse, Error> {
        parse_policy_arn(&input.policy_arn)?;
        self.managed(account, &input.policy_arn).await?;
        let (filter, usage) = (input.entity_filter, input.policy_usage_filter);
        let wants_roles = filter.is_none_or(|filter| filter == t::EntityType::Role);
        let mut roles = self.roles(account).await?;
        roles.retain(|role| {
            let attached = role.attached.contains(&input.policy_arn);
            let bounded = role.boundary.as_ref() == Some(&input.policy_arn);
            let meant = match &usage {
                Some(t::PolicyUsageType::PermissionsPolicy) => attached,
                Some(t::PolicyUsageType::PermissionsBoundary) => bounded,
                _ => attached || bounded,
            };
            wants_roles && meant && role.path.starts_with(input.path_prefix.as_deref().unwrap_or("/"))
        });
        let page =
            page(roles, |role| role.name.to_ascii_lowercase(), input.marker.as_deref(), input.max_items)?;
        let shown = |role: &Role| t::PolicyRole {
            role_name: Some(role.name.clone()),
            role_id: Some(role.id.clone()),
        };
        Ok(t::ListEntitiesForPolicyResponse {
            policy_groups: Some(Vec::new()),
            policy_users: Some(Vec::new()),
            policy_roles: Some(page.items.iter().map(shown).collect()),
            is_truncated: page.is_truncated(),
            marker: page.marker,
        })
    }
}
