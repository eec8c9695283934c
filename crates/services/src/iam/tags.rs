//! Tags of roles and policies (IAM User Guide, "Tags for AWS Identity and Access Management resources").

use lambent_model::AccountId;
use lambent_wire::iam::{error, types as t};
use lambent_wire::{Empty, Error};

use super::Iam;
use super::page::page;
use super::records::{Policy, Role, Tags};

const TAGS_MAX: usize = 50;

pub(super) fn shown(tags: &Tags) -> Vec<t::Tag> {
    tags.iter().map(|(key, value)| t::Tag { key: key.clone(), value: value.clone() }).collect()
}

/// Tags with more of them; a key that is there takes the new value. Keys are the same in upper and lower case.
pub(super) fn given(mut tags: Tags, more: Vec<t::Tag>) -> Result<Tags, Error> {
    let mut seen = std::collections::BTreeSet::new();
    for t::Tag { key, value } in more {
        if !seen.insert(key.to_lowercase()) {
            return Err(error::invalid_input_exception(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(error::invalid_input_exception("The tag key prefix aws: is reserved for AWS."));
        }
        match tags.iter_mut().find(|(known, _)| known.to_lowercase() == key.to_lowercase()) {
            Some(tag) => *tag = (key, value),
            None => tags.push((key, value)),
        }
    }
    if tags.len() > TAGS_MAX {
        return Err(error::limit_exceeded_exception("The number of tags has reached the maximum limit."));
    }
    Ok(tags)
}

fn without(tags: &mut Tags, keys: &[String]) {
    tags.retain(|(key, _)| !keys.iter().any(|gone| gone.to_lowercase() == key.to_lowercase()));
}

impl Iam {
    pub(super) async fn tag_role(
        &self,
        account: &AccountId,
        input: t::TagRoleRequest,
    ) -> Result<Empty, Error> {
        let change = |role: &mut Role| {
            role.tags = given(std::mem::take(&mut role.tags), input.tags.clone())?;
            Ok(Empty {})
        };
        self.change_role(account, &input.role_name, change).await
    }

    pub(super) async fn untag_role(
        &self,
        account: &AccountId,
        input: t::UntagRoleRequest,
    ) -> Result<Empty, Error> {
        let change = |role: &mut Role| {
            without(&mut role.tags, &input.tag_keys);
            Ok(Empty {})
        };
        self.change_role(account, &input.role_name, change).await
    }

    pub(super) async fn list_role_tags(
        &self,
        account: &AccountId,
        input: t::ListRoleTagsRequest,
    ) -> Result<t::ListRoleTagsResponse, Error> {
        let role = self.role(account, &input.role_name).await?.value;
        let page = page(shown(&role.tags), |tag| tag.key.clone(), input.marker.as_deref(), input.max_items)?;
        Ok(t::ListRoleTagsResponse {
            is_truncated: page.is_truncated(),
            tags: Some(page.items),
            marker: page.marker,
        })
    }

    pub(super) async fn tag_policy(
        &self,
        account: &AccountId,
        input: t::TagPolicyRequest,
    ) -> Result<Empty, Error> {
        let change = |policy: &mut Policy| {
            policy.tags = given(std::mem::take(&mut policy.tags), input.tags.clone())?;
            Ok(Empty {})
        };
        self.change_policy(account, &input.policy_arn, change).await
    }

    pub(super) async fn untag_policy(
        &self,
        account: &AccountId,
        input: t::UntagPolicyRequest,
    ) -> Result<Empty, Error> {
        let change = |policy: &mut Policy| {
            without(&mut policy.tags, &input.tag_keys);
            Ok(Empty {})
        };
        self.change_policy(account, &input.policy_arn, change).await
    }

    pub(super) async fn list_policy_tags(
        &self,
        account: &AccountId,
        input: t::ListPolicyTagsRequest,
    ) -> Result<t::ListPolicyTagsResponse, Error> {
        let tags = shown(self.managed(account, &input.policy_arn).await?.tags());
        let page = page(tags, |tag| tag.key.clone(), input.marker.as_deref(), input.max_items)?;
        Ok(t::ListPolicyTagsResponse {
            is_truncated: page.is_truncated(),
            tags: Some(page.items),
            marker: page.marker,
        })
    }
}
