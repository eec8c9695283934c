//! Which lanes of the outbox do not get on, for whoever looks after the server. In memory: after a restart it is known
//! again with the next attempt.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lambent_model::Timestamp;

/// Lanes that are held: more than anybody reads, in some hundred kilobytes. Beyond, what has waited longest without an
/// attempt gives way.
const LANES: usize = 500;

/// Bytes of an error's text.
const TEXT: usize = 500;

/// A lane whose last attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The lane's queue in the store.
    pub queue: String,
    /// Where its deliveries go: an ARN or an address.
    pub destination: String,
    /// Whose they are, the ARN of a subscription, a rule, a schedule, a bucket or a function.
    pub source: String,
    /// When the first of the attempts failed since one was made that did not.
    pub since: Timestamp,
    /// Attempts that have failed since then.
    pub failed: u64,
    /// Deliveries that have been given up since then.
    pub given_up: u64,
    /// When the last attempt was made.
    pub last: Timestamp,
    /// When the delivery that failed last is attempted again; `None` where it was given up.
    pub next: Option<Timestamp>,
    /// Why the last attempt failed.
    pub error: String,
}

/// An attempt that failed.
pub(super) struct Failure<'a> {
    pub(super) queue: &'a str,
    pub(super) destination: &'a str,
    pub(super) source: String,
    pub(super) error: String,
    pub(super) at: Timestamp,
    pub(super) next: Option<Timestamp>,
}

/// All lanes in trouble.
#[derive(Debug, Default)]
pub struct Troubles {
    lanes: Mutex<BTreeMap<String, Trouble>>,
    /// How many there are, so that where nothing is wrong nobody waits for a lock.
    count: AtomicUsize,
}

impl Troubles {
    /// The lanes in trouble, by their queues.
    #[must_use]
    pub fn all(&self) -> Vec<Trouble> {
        self.lock().values().cloned().collect()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    pub(super) fn failed(&self, failure: Failure<'_>) {
        let Failure { queue, destination, source, mut error, at, next } = failure;
        error.truncate(error.floor_char_boundary(TEXT));
        let mut lanes = self.lock();
        if !lanes.contains_key(queue) && lanes.len() >= LANES {
            let oldest =
                lanes.values().min_by_key(|trouble| trouble.last).map(|trouble| trouble.queue.clone());
            oldest.and_then(|queue| lanes.remove(&queue));
        }
        let trouble = lanes.entry(queue.to_owned()).or_insert_with(|| Trouble {
            queue: queue.to_owned(),
            destination: String::new(),
            source: String::new(),
            since: at,
            failed: 0,
            given_up: 0,
            last: at,
            next,
            error: String::new(),
        });
        trouble.failed += 1;
        trouble.given_up += u64::from(next.is_none());
        (trouble.last, trouble.next, trouble.error) = (at, next, error);
        (trouble.destination, trouble.source) = (destination.to_owned(), source);
        self.count.store(lanes.len(), Ordering::Release);
    }

    pub(super) fn arrived(&self, queue: &str) {
        if self.count() == 0 {
            return;
        }
        let mut lanes = self.lock();
        lanes.remove(queue);
        self.count.store(lanes.len(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Trouble>> {
        // An entry is whole between any two lines that change it.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(queue: &str, at: i64, next: Option<i64>) -> Failure<'_> {
        Failure {
            queue,
            destination: "arn:q",
            source: "arn:rule".into(),
            error: format!("no answer at {at}"),
            at: Timestamp::from_millis(at),
            next: next.map(Timestamp::from_millis),
        }
    }

    #[test]
    fn a_lane_is_in_trouble_until_something_arrives() {
        let troubles = Troubles::default();
        troubles.failed(failure("delivery/a", 1, Some(10)));
        troubles.failed(failure("delivery/a", 10, Some(30)));
        troubles.failed(failure("delivery/a", 30, None));
        troubles.failed(failure("delivery/b", 2, Some(20)));
        let [a, _] = &troubles.all()[..] else { panic!("two") };
        assert_eq!((a.since.millis(), a.last.millis(), a.next), (1, 30, None));
        assert_eq!((a.failed, a.given_up, &*a.error), (3, 1, "no answer at 30"));
        troubles.arrived("delivery/a");
        troubles.arrived("delivery/never-in-trouble");
        assert_eq!((troubles.count(), troubles.all().len()), (1, 1));
        troubles.arrived("delivery/b");
        assert_eq!(troubles.count(), 0);
    }

    #[test]
    fn only_so_many_are_held_and_the_oldest_go() {
        let troubles = Troubles::default();
        for at in 0..=i64::try_from(LANES).unwrap() {
            troubles.failed(failure(&format!("delivery/{at}"), at, None));
        }
        let all = troubles.all();
        assert_eq!((all.len(), troubles.count()), (LANES, LANES));
        assert!(all.iter().all(|trouble| trouble.queue != "delivery/0"));
    }
}
