//! What all operations share: the buckets, the order of changes, and the two places where things are kept.
//!
//! **Order.** Whoever changes a key holds the key's lock from reading its record to the commit, and the structure's lock
//! for reading; whoever makes or removes a bucket holds the latter for writing. So conditions (`If-None-Match`) are
//! decided on what the commit then replaces, and no object is put into a bucket that is gone. This process alone writes
//! these records.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use lambent_model::{AwsCall, Clock};
use lambent_store::{Record, Store, Write};
use s3s::S3Result;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, MutexGuard, Notify, RwLockReadGuard, RwLockWriteGuard, Semaphore};

use crate::files::Files;
use crate::guess::Guesses;
use crate::recent::Recent;
use crate::records::{self, Bucket, Content, Object, Piece};
use crate::refuse;

/// Locks of keys. Two keys that share one wait for each other's commit, a few milliseconds; with as many as requests that
/// may be under way that is rare.
const LOCKS: usize = 1024;

/// Bodies that are being written to files at once. Each has up to a megabyte in memory; those beyond wait, their clients
/// with them.
const UPLOADS: usize = 128;

/// See the module's text.
pub(crate) struct Engine {
    pub(crate) store: Store,
    pub(crate) files: Files,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) calls: Arc<dyn AwsCall>,
    pub(crate) uploads: Semaphore,
    /// A lifecycle configuration was put, or their keeper is to end.
    pub(crate) lifecycles_changed: Notify,
    /// All buckets: every request asks for one.
    buckets: RwLock<BTreeMap<String, Arc<Bucket>>>,
    structure: tokio::sync::RwLock<()>,
    keys: Vec<Mutex<()>>,
    pub(crate) recent: Recent,
    pub(crate) guesses: Guesses,
    sequence: AtomicU64,
}

/// The right to change one key.
pub(crate) struct Turn<'a> {
    /// Which lock it is.
    pub(crate) lock: usize,
    _key: MutexGuard<'a, ()>,
    _structure: RwLockReadGuard<'a, ()>,
}

impl Engine {
    pub(crate) fn new(store: Store, files: Files, clock: Arc<dyn Clock>, calls: Arc<dyn AwsCall>) -> Self {
        Self {
            store,
            files,
            clock,
            calls,
            uploads: Semaphore::new(UPLOADS),
            lifecycles_changed: Notify::new(),
            buckets: RwLock::default(),
            structure: tokio::sync::RwLock::default(),
            keys: (0..LOCKS).map(|_| Mutex::default()).collect(),
            recent: Recent::new(LOCKS),
            guesses: Guesses::new(),
            sequence: AtomicU64::new(0),
        }
    }

    /// Reads the buckets; before the first request.
    pub(crate) async fn load(&self) -> Result<(), lambent_store::Error> {
        for record in self.store.all(records::BUCKETS).await? {
            self.keep(record.decode()?);
        }
        Ok(())
    }

    /// The bucket as last committed.
    pub(crate) fn bucket(&self, name: &str) -> S3Result<Arc<Bucket>> {
        self.find(name).ok_or_else(refuse::no_such_bucket)
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<Bucket>> {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn all_buckets(&self) -> Vec<Arc<Bucket>> {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// After its commit.
    pub(crate) fn keep(&self, bucket: Bucket) {
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        buckets.insert(bucket.name.clone(), Arc::new(bucket));
    }

    /// After the commit that removed it.
    pub(crate) fn forget(&self, name: &str) {
        self.buckets.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// The current version of a key, which may be a delete marker.
    pub(crate) async fn current(&self, bucket: &str, key: &str) -> S3Result<Option<Object>> {
        let lock = lock_of(bucket, key);
        if let Some(found) = self.recent.object(lock, bucket, key) {
            return Ok(Some(Object::clone(&found)));
        }
        let count = self.recent.count(lock);
        let found: Option<Object> = self.get(&records::object_key(bucket, key)).await?;
        if let Some(found) = &found {
            self.recent.keep_object(count, bucket, key, Arc::new(found.clone()));
        }
        Ok(found)
    }

    /// Waits for the right to change a key.
    pub(crate) async fn turn(&self, bucket: &str, key: &str) -> Turn<'_> {
        let lock = lock_of(bucket, key);
        // In this order everywhere: who waits for a key keeps nobody from making buckets.
        let key = self.keys[lock].lock().await;
        Turn { lock, _key: key, _structure: self.structure.read().await }
    }

    /// Waits for the right to change buckets themselves.
    pub(crate) async fn restructure(&self) -> RwLockWriteGuard<'_, ()> {
        self.structure.write().await
    }

    /// A number that is larger than all before it, and than those before a restart as far as the clock goes on.
    pub(crate) fn next_sequence(&self) -> u64 {
        let now = u64::try_from(self.clock.now().micros()).unwrap_or(0);
        let previous =
            self.sequence.fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(now.max(last + 1)));
        previous.map_or(now, |last| now.max(last + 1))
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, key: &lambent_store::Key) -> S3Result<Option<T>> {
        let record = self.store.get(key).await.map_err(refuse::store)?;
        record.map(|record| decode(&record)).transpose()
    }

    pub(crate) async fn commit(&self, writes: Vec<Write>) -> S3Result<()> {
        self.store.commit(writes).await.map(drop).map_err(refuse::store)
    }

    /// The files that an object consists of, in order.
    pub(crate) async fn pieces(&self, id: &str) -> S3Result<Vec<Piece>> {
        self.get(&records::body_key(id)).await?.ok_or_else(lost)
    }

    /// What removing a content takes: writes for the commit, and files that may go after it.
    pub(crate) async fn discard(&self, content: &Content, writes: &mut Vec<Write>) -> S3Result<Vec<String>> {
        let mut forget = |id: &str| {
            writes.push(Write::Delete { key: records::body_key(id), expect: lambent_store::Expect::Any });
        };
        Ok(match content {
            Content::Empty => Vec::new(),
            Content::Inline(id) => {
                forget(id);
                Vec::new()
            }
            Content::File(id) => vec![id.clone()],
            Content::Pieces(id) => {
                forget(id);
                self.pieces(id).await?.into_iter().map(|piece| piece.file).collect()
            }
        })
    }

    /// Removes files that no record refers to any more.
    pub(crate) async fn remove(&self, ids: Vec<String>) {
        if ids.is_empty() {
            return;
        }
        let files = self.files.clone();
        let removed = tokio::task::spawn_blocking(move || ids.iter().for_each(|id| files.remove(id)));
        // Cancelled only when the server ends; then the next start finds them.
        drop(removed.await);
    }
}

fn lock_of(bucket: &str, key: &str) -> usize {
    usize::try_from(hash_of((bucket, key)) % LOCKS as u64).expect("below the number of locks")
}

pub(crate) fn hash_of(value: impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn decode<T: DeserializeOwned>(record: &Record) -> S3Result<T> {
    record.decode().map_err(refuse::store)
}

pub(crate) fn put(key: lambent_store::Key, value: &impl serde::Serialize) -> S3Result<Write> {
    Write::put(key, lambent_store::Expect::Any, value).map_err(refuse::store)
}

pub(crate) fn delete(key: lambent_store::Key) -> Write {
    Write::Delete { key, expect: lambent_store::Expect::Any }
}

/// A record whose body is not there: a damaged data folder.
pub(crate) fn lost() -> s3s::S3Error {
    s3s::s3_error!(InternalError, "the object's bytes are not there; the data folder is damaged")
}
