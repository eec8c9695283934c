//! `ReceiveMessage`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lambent_model::Timestamp;
use lambent_store::Error as StoreError;
use lambent_store::mailbox::{Answer, Attempt, DeadLetters, Message, Op, Receive, Received};
use lambent_wire::sqs::types::{MessageAttributeValue, MessageSystemAttributeName};
use lambent_wire::sqs::{error, types as t};
use lambent_wire::{Error, common};
use tokio::time::Instant;

use crate::attributes::{VISIBILITY_SECONDS, WAIT_SECONDS};
use crate::batch::Entries;
use crate::digest;
use crate::message::Head;
use crate::names::{QueueName, invalid_value};
use crate::queue::{Queue, failed};
use crate::receipt::Handle;
use crate::send::{DEDUPLICATION, before, sequence_number};
use crate::waiters::{Look, Waiters};
use crate::{Context, Inner};

/// "Valid values: 1 to 10."
const MOST: i32 = 10;
/// "A queue can have approximately 120,000 in-flight messages" (Amazon SQS Developer Guide, "Amazon SQS queue quotas").
const IN_FLIGHT: u64 = 120_000;

/// What a caller asks for, checked.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) queue: QueueName,
    count: usize,
    visibility: Option<Duration>,
    attempt: Option<String>,
    wait: Option<Duration>,
    system: BTreeSet<String>,
    names: Vec<String>,
}

/// What has come of a look.
pub(crate) enum Looked {
    Found(t::ReceiveMessageResult),
    /// Nothing; when it is worth looking again by the clock.
    Nothing(Option<Timestamp>),
}

pub(crate) fn wanted(context: &Context<'_>, input: t::ReceiveMessageRequest) -> Result<Wanted, Error> {
    let queue = context.queue(&input.queue_url, "ReceiveMessage")?;
    let count = input.max_number_of_messages.unwrap_or(1);
    let count = usize::try_from(count).ok().filter(|_| (1..=MOST).contains(&count)).ok_or_else(|| {
        let reason = "Must be between 1 and 10, if provided.";
        invalid_value(&count.to_string(), "MaxNumberOfMessages", reason)
    })?;
    let seconds = |value: Option<i32>, name: &str, most: u32| {
        let Some(value) = value else { return Ok(None) };
        let fits = u32::try_from(value).ok().filter(|seconds| *seconds <= most);
        let reason = format!("Must be >= 0 and <= {most}, if provided.");
        fits.map(|seconds| Some(Duration::from_secs(seconds.into())))
            .ok_or_else(|| invalid_value(&value.to_string(), name, &reason))
    };
    let mut system: BTreeSet<String> = BTreeSet::new();
    for name in input.message_system_attribute_names.unwrap_or_default() {
        if matches!(name, MessageSystemAttributeName::Other(_)) {
            return Err(unknown(name.as_str()));
        }
        system.insert(name.into());
    }
    // The older name of the same, which is a list of the attributes of queues in the model.
    for name in input.attribute_names.unwrap_or_default() {
        if !MessageSystemAttributeName::VALUES.contains(&name.as_str()) {
            return Err(unknown(name.as_str()));
        }
        system.insert(name.into());
    }
    let attempt = input.receive_request_attempt_id;
    if let Some(id) = &attempt
        && !((1..=128).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_graphic()))
    {
        let reason = "ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length";
        return Err(invalid_value(id, "ReceiveRequestAttemptId", reason));
    }
    Ok(Wanted {
        count,
        visibility: seconds(input.visibility_timeout, "VisibilityTimeout", VISIBILITY_SECONDS)?,
        wait: seconds(input.wait_time_seconds, "WaitTimeSeconds", WAIT_SECONDS)?,
        attempt: attempt.filter(|_| queue.fifo),
        system,
        names: input.message_attribute_names.unwrap_or_default(),
        queue: queue.name.clone(),
    })
}

fn unknown(name: &str) -> Error {
    error::invalid_attribute_name(format!("Unknown Attribute {name}."))
}

