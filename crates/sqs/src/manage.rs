//! Queues themselves: made, found, shown, changed, emptied, deleted.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambent_model::Scope;
use lambent_wire::Error;
use lambent_wire::sqs::types::QueueAttributeName;
use lambent_wire::sqs::{error, types as t};

use crate::attributes::Attributes;
use crate::batch::Entries;
use crate::names::{self, QueueName, invalid_parameter, invalid_value};
use crate::queue::{Queue, does_not_exist, failed};
use crate::send::before;
use crate::{Context, tags};

/// "The maximum is 1,000", of all lists.
const PAGE: i32 = 1000;

pub(crate) async fn create(
    context: &Context<'_>,
    input: t::CreateQueueRequest,
) -> Result<t::CreateQueueResult, Error> {
    let wanted = input.attributes.unwrap_or_default();
    let fifo = match wanted.get("FifoQueue").map(String::as_str) {
        None => false,
        Some("true") => true,
        Some("false") => return Err(error::invalid_attribute_name("Unknown Attribute FifoQueue.")),
        Some(_) => return Err(error::invalid_attribute_value("Invalid value for the parameter FifoQueue.")),
    };
    names::check(&input.queue_name, fifo)?;
    let tags = tags::checked(&BTreeMap::new(), input.tags.unwrap_or_default())?;
    let mut attributes = Attributes::default();
    attributes.change(fifo, true, &wanted)?;
    let name = QueueName { scope: context.caller.scope.clone(), name: input.queue_name };
    context.check_redrive(&name, &attributes, &wanted)?;
    let url = name.url(&context.caller.base_url);
    context.inner.queues.create(name, attributes, &wanted, tags, context.inner.clock.now()).await?;
    Ok(t::CreateQueueResult { queue_url: Some(url) })
}

pub(crate) async fn url(
    context: &Context<'_>,
    input: t::GetQueueUrlRequest,
) -> Result<t::GetQueueUrlResult, Error> {
    let mut scope = context.caller.scope.clone();
    if let Some(owner) = input.queue_owner_aws_account_id {
        scope.account = owner.parse().map_err(|_| {
            invalid_value(&owner, "QueueOwnerAWSAccountId", "It is not the id of an account.")
        })?;
    }
    let queue = context.inner.queues.get(&QueueName { scope, name: input.queue_name })?;
    context.may(&queue, "GetQueueUrl")?;
    Ok(t::GetQueueUrlResult { queue_url: Some(queue.name.url(&context.caller.base_url)) })
}

pub(crate) async fn list(
    context: &Context<'_>,
    input: t::ListQueuesRequest,
) -> Result<t::ListQueuesResult, Error> {
    let prefix = input.queue_name_prefix.unwrap_or_default();
    let scope = &context.caller.scope;
    let queues =
        context.inner.queues.all(|queue| queue.name.scope == *scope && queue.name.name.starts_with(&prefix));
    let (page, next) = page(queues, input.max_results, input.next_token.as_deref())?;
    let urls = page.iter().map(|queue| queue.name.url(&context.caller.base_url)).collect();
    Ok(t::ListQueuesResult { queue_urls: Entries(urls).some(), next_token: next })
}

pub(crate) async fn sources(
    context: &Context<'_>,
    input: t::ListDeadLetterSourceQueuesRequest,
) -> Result<t::ListDeadLetterSourceQueuesResult, Error> {
    let target = context.queue(&input.queue_url, "ListDeadLetterSourceQueues")?;
    let is_source =
        |queue: &Queue| queue.redrive.as_ref().is_some_and(|redrive| redrive.target == target.name);
    let queues = context.inner.queues.all(is_source);
    let (page, next) = page(queues, input.max_results, input.next_token.as_deref())?;
    let urls: Vec<String> = page.iter().map(|queue| queue.name.url(&context.caller.base_url)).collect();
    Ok(t::ListDeadLetterSourceQueuesResult { queue_urls: Some(urls), next_token: next })
}

type Page = (Vec<std::sync::Arc<Queue>>, Option<String>);

/// A page of queues that are in the order of their names. Without a size there is one page, and no token.
fn page(queues: Vec<std::sync::Arc<Queue>>, size: Option<i32>, token: Option<&str>) -> Result<Page, Error> {
    let invalid = |value: &str, name: &str| invalid_value(value, name, "It is not one that can be used.");
    let after = match token {
        None => None,
        Some(token) => {
            let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid(token, "NextToken"))?;
            Some(String::from_utf8(bytes).map_err(|_| invalid(token, "NextToken"))?)
        }
    };
    if token.is_some() && size.is_none() {
        return Err(names::missing("MaxResults"));
    }
    let count = size.unwrap_or(PAGE);
    let count = usize::try_from(count).ok().filter(|_| (1..=PAGE).contains(&count));
    let count = count.ok_or_else(|| {
        let shown = size.unwrap_or_default().to_string();
        invalid_value(&shown, "MaxResults", "Must be between 1 and 1000.")
    })?;
    let mut rest: Vec<_> = queues
        .into_iter()
        .filter(|queue| after.as_ref().is_none_or(|after| queue.name.name > *after))
        .collect();
    let more = rest.len() > count && size.is_some();
    rest.truncate(count);
    let next = rest.last().filter(|_| more).map(|queue| URL_SAFE_NO_PAD.encode(&queue.name.name));
    Ok((rest, next))
}

