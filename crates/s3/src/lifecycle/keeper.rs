//! The task that removes what is over.
//!
//! It reads a page of records at a time and decides again under each key's lock, so that what was replaced meanwhile
//! stays. Events are committed with what they tell of, as with any other change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use lambent_model::Timestamp;
use lambent_store::{Partition, Record};
use s3s::S3Result;

use super::SECONDS_OF_DAY;
use crate::engine::{Engine, decode};
use crate::event::{Event, Kind};
use crate::records::{self, Bucket, Object, Upload, Versioning};
use crate::versions::Change;
use crate::{refuse, walk};

/// Records that are read at once, of which all that are over are removed before the next.
const PAGE: usize = 500;
/// Removals at once: they share fsyncs, and leave the store to others.
const AT_ONCE: usize = 16;
/// The clock may be put forward, and a computer may sleep.
const LOOK: Duration = Duration::from_secs(3600);

/// What becomes of a record of a page.
enum Over {
    /// The current version expires.
    Object {
        key: String,
    },
    /// A delete marker that may hide nothing any more.
    Marker {
        key: String,
        id: String,
    },
    /// An older version ends.
    Version {
        key: String,
        id: String,
    },
    Upload {
        key: String,
        id: String,
    },
}

impl Engine {
    /// Removes what lifecycle rules say, until `stop` resolves; then it ends what it has begun.
    pub(crate) async fn keep_lifecycles(&self, stop: impl Future<Output = ()>) {
        let stopping = AtomicBool::new(false);
        let work = async {
            while !stopping.load(Ordering::Acquire) {
                let day = self.clock.now().seconds().div_euclid(SECONDS_OF_DAY);
                let is_whole = self.end_what_is_over(&stopping).await;
                self.wait_for_midnight(is_whole.then_some(day), &stopping).await;
            }
        };
        let mut work = std::pin::pin!(work);
        tokio::select! {
            () = &mut work => return,
            () = stop => {}
        }
        stopping.store(true, Ordering::Release);
        self.lifecycles_changed.notify_one();
        work.await;
    }

    /// Until there may be something new to do: on the day after `done`, or an hour after a pass that failed.
    async fn wait_for_midnight(&self, done: Option<i64>, stopping: &AtomicBool) {
        loop {
            let now = self.clock.now().seconds();
            let left = SECONDS_OF_DAY - now.rem_euclid(SECONDS_OF_DAY);
            let left =
                Duration::from_secs(u64::try_from(left).expect("a day has no negative rest")).min(LOOK);
            tokio::select! {
                () = self.lifecycles_changed.notified() => return,
                () = tokio::time::sleep(left) => {}
            }
            let today = self.clock.now().seconds().div_euclid(SECONDS_OF_DAY);
            if done.is_none_or(|day| day != today) || stopping.load(Ordering::Acquire) {
                return;
            }
        }
    }

    /// One pass over all buckets; whether all of it could be done.
    pub(crate) async fn end_what_is_over(&self, stopping: &AtomicBool) -> bool {
        let mut is_whole = true;
        for bucket in self.all_buckets() {
            if let Err(error) = self.end_in(&bucket, stopping).await {
                is_whole = false;
                let why = error.message().unwrap_or_default();
                tracing::warn!(bucket = bucket.name, why, "what is over in a bucket could not be removed");
            }
        }
        is_whole
    }

    async fn end_in(&self, bucket: &Arc<Bucket>, stopping: &AtomicBool) -> S3Result<()> {
        let lifecycle = bucket.lifecycle()?;
        if lifecycle.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let current = |record: &Record| {
            let (key, object) = (records::name_of(&record.key).to_owned(), decode::<Object>(record)?);
            Ok(match object.is_marker {
                true => {
                    let id = object.version_id();
                    lifecycle.clears(&key, &object, now).then_some(Over::Marker { key, id })
                }
                false => {
                    let end = lifecycle.expiry(&key, &object);
                    end.is_some_and(|(end, _)| end <= now.seconds()).then_some(Over::Object { key })
                }
            })
        };
        // Markers after what they hide, else they would stay for a day.
        if lifecycle.has_noncurrent() && bucket.versioning != Versioning::Off {
            self.end_versions(bucket, now, stopping).await?;
        }
        self.sweep_pages(bucket, records::objects(&bucket.name), current, now, stopping).await?;
        let upload = |record: &Record| {
            let Upload { key, id, initiated, .. } = decode(record)?;
            let end = lifecycle.abortion(&key, initiated);
            Ok(end.is_some_and(|(end, _)| end <= now.seconds()).then_some(Over::Upload { key, id }))
        };
        self.sweep_pages(bucket, records::uploads(&bucket.name), upload, now, stopping).await
    }