impl Inner {
    /// How long the caller waits for something to come.
    pub(crate) fn patience(&self, wanted: &Wanted) -> Duration {
        let of_queue = |queue: Arc<Queue>| Duration::from_secs(queue.stored.attributes.wait_seconds().into());
        wanted.wait.unwrap_or_else(|| self.queues.find(&wanted.queue).map_or(Duration::ZERO, of_queue))
    }

    /// Looks once.
    pub(crate) async fn look(&self, wanted: &Wanted) -> Result<Looked, Error> {
        let _turn = self.looking.acquire().await.expect("the semaphore is never closed");
        loop {
            let queue = self.queues.get(&wanted.queue)?;
            let now = self.clock.now();
            if self.is_full(&queue, now).await? {
                // "Amazon SQS returns the OverLimit error message" to a standard queue's short polls alone.
                if !queue.fifo && self.patience(wanted).is_zero() {
                    return Err(error::over_limit(format!(
                        "{IN_FLIGHT} messages of the queue are in flight; delete some, or let them come back."
                    )));
                }
                return Ok(Looked::Nothing(Some(now.plus(Duration::from_secs(1)))));
            }
            let mut look = Look { waiters: &queue.waiters, done: false };
            let dead = queue
                .redrive
                .as_ref()
                .and_then(|redrive| Some((self.queues.find(&redrive.target)?, redrive.after)));
            let op = Op::Receive(self.receive(&queue, dead.as_ref(), wanted, now));
            let received = match self.store.mail(vec![op]).await {
                // Purged or deleted meanwhile, or its dead-letter queue was.
                Err(StoreError::MailboxClosed { .. }) => {
                    self.settled_elsewhere(&queue).await;
                    continue;
                }
                Err(error) => return Err(failed(&error)),
                Ok(mut answers) => match answers.pop() {
                    Some(Answer::Received(received)) => received,
                    other => unreachable!("a receive is answered by what came, not {other:?}"),
                },
            };
            look.done = true;
            if let Some((dead, _)) = dead.filter(|_| received.moved > 0) {
                dead.waiters.wake_one();
            }
            let Received { messages, next, .. } = received;
            queue.waiters.hidden.fetch_add(messages.len() as u64, Ordering::Relaxed);
            if messages.is_empty() {
                return Ok(Looked::Nothing(next));
            }
            if next.is_some() {
                // There is more, or will be: somebody else looks for it.
                queue.waiters.wake_another();
            }
            let messages = messages.into_iter().map(|message| self.shown(&queue, wanted, message, now));
            let messages = messages.collect::<Result<Vec<_>, _>>()?;
            return Ok(Looked::Found(t::ReceiveMessageResult { messages: Some(messages) }));
        }
    }

