//! `SendMessage`, `SendMessageBatch`.

use std::sync::Arc;
use std::time::Duration;

use lambent_model::{RequestId, Timestamp};
use lambent_store::Error as StoreError;
use lambent_store::mailbox::{Answer, Identity, NewMessage, Op, Send, Sent};
use lambent_wire::Error;
use lambent_wire::sqs::{error, types as t};

use crate::attributes::MESSAGE_BYTES;
use crate::batch;
use crate::message::{Checked, Draft};
use crate::names::QueueName;
use crate::queue::{Queue, failed};
use crate::{Context, Inner};

/// "The deduplication interval is 5 minutes."
pub(crate) const DEDUPLICATION: Duration = Duration::from_secs(300);

pub(crate) async fn one(
    context: &Context<'_>,
    input: t::SendMessageRequest,
) -> Result<t::SendMessageResult, Error> {
    let queue = context.queue(&input.queue_url, "SendMessage")?;
    let draft = Draft::from(input);
    let checked = context.checked(&queue, draft)?;
    let mut sent = context.inner.send(&queue.name, vec![checked]).await?;
    let one = sent.pop().expect("there is an answer for each message");
    Ok(t::SendMessageResult {
        md5_of_message_body: Some(one.md5_of_body),
        md5_of_message_attributes: one.md5_of_attributes,
        md5_of_message_system_attributes: one.md5_of_system,
        message_id: Some(one.id),
        sequence_number: one.sequence_number,
    })
}

pub(crate) async fn many(
    context: &Context<'_>,
    input: t::SendMessageBatchRequest,
) -> Result<t::SendMessageBatchResult, Error> {
    let queue = context.queue(&input.queue_url, "SendMessage")?;
    batch::check(&input.entries)?;
    let drafts: Vec<(String, Draft)> =
        input.entries.into_iter().map(|mut entry| (std::mem::take(&mut entry.id), entry.into())).collect();
    let size: usize = drafts.iter().map(|(_, draft)| draft.size()).sum();
    if size > MESSAGE_BYTES as usize {
        return Err(error::batch_request_too_long(format!(
            "Batch requests cannot be longer than {MESSAGE_BYTES} bytes. You have sent {size} bytes."
        )));
    }
    let mut failed = Vec::new();
    let (mut ids, mut messages) = (Vec::new(), Vec::new());
    for (id, draft) in drafts {
        match context.checked(&queue, draft) {
            Ok(checked) => {
                ids.push(id);
                messages.push(checked);
            }
            Err(error) => failed.push(batch::failure(id, &error)),
        }
    }
    let sent = match messages.is_empty() {
        true => Vec::new(),
        false => context.inner.send(&queue.name, messages).await?,
    };
    let entry = |(id, one): (String, Accepted)| t::SendMessageBatchResultEntry {
        id: Some(id),
        message_id: Some(one.id),
        md5_of_message_body: Some(one.md5_of_body),
        md5_of_message_attributes: one.md5_of_attributes,
        md5_of_message_system_attributes: one.md5_of_system,
        sequence_number: one.sequence_number,
    };
    let successful = ids.into_iter().zip(sent).map(entry).collect();
    Ok(t::SendMessageBatchResult { successful: Some(successful), failed: Some(failed) })
}

/// What a sender is told.
struct Accepted {
    id: String,
    md5_of_body: String,
    md5_of_attributes: Option<String>,
    md5_of_system: Option<String>,
    sequence_number: Option<String>,
}

impl Context<'_> {
    fn checked(&self, queue: &Queue, draft: Draft) -> Result<Checked, Error> {
        let id = RequestId::random(&*self.inner.entropy).to_string();
        let checked = draft.check(&queue.stored.attributes, queue.fifo, id, &self.caller.sender);
        checked.map(|mut checked| {
            // A traced sender says so of its request (AWS X-Ray Developer Guide, "Amazon SQS and AWS X-Ray").
            checked.head.trace = checked.head.trace.or_else(|| self.trace.map(str::to_owned));
            checked
        })
    }
}

impl Inner {
    async fn send(&self, name: &QueueName, messages: Vec<Checked>) -> Result<Vec<Accepted>, Error> {
        loop {
            let queue = self.queues.get(name)?;
            let now = self.clock.now();
            let new = messages.iter().map(|message| new_message(&queue, message, now)).collect();
            let op = Op::Send(Send { mailbox: queue.stored.mailbox, now, messages: new });
            let sent = match self.store.mail(vec![op]).await {
                // Purged or deleted meanwhile: which of the two, the next look says.
                Err(StoreError::MailboxClosed { mailbox }) if mailbox == queue.stored.mailbox => {
                    self.settled_elsewhere(&queue).await;
                    continue;
                }
                Err(error) => return Err(failed(&error)),
                Ok(mut answers) => match answers.pop() {
                    Some(Answer::Sent(sent)) => sent,
                    other => unreachable!("a send is answered by what was sent, not {other:?}"),
                },
            };
            queue.waiters.wake_one();
            return Ok(messages.into_iter().zip(sent).map(|(m, s)| accepted(&queue, m, s)).collect());
        }
    }

    /// The change that closed a mailbox is committed, and is about to be known here as well.
    pub(crate) async fn settled_elsewhere(&self, queue: &Arc<Queue>) {
        self.queues.changed().await;
        tracing::debug!(queue = %queue.arn, "a mailbox was closed while a call was on its way to it");
    }
}

fn new_message(queue: &Queue, message: &Checked, now: Timestamp) -> NewMessage {
    let delay = Duration::from_secs(message.delay_seconds.into());
    let group = message.head.group.clone().filter(|_| queue.fifo);
    let identity = message.identity.as_ref().map(|id| Identity {
        scope: match queue.stored.attributes.deduplicates_by_group() {
            true => group.clone().unwrap_or_default(),
            false => String::new(),
        },
        id: id.clone(),
        since: before(now, DEDUPLICATION),
        note: message.head.id.clone().into_bytes(),
    });
    NewMessage {
        // In a FIFO queue the delay is the queue's, and applies to what is in it already: a receive looks at it.
        due: if queue.fifo { now } else { now.plus(delay) },
        group,
        identity,
        head: serde_json::to_vec(&message.head).expect("texts always have a JSON form"),
        body: message.body.clone(),
    }
}

fn accepted(queue: &Queue, message: Checked, sent: Sent) -> Accepted {
    let first = sent.repeats.and_then(|note| String::from_utf8(note).ok());
    Accepted {
        id: first.unwrap_or(message.head.id),
        md5_of_body: message.head.md5,
        md5_of_attributes: message.md5_of_attributes,
        md5_of_system: message.md5_of_system,
        sequence_number: queue.fifo.then(|| sequence_number(sent.number)),
    }
}

/// "A large, non-consecutive number": twenty digits, as AWS's are.
pub(crate) fn sequence_number(number: u64) -> String {
    const FIRST: u64 = 10_000_000_000_000_000_000;
    (FIRST + number).to_string()
}

/// A time earlier than another.
pub(crate) fn before(now: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_micros(now.micros() - i64::try_from(by.as_micros()).unwrap_or(i64::MAX))
}
