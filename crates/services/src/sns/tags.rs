//! Tags of topics (SNS Developer Guide, "Amazon SNS topic tagging").

use std::collections::BTreeSet;

use lambent_wire::Error;
use lambent_wire::sns::{error, types as t};

use super::Sns;
use super::call::Context;
use super::names::{TopicArn, invalid};
use super::record::{Tags, Topic, topic_key};

const MOST: usize = 50;

/// Tags with more of them; a key that is there takes the new value.
pub(super) fn given(mut tags: Tags, more: Vec<t::Tag>) -> Result<Tags, Error> {
    let mut seen = BTreeSet::new();
    for t::Tag { key, value } in more {
        if !seen.insert(key.clone()) {
            return Err(invalid("Tags", "Duplicated keys are not allowed."));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid("Tags", "the prefix aws: is reserved"));
        }
        match tags.iter_mut().find(|(known, _)| *known == key) {
            Some(tag) => tag.1 = value,
            None => tags.push((key, value)),
        }
    }
    if tags.len() > MOST {
        return Err(error::tag_limit_exceeded_exception(
            "Could not complete request: tag quota of per resource exceeded",
        ));
    }
    Ok(tags)
}

/// Whether two lists are the same tags, in whatever order.
pub(super) fn same(one: &Tags, other: &Tags) -> bool {
    one.iter().collect::<BTreeSet<_>>() == other.iter().collect::<BTreeSet<_>>()
}

/// Tags say `ResourceNotFoundException`, where everything else says `NotFound`.
fn absent(error: Error) -> Error {
    match error.code {
        "NotFound" => error::resource_not_found_exception("Resource does not exist"),
        _ => error,
    }
}

impl Sns {
    pub(super) async fn tag_resource(
        &self,
        context: &Context<'_>,
        input: t::TagResourceRequest,
    ) -> Result<t::TagResourceResponse, Error> {
        let topic = TopicArn::parse("ResourceArn", &input.resource_arn)?;
        context.check_owner(&topic, "TagResource")?;
        let change = |record: &mut Topic| {
            record.tags = given(std::mem::take(&mut record.tags), input.tags.clone())?;
            Ok(t::TagResourceResponse {})
        };
        self.change_topic(&topic, change).await.map_err(absent)
    }

    pub(super) async fn untag_resource(
        &self,
        context: &Context<'_>,
        input: t::UntagResourceRequest,
    ) -> Result<t::UntagResourceResponse, Error> {
        let topic = TopicArn::parse("ResourceArn", &input.resource_arn)?;
        context.check_owner(&topic, "UntagResource")?;
        let change = |record: &mut Topic| {
            record.tags.retain(|(key, _)| !input.tag_keys.contains(key));
            Ok(t::UntagResourceResponse {})
        };
        self.change_topic(&topic, change).await.map_err(absent)
    }

    pub(super) async fn list_tags_for_resource(
        &self,
        context: &Context<'_>,
        input: t::ListTagsForResourceRequest,
    ) -> Result<t::ListTagsForResourceResponse, Error> {
        let topic = TopicArn::parse("ResourceArn", &input.resource_arn)?;
        context.check_owner(&topic, "ListTagsForResource")?;
        let found = self.read::<Topic>(&topic_key(&topic)).await?;
        let (record, _) = found.ok_or_else(|| absent(super::store::no_topic()))?;
        let tags = record.tags.into_iter().map(|(key, value)| t::Tag { key, value }).collect();
        Ok(t::ListTagsForResourceResponse { tags: Some(tags) })
    }
}
