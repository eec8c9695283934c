//! What is over after a time: the memory of duplicates, and subscriptions that nobody has confirmed. Each is a message in a
//! queue of its own, written together with what it is to remove, and due when that is over.

use std::sync::Arc;
use std::time::Duration;

use lambent_fabric::lanes::Bounds;
use lambent_fabric::{Again, AttemptFuture, Courier, Verdict};
use lambent_model::Timestamp;
use lambent_store::queue::Message;
use lambent_store::{Expect, Write};
use lambent_wire::Error;
use serde::{Deserialize, Serialize};

use super::names::SubscriptionArn;
use super::record::{Subscription, subscription_key};
use super::{Sns, confirm, fifo};

/// "Amazon SNS deletes … subscriptions … pending for more than 48 hours."
pub(super) const PATIENCE: Duration = Duration::from_secs(48 * 3_600);

/// Where these messages are.
const QUEUE: &str = "sns-expiry";

/// Removals are small and quick; a few at once keep the disk busy.
const BOUNDS: Bounds = Bounds { slots: 32, bytes: 1024 * 1024, first: 32 };

/// After a failure of the disk.
const AGAIN: Duration = Duration::from_secs(10);

/// What is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Expiry {
    /// A subscription, if nobody has confirmed it.
    Subscription { arn: String },
    /// A message of a FIFO topic is no longer known as a duplicate's original.
    Duplicate { partition: String, name: String },
}

impl Expiry {
    pub(super) fn enqueue(&self, due: Timestamp) -> Write {
        let body = serde_json::to_vec(self).expect("texts always have a JSON form");
        Write::Enqueue { queue: QUEUE.to_owned(), due, state: Vec::new(), body }
    }
}

/// Removes what is over; a user of the fabric.
pub struct Expirer(pub Sns);

impl Courier for Expirer {
    fn prefix(&self) -> &'static str {
        QUEUE
    }

    fn bounds(&self) -> Bounds {
        BOUNDS
    }

    fn attempt(&self, _queue: Arc<str>, message: Message) -> AttemptFuture {
        let sns = self.0.clone();
        Box::pin(async move {
            match sns.expire(&message).await {
                Ok(writes) => Verdict::Settled(writes),
                Err(error) => {
                    tracing::warn!(%error, "what is over cannot be removed, trying again");
                    let due = sns.inner.clock.now().plus(AGAIN);
                    Verdict::Later { due, state: Vec::new(), why: Again::Failing }
                }
            }
        })
    }
}

impl Sns {
    async fn expire(&self, message: &Message) -> Result<Vec<Write>, Error> {
        let now = self.inner.clock.now();
        match serde_json::from_slice(&message.body) {
            Ok(Expiry::Subscription { arn }) => {
                let arn = SubscriptionArn::parse(&arn)?;
                let key = subscription_key(&arn);
                let found = self.read::<Subscription>(&key).await?;
                let Some((_, version)) = found.filter(|(found, _)| confirm::is_over(found, now)) else {
                    return Ok(Vec::new());
                };
                // Committed here, for the topic has to be forgotten after it; what is settled later is nothing more. One
                // that is confirmed at this moment stays.
                self.commit(&arn.topic, vec![Write::Delete { key, expect: Expect::Version(version) }])
                    .await?;
                Ok(Vec::new())
            }
            Ok(Expiry::Duplicate { partition, name }) => {
                let key = fifo::duplicate_key(partition, name);
                let found = self.read::<fifo::Original>(&key).await?;
                // One that came after it, with the same id, has a message of its own.
                let over = found.filter(|(original, _)| original.until <= now);
                Ok(over
                    .map(|(_, version)| Write::Delete { key, expect: Expect::Version(version) })
                    .into_iter()
                    .collect())
            }
            Err(error) => {
                tracing::error!(%error, "a message is no expiry that this version knows; it is dropped");
                Ok(Vec::new())
            }
        }
    }
}
