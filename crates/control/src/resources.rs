//! Records of resources that are not functions: reading, listing and writing them.

use lambent_model::Scope;
use lambent_store::{Error as StoreError, Expect, Key, Partition, Record, Store, Write};
use lambent_wire::Error;
use serde::de::DeserializeOwned;

use crate::refuse;

/// Records read at once where all are wanted.
const CHUNK: usize = 500;

/// A resource with the version of its record.
pub(crate) struct Kept<T> {
    pub(crate) value: T,
    pub(crate) version: u64,
}

impl<T> Kept<T> {
    /// What a write expects that was decided on this.
    pub(crate) fn expect(&self) -> Expect {
        Expect::Version(self.version)
    }
}

pub(crate) fn key(kind: &'static str, scope: &Scope, name: impl Into<String>) -> Key {
    Key { kind, partition: format!("{}/{}", scope.account, scope.region), name: name.into() }
}

/// The resource of this key, if it exists.
pub(crate) async fn get<T: DeserializeOwned>(store: &Store, key: &Key) -> Result<Option<Kept<T>>, Error> {
    let record = store.get(key).await.map_err(|error| refuse::store(&error))?;
    let Some(record) = record else { return Ok(None) };
    let value = record.decode().map_err(|error| refuse::store(&error))?;
    Ok(Some(Kept { value, version: record.version }))
}

/// Up to `limit` resources after the name `after`, by their names.
pub(crate) async fn list<T: DeserializeOwned>(
    store: &Store,
    partition: &Partition,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<T>, Error> {
    let records = store.list(partition, after, limit).await.map_err(|error| refuse::store(&error))?;
    records.iter().map(|record| record.decode().map_err(|error| refuse::store(&error))).collect()
}

/// The records named `OWNER/…` after `after`.
pub(crate) async fn children(
    store: &Store,
    after: Key,
    owner: &str,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let (partition, prefix) = (after.partition(), format!("{owner}/"));
    let (mut found, mut after) = (Vec::new(), after.name);
    while found.len() < limit {
        // Of the records that follow only the first can be this owner's.
        let records = store.list(&partition, Some(&after), CHUNK.min(limit - found.len())).await?;
        let before = found.len();
        found.extend(records.into_iter().take_while(|record| record.key.name.starts_with(&prefix)));
        match found.last() {
            Some(last) if found.len() > before => after.clone_from(&last.key.name),
            _ => break,
        }
    }
    Ok(found)
}

/// Commits writes that could be made; `Ok(false)` when something was not as they expect.
pub(crate) async fn commit(
    site: &'static str,
    store: &Store,
    writes: Result<Vec<Write>, StoreError>,
) -> Result<bool, Error> {
    let done = match writes {
        Ok(writes) => store.commit_at(site, writes).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(_) => Ok(true),
        Err(StoreError::Conflict { .. }) => Ok(false),
        Err(error) => Err(refuse::store(&error)),
    }
}
