//! `TagQueue`, `UntagQueue`, `ListQueueTags`.

use std::collections::BTreeMap;

use lambent_wire::Error;
use lambent_wire::sqs::types as t;

use crate::Context;
use crate::names::invalid_parameter;

/// "We don't recommend adding more than 50 tags to a queue": AWS's own limit of tags.
const TAGS: usize = 50;
const KEY: usize = 128;
const VALUE: usize = 256;

/// Tags with others added; what is none or too many is refused.
pub(crate) fn checked(
    tags: &BTreeMap<String, String>,
    more: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Error> {
    for (key, value) in &more {
        let characters = |text: &str| text.chars().count();
        if key.is_empty() || characters(key) > KEY || characters(value) > VALUE {
            return Err(invalid_parameter(format!(
                "Tag {key:?}: keys have 1 to {KEY} characters and values at most {VALUE}."
            )));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid_parameter("Tag keys cannot start with the prefix 'aws:'."));
        }
    }
    let mut all = tags.clone();
    all.extend(more);
    if all.len() > TAGS {
        return Err(invalid_parameter(format!("Too many tags: a queue has at most {TAGS}.")));
    }
    Ok(all)
}

pub(crate) async fn list(
    context: &Context<'_>,
    input: t::ListQueueTagsRequest,
) -> Result<t::ListQueueTagsResult, Error> {
    let queue = context.queue(&input.queue_url, "ListQueueTags")?;
    let tags = queue.stored.tags.clone();
    Ok(t::ListQueueTagsResult { tags: Some(tags).filter(|tags| !tags.is_empty()) })
}

pub(crate) async fn tag(context: &Context<'_>, input: t::TagQueueRequest) -> Result<(), Error> {
    let queue = context.queue(&input.queue_url, "TagQueue")?;
    let change = |stored: &mut crate::queue::Stored| {
        stored.tags = checked(&stored.tags, input.tags)?;
        Ok(())
    };
    context.inner.queues.change(&queue.name, change).await
}

pub(crate) async fn untag(context: &Context<'_>, input: t::UntagQueueRequest) -> Result<(), Error> {
    let queue = context.queue(&input.queue_url, "UntagQueue")?;
    let change = |stored: &mut crate::queue::Stored| {
        stored.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    };
    context.inner.queues.change(&queue.name, change).await
}
