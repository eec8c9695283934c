//! FIFO topics: numbers, and the memory of duplicates (SNS Developer Guide, "Amazon SNS message deduplication for FIFO
//! topics", "Message ordering").

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lambent_model::Timestamp;
use lambent_store::{Expect, Key, Write};
use lambent_wire::Error;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex as AsyncMutex;

use super::Sns;
use super::expire::Expiry;
use super::message::Message;
use super::names::TopicArn;
use super::record::{Topic, topic_key};
use super::store::put;

/// "The five minute deduplication interval."
const INTERVAL: Duration = Duration::from_secs(300);

/// The number before a topic's first. As on AWS numbers have twenty digits, so that their texts are in their order.
const FIRST: u64 = 10_000_000_000_000_000_000;

/// A message that was published, for those that repeat it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Original {
    pub(super) id: String,
    pub(super) sequence: String,
    /// Until when a message with its deduplication id is a duplicate.
    pub(super) until: Timestamp,
}

/// How far a topic has come.
#[derive(Debug)]
pub(super) struct Progress {
    /// The last number; `None` while nobody has read it.
    pub(super) number: Option<u64>,
    /// When it was given: deliveries are in the order of their times, also where the clock is set back.
    pub(super) at: Timestamp,
}

impl Default for Progress {
    fn default() -> Self {
        Self { number: None, at: Timestamp::from_micros(0) }
    }
}

/// Shared by all who publish to a topic.
pub(super) type Last = Arc<AsyncMutex<Progress>>;

/// Who holds a topic's number is its only publisher, so that messages are committed in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Sequences(Mutex<HashMap<TopicArn, Last>>);

impl Sequences {
    pub(super) fn of(&self, topic: &TopicArn) -> Last {
        // As many as there are FIFO topics that were published to, some hundred bytes each.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(topic.clone()).or_default())
    }

    pub(super) fn forget(&self, topic: &TopicArn) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(topic);
    }
}

pub(super) fn sequence_key(topic: &TopicArn) -> Key {
    Key { kind: "sns-sequence", ..topic_key(topic) }
}

pub(super) fn duplicate_key(partition: String, name: String) -> Key {
    Key { kind: "sns-duplicate", partition, name }
}

/// By what a message is known: the topic as it was made, the group where that is the scope, the id.
fn key_of(topic: &TopicArn, record: &Topic, message: &Message) -> Key {
    let id = message.deduplication.as_deref().unwrap_or_default();
    let name = match record.attribute("FifoThroughputScope") {
        // Neither holds a line break.
        Some("MessageGroup") => format!("{}\n{id}", message.group.as_deref().unwrap_or_default()),
        _ => id.to_owned(),
    };
    duplicate_key(format!("{topic}/{}", record.created.micros()), name)
}

/// The messages of one publication to a FIFO topic, while nobody else publishes to it.
pub(super) struct Numbering<'n> {
    sns: &'n Sns,
    topic: &'n TopicArn,
    record: &'n Topic,
    last: u64,
    /// What this publication itself has numbered.
    own: HashMap<Key, Original>,
    pub(super) writes: Vec<Write>,
}

impl<'n> Numbering<'n> {
    pub(super) async fn begin(
        sns: &'n Sns,
        topic: &'n TopicArn,
        record: &'n Topic,
        last: Option<u64>,
    ) -> Result<Self, Error> {
        let last = match last {
            Some(last) => last,
            None => sns.read::<u64>(&sequence_key(topic)).await?.map_or(FIRST, |(last, _)| last),
        };
        Ok(Self { sns, topic, record, last, own: HashMap::new(), writes: Vec::new() })
    }

    /// Numbers a message, or finds the one that it repeats.
    pub(super) async fn number(&mut self, message: &mut Message) -> Result<Option<Original>, Error> {
        let key = key_of(self.topic, self.record, message);
        let known = match self.own.get(&key) {
            Some(own) => Some(own.clone()),
            None => self.sns.read::<Original>(&key).await?.map(|(original, _)| original),
        };
        if let Some(original) = known.filter(|original| original.until > message.at) {
            return Ok(Some(original));
        }
        self.last += 1;
        let (id, sequence, until) =
            (message.id.clone(), format!("{:020}", self.last), message.at.plus(INTERVAL));
        message.sequence = Some(sequence.clone());
        let original = Original { id, sequence, until };
        self.writes.push(put(key.clone(), Expect::Any, &original)?);
        let Key { partition, name, .. } = key.clone();
        self.writes.push(Expiry::Duplicate { partition, name }.enqueue(until));
        self.own.insert(key, original);
        Ok(None)
    }

    /// The last number, and all that has to be written.
    pub(super) fn end(mut self) -> Result<(u64, Vec<Write>), Error> {
        if !self.own.is_empty() {
            self.writes.push(put(sequence_key(self.topic), Expect::Any, &self.last)?);
        }
        Ok((self.last, self.writes))
    }
}
