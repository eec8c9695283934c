//! Which items go to a handler together, and which have to wait for others. Pure: time and everything that happened come
//! in.
//!
//! For whoever fetches many small things and hands them over in batches: event source mappings above all. What such a user
//! brings is where items come from and how a batch is handed over; what is decided here is
//!
//! - **what passes**: an item that the filter does not let through is given back at once, to be acknowledged;
//! - **when a batch is ready**: full by number or by bytes, or its oldest item has waited for the window;
//! - **what order asks for**: of items with the same key (a message group, a shard) none is handed over while an earlier
//!   one is under way or waits to be tried again. Items without a key wait for nobody;
//! - **what comes back**: items of a batch that failed, all or some, take their old places.
//!
//! Items are in memory alone: they are still whose they were until their batch has ended well.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use lambent_model::Timestamp;

/// What batches are made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most items of a batch.
    pub count: usize,
    /// The most bytes of a batch; an item that is larger by itself goes alone.
    pub bytes: usize,
    /// How long the oldest item waits for others. Zero: a batch is whatever is there.
    pub window: Duration,
    /// Batches under way at once.
    pub batches: usize,
    /// Items that wait, under way or not. Who has more keeps them until there is room.
    pub items: usize,
    /// Whether a batch may hold items of several keys (a queue's message groups) or of one (a shard).
    pub mixed: bool,
}

/// Something to hand over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<T> {
    /// What has to stay in order carries the same key.
    pub key: Option<Arc<str>>,
    /// What it counts towards a batch.
    pub bytes: usize,
    /// The thing.
    pub value: T,
}

/// What became of an offer.
#[derive(Debug, PartialEq, Eq)]
pub enum Offered<T> {
    /// It waits for its batch.
    Taken,
    /// The filter does not let it pass: it is done with.
    Filtered(Item<T>),
    /// There is no room at the moment.
    Full(Item<T>),
}

/// Names a batch under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(u64);

/// Items that are to be handed over together, in their order.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch<T> {
    /// Names it in [`Batches::ended`].
    pub id: BatchId,
    /// The items.
    pub items: Vec<T>,
}

/// How a batch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// All of it is done.
    Done,
    /// These are to be tried again, by their places in the batch, not before a time. The rest is done.
    Again(Vec<usize>, Timestamp),
}

type Filter<T> = Box<dyn Fn(&T) -> bool + Send>;

struct Held<T> {
    item: Item<T>,
    /// Not before this time.
    due: Timestamp,
    /// Until when it waits for others.
    patient_until: Timestamp,
    under_way: bool,
}

/// See the module's text.
pub struct Batches<T> {
    limits: Limits,
    filter: Filter<T>,
    /// In the order of their arrival, which is that of their numbers.
    held: BTreeMap<u64, Held<T>>,
    arrived: u64,
    under_way: BTreeMap<BatchId, Vec<u64>>,
    busy: HashMap<Arc<str>, usize>,
    started: u64,
}

impl<T: Clone> Batches<T> {
    /// Nothing yet. `filter` says what passes.
    #[must_use]
    pub fn new(limits: Limits, filter: impl Fn(&T) -> bool + Send + 'static) -> Self {
        Self {
            limits,
            filter: Box::new(filter),
            held: BTreeMap::new(),
            arrived: 0,
            under_way: BTreeMap::new(),
            busy: HashMap::new(),
            started: 0,
        }
    }

    /// Takes an item in, unless it does not pass or there is no room.
    pub fn offer(&mut self, item: Item<T>, now: Timestamp) -> Offered<T> {
        if !(self.filter)(&item.value) {
            return Offered::Filtered(item);
        }
        if self.held.len() >= self.limits.items {
            return Offered::Full(item);
        }
        self.arrived += 1;
        let patient_until = now.plus(self.limits.window);
        self.held.insert(self.arrived, Held { item, due: now, patient_until, under_way: false });
        Offered::Taken
    }

