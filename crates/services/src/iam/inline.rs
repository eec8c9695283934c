//! Inline policies of roles.

use lambent_model::AccountId;
use lambent_wire::iam::{error, types as t};
use lambent_wire::{Empty, Error};

use super::Iam;
use super::documents::{check_inline, check_inline_size, encoded};
use super::page::page;
use super::records::Role;

fn absent(name: &str) -> Error {
    error::no_such_entity_exception(format!("The role policy with name {name} cannot be found."))
}

impl Iam {
    pub(super) async fn put_role_policy(
        &self,
        account: &AccountId,
        input: t::PutRolePolicyRequest,
    ) -> Result<Empty, Error> {
        self.role(account, &input.role_name).await?;
        check_inline(&input.policy_document)?;
        let change = |role: &mut Role| {
            role.inline.insert(input.policy_name.clone(), input.policy_document.clone());
            check_inline_size(&role.name, role.inline.values())?;
            Ok(Empty {})
        };
        self.change_role(account, &input.role_name, change).await
    }

    pub(super) async fn get_role_policy(
        &self,
        account: &AccountId,
        input: t::GetRolePolicyRequest,
    ) -> Result<t::GetRolePolicyResponse, Error> {
        let role = self.role(account, &input.role_name).await?.value;
        let document = role.inline.get(&input.policy_name).ok_or_else(|| absent(&input.policy_name))?;
        Ok(t::GetRolePolicyResponse {
            role_name: Some(role.name),
            policy_document: Some(encoded(document)),
            policy_name: Some(input.policy_name),
        })
    }

    pub(super) async fn delete_role_policy(
        &self,
        account: &AccountId,
        input: t::DeleteRolePolicyRequest,
    ) -> Result<Empty, Error> {
        let change = |role: &mut Role| match role.inline.remove(&input.policy_name) {
            Some(_) => Ok(Empty {}),
            None => Err(absent(&input.policy_name)),
        };
        self.change_role(account, &input.role_name, change).await
    }

    pub(super) async fn list_role_policies(
        &self,
        account: &AccountId,
        input: t::ListRolePoliciesRequest,
    ) -> Result<t::ListRolePoliciesResponse, Error> {
        let role = self.role(account, &input.role_name).await?.value;
        let names = role.inline.into_keys().collect();
        let page = page(names, String::clone, input.marker.as_deref(), input.max_items)?;
        Ok(t::ListRolePoliciesResponse {
            is_truncated: page.is_truncated(),
            policy_names: Some(page.items),
            marker: page.marker,
        })
    }
}
