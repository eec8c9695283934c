//! `Publish` and `PublishBatch`: what is answered is on the disk, for every subscription that it goes to.

use std::collections::BTreeSet;

use lambent_store::{Store, Write};
use lambent_wire::Error;
use lambent_wire::sns::{error, types as t};

use super::Sns;
use super::call::Context;
use super::fifo::{Numbering, Original};
use super::hot::Hot;
use super::message::{BYTES, Draft, Message, Rules};
use super::names::{TopicArn, invalid};
use super::store::failure;

/// "Up to 10 messages" in a batch.
const BATCH: usize = 10;
/// The length of an entry's id.
const ID: usize = 80;

/// Bytes of deliveries in one commit. A large message to very many subscriptions takes several: a crash in between
/// leaves some deliveries of a message that was not answered, and no other commit waits for hundreds of megabytes.
const COMMIT_BYTES: usize = 16 * 1024 * 1024;

/// A message that was taken.
struct Published {
    id: String,
    sequence: Option<String>,
}

impl Sns {
    pub(super) async fn publish(
        &self,
        context: &Context<'_>,
        input: t::PublishInput,
    ) -> Result<t::PublishResponse, Error> {
        if input.phone_number.is_some() {
            return Err(invalid(
                "PhoneNumber",
                "lambent delivers to topics and does not offer text messages",
            ));
        }
        let arn = match (&input.topic_arn, &input.target_arn) {
            (Some(arn), _) => arn,
            (None, Some(arn)) if arn.contains(":endpoint/") => {
                return Err(invalid(
                    "TargetArn",
                    "lambent delivers to topics and does not offer mobile push",
                ));
            }
            (None, Some(arn)) => arn,
            (None, None) => return Err(invalid("TopicArn or TargetArn", "no value for required parameter")),
        };
        let topic = TopicArn::parse("TopicArn", arn)?;
        let draft = Draft {
            message: input.message,
            subject: input.subject,
            structure: input.message_structure,
            attributes: input.message_attributes,
            deduplication: input.message_deduplication_id,
            group: input.message_group_id,
        };
        let published = self.publish_all(context, &topic, vec![draft]).await?.remove(0)?;
        Ok(t::PublishResponse { message_id: Some(published.id), sequence_number: published.sequence })
    }

    pub(super) async fn publish_batch(
        &self,
        context: &Context<'_>,
        input: t::PublishBatchInput,
    ) -> Result<t::PublishBatchResponse, Error> {
        let topic = TopicArn::parse("TopicArn", &input.topic_arn)?;
        let (ids, drafts) = entries(input.publish_batch_request_entries)?;
        let published = self.publish_all(context, &topic, drafts).await?;
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for (id, published) in ids.into_iter().zip(published) {
            match published {
                Ok(Published { id: message_id, sequence: sequence_number }) => {
                    let message_id = Some(message_id);
                    successful.push(t::PublishBatchResultEntry { id: Some(id), message_id, sequence_number });
                }
                Err(error) => failed.push(t::BatchResultErrorEntry {
                    id: Some(id),
                    code: Some(error.code.to_owned()),
                    sender_fault: Some(!error.is_server_fault()),
                    message: Some(error.message),
                }),
            }
        }
        Ok(t::PublishBatchResponse { successful: Some(successful), failed: Some(failed) })
    }