    fn receive(
        &self,
        queue: &Queue,
        dead: Option<&(Arc<Queue>, u64)>,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Receive {
        let attributes = &queue.stored.attributes;
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let visibility = wanted.visibility.unwrap_or_else(|| seconds(attributes.visibility_seconds()));
        Receive {
            mailbox: queue.stored.mailbox,
            now,
            hidden_until: now.plus(visibility),
            count: wanted.count,
            groups: queue.fifo.then(|| before(now, seconds(attributes.delay_seconds()))),
            oldest: before(now, seconds(attributes.retention_seconds())),
            dead_letters: dead.map(|(target, after)| DeadLetters {
                after: *after,
                mailbox: target.stored.mailbox,
                source: queue.arn.clone(),
            }),
            attempt: wanted.attempt.clone().map(|id| Attempt { id, since: before(now, DEDUPLICATION) }),
        }
    }

    /// A message as the caller asked to see it.
    fn shown(
        &self,
        queue: &Queue,
        wanted: &Wanted,
        message: Message,
        now: Timestamp,
    ) -> Result<t::Message, Error> {
        let damaged = |what: &str| {
            common::internal_failure(format!(
                "the {what} of message {} cannot be read",
                message.receipt.number
            ))
        };
        let head: Head = serde_json::from_slice(&message.head).map_err(|_| damaged("head"))?;
        let attributes = system(wanted, queue, &head, &message);
        let body = String::from_utf8(message.body).map_err(|_| damaged("text"))?;
        let handle = Handle {
            queue: queue.stored.id,
            mailbox: queue.stored.mailbox,
            receipt: message.receipt,
            received: now,
        };
        let chosen = chosen(head.attributes, &wanted.names);
        Ok(t::Message {
            message_id: Some(head.id),
            receipt_handle: Some(self.handles.write(&handle)),
            md5_of_body: Some(head.md5),
            body: Some(body),
            attributes: Some(attributes).filter(|attributes| !attributes.is_empty()),
            md5_of_message_attributes: digest::of_attributes(&chosen),
            message_attributes: Some(chosen).filter(|attributes| !attributes.is_empty()),
        })
    }

    /// Whether so many messages are hidden that no more are given out. They are counted when there might be: it takes as
    /// many receives to come back to that.
    async fn is_full(&self, queue: &Queue, now: Timestamp) -> Result<bool, Error> {
        let Waiters { hidden, counting, .. } = &*queue.waiters;
        let is_far =
            || hidden.load(Ordering::Relaxed).saturating_add(MOST.unsigned_abs().into()) <= IN_FLIGHT;
        if is_far() {
            return Ok(false);
        }
        let _turn = counting.lock().await;
        // Whoever had the turn before has counted for all that waited.
        if is_far() {
            return Ok(false);
        }
        let counted = self.store.hidden(queue.stored.mailbox, now, IN_FLIGHT).await;
        let count = counted.map_err(|error| failed(&error))?;
        hidden.store(count, Ordering::Relaxed);
        Ok(count >= IN_FLIGHT)
    }
}

fn system(wanted: &Wanted, queue: &Queue, head: &Head, message: &Message) -> BTreeMap<String, String> {
    if wanted.system.is_empty() {
        return BTreeMap::new();
    }
    let all = wanted.system.contains("All");
    let mut shown = BTreeMap::new();
    let mut show = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|_| all || wanted.system.contains(name)) {
            shown.insert(name.to_owned(), value);
        }
    };
    show("SenderId", Some(head.sender.clone()));
    show("SentTimestamp", Some(message.sent.millis().to_string()));
    show("ApproximateReceiveCount", Some(message.receipt.receives.to_string()));
    show("ApproximateFirstReceiveTimestamp", Some(message.first_received.millis().to_string()));
    show("SequenceNumber", queue.fifo.then(|| sequence_number(message.receipt.number)));
    show("MessageDeduplicationId", head.deduplication.clone());
    show("MessageGroupId", head.group.clone());
    show("AWSTraceHeader", head.trace.clone());
    show("DeadLetterQueueSourceArn", message.source.clone());
    shown
}

/// "All", "prefix.*" or a name.
fn chosen(
    attributes: BTreeMap<String, MessageAttributeValue>,
    names: &[String],
) -> BTreeMap<String, MessageAttributeValue> {
    let is_wanted = |name: &str| {
        names.iter().any(|wanted| match wanted.strip_suffix(".*") {
            _ if wanted == "All" || wanted == ".*" => true,
            Some(prefix) => name.starts_with(prefix),
            None => name == wanted,
        })
    };
    attributes.into_iter().filter(|(name, _)| is_wanted(name)).collect()
}

/// Looks until something comes or the time is over.
pub(crate) async fn wait(
    inner: &Inner,
    wanted: &Wanted,
    mut due: Option<Timestamp>,
    until: Instant,
) -> Result<t::ReceiveMessageResult, Error> {
    let mut closing = inner.closing.subscribe();
    loop {
        let Some(queue) = inner.queues.find(&wanted.queue) else {
            return Err(crate::queue::does_not_exist());
        };
        tokio::select! {
            () = queue.waiters.wait(inner.clock.now(), due, until) => {}
            _ = closing.wait_for(|closing| *closing) => return Ok(t::ReceiveMessageResult::default()),
        }
        match inner.look(wanted).await? {
            Looked::Found(result) => return Ok(result),
            Looked::Nothing(_) if Instant::now() >= until => {
                queue.waiters.wake_another();
                return Ok(t::ReceiveMessageResult { messages: Entries(Vec::new()).some() });
            }
            Looked::Nothing(next) => due = next,
        }
    }
}
