//! So much at once for each, and so much for all.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

/// The two bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quota {
    pub(super) each: usize,
    pub(super) all: usize,
}

/// What is taken of a quota.
#[derive(Debug)]
pub(super) struct Counter {
    quota: Quota,
    taken: Mutex<HashMap<Ipv4Addr, usize>>,
}

/// One place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    counter: Arc<Counter>,
    whose: Ipv4Addr,
}

impl Counter {
    pub(super) fn new(quota: Quota) -> Arc<Self> {
        Arc::new(Self { quota, taken: Mutex::default() })
    }

    /// A place, if there is one for this asker.
    pub(super) fn take(self: &Arc<Self>, whose: Ipv4Addr) -> Option<Place> {
        let mut taken = self.taken.lock().expect("nothing panics while it is held");
        let all: usize = taken.values().sum();
        let own = taken.entry(whose).or_default();
        if all >= self.quota.all || *own >= self.quota.each {
            if *own == 0 {
                taken.remove(&whose);
            }
            return None;
        }
        *own += 1;
        Some(Place { counter: Arc::clone(self), whose })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.counter.taken.lock().expect("nothing panics while it is held");
        if let Some(own) = taken.get_mut(&self.whose) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_asker_does_not_keep_out_another() {
        let counter = Counter::new(Quota { each: 2, all: 3 });
        let (greedy, modest) = (Ipv4Addr::new(169, 254, 96, 2), Ipv4Addr::new(169, 254, 96, 3));
        let first = counter.take(greedy).unwrap();
        let _second = counter.take(greedy).unwrap();
        assert!(counter.take(greedy).is_none());
        let third = counter.take(modest).unwrap();
        assert!(counter.take(modest).is_none(), "three in all");
        drop(first);
        assert!(counter.take(greedy).is_some());
        drop(third);
        assert_eq!(counter.taken.lock().unwrap().len(), 1, "who has nothing is forgotten");
    }
}
