//! Topics with their subscriptions in memory, for whoever publishes.
//!
//! This service alone writes topics and subscriptions. Whoever has committed a change forgets the topic before he
//! answers; a reading that began before that is not kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::filter::Filters;
use super::names::TopicArn;
use super::record::{Subscription, Topic};

/// Topics that are kept. A topic with a hundred subscriptions is some fifty kilobytes; which of more are published to is
/// not guessed, all are forgotten.
const KEPT: usize = 1_024;

/// A topic as it was read at one moment.
#[derive(Debug)]
pub(super) struct Hot {
    pub(super) topic: Topic,
    /// The record's version.
    pub(super) version: u64,
    /// In the order of their ids.
    pub(super) subscriptions: Vec<Kept>,
    pub(super) filters: Filters,
}

/// A subscription with its id.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) id: String,
    pub(super) value: Subscription,
}

impl Hot {
    pub(super) fn new(topic: Topic, version: u64, subscriptions: Vec<Kept>) -> Self {
        let filters = Filters::new(subscriptions.iter().map(|kept| &kept.value));
        Self { topic, version, subscriptions, filters }
    }
}

/// What is in memory.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    topics: HashMap<TopicArn, Arc<Hot>>,
    /// Grows with everything that is forgotten.
    generation: u64,
}

/// When a reading began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Began(u64);

impl Cache {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Every change is whole after a panic, too: a map and a number.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The topic, or the token to keep what is read now.
    pub(super) fn get(&self, topic: &TopicArn) -> Result<Arc<Hot>, Began> {
        let state = self.state();
        state.topics.get(topic).map(Arc::clone).ok_or(Began(state.generation))
    }

    /// Keeps what was read, unless something was forgotten meanwhile.
    pub(super) fn keep(&self, topic: &TopicArn, began: Began, hot: &Arc<Hot>) {
        let mut state = self.state();
        if state.generation == began.0 {
            if state.topics.len() >= KEPT {
                state.topics.clear();
            }
            state.topics.insert(topic.clone(), Arc::clone(hot));
        }
    }

    /// Forgets a topic that has changed.
    pub(super) fn forget(&self, topic: &TopicArn) {
        let mut state = self.state();
        state.generation += 1;
        state.topics.remove(topic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_that_a_change_overtook_is_not_kept() {
        let topic = TopicArn::parse("TopicArn", "arn:aws:sns:us-east-1:000000000000:t").unwrap();
        let record = Topic {
            created: lambent_model::Timestamp::from_millis(0),
            attributes: std::collections::BTreeMap::new(),
            tags: Vec::new(),
            subscriptions_deleted: 0,
        };
        let (cache, hot) = (Cache::default(), Arc::new(Hot::new(record, 1, Vec::new())));
        let began = cache.get(&topic).unwrap_err();
        cache.forget(&topic);
        cache.keep(&topic, began, &hot);
        let began = cache.get(&topic).unwrap_err();
        cache.keep(&topic, began, &hot);
        assert!(cache.get(&topic).is_ok());
        cache.forget(&topic);
        assert!(cache.get(&topic).is_err());
    }
}
