//! The Application Auto Scaling API, a family of operations a file.

mod actions;
mod activities;
mod policies;
mod tags;
mod targets;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Response;
use http::request::Parts;
use lambent_model::Scope;
use lambent_wire::Error;
use lambent_wire::application_autoscaling::{SERVICE, error, op, types as t};

use crate::dispatch::dispatch;

use super::Inner;
use super::record::{DIMENSION, NAMESPACE, named};

/// One call being answered.
pub(super) struct Context<'a> {
    pub(super) inner: &'a Inner,
    pub(super) scope: &'a Scope,
}

/// Answers one call.
pub(super) async fn answer(
    inner: &Inner,
    scope: &Scope,
    parts: &Parts,
    body: Bytes,
    request_id: &str,
) -> Result<Response<Bytes>, Error> {
    let matched = SERVICE.route(parts)?;
    let context = &Context { inner, scope };
    dispatch! {
        (matched, parts, body, context, request_id)
        DeleteScalingPolicy => policies::delete,
        DeleteScheduledAction => actions::delete,
        DeregisterScalableTarget => targets::deregister,
        DescribeScalableTargets => targets::describe,
        DescribeScalingActivities => activities::describe,
        DescribeScalingPolicies => policies::describe,
        DescribeScheduledActions => actions::describe,
        ListTagsForResource => tags::list,
        PutScalingPolicy => policies::put,
        PutScheduledAction => actions::put,
        RegisterScalableTarget => targets::register,
        TagResource => tags::tag,
        UntagResource => tags::untag,
    }
}

fn invalid(message: impl Into<String>) -> Error {
    error::validation_exception(message)
}

/// Only the provisioned concurrency of Lambda is scaled here; of everything else AWS's words are said for what cannot be.
fn check_namespace(
    namespace: &t::ServiceNamespace,
    dimension: Option<&t::ScalableDimension>,
) -> Result<(), Error> {
    let fits = dimension.is_none_or(|dimension| dimension.as_str() == DIMENSION);
    if namespace.as_str() == NAMESPACE && fits {
        return Ok(());
    }
    Err(invalid("Unsupported service namespace, resource type or scalable dimension"))
}

/// The version or alias that is to be scaled.
fn check_resource(scope: &Scope, resource: &str) -> Result<lambent_model::Target, Error> {
    named(scope, resource)
        .ok_or_else(|| invalid("Unsupported service namespace, resource type or scalable dimension"))
}

/// The answer where there is no such target, policy or action.
fn absent(what: &str, resource: &str, name: Option<(&str, &str)>) -> Error {
    let name = name.map(|(kind, name)| format!(", {kind} name: {name}")).unwrap_or_default();
    error::object_not_found_exception(format!(
        "No {what} found for service namespace: {NAMESPACE}, resource ID: {resource}, scalable dimension: \
         {DIMENSION}{name}"
    ))
}

fn no_target(resource: &str) -> Error {
    error::object_not_found_exception(format!(
        "No scalable target registered for service namespace: {NAMESPACE}, resource ID: {resource}, scalable dimension: \
         {DIMENSION}"
    ))
}

/// The most items of a page, and how many where nobody says ("between 1 and 50. The default value is 50").
const PAGE: usize = 50;

/// One page of items that are in the order of their names.
fn page<T>(
    items: Vec<(String, T)>,
    max: Option<i32>,
    token: Option<&str>,
) -> Result<(Vec<T>, Option<String>), Error> {
    let after = token.map(|token| {
        let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|name| String::from_utf8(name).ok());
        name.ok_or_else(|| error::invalid_next_token_exception("The NextToken value is invalid."))
    });
    let after = after.transpose()?;
    let size = max.and_then(|max| usize::try_from(max).ok()).unwrap_or(PAGE).clamp(1, PAGE);
    let mut rest: Vec<_> =
        items.into_iter().filter(|(name, _)| after.as_ref().is_none_or(|after| name > after)).collect();
    let more = rest.len() > size;
    rest.truncate(size);
    let next = rest.last().filter(|_| more).map(|(name, _)| URL_SAFE_NO_PAD.encode(name));
    Ok((rest.into_iter().map(|(_, item)| item).collect(), next))
}

fn dimension() -> t::ScalableDimension {
    DIMENSION.into()
}

fn namespace() -> t::ServiceNamespace {
    NAMESPACE.into()
}

fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