    /// Works by other limits and another filter from now on. Nobody waits longer than under these.
    pub fn configure(
        &mut self,
        limits: Limits,
        filter: impl Fn(&T) -> bool + Send + 'static,
        now: Timestamp,
    ) {
        (self.limits, self.filter) = (limits, Box::new(filter));
        for held in self.held.values_mut().filter(|held| !held.under_way) {
            held.patient_until = held.patient_until.min(now.plus(limits.window)).max(held.due);
        }
    }

    /// Forgets what waits and is not worth waiting for; it is still its owner's.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.held.retain(|_, held| held.under_way || keep(&held.item.value));
    }

    /// Items that are not under way.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.held.len() - self.under_way.values().map(Vec::len).sum::<usize>()
    }

    /// Items for which there is room.
    #[must_use]
    pub fn room(&self) -> usize {
        self.limits.items.saturating_sub(self.held.len())
    }

    /// The next batch that is ready. Its end is to be told by [`Batches::ended`].
    pub fn next(&mut self, now: Timestamp) -> Option<Batch<T>> {
        if self.under_way.len() >= self.limits.batches {
            return None;
        }
        let numbers = self.ready(now)?;
        self.started += 1;
        let id = BatchId(self.started);
        let mut items = Vec::with_capacity(numbers.len());
        for number in &numbers {
            let held = self.held.get_mut(number).expect("what is ready is held");
            held.under_way = true;
            if let Some(key) = &held.item.key {
                *self.busy.entry(Arc::clone(key)).or_default() += 1;
            }
            items.push(held.item.value.clone());
        }
        self.under_way.insert(id, numbers);
        Some(Batch { id, items })
    }

    /// A batch has ended.
    pub fn ended(&mut self, id: BatchId, ended: &Ended) {
        let numbers = self.under_way.remove(&id).expect("a batch ends once");
        for (place, number) in numbers.into_iter().enumerate() {
            let held = self.held.get_mut(&number).expect("what is under way is held");
            if let Some(key) = &held.item.key {
                let busy = self.busy.get_mut(key).expect("the key of what is under way is busy");
                *busy -= 1;
                if *busy == 0 {
                    self.busy.remove(key);
                }
            }
            match ended {
                Ended::Again(places, due) if places.contains(&place) => {
                    // It has waited for others already.
                    (held.under_way, held.due, held.patient_until) = (false, *due, *due);
                }
                Ended::Again(..) | Ended::Done => drop(self.held.remove(&number)),
            }
        }
    }

    /// When [`Batches::next`] may have more to say than now, if nothing else happens.
    #[must_use]
    pub fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        let times = self.held.values().filter(|held| !held.under_way);
        times.flat_map(|held| [held.due, held.patient_until]).filter(|time| *time > now).min()
    }

    /// The items of the next batch, if it is full or one of them has waited long enough.
    fn ready(&self, now: Timestamp) -> Option<Vec<u64>> {
        let (mut numbers, mut bytes, mut is_full, mut is_late) = (Vec::new(), 0, false, false);
        // Keys of which an earlier item has to go first.
        let mut stopped: HashSet<&str> = HashSet::new();
        let mut only: Option<&Option<Arc<str>>> = None;
        for (number, held) in self.held.iter().filter(|(_, held)| !held.under_way) {
            let key = held.item.key.as_deref();
            if key.is_some_and(|key| self.busy.contains_key(key) || stopped.contains(key)) {
                continue;
            }
            if held.due > now {
                stopped.extend(key);
                continue;
            }
            if !self.limits.mixed && *only.get_or_insert(&held.item.key) != &held.item.key {
                continue;
            }
            if !numbers.is_empty() && bytes + held.item.bytes > self.limits.bytes {
                is_full = true;
                break;
            }
            bytes += held.item.bytes;
            is_late |= held.patient_until <= now;
            numbers.push(*number);
            if numbers.len() >= self.limits.count || bytes >= self.limits.bytes {
                is_full = true;
                break;
            }
        }
        (is_full || is_late).then_some(numbers)
    }
}

#[cfg(test)]
mod tests;
