//! Who has taken what, in this process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Lease;

/// The leases of one store. As many as its takers hold, who bound themselves.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    held: Mutex<Held>,
}

/// The leases, while nobody else changes them. Whoever looks for messages to take holds this from before its reading of
/// the database begins: a message whose removal it does not see yet is then still leased.
#[derive(Debug, Default)]
pub(crate) struct Held {
    tokens: HashMap<u64, u64>,
    last: u64,
}

impl Leases {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Held> {
        // Each change is one call on the map, so it is whole after a panic, too.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    pub(crate) fn has(&self, id: u64) -> bool {
        self.tokens.contains_key(&id)
    }

    pub(crate) fn grant(&mut self, id: u64, apart: bool) -> Lease {
        self.last += 1;
        self.tokens.insert(id, self.last);
        Lease { id, token: self.last, apart }
    }

    pub(crate) fn is_valid(&self, lease: Lease) -> bool {
        self.tokens.get(&lease.id) == Some(&lease.token)
    }

    /// A lease that is not valid any more is left alone, for it may be another's by now.
    pub(crate) fn release(&mut self, lease: Lease) {
        if self.is_valid(lease) {
            self.tokens.remove(&lease.id);
        }
    }
}
