//! `DeleteMessage`, `ChangeMessageVisibility`, and their batches.

use std::time::Duration;

use lambent_model::Timestamp;
use lambent_store::Error as StoreError;
use lambent_store::mailbox::{Answer, Fate, Op, Receipt, Settle, Settled};
use lambent_wire::Error;
use lambent_wire::sqs::{error, types as t};

use crate::attributes::VISIBILITY_SECONDS;
use crate::batch;
use crate::names::{QueueName, invalid_value};
use crate::queue::{Queue, failed};
use crate::{Context, Inner};

/// What is to become of a message whose handle was read.
struct Order {
    mailbox: u64,
    receipt: Receipt,
    fate: Fate,
}

pub(crate) async fn delete(context: &Context<'_>, input: t::DeleteMessageRequest) -> Result<(), Error> {
    let queue = context.queue(&input.queue_url, "DeleteMessage")?;
    let order = context.inner.deletion(&queue, &input.receipt_handle)?;
    let settled = context.inner.settle(&queue.name, vec![order], Asked::Delete).await?;
    settled.into_iter().try_for_each(|settled| deleted(&queue, &input.receipt_handle, settled))
}

pub(crate) async fn delete_many(
    context: &Context<'_>,
    input: t::DeleteMessageBatchRequest,
) -> Result<t::DeleteMessageBatchResult, Error> {
    let queue = context.queue(&input.queue_url, "DeleteMessage")?;
    batch::check(&input.entries)?;
    let entries = input.entries.into_iter().map(|entry| (entry.id, entry.receipt_handle));
    let order = |handle: &str, ()| context.inner.deletion(&queue, handle);
    let entries = entries.map(|(id, handle)| (id, handle, ())).collect();
    let (done, failed) = context.many(&queue, entries, order, Asked::Delete).await?;
    let done = done.into_iter().map(|id| t::DeleteMessageBatchResultEntry { id: Some(id) }).collect();
    Ok(t::DeleteMessageBatchResult { successful: Some(done), failed: Some(failed) })
}

pub(crate) async fn change(
    context: &Context<'_>,
    input: t::ChangeMessageVisibilityRequest,
) -> Result<(), Error> {
    let queue = context.queue(&input.queue_url, "ChangeMessageVisibility")?;
    let order = context.inner.hiding(&queue, &input.receipt_handle, input.visibility_timeout)?;
    let settled = context.inner.settle(&queue.name, vec![order], Asked::Hide).await?;
    settled.into_iter().try_for_each(|settled| hidden(&input.receipt_handle, settled))
}

pub(crate) async fn change_many(
    context: &Context<'_>,
    input: t::ChangeMessageVisibilityBatchRequest,
) -> Result<t::ChangeMessageVisibilityBatchResult, Error> {
    let queue = context.queue(&input.queue_url, "ChangeMessageVisibility")?;
    batch::check(&input.entries)?;
    let entries = input.entries.into_iter();
    let entries = entries.map(|entry| (entry.id, entry.receipt_handle, entry.visibility_timeout)).collect();
    let order = |handle: &str, seconds: Option<i32>| {
        let seconds = seconds.unwrap_or_else(|| {
            i32::try_from(queue.stored.attributes.visibility_seconds()).unwrap_or(i32::MAX)
        });
        context.inner.hiding(&queue, handle, seconds)
    };
    let (done, failed) = context.many(&queue, entries, order, Asked::Hide).await?;
    let done = done.into_iter().map(|id| t::ChangeMessageVisibilityBatchResultEntry { id: Some(id) });
    Ok(t::ChangeMessageVisibilityBatchResult { successful: Some(done.collect()), failed: Some(failed) })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Delete,
    Hide,
}

impl Context<'_> {
    /// Settles what of a batch can be: the ids that were, and what is to be said of the others.
    async fn many<X>(
        &self,
        queue: &Queue,
        entries: Vec<(String, String, X)>,
        order: impl Fn(&str, X) -> Result<Order, Error>,
        asked: Asked,
    ) -> Result<(Vec<String>, Vec<t::BatchResultErrorEntry>), Error> {
        let (mut orders, mut ordered, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for (id, handle, rest) in entries {
            match order(&handle, rest) {
                Ok(order) => {
                    orders.push(order);
                    ordered.push((id, handle));
                }
                Err(error) => failed.push(batch::failure(id, &error)),
            }
        }
        let settled = match orders.is_empty() {
            true => Vec::new(),
            false => self.inner.settle(&queue.name, orders, asked).await?,
        };
        let mut done = Vec::new();
        for ((id, handle), settled) in ordered.into_iter().zip(settled) {
            let result = match asked {
                Asked::Delete => deleted(queue, &handle, settled),
                Asked::Hide => hidden(&handle, settled),
            };
            match result {
                Ok(()) => done.push(id),
                Err(error) => failed.push(batch::failure(id, &error)),
            }
        }
        Ok((done, failed))
    }
}

