//! What putting and deleting does to the versions of a key (User Guide, "Using versioning in S3 buckets": working with
//! objects in a versioning-enabled and in a versioning-suspended bucket).

use std::sync::Arc;

use lambent_store::{Expect, Record, Write};
use s3s::S3Result;
use s3s::dto::ETagCondition;

use crate::engine::{Engine, Turn, decode, delete, put};
use crate::files::Draft;
use crate::records::{self, Bucket, Content, Object, Versioning};
use crate::refuse;
use crate::write::Written;

/// A change of one key, from reading its record to the commit.
pub(crate) struct Change<'a> {
    engine: &'a Engine,
    turn: Turn<'a>,
    pub(crate) bucket: Arc<Bucket>,
    key: String,
    /// What is there.
    pub(crate) current: Option<Object>,
    /// That nothing is there was guessed; the commit finds out.
    pub(crate) is_guess: bool,
    pub(crate) writes: Vec<Write>,
    /// Files that go with the commit.
    doomed: Vec<String>,
    /// What is current after it, where that is known.
    next: Option<Object>,
}

/// What a deletion did.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    /// The version that was deleted, or the marker that was made.
    pub(crate) version: Option<String>,
    /// Whether that is, or was, a delete marker.
    pub(crate) marker: bool,
    /// Whether a marker was made.
    pub(crate) made: bool,
    /// The sequence of the change, where there was one.
    pub(crate) sequence: Option<u64>,
}

impl Engine {
    /// Begins a change.
    pub(crate) async fn change(&self, bucket: &str, key: &str) -> S3Result<Change<'_>> {
        let turn = self.turn(bucket, key).await;
        let bucket = self.bucket(bucket)?;
        let current = self.current(&bucket.name, key).await?;
        let (key, writes, doomed) = (key.to_owned(), Vec::new(), Vec::new());
        Ok(Change { engine: self, turn, bucket, key, current, is_guess: false, writes, doomed, next: None })
    }

    /// Begins a change that puts an object, and may guess that its key is new instead of looking: of one that nobody asked
    /// for lately, in a bucket that keeps no versions.
    pub(crate) async fn change_by_guess(&self, bucket: &str, key: &str) -> S3Result<Change<'_>> {
        let turn = self.turn(bucket, key).await;
        let bucket = self.bucket(bucket)?;
        let known = self.recent.object(turn.lock, &bucket.name, key);
        let is_guess =
            known.is_none() && bucket.versioning == Versioning::Off && self.guesses.is_new(&bucket.name);
        let current = match known {
            Some(known) => Some(Object::clone(&known)),
            None if is_guess => None,
            None => {
                let found = self.current(&bucket.name, key).await?;
                self.guesses.learn(&bucket.name, found.is_none());
                found
            }
        };
        let (key, writes, doomed) = (key.to_owned(), Vec::new(), Vec::new());
        Ok(Change { engine: self, turn, bucket, key, current, is_guess, writes, doomed, next: None })
    }

    /// A version of a key, the current one without an id.
    pub(crate) async fn object(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> S3Result<Option<Object>> {
        let current = self.current(bucket, key).await?;
        let Some(version) = version else { return Ok(current) };
        if current.as_ref().is_some_and(|object| object.version_id() == version) {
            return Ok(current);
        }
        let older = self.older(bucket, key, version).await?;
        older.map(|record| decode(&record)).transpose()
    }

    /// The record of an older version.
    async fn older(&self, bucket: &str, key: &str, version: &str) -> S3Result<Option<Record>> {
        if version != "null" {
            // Ids of versions begin with their sequence.
            let sequence = version.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok());
            let Some(sequence) = sequence else {
                return Err(refuse::invalid_argument("Invalid version id specified"));
            };
            let record = self.store.get(&records::version_key(bucket, key, sequence)).await;
            let record = record.map_err(refuse::store)?;
            let is_it =
                |record: &Record| decode::<Object>(record).is_ok_and(|object| object.version_id() == version);
            return Ok(record.filter(is_it));
        }
        let before = records::before_versions(key);
        let mut after = before.clone();
        loop {
            let page = self
                .store
                .list(&records::versions(bucket), Some(&after), 100)
                .await
                .map_err(refuse::store)?;
            let Some(last) = page.last() else { return Ok(None) };
            after = last.key.name.clone();
            for record in page {
                if !record.key.name.starts_with(&before) {
                    return Ok(None);
                }
                if decode::<Object>(&record)?.version.is_none() {
                    return Ok(Some(record));
                }
            }
        }
    }
}

