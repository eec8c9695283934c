//! Questions to the catalogue.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lambent_model::Scope;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::logs::Error;

/// Questions that are answered at once. More would only share the same few processors, and each may hold a page of
/// a megabyte; the rest waits its turn.
const READERS: usize = 4;

/// A few connections that only read.
pub(crate) struct Readers {
    path: PathBuf,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, permits: Arc::new(Semaphore::new(READERS)), idle: Mutex::default() }
    }

    /// Answers no more questions.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.idle().clear();
    }

    /// Waits for a turn. Hold it where [`Readers::ask`] runs, which goes on even when nobody waits for it any more.
    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit, Error> {
        Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::Closed { path: self.path.clone() })
    }

    /// Runs a question. It blocks; give it a thread that may.
    pub(crate) fn ask<T>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let refused = |source| Error::Database { path: self.path.clone(), source };
        let idle = self.idle().pop();
        let conn = match idle {
            Some(conn) => conn,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let conn = Connection::open_with_flags(&self.path, flags).map_err(refused)?;
                conn.busy_timeout(Duration::from_secs(5)).map_err(refused)?;
                conn
            }
        };
        // One transaction, so that all parts of the answer speak of one moment.
        let moment = conn.unchecked_transaction().map_err(refused)?;
        let answer = question(&moment).map_err(refused)?;
        drop(moment);
        if !self.permits.is_closed() {
            self.idle().push(conn);
        }
        Ok(answer)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A log group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) class: String,
    pub(crate) created_ms: i64,
    pub(crate) retention_days: Option<i32>,
}

/// A log stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) created_ms: i64,
    pub(crate) first_event_ms: i64,
    pub(crate) last_event_ms: i64,
    pub(crate) last_ingestion_ms: i64,
}

const GROUP: &str = "SELECT id, name, class, created_ms, retention_days FROM log_group";
const STREAM: &str =
    "SELECT id, name, created_ms, first_event_ms, last_event_ms, last_ingestion_ms FROM log_stream";

fn group_row(row: &Row<'_>) -> rusqlite::Result<Group> {
    Ok(Group {
        id: row.get(0)?,
        name: row.get(1)?,
        class: row.get(2)?,
        created_ms: row.get(3)?,
        retention_days: row.get(4)?,
    })
}

fn stream_row(row: &Row<'_>) -> rusqlite::Result<Stream> {
    Ok(Stream {
        id: row.get(0)?,
        name: row.get(1)?,
        created_ms: row.get(2)?,
        first_event_ms: row.get(3)?,
        last_event_ms: row.get(4)?,
        last_ingestion_ms: row.get(5)?,
    })
}

/// One log group by its name.
pub(crate) fn group(conn: &Connection, scope: &Scope, name: &str) -> rusqlite::Result<Option<Group>> {
    conn.prepare_cached(&format!("{GROUP} WHERE account = ?1 AND region = ?2 AND name = ?3"))?
        .query_row(params![scope.account.as_str(), scope.region.as_str(), name], group_row)
        .optional()
}

/// The log groups after a name that satisfy a condition, by name, up to `limit`.
pub(crate) fn groups(
    conn: &Connection,
    scope: &Scope,
    after: &str,
    limit: usize,
    wanted: impl Fn(&Group) -> bool,
) -> rusqlite::Result<Vec<Group>> {
    let mut statement = conn
        .prepare_cached(&format!("{GROUP} WHERE account = ?1 AND region = ?2 AND name > ?3 ORDER BY name"))?;
    let rows =
        statement.query_map(params![scope.account.as_str(), scope.region.as_str(), after], group_row)?;
    rows.filter(|group| group.as_ref().map_or(true, &wanted)).take(limit).collect()
}

/// One log stream by its name.
pub(crate) fn stream(conn: &Connection, group: i64, name: &str) -> rusqlite::Result<Option<Stream>> {
    conn.prepare_cached(&format!("{STREAM} WHERE group_id = ?1 AND name = ?2"))?
        .query_row(params![group, name], stream_row)
        .optional()
}

