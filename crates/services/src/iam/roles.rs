//! Roles themselves.

use std::collections::{BTreeMap, BTreeSet};

use lambent_model::AccountId;
use lambent_store::{Expect, Write};
use lambent_wire::iam::{error, types as t};
use lambent_wire::{Empty, Error};

use super::documents::{check_trust, encoded, exceeded};
use super::names::{date, role_arn, unique_id};
use super::page::page;
use super::records::{Kept, Role, role_key};
use super::{Iam, tags};

/// The default of `MaxSessionDuration` (IAM API Reference, "CreateRole").
const SESSION_SECONDS: i32 = 3_600;
/// Roles of an account (IAM User Guide, "IAM and AWS STS quotas").
const ROLES_MAX: usize = 1_000;
/// Roles of services have this beginning, and are theirs to make.
const SERVICE_PATH: &str = "/aws-service-role/";

/// How much of a role an answer shows (IAM API Reference, "ListRoles": what lists leave out).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Whole,
    Listed,
}

fn shown(account: &AccountId, role: &Role, form: Form) -> t::Role {
    let whole = form == Form::Whole;
    t::Role {
        path: Some(role.path.clone()),
        role_name: Some(role.name.clone()),
        role_id: Some(role.id.clone()),
        arn: Some(role_arn(account, &role.path, &role.name)),
        create_date: Some(date(role.created)),
        assume_role_policy_document: Some(encoded(&role.trust)),
        description: role.description.clone(),
        max_session_duration: Some(role.session_seconds),
        permissions_boundary: role.boundary.clone().filter(|_| whole).map(|arn| {
            t::AttachedPermissionsBoundary {
                permissions_boundary_type: Some(
                    t::PermissionsBoundaryAttachmentType::PermissionsBoundaryPolicy,
                ),
                permissions_boundary_arn: Some(arn),
            }
        }),
        tags: (whole && !role.tags.is_empty()).then(|| tags::shown(&role.tags)),
        role_last_used: whole.then(t::RoleLastUsed::default),
        ..t::Role::default()
    }
}

impl Iam {
    pub(super) async fn create_role(
        &self,
        account: &AccountId,
        input: t::CreateRoleRequest,
    ) -> Result<t::CreateRoleResponse, Error> {
        let path = input.path.unwrap_or_else(|| "/".to_owned());
        if path.starts_with(SERVICE_PATH) {
            return Err(error::invalid_input_exception(format!(
                "Path {SERVICE_PATH} is reserved for services."
            )));
        }
        check_trust(&input.assume_role_policy_document)?;
        if let Some(boundary) = &input.permissions_boundary {
            self.attachable(account, boundary).await?;
        }
        let role = Role {
            id: unique_id("AROA", &*self.entropy),
            created: self.clock.now(),
            path,
            description: input.description,
            session_seconds: input.max_session_duration.unwrap_or(SESSION_SECONDS),
            trust: input.assume_role_policy_document,
            tags: tags::given(Vec::new(), input.tags.unwrap_or_default())?,
            inline: BTreeMap::new(),
            attached: BTreeSet::new(),
            boundary: input.permissions_boundary,
            name: input.role_name,
        };
        let key = role_key(account, &role.name);
        if self.get::<Role>(&key).await?.is_none() && self.roles(account).await?.len() >= ROLES_MAX {
            return Err(exceeded("RolesPerAccount", ROLES_MAX));
        }
        match self.commit(vec![Self::put(key, Expect::Absent, &role)?]).await? {
            true => Ok(t::CreateRoleResponse { role: Some(shown(account, &role, Form::Whole)) }),
            false => Err(error::entity_already_exists_exception(format!(
                "Role with name {} already exists.",
                role.name
            ))),
        }
    }

    pub(super) async fn get_role(
        &self,
        account: &AccountId,
        input: t::GetRoleRequest,
    ) -> Result<t::GetRoleResponse, Error> {
        let role = self.role(account, &input.role_name).await?.value;
        Ok(t::GetRoleResponse { role: Some(shown(account, &role, Form::Whole)) })
    }

