//! `ListTagsForResource`, `TagResource`, `UntagResource`: of groups ("you can only assign tags to schedule groups").

use std::collections::BTreeMap;

use lambent_wire::Error;
use lambent_wire::scheduler::types as t;

use super::super::invalid;
use super::super::record::group_arn;
use super::{Context, groups};

/// "You can assign up to 50 tags."
const TAGS: usize = 50;

type Tags = BTreeMap<String, String>;

/// The tags of a request.
pub(super) fn read(given: Option<Vec<t::Tag>>) -> Result<Tags, Error> {
    let tags: Tags = given.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect();
    check(&tags)?;
    Ok(tags)
}

fn check(tags: &Tags) -> Result<(), Error> {
    match tags.len() <= TAGS {
        true => Ok(()),
        false => Err(invalid(format!("A schedule group has at most {TAGS} tags."))),
    }
}

pub(super) async fn list(
    context: &Context<'_>,
    input: t::ListTagsForResourceInput,
) -> Result<t::ListTagsForResourceOutput, Error> {
    let tags = context.known_group(&named(context, &input.resource_arn)?).await?.tags;
    let tags = tags.into_iter().map(|(key, value)| t::Tag { key, value }).collect();
    Ok(t::ListTagsForResourceOutput { tags: Some(tags) })
}

pub(super) async fn tag(
    context: &Context<'_>,
    input: t::TagResourceInput,
) -> Result<t::TagResourceOutput, Error> {
    let added = read(Some(input.tags))?;
    change(context, &input.resource_arn, |tags| tags.extend(added.clone())).await?;
    Ok(t::TagResourceOutput {})
}

pub(super) async fn untag(
    context: &Context<'_>,
    input: t::UntagResourceInput,
) -> Result<t::UntagResourceOutput, Error> {
    change(context, &input.resource_arn, |tags| tags.retain(|key, _| !input.tag_keys.contains(key))).await?;
    Ok(t::UntagResourceOutput {})
}

async fn change(context: &Context<'_>, arn: &str, change: impl Fn(&mut Tags)) -> Result<(), Error> {
    let name = named(context, arn)?;
    let _changing = context.inner.changing(&name).lock().await;
    let mut group = context.known_group(&name).await?;
    change(&mut group.tags);
    check(&group.tags)?;
    groups::store(context, &name, &group).await
}

/// The group that an ARN names.
fn named(context: &Context<'_>, arn: &str) -> Result<String, Error> {
    let name = arn.strip_prefix(&group_arn(context.scope, "")).filter(|name| !name.is_empty());
    name.map(str::to_owned)
        .ok_or_else(|| invalid(format!("{arn} is no schedule group of this account and region.")))
}
