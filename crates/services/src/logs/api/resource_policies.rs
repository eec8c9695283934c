//! Resource policies of the account: they allow services to write into its log groups, here EventBridge.

use lambent_identity::policy::{Document, PolicyKind};
use lambent_model::Scope;
use lambent_wire::Empty;
use lambent_wire::logs::error::{limit_exceeded_exception, resource_not_found_exception};
use lambent_wire::logs::{
    DeleteResourcePolicyRequest, DescribeResourcePoliciesRequest, DescribeResourcePoliciesResponse,
    PolicyScope, PutResourcePolicyRequest, PutResourcePolicyResponse, ResourcePolicy,
};

use super::super::catalog::document::{self, Kind};
use super::super::store::Change;
use super::{Refusal, View, documents, invalid};

/// Policies of an account and region (API Reference, `PutResourcePolicy`).
const POLICIES_MAX: usize = 10;

pub(super) fn put(
    change: &mut Change<'_>,
    scope: &Scope,
    input: PutResourcePolicyRequest,
) -> Result<PutResourcePolicyResponse, Refusal> {
    no_resource(input.resource_arn.is_some() || input.expected_revision_id.is_some())?;
    let name = named(input.policy_name)?;
    let policy = input.policy_document.ok_or_else(|| invalid("policyDocument must be specified"))?;
    Document::parse(&policy, PolicyKind::Resource).map_err(|error| invalid(error.to_string()))?;
    let existing = document::get(change.conn, scope, Kind::ResourcePolicy, "", &name)?;
    let count = document::list(change.conn, scope, Kind::ResourcePolicy, None)?.len();
    if existing.is_none() && count >= POLICIES_MAX {
        return Err(limit_exceeded_exception("Resource limit exceeded.").into());
    }
    let stored = ResourcePolicy {
        policy_name: Some(name.clone()),
        policy_document: Some(policy),
        last_updated_time: Some(change.now_ms),
        policy_scope: Some(PolicyScope::Account),
        ..ResourcePolicy::default()
    };
    documents::put(change.conn, scope, Kind::ResourcePolicy, ("", &name), change.now_ms, &stored)?;
    Ok(PutResourcePolicyResponse { resource_policy: Some(stored), revision_id: None })
}

pub(super) fn delete(
    change: &mut Change<'_>,
    scope: &Scope,
    input: DeleteResourcePolicyRequest,
) -> Result<Empty, Refusal> {
    no_resource(input.resource_arn.is_some() || input.expected_revision_id.is_some())?;
    let name = named(input.policy_name)?;
    if !document::delete(change.conn, scope, Kind::ResourcePolicy, "", &name)? {
        return Err(resource_not_found_exception(format!("Policy with name [{name}] does not exist.")).into());
    }
    Ok(Empty {})
}

pub(super) fn describe(
    view: &View<'_>,
    scope: &Scope,
    input: DescribeResourcePoliciesRequest,
) -> Result<DescribeResourcePoliciesResponse, Refusal> {
    no_resource(input.resource_arn.is_some() || input.policy_scope == Some(PolicyScope::Resource))?;
    let page = (input.next_token.as_deref(), input.limit);
    let listed =
        documents::list(view, scope, Kind::ResourcePolicy, None, page, |_, _: &ResourcePolicy| true)?;
    Ok(DescribeResourcePoliciesResponse {
        resource_policies: Some(listed.items),
        next_token: listed.next_token,
    })
}

/// All of an account and region.
pub(in crate::logs) fn all(view: &View<'_>, scope: &Scope) -> Result<Vec<ResourcePolicy>, Refusal> {
    let stored = document::list(view.conn, scope, Kind::ResourcePolicy, None)?;
    stored.iter().map(documents::body).collect()
}

fn named(name: Option<String>) -> Result<String, lambent_wire::Error> {
    name.filter(|name| !name.is_empty()).ok_or_else(|| invalid("policyName must be specified"))
}

fn no_resource(is_there: bool) -> Result<(), lambent_wire::Error> {
    if is_there {
        Err(invalid("policies of single log groups are not supported: leave resourceArn out"))
    } else {
        Ok(())
    }
}