impl Change<'_> {
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The current version, unless that says that the key is deleted.
    pub(crate) fn present(&self) -> Option<&Object> {
        self.current.as_ref().filter(|object| !object.is_marker)
    }

    /// Conditions of a write (User Guide, "Add preconditions to S3 operations with conditional requests").
    pub(crate) fn require(
        &self,
        if_match: Option<&ETagCondition>,
        if_none_match: Option<&ETagCondition>,
    ) -> S3Result<()> {
        match if_none_match {
            Some(ETagCondition::Any) if self.present().is_some() => return Err(refuse::precondition_failed()),
            Some(ETagCondition::ETag(_)) => {
                return Err(refuse::not_offered(
                    "If-None-Match with an ETag for writes, and S3 does not either",
                ));
            }
            _ => {}
        }
        match (if_match, self.present()) {
            (None, _) | (Some(ETagCondition::Any), Some(_)) => Ok(()),
            (Some(_), None) => Err(refuse::no_such_key()),
            (Some(ETagCondition::ETag(etag)), Some(object)) if etag.value() == object.etag => Ok(()),
            (Some(ETagCondition::ETag(_)), Some(_)) => Err(refuse::precondition_failed()),
        }
    }

    /// Sequence and version id of what comes next.
    pub(crate) fn next(&self) -> (u64, Option<String>) {
        // Also where the clock has been put back.
        let before = self.current.as_ref().map_or(0, |current| current.sequence);
        let sequence = self.engine.next_sequence().max(before + 1);
        let id = (self.bucket.versioning == Versioning::Enabled)
            .then(|| format!("{sequence:016x}{}", &self.engine.files.id()[..16]));
        (sequence, id)
    }

    /// Makes `object` the current version.
    pub(crate) async fn install(&mut self, object: &Object) -> S3Result<()> {
        if let Some(current) = self.current.take() {
            let stays = match self.bucket.versioning {
                Versioning::Off => false,
                Versioning::Enabled => true,
                // There is one null version at most.
                Versioning::Suspended => current.version.is_some(),
            };
            if stays {
                let key = records::version_key(&self.bucket.name, &self.key, current.sequence);
                self.writes.push(put(key, &current)?);
            } else {
                self.discard(&current.content).await?;
            }
            if self.bucket.versioning == Versioning::Suspended
                && let Some(null) = self.engine.older(&self.bucket.name, &self.key, "null").await?
            {
                self.discard(&decode::<Object>(&null)?.content).await?;
                self.writes.push(delete(null.key));
            }
        }
        let expect = if self.is_guess { Expect::Absent } else { Expect::Any };
        let key = records::object_key(&self.bucket.name, &self.key);
        self.writes.push(Write::put(key, expect, object).map_err(refuse::store)?);
        self.next = Some(object.clone());
        Ok(())
    }

    /// Replaces the record of a version that stays where it is: its tags, for one.
    pub(crate) fn replace(&mut self, object: &Object) -> S3Result<()> {
        let is_current = self.current.as_ref().is_some_and(|current| current.sequence == object.sequence);
        let key = match is_current {
            true => records::object_key(&self.bucket.name, &self.key),
            false => records::version_key(&self.bucket.name, &self.key, object.sequence),
        };
        self.writes.push(put(key, object)?);
        Ok(())
    }

    async fn discard(&mut self, content: &Content) -> S3Result<()> {
        let files = self.engine.discard(content, &mut self.writes).await?;
        self.doomed.extend(files);
        Ok(())
    }

    /// Deletes the key, or one version of it. Nothing is done for what is not there.
    pub(crate) async fn delete(&mut self, version: Option<&str>) -> S3Result<Deleted> {
        match version {
            Some(version) => self.delete_version(version).await,
            None if self.bucket.versioning == Versioning::Off => match self.current.take() {
                None => Ok(Deleted::default()),
                Some(current) => {
                    self.discard(&current.content).await?;
                    self.writes.push(delete(records::object_key(&self.bucket.name, &self.key)));
                    Ok(Deleted { sequence: Some(self.engine.next_sequence()), ..Deleted::default() })
                }
            },
            None => {
                let (sequence, version) = self.next();
                let empty = Object::empty(sequence, version, self.engine.clock.now());
                let marker = Object { is_marker: true, ..empty };
                self.install(&marker).await?;
                let version = Some(marker.version_id());
                Ok(Deleted { version, marker: true, made: true, sequence: Some(sequence) })
            }
        }
    }

    async fn delete_version(&mut self, version: &str) -> S3Result<Deleted> {
        let deleted = |object: &Object, engine: &Engine| Deleted {
            version: Some(object.version_id()),
            marker: object.is_marker,
            made: false,
            sequence: Some(engine.next_sequence()),
        };
        if let Some(current) = self.current.take_if(|current| current.version_id() == version) {
            self.discard(&current.content).await?;
            self.promote().await?;
            return Ok(deleted(&current, self.engine));
        }
        match self.engine.older(&self.bucket.name, &self.key, version).await? {
            None => Ok(Deleted { version: Some(version.to_owned()), ..Deleted::default() }),
            Some(record) => {
                let object: Object = decode(&record)?;
                self.discard(&object.content).await?;
                self.writes.push(delete(record.key));
                Ok(deleted(&object, self.engine))
            }
        }
    }

    /// Makes the youngest of the older versions the current one, or removes the key.
    async fn promote(&mut self) -> S3Result<()> {
        let before = records::before_versions(&self.key);
        let versions = records::versions(&self.bucket.name);
        let found = self.engine.store.list(&versions, Some(&before), 1).await.map_err(refuse::store)?;
        let youngest = found.into_iter().find(|record| record.key.name.starts_with(&before));
        let key = records::object_key(&self.bucket.name, &self.key);
        match youngest {
            None => self.writes.push(delete(key)),
            Some(record) => {
                self.writes.push(put(key, &decode::<Object>(&record)?)?);
                self.writes.push(delete(record.key));
            }
        }
        Ok(())
    }

    /// Commits the change, with what was written for it and with who is to hear of it; nobody else has changed the key in
    /// between.
    pub(crate) async fn commit(self, written: Vec<Written>, notices: Vec<Write>) -> S3Result<()> {
        assert!(!self.is_guess, "whoever guesses has to hear that it was wrong");
        self.commit_guess(written, notices).await.map(drop)
    }

    /// The same for what may have been guessed; false where that was wrong, and nothing has happened.
    pub(crate) async fn commit_guess(self, written: Vec<Written>, notices: Vec<Write>) -> S3Result<bool> {
        let Self { engine, is_guess, mut writes, doomed, next, bucket, key, turn, .. } = self;
        let mut new = Vec::new();
        for written in written {
            writes.extend(written.writes);
            // From here on it may be referred to: whoever is dropped while the commit is on its way must not remove it. If
            // that fails after all, what is left is rubbish for the next start.
            new.extend(written.drafts.into_iter().map(Draft::keep));
        }
        writes.extend(notices);
        if writes.is_empty() {
            return Ok(true);
        }
        let changing = engine.recent.changing(turn.lock);
        match engine.store.commit(writes).await {
            Ok(_) => {
                let count = changing.end();
                if let Some(next) = next {
                    engine.recent.keep_object(count, &bucket.name, &key, Arc::new(next));
                }
                engine.remove(doomed).await;
                Ok(true)
            }
            Err(error) => {
                changing.end();
                engine.remove(new).await;
                match error {
                    lambent_store::Error::Conflict { .. } if is_guess => {
                        engine.guesses.learn(&bucket.name, false);
                        Ok(false)
                    }
                    error => Err(refuse::store(error)),
                }
            }
        }
    }
}
