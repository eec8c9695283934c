//! What has been read, for as long as nobody changes it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lambent_store::{Changes, ChangesError, Store};

/// Values by their keys. What was read before a change is not kept after it, however the two overlap.
pub(crate) struct Remembered<K, V> {
    /// More than so many are not held: then all are forgotten, and those that are in use read again.
    most: usize,
    state: Mutex<State<K, V>>,
}

struct State<K, V> {
    /// Counts changes.
    changes: u64,
    known: HashMap<K, V>,
}

/// The moment at which a reading began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Began(u64);

impl<K: Hash + Eq, V: Clone> Remembered<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, state: Mutex::new(State { changes: 0, known: HashMap::new() }) }
    }

    /// What is known of a key, or the moment from which on to read it.
    pub(crate) fn look(&self, key: &K) -> Result<V, Began> {
        let state = self.lock();
        state.known.get(key).cloned().ok_or(Began(state.changes))
    }

    /// Keeps what was read, unless something has changed since.
    pub(crate) fn keep(&self, key: K, value: V, began: Began) {
        let mut state = self.lock();
        if Began(state.changes) != began {
            return;
        }
        if state.known.len() >= self.most {
            state.known.clear();
        }
        state.known.insert(key, value);
    }

    /// Something has changed, on the disk.
    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        state.changes += 1;
        state.known.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        // Both members are whole between any two lines that change them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same for what is read from records of some kinds: their changes are heard of in the store's feed, where each is
/// before whoever made it has an answer. Nobody has to remember to tell, and whoever comes after a change sees it.
pub(crate) struct Watched<K, V> {
    kinds: &'static [&'static str],
    changes: Mutex<Changes>,
    values: Remembered<K, V>,
}

impl<K: Hash + Eq, V: Clone> Watched<K, V> {
    pub(crate) fn new(store: &Store, kinds: &'static [&'static str], most: usize) -> Self {
        Self { kinds, changes: Mutex::new(store.changes()), values: Remembered::new(most) }
    }

    /// As [`Remembered::look`].
    pub(crate) fn look(&self, key: &K) -> Result<V, Began> {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match changes.try_next() {
                Ok(Some(change)) if self.kinds.contains(&change.key.kind) => self.values.forget(),
                Ok(Some(_)) => {}
                Ok(None) => break,
                // Which ones were missed is not known.
                Err(ChangesError::Lagged { .. }) => self.values.forget(),
                // Nothing is heard of any more, so nothing is believed.
                Err(ChangesError::Closed) => {
                    self.values.forget();
                    break;
                }
            }
        }
        self.values.look(key)
    }

    /// As [`Remembered::keep`].
    pub(crate) fn keep(&self, key: K, value: V, began: Began) {
        self.values.keep(key, value, began);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let values = Remembered::new(2);
        let began = values.look(&"a").unwrap_err();
        values.forget();
        values.keep("a", 1, began);
        let began = values.look(&"a").unwrap_err();
        values.keep("a", 2, began);
        assert_eq!(values.look(&"a"), Ok(2));
        values.keep("b", 3, began);
        values.keep("c", 4, began);
        assert!(values.look(&"a").is_err(), "there is room for two");
        assert_eq!(values.look(&"c"), Ok(4));
    }
}
