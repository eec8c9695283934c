//! Managed policies: those of an account, and AWS's.

use std::collections::BTreeMap;

use lambent_model::AccountId;
use lambent_store::{Expect, Write};
use lambent_wire::iam::{error, types as t};
use lambent_wire::{Empty, Error};

use super::aws::{self, AwsPolicy};
use super::documents::{check_managed, exceeded};
use super::names::{date, parse_policy_arn, policy_arn, unique_id};
use super::page::page;
use super::records::{Kept, Policy, Role, Tags, Version, policy_key};
use super::{Iam, tags};

/// Customer managed policies of an account (IAM User Guide, "IAM and AWS STS quotas").
const POLICIES_MAX: usize = 1_500;

static NO_TAGS: Tags = Vec::new();

/// A managed policy, whoever's it is.
pub(super) enum Managed {
    Own(Kept<Policy>),
    Aws(&'static AwsPolicy),
}

impl Managed {
    pub(super) fn tags(&self) -> &Tags {
        match self {
            Self::Own(own) => &own.value.tags,
            Self::Aws(_) => &NO_TAGS,
        }
    }

    fn path(&self) -> &str {
        match self {
            Self::Own(own) => &own.value.path,
            Self::Aws(aws) => aws.path(),
        }
    }

    pub(super) fn arn(&self, account: &AccountId) -> String {
        match self {
            Self::Own(own) => policy_arn(account.as_str(), &own.value.path, &own.value.name),
            Self::Aws(aws) => policy_arn("aws", aws.path(), aws.name()),
        }
    }

    /// What all answers show; lists leave out description and tags (IAM API Reference, "ListPolicies").
    fn shown(&self, account: &AccountId, roles: &[Role]) -> t::Policy {
        let arn = self.arn(account);
        let count = |is: &dyn Fn(&Role) -> bool| {
            i32::try_from(roles.iter().filter(|role| is(role)).count()).unwrap_or(i32::MAX)
        };
        let mut shown = t::Policy {
            attachment_count: Some(count(&|role| role.attached.contains(&arn))),
            permissions_boundary_usage_count: Some(count(&|role| role.boundary.as_deref() == Some(&arn))),
            is_attachable: Some(true),
            path: Some(self.path().to_owned()),
            arn: Some(arn),
            ..t::Policy::default()
        };
        match self {
            Self::Own(Kept { value: policy, .. }) => {
                shown.policy_name = Some(policy.name.clone());
                shown.policy_id = Some(policy.id.clone());
                shown.default_version_id = Some(format!("v{}", policy.default));
                shown.create_date = Some(date(policy.created));
                shown.update_date = Some(date(policy.updated));
            }
            Self::Aws(aws) => {
                shown.policy_name = Some(aws.name().to_owned());
                shown.policy_id = Some(aws.id());
                shown.default_version_id = Some(aws::VERSION.to_owned());
                shown.create_date = Some(date(aws::CREATED));
                shown.update_date = Some(date(aws::CREATED));
            }
        }
        shown
    }

    fn whole(&self, account: &AccountId, roles: &[Role]) -> t::Policy {
        let description = match self {
            Self::Own(own) => own.value.description.clone(),
            Self::Aws(_) => None,
        };
        t::Policy { description, tags: Some(tags::shown(self.tags())), ..self.shown(account, roles) }
    }
}

fn absent(arn: &str) -> Error {
    error::no_such_entity_exception(format!("Policy {arn} was not found."))
}

impl Iam {
    /// The policy of an ARN; `None` where there is none.
    pub(super) async fn find_managed(
        &self,
        account: &AccountId,
        arn: &str,
    ) -> Result<Option<Managed>, Error> {
        let named = parse_policy_arn(arn)?;
        if named.owner == "aws" {
            return Ok(aws::find(arn).map(Managed::Aws));
        }
        if named.owner != account.as_str() {
            return Ok(None);
        }
        let own = self.get::<Policy>(&policy_key(account, named.name)).await?;
        Ok(own.map(Managed::Own).filter(|managed| managed.arn(account) == arn))
    }

    pub(super) async fn managed(&self, account: &AccountId, arn: &str) -> Result<Managed, Error> {
        self.find_managed(account, arn).await?.ok_or_else(|| absent(arn))
    }

    /// A policy of the account itself: AWS's cannot be changed.
    pub(super) async fn own_policy(&self, account: &AccountId, arn: &str) -> Result<Kept<Policy>, Error> {
        match self.managed(account, arn).await? {
            Managed::Own(own) => Ok(own),
            Managed::Aws(_) => Err(lambent_wire::common::access_denied(format!(
                "the policy {arn} is AWS's and cannot be changed; create one of your own with its document"
            ))),
        }
    }