    async fn publish_all(
        &self,
        context: &Context<'_>,
        topic: &TopicArn,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Result<Published, Error>>, Error> {
        let hot = self.hot(topic).await?;
        context.check(topic, &hot.topic, "Publish")?;
        let rules = Rules { fifo: topic.is_fifo(), by_content: hot.topic.is("ContentBasedDeduplication") };
        let now = self.inner.clock.now();
        let checked = |draft: Draft, at| draft.checked(rules, self.id(), at, context.trace_id);
        if !rules.fifo {
            let checked: Vec<_> = drafts.into_iter().map(|draft| checked(draft, now)).collect();
            let mut outbox = Outbox::new(&self.inner.store);
            for message in checked.iter().flatten() {
                self.deliver(topic, &hot, message, &mut outbox).await?;
            }
            outbox.end().await?;
            let published = |message: Message| Published { id: message.id, sequence: None };
            return Ok(checked.into_iter().map(|message| message.map(published)).collect());
        }
        // Time is told while nobody else publishes here, so that it goes on as the numbers do.
        let last = self.inner.sequences.of(topic);
        let mut last = last.lock().await;
        last.at = last.at.max(self.inner.clock.now());
        let checked: Vec<_> = drafts.into_iter().map(|draft| checked(draft, last.at)).collect();
        let numbering = Numbering::begin(self, topic, &hot.topic, last.number).await?;
        // Whether anything is written is not known after a failure: then the next one reads it.
        last.number = None;
        let (answers, number) = self.number_all(topic, &hot, numbering, checked).await?;
        last.number = Some(number);
        Ok(answers)
    }

    async fn number_all(
        &self,
        topic: &TopicArn,
        hot: &Hot,
        mut numbering: Numbering<'_>,
        checked: Vec<Result<Message, Error>>,
    ) -> Result<(Vec<Result<Published, Error>>, u64), Error> {
        let (mut answers, mut outbox) = (Vec::new(), Outbox::new(&self.inner.store));
        for message in checked {
            let mut message = match message {
                Ok(message) => message,
                Err(error) => {
                    answers.push(Err(error));
                    continue;
                }
            };
            // "Accepted but not delivered."
            let published = match numbering.number(&mut message).await? {
                Some(Original { id, sequence, .. }) => Published { id, sequence: Some(sequence) },
                None => {
                    self.deliver(topic, hot, &message, &mut outbox).await?;
                    Published { id: message.id, sequence: message.sequence }
                }
            };
            answers.push(Ok(published));
        }
        // The memory comes last: a message whose deliveries are not all written may be published again.
        let (number, memory) = numbering.end()?;
        for write in memory {
            outbox.push(write).await?;
        }
        outbox.end().await?;
        Ok((answers, number))
    }
}

/// What is to be written before anybody has an answer.
pub(super) struct Outbox<'s> {
    store: &'s Store,
    writes: Vec<Write>,
    bytes: usize,
}

impl<'s> Outbox<'s> {
    fn new(store: &'s Store) -> Self {
        Self { store, writes: Vec::new(), bytes: 0 }
    }

    /// Adds a write, and commits what there is when it is enough.
    pub(super) async fn push(&mut self, write: Write) -> Result<(), Error> {
        self.bytes += match &write {
            Write::Enqueue { body, .. } | Write::Put { body, .. } => body.len(),
            _ => 0,
        };
        self.writes.push(write);
        if self.bytes >= COMMIT_BYTES {
            self.commit().await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), Error> {
        self.bytes = 0;
        self.store.commit(std::mem::take(&mut self.writes)).await.map(drop).map_err(failure)
    }

    async fn end(mut self) -> Result<(), Error> {
        if self.writes.is_empty() { Ok(()) } else { self.commit().await }
    }
}

/// The ids and the drafts of a batch.
fn entries(entries: Vec<t::PublishBatchRequestEntry>) -> Result<(Vec<String>, Vec<Draft>), Error> {
    if entries.is_empty() {
        let text = "The batch request doesn't contain any entries.";
        return Err(error::empty_batch_request_exception(text));
    }
    if entries.len() > BATCH {
        let text = "The batch request contains more entries than permissible.";
        return Err(error::too_many_entries_in_batch_request_exception(text));
    }
    let is_id = |id: &str| {
        (1..=ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if !entries.iter().all(|entry| is_id(&entry.id)) {
        let text = "The Id of a batch entry in a batch request doesn't abide by the specification.";
        return Err(error::invalid_batch_entry_id_exception(text));
    }
    if entries.iter().map(|entry| &entry.id).collect::<BTreeSet<_>>().len() < entries.len() {
        let text = "Two or more batch entries in the request have the same Id.";
        return Err(error::batch_entry_ids_not_distinct_exception(text));
    }
    let (ids, drafts): (Vec<String>, Vec<Draft>) = entries
        .into_iter()
        .map(|entry| {
            let draft = Draft {
                message: entry.message,
                subject: entry.subject,
                structure: entry.message_structure,
                attributes: entry.message_attributes,
                deduplication: entry.message_deduplication_id,
                group: entry.message_group_id,
            };
            (entry.id, draft)
        })
        .unzip();
    if drafts.iter().map(Draft::bytes).sum::<usize>() > BYTES {
        let text = "The length of all the batch messages put together is more than the limit.";
        return Err(error::batch_request_too_long_exception(text));
    }
    Ok((ids, drafts))
}