/// The ids of the streams whose names start with a prefix.
pub(crate) fn streams_with_prefix(
    conn: &Connection,
    group: i64,
    prefix: &str,
) -> rusqlite::Result<HashSet<i64>> {
    conn.prepare_cached("SELECT id FROM log_stream WHERE group_id = ?1 AND name >= ?2 AND name < ?3")?
        .query_map(params![group, prefix, prefix_end(prefix)], |row| row.get(0))?
        .collect()
}

/// A text that follows all that start with the prefix: the last code point is no character.
fn prefix_end(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
}

/// In which order streams are listed, and after which one a page starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamOrder {
    /// By name.
    Name {
        /// The last name of the page before.
        after: Option<String>,
    },
    /// By the time of the last event, then by name.
    LastEvent {
        /// Time and name of the last stream of the page before.
        after: Option<(i64, String)>,
    },
}

/// A page of the streams of a group.
pub(crate) fn streams(
    conn: &Connection,
    group: i64,
    prefix: &str,
    order: &StreamOrder,
    descending: bool,
    limit: usize,
) -> rusqlite::Result<Vec<Stream>> {
    let (direction, beyond) = if descending { ("DESC", "<") } else { ("ASC", ">") };
    let limit = i64::try_from(limit).expect("pages are small");
    let end = prefix_end(prefix);
    match order {
        StreamOrder::Name { after } => conn
            .prepare_cached(&format!(
                "{STREAM} WHERE group_id = ?1 AND name >= ?2 AND name < ?3 AND (?4 IS NULL OR name {beyond} ?4)
                 ORDER BY name {direction} LIMIT ?5"
            ))?
            .query_map(params![group, prefix, end, after, limit], stream_row)?
            .collect(),
        StreamOrder::LastEvent { after } => {
            let (time, name) = after.as_ref().map(|(time, name)| (*time, name.as_str())).unzip();
            conn.prepare_cached(&format!(
                "{STREAM} WHERE group_id = ?1 AND (?2 IS NULL OR (last_event_ms, name) {beyond} (?2, ?3))
                 ORDER BY last_event_ms {direction}, name {direction} LIMIT ?4"
            ))?
            .query_map(params![group, time, name, limit], stream_row)?
            .collect()
        }
    }
}

/// The names of streams by their ids.
pub(crate) fn stream_names(
    conn: &Connection,
    ids: impl Iterator<Item = i64>,
) -> rusqlite::Result<HashMap<i64, String>> {
    let mut statement = conn.prepare_cached("SELECT name FROM log_stream WHERE id = ?1")?;
    let mut names = HashMap::new();
    for id in ids {
        if let std::collections::hash_map::Entry::Vacant(entry) = names.entry(id) {
            // A stream that was deleted in this moment has events on the page and no name.
            if let Some(name) = statement.query_row([id], |row| row.get(0)).optional()? {
                entry.insert(name);
            }
        }
    }
    Ok(names)
}

/// The ids of a group's deleted streams, whose events may still be in segments.
pub(crate) fn deleted_streams(conn: &Connection, group: i64) -> rusqlite::Result<HashSet<i64>> {
    conn.prepare_cached("SELECT id FROM deleted_stream WHERE group_id = ?1")?
        .query_map([group], |row| row.get(0))?
        .collect()
}

/// The tags of a group, by key.
pub(crate) fn tags(conn: &Connection, group: i64) -> rusqlite::Result<BTreeMap<String, String>> {
    conn.prepare_cached("SELECT key, value FROM tag WHERE group_id = ?1")?
        .query_map([group], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::logs::catalog;

    #[test]
    fn streams_by_time_have_their_index() {
        let dir = tempfile::tempdir().unwrap();
        let conn = catalog::open(&dir.path().join("catalog.db")).unwrap();
        let plan = |sql: &str| -> String {
            let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let rows = statement.raw_query().mapped(|row| row.get::<_, String>(3));
            rows.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
        };
        let plan = plan(
            "SELECT name FROM log_stream WHERE group_id = 1 AND (NULL IS NULL OR (last_event_ms, name) < (1, 'x'))
             ORDER BY last_event_ms DESC, name DESC",
        );
        assert!(plan.contains("log_stream_by_time") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}