    /// Page by page, removes what `judge` says is over.
    async fn sweep_pages(
        &self,
        bucket: &Arc<Bucket>,
        partition: Partition,
        mut judge: impl FnMut(&Record) -> S3Result<Option<Over>>,
        now: Timestamp,
        stopping: &AtomicBool,
    ) -> S3Result<()> {
        let prefix = bucket.lifecycle()?.prefix();
        let mut after = walk::before(prefix);
        while !stopping.load(Ordering::Acquire) {
            let page = self.store.list(&partition, after.as_deref(), PAGE).await.map_err(refuse::store)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key.name.clone());
            let is_past =
                |record: &Record| *record.key.name > *prefix && !record.key.name.starts_with(prefix);
            let is_last = page.len() < PAGE || page.last().is_some_and(is_past);
            let mut over = Vec::new();
            for record in page.iter().filter(|record| record.key.name.starts_with(prefix)) {
                over.extend(judge(record)?);
            }
            self.end_all(bucket, over, now).await?;
            if is_last {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Older versions: of each key the youngest come first, so that one pass knows when each was replaced and how many are
    /// younger.
    async fn end_versions(
        &self,
        bucket: &Arc<Bucket>,
        now: Timestamp,
        stopping: &AtomicBool,
    ) -> S3Result<()> {
        let lifecycle = bucket.lifecycle()?;
        let prefix = lifecycle.prefix();
        let mut after = walk::before(prefix);
        // The key at hand, when the version before was made, and how many there were before.
        let mut before: Option<(String, Timestamp, u32)> = None;
        while !stopping.load(Ordering::Acquire) {
            let page = self
                .store
                .list(&records::versions(&bucket.name), after.as_deref(), PAGE)
                .await
                .map_err(refuse::store)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key.name.clone());
            let mut over = Vec::new();
            for record in &page {
                let key = records::name_of(&record.key);
                if !key.starts_with(prefix) {
                    if key > prefix {
                        return self.end_all(bucket, over, now).await;
                    }
                    continue;
                }
                let version: Object = decode(record)?;
                let (since, newer) = match &before {
                    Some((same, made, newer)) if same == key => (*made, *newer),
                    _ => {
                        let current = self.get::<Object>(&records::object_key(&bucket.name, key)).await?;
                        // Gone meanwhile: it was not there without a current one.
                        (current.map_or(now, |current| current.modified), 0)
                    }
                };
                if lifecycle.ends(key, &version, since, newer, now) {
                    over.push(Over::Version { key: key.to_owned(), id: version.version_id() });
                }
                before = Some((key.to_owned(), version.modified, newer + 1));
            }
            self.end_all(bucket, over, now).await?;
            if page.len() < PAGE {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn end_all(&self, bucket: &Arc<Bucket>, over: Vec<Over>, now: Timestamp) -> S3Result<()> {
        let ends = over.into_iter().map(|over| self.end(bucket, over, now));
        let mut ends = futures_util::stream::iter(ends).buffer_unordered(AT_ONCE);
        let mut failed = None;
        // One that fails keeps none of the others.
        while let Some(ended) = ends.next().await {
            failed = ended.err().or(failed);
        }
        failed.map_or(Ok(()), Err)
    }

    /// Removes one, if it is still what it was found as and the rules are still the same.
    async fn end(&self, bucket: &Arc<Bucket>, over: Over, now: Timestamp) -> S3Result<()> {
        let is_marker = matches!(over, Over::Marker { .. });
        let (key, version) = match over {
            Over::Upload { key, id } => return crate::api::abandon(self, &bucket.name, &key, &id).await,
            Over::Version { key, id } | Over::Marker { key, id } => (key, Some(id)),
            Over::Object { key } => (key, None),
        };
        let mut change = self.change(&bucket.name, &key).await?;
        if change.bucket.lifecycle()? != bucket.lifecycle()? || !still(&change, version.as_deref(), now)? {
            return Ok(());
        }
        if is_marker && self.has_versions(bucket, &key).await? {
            return Ok(());
        }
        let deleted = change.delete(version.as_deref()).await?;
        let Some(sequence) = deleted.sequence else { return Ok(()) };
        let kind = if deleted.made { Kind::ExpirationMarkerCreated } else { Kind::Expiration };
        let event = Event {
            kind,
            bucket: Arc::clone(&change.bucket),
            key: key.clone(),
            at: now,
            sequence,
            object: None,
            version: deleted.version.filter(|id| id != "null"),
        };
        let notices = self.notices_of_lifecycle(&event)?;
        change.commit(Vec::new(), notices).await
    }

    async fn has_versions(&self, bucket: &Bucket, key: &str) -> S3Result<bool> {
        let before = records::before_versions(key);
        let found = self.store.list(&records::versions(&bucket.name), Some(&before), 1).await;
        let found = found.map_err(refuse::store)?;
        Ok(found.first().is_some_and(|record| record.key.name.starts_with(&before)))
    }
}

/// Under the key's lock: whether what is there now is over.
fn still(change: &Change<'_>, version: Option<&str>, now: Timestamp) -> S3Result<bool> {
    let (lifecycle, key) = (change.bucket.lifecycle()?, change.key());
    Ok(match (&change.current, version) {
        (Some(current), None) if !current.is_marker => {
            lifecycle.expiry(key, current).is_some_and(|(end, _)| end <= now.seconds())
        }
        (_, None) => false,
        // What has become the current version again is not an older one any more.
        (Some(current), Some(id)) if current.version_id() == id => {
            current.is_marker && lifecycle.clears(key, current, now)
        }
        (_, Some(_)) => true,
    })
}