    /// Changes a policy, however often somebody else is faster.
    pub(super) async fn change_policy<T>(
        &self,
        account: &AccountId,
        arn: &str,
        change: impl Fn(&mut Policy) -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            let Kept { value: mut policy, at } = self.own_policy(account, arn).await?;
            let answer = change(&mut policy)?;
            let write = Self::put(policy_key(account, &policy.name), Expect::Version(at), &policy)?;
            if self.commit(vec![write]).await? {
                return Ok(answer);
            }
        }
    }

    pub(super) async fn create_policy(
        &self,
        account: &AccountId,
        input: t::CreatePolicyRequest,
    ) -> Result<t::CreatePolicyResponse, Error> {
        check_managed(&input.policy_document)?;
        let now = self.clock.now();
        let version = Version { document: input.policy_document, created: now };
        let policy = Policy {
            id: unique_id("ANPA", &*self.entropy),
            path: input.path.unwrap_or_else(|| "/".to_owned()),
            created: now,
            updated: now,
            description: input.description,
            tags: tags::given(Vec::new(), input.tags.unwrap_or_default())?,
            versions: BTreeMap::from([(1, version)]),
            default: 1,
            next: 2,
            name: input.policy_name,
        };
        let key = policy_key(account, &policy.name);
        if self.get::<Policy>(&key).await?.is_none() && self.policies(account).await?.len() >= POLICIES_MAX {
            return Err(exceeded("PoliciesPerAccount", POLICIES_MAX));
        }
        if !self.commit(vec![Self::put(key, Expect::Absent, &policy)?]).await? {
            return Err(error::entity_already_exists_exception(format!(
                "A policy called {} already exists. Duplicate names are not allowed.",
                policy.name
            )));
        }
        let policy = Managed::Own(Kept { value: policy, at: 0 });
        Ok(t::CreatePolicyResponse { policy: Some(policy.whole(account, &[])) })
    }

    pub(super) async fn get_policy(
        &self,
        account: &AccountId,
        input: t::GetPolicyRequest,
    ) -> Result<t::GetPolicyResponse, Error> {
        let policy = self.managed(account, &input.policy_arn).await?;
        Ok(t::GetPolicyResponse { policy: Some(policy.whole(account, &self.roles(account).await?)) })
    }

    pub(super) async fn list_policies(
        &self,
        account: &AccountId,
        input: t::ListPoliciesRequest,
    ) -> Result<t::ListPoliciesResponse, Error> {
        let (scope, usage) = (input.scope.as_ref(), input.policy_usage_filter.as_ref());
        let mut all = Vec::new();
        if scope != Some(&t::PolicyScopeType::Aws) {
            let own = self.policies(account).await?.into_iter();
            all.extend(own.map(|value| Managed::Own(Kept { value, at: 0 })));
        }
        if scope != Some(&t::PolicyScopeType::Local) {
            all.extend(aws::all().map(Managed::Aws));
        }
        let roles = self.roles(account).await?;
        let prefix = input.path_prefix.as_deref().unwrap_or("/");
        let shown = all.iter().filter(|policy| policy.path().starts_with(prefix));
        let mut shown: Vec<_> = shown.map(|policy| policy.shown(account, &roles)).collect();
        shown.retain(|policy| {
            let attached = match usage {
                Some(t::PolicyUsageType::PermissionsBoundary) => policy.permissions_boundary_usage_count,
                _ => policy.attachment_count,
            };
            input.only_attached != Some(true) || attached.unwrap_or(0) > 0
        });
        let key = |policy: &t::Policy| policy.arn.clone().unwrap_or_default();
        let page = page(shown, key, input.marker.as_deref(), input.max_items)?;
        Ok(t::ListPoliciesResponse {
            is_truncated: page.is_truncated(),
            policies: Some(page.items),
            marker: page.marker,
        })
    }

    pub(super) async fn delete_policy(
        &self,
        account: &AccountId,
        input: t::DeletePolicyRequest,
    ) -> Result<Empty, Error> {
        loop {
            // Whoever attaches the policy meanwhile writes its record as well, and this is decided again.
            let Kept { value: policy, at } = self.own_policy(account, &input.policy_arn).await?;
            let in_use = |role: &Role| {
                role.attached.contains(&input.policy_arn) || role.boundary.as_ref() == Some(&input.policy_arn)
            };
            if self.roles(account).await?.iter().any(in_use) {
                return Err(error::delete_conflict_exception("Cannot delete a policy attached to entities."));
            }
            if policy.versions.len() > 1 {
                return Err(error::delete_conflict_exception(
                    "This policy has more than one version. Before you delete a policy, you must delete the policy's \
                     versions. The default version is deleted with the policy.",
                ));
            }
            let key = policy_key(account, &policy.name);
            if self.commit(vec![Write::Delete { key, expect: Expect::Version(at) }]).await? {
                return Ok(Empty {});
            }
        }
    }
}
