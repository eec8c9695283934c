//! Questions to the log file.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lambent_model::Scope;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Error;
use super::position::Position;
use super::split::OVERHEAD_BYTES;

/// Questions that are answered at once. More would only share the same few processors, and each may hold a page of
/// a megabyte; the rest waits its turn.
const READERS: usize = 4;

/// The most of a page (API Reference, `GetLogEvents`, `FilterLogEvents`).
pub(super) const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// The most events of a page.
pub(super) const PAGE_EVENTS_MAX: usize = 10_000;
/// How many events a page may pass over in its search for those that match. A page may be empty and still have a
/// successor (API Reference, `FilterLogEvents`); this keeps one question from reading the whole file.
const PAGE_SCAN_MAX: usize = 200_000;

/// A few connections that only read.
pub(super) struct Readers {
    path: PathBuf,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, permits: Arc::new(Semaphore::new(READERS)), idle: Mutex::default() }
    }

    /// Answers no more questions.
    pub(super) fn close(&self) {
        self.permits.close();
        self.idle().clear();
    }

    /// Waits for a turn. Hold it where [`Readers::ask`] runs, which goes on even when nobody waits for it any more.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, Error> {
        Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::Closed { path: self.path.clone() })
    }

    /// Runs a question. It blocks; give it a thread that may.
    pub(super) fn ask<T>(
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
pub(super) struct Group {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) created_ms: i64,
    pub(super) stored_bytes: i64,
}

/// A log stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) created_ms: i64,
    pub(super) first_event_ms: i64,
    pub(super) last_event_ms: i64,
    pub(super) last_ingestion_ms: i64,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) position: Position,
    pub(super) stream: i64,
    pub(super) ingested_ms: i64,
    pub(super) message: String,
}

const GROUP: &str = "SELECT id, name, created_ms, stored_bytes FROM log_group";
const STREAM: &str =
    "SELECT id, name, created_ms, first_event_ms, last_event_ms, last_ingestion_ms FROM log_stream";

