//! `ListTagsForResource`, `TagResource`, `UntagResource`: of rules and buses.

use std::collections::BTreeMap;

use lambent_store::{Expect, Write};
use lambent_wire::Error;
use lambent_wire::events::{error, types as t};

use super::super::names::Named;
use super::super::records::rule_key;
use super::super::{invalid, unavailable};
use super::{Context, buses, no_bus};

/// "Each resource can have up to 50 tags" (EventBridge User Guide, "Tagging").
const TAGS: usize = 50;

type Tags = BTreeMap<String, String>;

/// The tags of a request.
pub(super) fn read(given: Option<Vec<t::Tag>>) -> Result<Tags, Error> {
    let tags: Tags = given.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect();
    check(&tags)?;
    Ok(tags)
}

fn check(tags: &Tags) -> Result<(), Error> {
    if tags.len() > TAGS {
        return Err(error::limit_exceeded_exception(format!("A resource has at most {TAGS} tags.")));
    }
    match tags.keys().find(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        Some(key) => Err(invalid(format!("Tag keys must not begin with aws:, as {key} does."))),
        None => Ok(()),
    }
}

pub(super) async fn list(
    context: &Context<'_>,
    input: t::ListTagsForResourceRequest,
) -> Result<t::ListTagsForResourceResponse, Error> {
    let tags = match named(context, &input.resource_arn)? {
        Named::Bus(bus) => context.inner.bus(&bus).await?.ok_or_else(|| no_bus(&bus))?.tags,
        Named::Rule(bus, rule) => context.rule(&bus, &rule).await?.tags,
    };
    let tags = tags.into_iter().map(|(key, value)| t::Tag { key, value }).collect();
    Ok(t::ListTagsForResourceResponse { tags: Some(tags) })
}

pub(super) async fn tag(
    context: &Context<'_>,
    input: t::TagResourceRequest,
) -> Result<t::TagResourceResponse, Error> {
    let added = read(Some(input.tags))?;
    change(context, &input.resource_arn, |tags| tags.extend(added.clone())).await?;
    Ok(t::TagResourceResponse {})
}

pub(super) async fn untag(
    context: &Context<'_>,
    input: t::UntagResourceRequest,
) -> Result<t::UntagResourceResponse, Error> {
    change(context, &input.resource_arn, |tags| tags.retain(|key, _| !input.tag_keys.contains(key))).await?;
    Ok(t::UntagResourceResponse {})
}

async fn change(context: &Context<'_>, arn: &str, change: impl Fn(&mut Tags)) -> Result<(), Error> {
    let _changing = context.inner.changing.lock().await;
    match named(context, arn)? {
        Named::Bus(name) => {
            let mut bus = context.inner.bus(&name).await?.ok_or_else(|| no_bus(&name))?;
            change(&mut bus.tags);
            check(&bus.tags)?;
            buses::store(context, &name, &bus, Expect::Any).await
        }
        Named::Rule(bus, name) => {
            let mut rule = context.rule(&bus, &name).await?;
            change(&mut rule.tags);
            check(&rule.tags)?;
            let write = Write::put(rule_key(&bus, &name), Expect::Any, &rule);
            context.inner.commit(vec![write.map_err(|error| unavailable(&error))?]).await
        }
    }
}

fn named(context: &Context<'_>, arn: &str) -> Result<Named, Error> {
    let named = Named::from_arn(arn).ok_or_else(|| {
        invalid(format!(
            "Parameter ResourceARN is not valid. Reason: {arn} is neither an event bus nor a rule."
        ))
    })?;
    let (Named::Bus(bus) | Named::Rule(bus, _)) = &named;
    context.own(bus)?;
    Ok(named)
}