pub(crate) async fn attributes(
    context: &Context<'_>,
    input: t::GetQueueAttributesRequest,
) -> Result<t::GetQueueAttributesResult, Error> {
    let queue = context.queue(&input.queue_url, "GetQueueAttributes")?;
    let names = input.attribute_names.unwrap_or_default();
    if let Some(unknown) = names.iter().find(|name| matches!(name, QueueAttributeName::Other(_))) {
        return Err(error::invalid_attribute_name(format!("Unknown Attribute {unknown}.")));
    }
    if names.is_empty() {
        return Ok(t::GetQueueAttributesResult::default());
    }
    let wants =
        |name: &str| names.iter().any(|wanted| *wanted == QueueAttributeName::All || wanted.as_str() == name);
    let mut shown = queue.stored.attributes.shown(queue.fifo);
    shown.insert("QueueArn".into(), queue.arn.clone());
    shown.insert("CreatedTimestamp".into(), queue.stored.created.seconds().to_string());
    shown.insert("LastModifiedTimestamp".into(), queue.stored.modified.seconds().to_string());
    const COUNTS: [&str; 3] = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ];
    if COUNTS.into_iter().any(wants) {
        let now = context.inner.clock.now();
        let delay = std::time::Duration::from_secs(queue.stored.attributes.delay_seconds().into());
        let sent_until = queue.fifo.then(|| before(now, delay));
        let depth = context.inner.store.depth(queue.stored.mailbox, now, sent_until).await;
        let depth = depth.map_err(|error| failed(&error))?;
        for (name, count) in COUNTS.into_iter().zip([depth.visible, depth.hidden, depth.delayed]) {
            shown.insert(name.to_owned(), count.to_string());
        }
    }
    shown.retain(|name, _| wants(name));
    Ok(t::GetQueueAttributesResult { attributes: Some(shown).filter(|shown| !shown.is_empty()) })
}

pub(crate) async fn set(context: &Context<'_>, input: t::SetQueueAttributesRequest) -> Result<(), Error> {
    let queue = context.queue(&input.queue_url, "SetQueueAttributes")?;
    let mut attributes = queue.stored.attributes.clone();
    attributes.change(queue.fifo, false, &input.attributes)?;
    context.check_redrive(&queue.name, &attributes, &input.attributes)?;
    let now = context.inner.clock.now();
    let change = |stored: &mut crate::queue::Stored| {
        stored.attributes.change(queue.fifo, false, &input.attributes)?;
        stored.modified = now;
        Ok(())
    };
    context.inner.queues.change(&queue.name, change).await
}

pub(crate) async fn purge(context: &Context<'_>, input: t::PurgeQueueRequest) -> Result<(), Error> {
    let queue = context.queue(&input.queue_url, "PurgeQueue")?;
    context.inner.queues.purge(&queue.name, context.inner.clock.now()).await
}

pub(crate) async fn delete(context: &Context<'_>, input: t::DeleteQueueRequest) -> Result<(), Error> {
    let name = QueueName::of_url(&input.queue_url, &context.caller.scope)?;
    // Deleting what is not there succeeds (Amazon SQS API Reference, `DeleteQueue`: no error names an absent queue but the
    // common one, which SDKs see).
    if context.inner.queues.find(&name).is_none() {
        return Err(does_not_exist());
    }
    let queue = context.queue(&input.queue_url, "DeleteQueue")?;
    context.inner.queues.delete(&queue.name, context.inner.clock.now()).await
}

impl Context<'_> {
    /// A dead-letter queue has to be there, of the same type, in the same account and region, and let this queue in.
    fn check_redrive(
        &self,
        name: &QueueName,
        attributes: &Attributes,
        changes: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let Some(text) = changes.get("RedrivePolicy").filter(|text| !text.is_empty()) else { return Ok(()) };
        let Some(redrive) = attributes.redrive() else { return Ok(()) };
        let invalid = |reason: &str| Err(invalid_value(text, "RedrivePolicy", reason));
        let same = |scope: &Scope| *scope == name.scope;
        let Some(target) = self.inner.queues.find(&redrive.target).filter(|target| same(&target.name.scope))
        else {
            return invalid("Dead letter target does not exist.");
        };
        if target.name == *name {
            return invalid("Dead letter queue must not be the source queue itself.");
        }
        if target.fifo != name.is_fifo() {
            return invalid("Dead-letter queue must be same type of queue as the source.");
        }
        if !target.stored.attributes.sources().allow(&name.arn()) {
            return Err(invalid_parameter(format!(
                "Value {text} for parameter RedrivePolicy is invalid. Reason: Dead letter target owner should allow this \
                 queue as its source in its RedriveAllowPolicy."
            )));
        }
        Ok(())
    }
}