fn group_row(row: &Row<'_>) -> rusqlite::Result<Group> {
    Ok(Group { id: row.get(0)?, name: row.get(1)?, created_ms: row.get(2)?, stored_bytes: row.get(3)? })
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
pub(super) fn group(conn: &Connection, scope: &Scope, name: &str) -> rusqlite::Result<Option<Group>> {
    conn.prepare_cached(&format!("{GROUP} WHERE account = ?1 AND region = ?2 AND name = ?3"))?
        .query_row(params![scope.account.as_str(), scope.region.as_str(), name], group_row)
        .optional()
}

/// The log groups after a name that satisfy a condition, by name, up to `limit`.
pub(super) fn groups(
    conn: &Connection,
    scope: &Scope,
    after: &str,
    limit: usize,
    wanted: impl Fn(&str) -> bool,
) -> rusqlite::Result<Vec<Group>> {
    let mut statement = conn
        .prepare_cached(&format!("{GROUP} WHERE account = ?1 AND region = ?2 AND name > ?3 ORDER BY name"))?;
    let rows =
        statement.query_map(params![scope.account.as_str(), scope.region.as_str(), after], group_row)?;
    rows.filter(|group| group.as_ref().map_or(true, |group| wanted(&group.name))).take(limit).collect()
}

/// One log stream by its name.
pub(super) fn stream(conn: &Connection, group: i64, name: &str) -> rusqlite::Result<Option<Stream>> {
    conn.prepare_cached(&format!("{STREAM} WHERE group_id = ?1 AND name = ?2"))?
        .query_row(params![group, name], stream_row)
        .optional()
}

/// The ids of the streams whose names start with a prefix.
pub(super) fn streams_with_prefix(
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
pub(super) enum StreamOrder {
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
pub(super) fn streams(
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
pub(super) fn stream_names(
    conn: &Connection,
    ids: impl Iterator<Item = i64>,
) -> rusqlite::Result<HashMap<i64, String>> {
    let mut statement = conn.prepare_cached("SELECT name FROM log_stream WHERE id = ?1")?;
    let mut names = HashMap::new();
    for id in ids {
        if let std::collections::hash_map::Entry::Vacant(entry) = names.entry(id) {
            entry.insert(statement.query_row([id], |row| row.get(0))?);
        }
    }
    Ok(names)
}

/// Whose events are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// Those of a stream.
    Stream(i64),
    /// Those of a group, perhaps of some of its streams alone.
    Group(i64, Option<HashSet<i64>>),
}

/// Which events of the source are wanted: those strictly between two positions, from one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) after: Position,
    pub(super) before: Position,
    /// Newest first.
    pub(super) descending: bool,
    pub(super) limit: usize,
}

/// Events in the order asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Page {
    pub(super) events: Vec<Event>,
    /// Where the next page goes on, when this one ended before the window did.
    pub(super) next: Option<Position>,
}

/// Reads a page of events: as many as its limits of count, bytes and effort allow.
pub(super) fn events(conn: &Connection, source: &Source, window: Window) -> rusqlite::Result<Page> {
    let (column, id, only) = match source {
        Source::Stream(id) => ("stream_id", *id, None),
        Source::Group(id, only) => ("group_id", *id, only.as_ref()),
    };
    let direction = if window.descending { "DESC" } else { "ASC" };
    let mut statement = conn.prepare_cached(&format!(
        "SELECT at_ms, number, stream_id FROM log_event
         WHERE {column} = ?1 AND (at_ms, number) > (?2, ?3) AND (at_ms, number) < (?4, ?5)
         ORDER BY at_ms {direction}, number {direction}"
    ))?;
    // Apart, so that the scan stays inside its index and reads the text of what matches alone.
    let mut text = conn.prepare_cached("SELECT ingested_ms, message FROM log_event WHERE number = ?1")?;
    let Window { after, before, .. } = window;
    let mut rows = statement.query(params![id, after.at_ms, after.number, before.at_ms, before.number])?;
    let mut page = Page::default();
    let mut bytes = 0;
    let mut scanned = 0;
    let mut last = None;
    while let Some(row) = rows.next()? {
        if scanned == PAGE_SCAN_MAX || page.events.len() == window.limit {
            page.next = last;
            break;
        }
        scanned += 1;
        let position = Position { at_ms: row.get(0)?, number: row.get(1)? };
        let stream = row.get(2)?;
        if only.is_none_or(|only| only.contains(&stream)) {
            let (ingested_ms, message): (i64, String) =
                text.query_row([position.number], |row| Ok((row.get(0)?, row.get(1)?)))?;
            bytes += message.len() + OVERHEAD_BYTES;
            // The first event always fits: it is at most as long as a page.
            if bytes > PAGE_BYTES_MAX && !page.events.is_empty() {
                page.next = last;
                break;
            }
            page.events.push(Event { position, stream, ingested_ms, message });
        }
        last = Some(position);
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::super::database;

    #[test]
    fn every_question_has_its_index() {
        let dir = tempfile::tempdir().unwrap();
        let conn = database::open(&dir.path().join("logs.db")).unwrap();
        let plan = |sql: &str| -> String {
            let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let rows = statement.raw_query().mapped(|row| row.get::<_, String>(3));
            rows.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
        };
        for (sql, index) in [
            (
                "SELECT at_ms, number, stream_id FROM log_event WHERE group_id = 1 AND (at_ms, number) > (2, 3)
                 AND (at_ms, number) < (4, 5) ORDER BY at_ms DESC, number DESC",
                "log_event_by_group",
            ),
            (
                "SELECT at_ms, number, stream_id FROM log_event WHERE stream_id = 1 AND (at_ms, number) > (2, 3)
                 AND (at_ms, number) < (4, 5) ORDER BY at_ms, number",
                "log_event_by_stream",
            ),
            (
                "SELECT name FROM log_stream WHERE group_id = 1 AND (NULL IS NULL OR (last_event_ms, name) < (1, 'x'))
                 ORDER BY last_event_ms DESC, name DESC",
                "log_stream_by_time",
            ),
        ] {
            let plan = plan(sql);
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
        }
    }
}
