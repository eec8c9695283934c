//! What was read or written last, in memory: a small object that is asked for again is answered without the store, which
//! is two handovers to another thread.
//!
//! Bodies never change under their ids. The records of keys do: each belongs to one of the engine's locks, and each lock has
//! a count that is odd while a change of one of its keys is being committed and another one afterwards. What was read
//! under another count is nobody's any more. So nobody is given what is older than an answered change, nor sees a change
//! come and go while it is committed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::records::Object;

/// Bytes of bodies, and of records, that are kept: ten thousand small objects or so.
const BYTES: usize = 16 * 1024 * 1024;
/// What an entry takes beside its key and its bytes.
const ENTRY: usize = 640;

/// A cache in two halves: when the young one is full, it becomes the old one, whose entries are dropped unless they are
/// found meanwhile.
struct Kept<V> {
    young: HashMap<String, V>,
    old: HashMap<String, V>,
    bytes: usize,
}

impl<V: Clone> Kept<V> {
    fn new() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), bytes: 0 }
    }

    fn find(&mut self, key: &str, cost: impl FnOnce(&V) -> usize) -> Option<V> {
        if let Some(found) = self.young.get(key) {
            return Some(found.clone());
        }
        let (key, found) = self.old.remove_entry(key)?;
        let cost = cost(&found);
        self.keep(key, found.clone(), cost);
        Some(found)
    }

    fn keep(&mut self, key: String, value: V, cost: usize) {
        self.bytes += cost + key.len() + ENTRY;
        self.young.insert(key, value);
        if self.bytes > BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
    }
}

/// See the module's text.
pub(crate) struct Recent {
    bodies: Mutex<Kept<Bytes>>,
    objects: Mutex<Kept<(u64, Arc<Object>)>>,
    counts: Vec<AtomicU64>,
}

/// A change that is being committed, by whoever holds its lock.
pub(crate) struct Changing<'a>(&'a AtomicU64);

/// Of a count: somebody stopped waiting for a commit, which may still come. Commits are made in the order in which they were
/// asked for, so that the end of a later one is the end of that one as well.
const UNKNOWN: u64 = 1 << 63;

impl Changing<'_> {
    /// The commit was made, or was refused. Returns the count under which what is there now is so.
    pub(crate) fn end(self) -> u64 {
        let count = (self.0.load(Ordering::Acquire) & !UNKNOWN) + 1;
        self.0.store(count, Ordering::Release);
        std::mem::forget(self);
        count
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        let count = (self.0.load(Ordering::Acquire) + 1) | UNKNOWN;
        self.0.store(count, Ordering::Release);
    }
}

impl Recent {
    pub(crate) fn new(locks: usize) -> Self {
        let counts = (0..locks).map(|_| AtomicU64::new(0)).collect();
        Self { bodies: Mutex::new(Kept::new()), objects: Mutex::new(Kept::new()), counts }
    }

    pub(crate) fn body(&self, id: &str) -> Option<Bytes> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).find(id, Bytes::len)
    }

    pub(crate) fn keep_body(&self, id: &str, body: Bytes) {
        let cost = body.len();
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).keep(id.to_owned(), body, cost);
    }

    /// The count of a lock, before a record of it is read.
    pub(crate) fn count(&self, lock: usize) -> u64 {
        self.counts[lock].load(Ordering::Acquire)
    }

    /// From here to the end of what is returned nothing of this lock is kept or found. Whoever calls this holds it.
    pub(crate) fn changing(&self, lock: usize) -> Changing<'_> {
        let count = &self.counts[lock];
        count.fetch_add(1, Ordering::AcqRel);
        Changing(count)
    }

    pub(crate) fn object(&self, lock: usize, bucket: &str, key: &str) -> Option<Arc<Object>> {
        let count = self.count(lock);
        let name = name(bucket, key);
        let cost = |(_, object): &(u64, Arc<Object>)| size(object);
        let found = self.objects.lock().unwrap_or_else(PoisonError::into_inner).find(&name, cost);
        found.filter(|(kept, _)| *kept == count && is_still(count)).map(|(_, object)| object)
    }

    /// Keeps what was read under `count`.
    pub(crate) fn keep_object(&self, count: u64, bucket: &str, key: &str, object: Arc<Object>) {
        if is_still(count) {
            let (name, cost) = (name(bucket, key), size(&object));
            self.objects.lock().unwrap_or_else(PoisonError::into_inner).keep(name, (count, object), cost);
        }
    }
}

fn is_still(count: u64) -> bool {
    count.is_multiple_of(2) && count & UNKNOWN == 0
}

/// No bucket has a NUL in its name.
fn name(bucket: &str, key: &str) -> String {
    format!("{bucket}\0{key}")
}

/// What of a record may be long; the rest is part of every entry.
fn size(object: &Object) -> usize {
    let tags = object.tags.iter().map(|(name, value)| (name, value));
    tags.chain(&object.headers.metadata).map(|(name, value)| 64 + name.len() + value.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(sequence: u64) -> Arc<Object> {
        Arc::new(Object::empty(sequence, None, lambent_model::Timestamp::from_millis(0)))
    }

    #[test]
    fn what_was_read_before_a_change_is_not_found_after_it() {
        let recent = Recent::new(2);
        let found = || recent.object(0, "b", "k").map(|object| object.sequence);
        let before = recent.count(0);
        recent.keep_object(before, "b", "k", object(1));
        assert_eq!((found(), recent.object(0, "b", "other").is_some()), (Some(1), false));
        let changing = recent.changing(0);
        assert_eq!(found(), None, "it may be either by now");
        recent.keep_object(recent.count(0), "b", "k", object(1));
        let after = changing.end();
        assert_eq!((found(), recent.count(0)), (None, after));
        // Whoever was slow.
        recent.keep_object(before, "b", "k", object(1));
        assert_eq!(found(), None);
        recent.keep_object(after, "b", "k", object(2));
        drop(recent.changing(1));
        assert_eq!(found(), Some(2), "another lock's keys are another matter");
        drop(recent.changing(0));
        recent.keep_object(recent.count(0), "b", "k", object(2));
        assert_eq!(found(), None, "that commit may still come");
        let count = recent.changing(0).end();
        recent.keep_object(count, "b", "k", object(4));
        assert_eq!(found(), Some(4));
    }

    #[test]
    fn it_has_a_bound_and_keeps_what_is_asked_for() {
        let recent = Recent::new(1);
        recent.keep_body("asked", Bytes::from_static(b"x"));
        for number in 0..100_000 {
            recent.keep_body(&number.to_string(), Bytes::from(vec![0; 1000]));
            assert!(recent.body("asked").is_some());
        }
        let bodies = recent.bodies.lock().unwrap();
        let all = bodies.young.values().chain(bodies.old.values()).map(Bytes::len).sum::<usize>();
        assert!(all > BYTES / 4 && all <= BYTES, "{all}");
    }
}
