//! What of the outbox waits, and why: what `GET /_lambent/deliveries` shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambent_fabric::deliveries::{Trouble, Troubles, is_lane};
use lambent_model::Timestamp;
use lambent_store::{Error, Store};
use serde_json::{Value, json};

/// Lanes of one page. Of each the messages are counted, which looks at all of them.
const SHOWN: usize = 100;

/// A look at the outbox.
pub(crate) struct Outbox {
    store: Store,
    /// Noted by whoever sends.
    pub(crate) troubles: Arc<Troubles>,
}

impl Outbox {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, troubles: Arc::default() }
    }

    /// Lanes in trouble first, then those in which something waits, with how much; and how many there are of both.
    pub(crate) async fn render(&self) -> Result<Value, Error> {
        let troubles = self.troubles.all();
        let waiting = self.store.waiting().await?;
        let waiting: BTreeMap<&str, Timestamp> = waiting
            .iter()
            .filter(|arrival| is_lane(&arrival.queue))
            .map(|arrival| (&*arrival.queue, arrival.due))
            .collect();
        let in_trouble = troubles.iter().map(|trouble| (trouble.queue.as_str(), Some(trouble)));
        let others = waiting.keys().filter(|queue| troubles.iter().all(|trouble| trouble.queue != **queue));
        let mut lanes = Vec::new();
        for (queue, trouble) in in_trouble.chain(others.map(|queue| (*queue, None))).take(SHOWN) {
            let count = match waiting.get(queue) {
                Some(_) => self.store.extent(queue).await?.count,
                None => 0,
            };
            lanes.push(lane(queue, count, waiting.get(queue).copied(), trouble));
        }
        Ok(json!({"lanesWaiting": waiting.len(), "lanesInTrouble": troubles.len(), "lanes": lanes}))
    }
}

fn lane(queue: &str, waiting: u64, due: Option<Timestamp>, trouble: Option<&Trouble>) -> Value {
    let mut lane = json!({"lane": queue, "waiting": waiting, "nextDue": due.map(|due| due.to_string())});
    if let Some(trouble) = trouble {
        lane["trouble"] = json!({
            "destination": trouble.destination,
            "source": trouble.source,
            "since": trouble.since.to_string(),
            "failedAttempts": trouble.failed,
            "givenUp": trouble.given_up,
            "lastAttempt": trouble.last.to_string(),
            "nextAttempt": trouble.next.map(|next| next.to_string()),
            "lastError": trouble.error,
        });
    }
    lane
}