impl Inner {
    fn deletion(&self, queue: &Queue, handle: &str) -> Result<Order, Error> {
        let (mailbox, receipt, _) = self.read_handle(queue, handle)?;
        Ok(Order { mailbox, receipt, fate: Fate::Deleted })
    }

    fn hiding(&self, queue: &Queue, handle: &str, seconds: i32) -> Result<Order, Error> {
        let fits = u32::try_from(seconds).ok().filter(|seconds| *seconds <= VISIBILITY_SECONDS);
        let seconds = fits.ok_or_else(|| {
            let reason = "VisibilityTimeout must be an integer between 0 and 43200.";
            invalid_value(&seconds.to_string(), "VisibilityTimeout", reason)
        })?;
        let (mailbox, receipt, received) = self.read_handle(queue, handle)?;
        let now = self.clock.now();
        let until = now.plus(Duration::from_secs(seconds.into()));
        // "You can't extend the visibility timeout … beyond 12 hours" from the receive on.
        if until > received.plus(Duration::from_secs(VISIBILITY_SECONDS.into())) && seconds > 0 {
            let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]";
            return Err(invalid_value(&seconds.to_string(), "VisibilityTimeout", reason));
        }
        Ok(Order { mailbox, receipt, fate: Fate::Hidden { until } })
    }

    fn read_handle(&self, queue: &Queue, text: &str) -> Result<(u64, Receipt, Timestamp), Error> {
        let handle = self.handles.read(text).filter(|handle| handle.queue == queue.stored.id);
        let handle = handle.ok_or_else(|| {
            error::receipt_handle_is_invalid(format!(
                "The input receipt handle \"{text}\" is not a valid receipt handle."
            ))
        })?;
        Ok((handle.mailbox, handle.receipt, handle.received))
    }

    async fn settle(
        &self,
        name: &QueueName,
        orders: Vec<Order>,
        asked: Asked,
    ) -> Result<Vec<Settled>, Error> {
        loop {
            let queue = self.queues.get(name)?;
            let mailbox = queue.stored.mailbox;
            // Of before a purge there is nothing left.
            let current = |order: &Order| order.mailbox == mailbox;
            let fates: Vec<_> = orders
                .iter()
                .filter(|order| current(order))
                .map(|order| (order.receipt, order.fate))
                .collect();
            let settled = match fates.is_empty() {
                true => Vec::new(),
                false => {
                    let settle = Settle {
                        mailbox,
                        now: self.clock.now(),
                        while_hidden: queue.fifo || asked == Asked::Hide,
                        strict: false,
                        fates,
                    };
                    match self.store.mail(vec![Op::Settle(settle)]).await {
                        Err(StoreError::MailboxClosed { .. }) => {
                            self.settled_elsewhere(&queue).await;
                            continue;
                        }
                        Err(error) => return Err(failed(&error)),
                        Ok(mut answers) => match answers.pop() {
                            Some(Answer::Settled(settled)) => settled,
                            other => {
                                unreachable!("settling is answered by what became of each, not {other:?}")
                            }
                        },
                    }
                }
            };
            // A group goes on, or a message is due at another time.
            if queue.fifo || asked == Asked::Hide {
                queue.waiters.wake_another();
            }
            let mut settled = settled.into_iter();
            let each = orders.iter().map(|order| match current(order) {
                true => settled.next().expect("there is an answer for each receipt"),
                false => Settled::Gone,
            });
            return Ok(each.collect());
        }
    }
}

/// Deleting what is gone succeeds; in a FIFO queue a handle is worth something only while its message is hidden (Amazon SQS
/// API Reference, `DeleteMessage`).
fn deleted(queue: &Queue, handle: &str, settled: Settled) -> Result<(), Error> {
    match settled {
        Settled::Done | Settled::Gone => Ok(()),
        Settled::Visible if !queue.fifo => Ok(()),
        Settled::Visible => Err(invalid_value(handle, "ReceiptHandle", "The receipt handle has expired.")),
    }
}

fn hidden(handle: &str, settled: Settled) -> Result<(), Error> {
    match settled {
        Settled::Done => Ok(()),
        Settled::Visible => Err(error::message_not_inflight(format!(
            "The message referred to by the receipt handle {handle} is not in flight."
        ))),
        Settled::Gone => Err(invalid_value(
            handle,
            "ReceiptHandle",
            "Message does not exist or is not available for visibility timeout change.",
        )),
    }
}
