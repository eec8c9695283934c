//! Reads: a few connections, each used by one blocking thread at a time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use lambent_model::Timestamp;
use rusqlite::{Connection, Row, params};
use tokio::sync::{Semaphore, watch};

use super::{Error, Key, Partition, Record, schema};
use crate::queue::{self, Arrival, Entry, Extent, Leases, Place, Taken};

/// Reads fill caches at start and serve list calls; four in parallel keep a disk busy without taking the
/// threads that unpack code.
const CONNECTIONS: u32 = 4;

pub(super) struct Readers {
    path: PathBuf,
    announced: watch::Receiver<u64>,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn open(path: PathBuf, announced: watch::Receiver<u64>) -> Result<Self, Error> {
        let idle =
            (0..CONNECTIONS).map(|_| schema::open_for_reading(&path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            path,
            announced,
            idle: Arc::new(Mutex::new(idle)),
            permits: Arc::new(Semaphore::new(CONNECTIONS as usize)),
        })
    }

    pub(super) async fn get(&self, key: &Key) -> Result<Option<Record>, Error> {
        let key = key.clone();
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT version, body FROM record WHERE kind = ?1 AND partition = ?2 AND name = ?3",
            )?;
            let mut rows = statement.query(params![key.kind, key.partition, key.name])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let (version, body) = (version(row, 0)?, row.get(1)?);
            Ok(Some(Record { key: key.clone(), version, body }))
        })
        .await
    }

    pub(super) async fn list(
        &self,
        partition: &Partition,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        let (partition, after) = (partition.clone(), after.map(str::to_owned));
        self.read(move |conn| {
            // Two statements, because `?3 IS NULL OR …` in one would keep SQLite from starting at the name.
            let after_name = if after.is_some() { "name > ?3" } else { "?3 IS NULL" };
            let mut statement = conn.prepare_cached(&format!(
                "SELECT name, version, body FROM record
                 WHERE kind = ?1 AND partition = ?2 AND {after_name} ORDER BY name LIMIT ?4"
            ))?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows =
                statement.query_map(params![partition.kind, partition.partition, after, limit], |row| {
                    let key = Key {
                        kind: partition.kind,
                        partition: partition.partition.clone(),
                        name: row.get(0)?,
                    };
                    Ok(Record { key, version: version(row, 1)?, body: row.get(2)? })
                })?;
            rows.collect()
        })
        .await
    }

    pub(super) async fn page(
        &self,
        kind: &'static str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        // Nothing comes before two empty texts, and nobody is called that.
        let after = after.map_or_else(Default::default, |key| (key.partition.clone(), key.name.clone()));
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT partition, name, version, body FROM record
                 WHERE kind = ?1 AND (partition, name) > (?2, ?3) ORDER BY partition, name LIMIT ?4",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = statement.query_map(params![kind, after.0, after.1, limit], |row| {
                let key = Key { kind, partition: row.get(0)?, name: row.get(1)? };
                Ok(Record { key, version: version(row, 2)?, body: row.get(3)? })
            })?;
            rows.collect()
        })
        .await
    }

    pub(super) async fn take(
        &self,
        leases: &Arc<Leases>,
        queue: &str,
        now: Timestamp,
        count: usize,
        bytes: usize,
    ) -> Result<Taken, Error> {
        let (leases, queue) = (Arc::clone(leases), queue.to_owned());
        self.read(move |conn| queue::take(conn, &leases, &queue, now, count, bytes)).await
    }

    pub(super) async fn entries(
        &self,
        queue: &str,
        after: Place,
        until: Timestamp,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<Entry>, Error> {
        let queue = queue.to_owned();
        self.read(move |conn| queue::entries(conn, &queue, after, until, count, bytes)).await
    }

    pub(super) async fn extent(&self, queue: &str) -> Result<Extent, Error> {
        let queue = queue.to_owned();
        self.read(move |conn| queue::extent(conn, &queue)).await
    }

    pub(super) async fn waiting(&self) -> Result<Vec<Arrival>, Error> {
        self.read(queue::waiting).await
    }

    /// Waits until no read runs, then closes the connections. Later reads answer [`Error::Closed`].
    pub(super) async fn close(&self) {
        // An error means that somebody else has closed already, who waited in our place.
        if let Ok(_all) = self.permits.acquire_many(CONNECTIONS).await {
            self.permits.close();
            self.idle.lock().expect("no reader panics while it holds the lock").clear();
        }
    }

    /// What a caller reads has been announced to the feed's followers before: else whoever reads that a function is active
    /// could invoke it before the invoker knows.
    pub(super) async fn read<T, F>(&self, query: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_closed| Error::Closed)?;
        let (idle, path) = (self.idle.clone(), self.path.clone());
        let work = move || {
            // The permit lives in here: a caller that goes away does not free a connection that is still in use.
            let _permit = permit;
            let take = || idle.lock().expect("no reader panics while it holds the lock").pop();
            let conn = take().map_or_else(|| schema::open_for_reading(&path), Ok)?;
            // In this order: the number is at least that of the last write that the query can have seen.
            let result = query(&conn).and_then(|found| Ok((found, last(&conn)?)));
            let result = result.map_err(|e| Error::from_sqlite(&path, &e));
            idle.lock().expect("no reader panics while it holds the lock").push(conn);
            result
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok((found, seen))) => {
                // Closed: the writer has announced its last.
                drop(self.announced.clone().wait_for(|announced| *announced >= seen).await);
                Ok(found)
            }
            Ok(Err(error)) => Err(error),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_cancelled) => Err(Error::Closed),
        }
    }
}

/// The number of the last write.
fn last(conn: &Connection) -> rusqlite::Result<u64> {
    conn.prepare_cached("SELECT last FROM sequence")?.query_row([], |row| row.get(0))
}

/// Versions are never negative; a negative one is reported as a value out of range, like any damaged row.
fn version(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get(column)
}