    pub(super) async fn list_roles(
        &self,
        account: &AccountId,
        input: t::ListRolesRequest,
    ) -> Result<t::ListRolesResponse, Error> {
        let mut roles = self.roles(account).await?;
        roles.retain(|role| role.path.starts_with(input.path_prefix.as_deref().unwrap_or("/")));
        let page =
            page(roles, |role| role.name.to_ascii_lowercase(), input.marker.as_deref(), input.max_items)?;
        let roles = page.items.iter().map(|role| shown(account, role, Form::Listed)).collect();
        Ok(t::ListRolesResponse {
            is_truncated: page.is_truncated(),
            roles: Some(roles),
            marker: page.marker,
        })
    }

    pub(super) async fn update_role(
        &self,
        account: &AccountId,
        input: t::UpdateRoleRequest,
    ) -> Result<t::UpdateRoleResponse, Error> {
        let t::UpdateRoleRequest { role_name, description, max_session_duration } = input;
        let change = |role: &mut Role| {
            if let Some(description) = &description {
                role.description = Some(description.clone());
            }
            role.session_seconds = max_session_duration.unwrap_or(role.session_seconds);
            Ok(t::UpdateRoleResponse {})
        };
        self.change_role(account, &role_name, change).await
    }

    pub(super) async fn update_role_description(
        &self,
        account: &AccountId,
        input: t::UpdateRoleDescriptionRequest,
    ) -> Result<t::UpdateRoleDescriptionResponse, Error> {
        let change = |role: &mut Role| {
            role.description = Some(input.description.clone());
            Ok(t::UpdateRoleDescriptionResponse { role: Some(shown(account, role, Form::Whole)) })
        };
        self.change_role(account, &input.role_name, change).await
    }

    pub(super) async fn update_assume_role_policy(
        &self,
        account: &AccountId,
        input: t::UpdateAssumeRolePolicyRequest,
    ) -> Result<Empty, Error> {
        self.role(account, &input.role_name).await?;
        check_trust(&input.policy_document)?;
        let change = |role: &mut Role| {
            role.trust.clone_from(&input.policy_document);
            Ok(Empty {})
        };
        self.change_role(account, &input.role_name, change).await
    }

    pub(super) async fn put_role_permissions_boundary(
        &self,
        account: &AccountId,
        input: t::PutRolePermissionsBoundaryRequest,
    ) -> Result<Empty, Error> {
        self.role(account, &input.role_name).await?;
        self.attachable(account, &input.permissions_boundary).await?;
        let change = |role: &mut Role| {
            role.boundary = Some(input.permissions_boundary.clone());
            Ok(Empty {})
        };
        self.change_role(account, &input.role_name, change).await
    }

    pub(super) async fn delete_role_permissions_boundary(
        &self,
        account: &AccountId,
        input: t::DeleteRolePermissionsBoundaryRequest,
    ) -> Result<Empty, Error> {
        let change = |role: &mut Role| {
            role.boundary = None;
            Ok(Empty {})
        };
        self.change_role(account, &input.role_name, change).await
    }

    pub(super) async fn delete_role(
        &self,
        account: &AccountId,
        input: t::DeleteRoleRequest,
    ) -> Result<Empty, Error> {
        loop {
            let Kept { value: role, at } = self.role(account, &input.role_name).await?;
            for (is_empty, text) in [
                (role.attached.is_empty(), "Cannot delete entity, must detach all policies first."),
                (role.inline.is_empty(), "Cannot delete entity, must delete policies first."),
            ] {
                if !is_empty {
                    return Err(error::delete_conflict_exception(text));
                }
            }
            let key = role_key(account, &role.name);
            if self.commit(vec![Write::Delete { key, expect: Expect::Version(at) }]).await? {
                return Ok(Empty {});
            }
        }
    }

    pub(super) async fn list_instance_profiles_for_role(
        &self,
        account: &AccountId,
        input: t::ListInstanceProfilesForRoleRequest,
    ) -> Result<t::ListInstanceProfilesForRoleResponse, Error> {
        self.role(account, &input.role_name).await?;
        // Profiles are for machines of EC2, of which there are none.
        Ok(t::ListInstanceProfilesForRoleResponse {
            instance_profiles: Some(Vec::new()),
            is_truncated: Some(false),
            marker: None,
        })
    }
}
