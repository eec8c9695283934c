//! Tags of log groups: the operations by name, and those by ARN.

use std::collections::BTreeMap;

use lambent_model::Scope;
use lambent_wire::Empty;
use lambent_wire::logs::error::too_many_tags_exception;
use lambent_wire::logs::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, ListTagsLogGroupRequest,
    ListTagsLogGroupResponse, TagLogGroupRequest, TagResourceRequest, UntagLogGroupRequest,
    UntagResourceRequest,
};

use super::super::catalog::read::{self, Group};
use super::super::catalog::write;
use super::super::store::Change;
use super::arn::{group_by_arn, named_group};
use super::{Refusal, View, invalid};

/// The most tags of a resource (API Reference, `TagResource`).
const TAGS_MAX: usize = 50;

pub(super) fn list_of_group(
    view: &View<'_>,
    scope: &Scope,
    input: ListTagsLogGroupRequest,
) -> Result<ListTagsLogGroupResponse, Refusal> {
    let group = named_group(view.conn, scope, &input.log_group_name)?;
    Ok(ListTagsLogGroupResponse { tags: Some(read::tags(view.conn, group.id)?) })
}

pub(super) fn list(
    view: &View<'_>,
    scope: &Scope,
    input: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, Refusal> {
    let group = group_by_arn(view.conn, scope, &input.resource_arn)?;
    Ok(ListTagsForResourceResponse { tags: Some(read::tags(view.conn, group.id)?) })
}

pub(super) fn tag_group(
    change: &mut Change<'_>,
    scope: &Scope,
    input: TagLogGroupRequest,
) -> Result<Empty, Refusal> {
    let group = named_group(change.conn, scope, &input.log_group_name)?;
    add(change, &group, &input.tags)
}

pub(super) fn tag(
    change: &mut Change<'_>,
    scope: &Scope,
    input: TagResourceRequest,
) -> Result<Empty, Refusal> {
    let group = group_by_arn(change.conn, scope, &input.resource_arn)?;
    add(change, &group, &input.tags)
}

pub(super) fn untag_group(
    change: &mut Change<'_>,
    scope: &Scope,
    input: UntagLogGroupRequest,
) -> Result<Empty, Refusal> {
    let group = named_group(change.conn, scope, &input.log_group_name)?;
    write::untag(change.conn, group.id, &input.tags)?;
    Ok(Empty {})
}

pub(super) fn untag(
    change: &mut Change<'_>,
    scope: &Scope,
    input: UntagResourceRequest,
) -> Result<Empty, Refusal> {
    let group = group_by_arn(change.conn, scope, &input.resource_arn)?;
    write::untag(change.conn, group.id, &input.tag_keys)?;
    Ok(Empty {})
}

fn add(change: &Change<'_>, group: &Group, tags: &BTreeMap<String, String>) -> Result<Empty, Refusal> {
    check(tags)?;
    let mut all = read::tags(change.conn, group.id)?;
    all.extend(tags.iter().map(|(key, value)| (key.clone(), value.clone())));
    if all.len() > TAGS_MAX {
        let message =
            format!("The resource would have {} tags, more than the {TAGS_MAX} that it can have.", all.len());
        return Err(too_many_tags_exception(message).into());
    }
    write::tag(change.conn, group.id, tags)?;
    Ok(Empty {})
}

/// Refuses keys that AWS keeps for itself (Tagging AWS Resources User Guide: "Tag naming limits and requirements").
pub(super) fn check(tags: &BTreeMap<String, String>) -> Result<(), lambent_wire::Error> {
    match tags.keys().find(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        Some(key) => Err(invalid(format!("The tag key '{key}' begins with aws:, which is reserved."))),
        None => Ok(()),
    }
}
