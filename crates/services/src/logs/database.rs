//! The log file: its tables, and how a batch gets into them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lambent_model::{LogRecord, LogStream, Origin, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::Error;
use super::queue::{Batch, Dropped};
use super::split::{MESSAGE_BYTES_MAX, OVERHEAD_BYTES, parts};

/// The file's format. Raise it with each change of the schema, and bring older files up to it in `open`.
const FORMAT: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE log_group (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    stored_bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, region, name)
) STRICT;
CREATE TABLE log_stream (
    id INTEGER PRIMARY KEY,
    group_id INTEGER NOT NULL REFERENCES log_group,
    name TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    first_event_ms INTEGER NOT NULL,
    last_event_ms INTEGER NOT NULL,
    last_ingestion_ms INTEGER NOT NULL,
    UNIQUE (group_id, name)
) STRICT;
CREATE INDEX log_stream_by_time ON log_stream (group_id, last_event_ms, name);
-- Numbers are never used twice, because tokens that clients hold speak of them.
CREATE TABLE log_event (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    group_id INTEGER NOT NULL REFERENCES log_group,
    stream_id INTEGER NOT NULL REFERENCES log_stream,
    at_ms INTEGER NOT NULL,
    ingested_ms INTEGER NOT NULL,
    -- 0 the platform, 1 the function.
    origin INTEGER NOT NULL,
    message TEXT NOT NULL
) STRICT;
-- With the stream, so that events of other streams are passed over without a look at them.
CREATE INDEX log_event_by_group ON log_event (group_id, at_ms, number, stream_id);
CREATE INDEX log_event_by_stream ON log_event (stream_id, at_ms, number);
";

/// Makes the file before SQLite does, which would leave it readable by everyone; logs hold what functions handle.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

/// Opens the file for the writer, creating it where it is missing.
pub(super) fn open(path: &Path) -> Result<Connection, Error> {
    let refused = |source| Error::Database { path: path.to_owned(), source };
    make_private(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    let mut conn = Connection::open(path).map_err(refused)?;
    conn.busy_timeout(Duration::from_secs(5)).map_err(refused)?;
    let found: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(refused)?;
    if found > FORMAT {
        return Err(Error::Newer { path: path.to_owned(), found, known: FORMAT });
    }
    if found == 0 {
        // Space that deleted logs leave can be given back only when this stands before the first table.
        conn.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(refused)?;
    }
    conn.pragma_update(None, "journal_mode", "WAL").map_err(refused)?;
    conn.pragma_update(None, "synchronous", "NORMAL").map_err(refused)?;
    if found == 0 {
        let schema = conn.transaction().map_err(refused)?;
        schema.execute_batch(SCHEMA).map_err(refused)?;
        schema.pragma_update(None, "user_version", FORMAT).map_err(refused)?;
        schema.commit().map_err(refused)?;
    }
    Ok(conn)
}

/// The ids of a group and a stream in the file.
#[derive(Debug, Clone, Copy)]
struct Ids {
    group: i64,
    stream: i64,
}

/// The ids of streams that were written lately.
#[derive(Default)]
pub(super) struct Known(HashMap<Arc<LogStream>, Ids>);

impl Known {
    /// Above this many the ids are forgotten and read anew: streams end with their environments, and nobody says so.
    const MAX: usize = 4_096;
}

/// Writes a batch in one transaction: all of it or nothing.
pub(super) fn write(
    conn: &mut Connection,
    known: &mut Known,
    batch: &Batch,
    now: Timestamp,
) -> rusqlite::Result<()> {
    if known.0.len() > Known::MAX {
        known.0.clear();
    }
    let result = write_all(conn.transaction()?, known, batch, now);
    if result.is_err() {
        // The ids of groups and streams that this transaction made are gone with it.
        known.0.clear();
    }
    result
}

fn write_all(
    transaction: Transaction<'_>,
    known: &mut Known,
    batch: &Batch,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut tally = Tally { now_ms: now.millis(), groups: HashMap::new(), streams: HashMap::new() };
    for record in &batch.records {
        let ids = ids(&transaction, known, &record.stream, tally.now_ms)?;
        tally.write(&transaction, ids, record)?;
    }
    for (stream, dropped) in &batch.dropped {
        let ids = ids(&transaction, known, stream, tally.now_ms)?;
        tally.write(&transaction, ids, &notice(stream, *dropped))?;
    }
    tally.finish(&transaction)?;
    transaction.commit()
}

/// Tells the readers of a stream what is missing from it.
fn notice(stream: &Arc<LogStream>, dropped: Dropped) -> LogRecord {
    let Dropped { records, bytes, since } = dropped;
    LogRecord {
        stream: Arc::clone(stream),
        at: since,
        origin: Origin::Platform,
        message: format!(
            "LOGS_DROPPED\tDropped Records: {records}\tDropped Bytes: {bytes}\tReason: \
             more was logged than could be written"
        ),
    }
}

/// Finds a stream and its group, making both where they are missing.
fn ids(
    transaction: &Transaction<'_>,
    known: &mut Known,
    stream: &Arc<LogStream>,
    now_ms: i64,
) -> rusqlite::Result<Ids> {
    if let Some(ids) = known.0.get(stream) {
        return Ok(*ids);
    }
    let (account, region) = (stream.scope.account.as_str(), stream.scope.region.as_str());
    transaction
        .prepare_cached(
            "INSERT INTO log_group (account, region, name, created_ms) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![account, region, stream.group, now_ms])?;
    let group = transaction
        .prepare_cached("SELECT id FROM log_group WHERE account = ?1 AND region = ?2 AND name = ?3")?
        .query_row(params![account, region, stream.group], |row| row.get(0))?;
    let find = "SELECT id FROM log_stream WHERE group_id = ?1 AND name = ?2";
    let found = transaction
        .prepare_cached(find)?
        .query_row(params![group, stream.stream], |row| row.get(0))
        .optional()?;
    let stream_id = match found {
        Some(id) => id,
        None => {
            // The times are those of no event yet; the first one, in this same transaction, corrects them.
            transaction
                .prepare_cached(
                    "INSERT INTO log_stream
                     (group_id, name, created_ms, first_event_ms, last_event_ms, last_ingestion_ms)
                     VALUES (?1, ?2, ?3, ?4, 0, 0)",
                )?
                .execute(params![group, stream.stream, now_ms, i64::MAX])?;
            transaction.last_insert_rowid()
        }
    };
    let ids = Ids { group, stream: stream_id };
    known.0.insert(Arc::clone(stream), ids);
    Ok(ids)
}

/// Writes events and sums up what they change in their groups and streams.
struct Tally {
    now_ms: i64,
    /// Bytes added to each group.
    groups: HashMap<i64, usize>,
    /// Times of the first and last event of each stream.
    streams: HashMap<i64, (i64, i64)>,
}

impl Tally {
    fn write(&mut self, transaction: &Transaction<'_>, ids: Ids, record: &LogRecord) -> rusqlite::Result<()> {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO log_event (group_id, stream_id, at_ms, ingested_ms, origin, message)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let origin = match record.origin {
            Origin::Platform => 0,
            Origin::Function => 1,
        };
        let at_ms = self.event_time(record.at);
        // Lambda's events end with the newline that ended the line (Lambda Developer Guide, "Viewing CloudWatch
        // logs for Lambda functions"); it also makes an empty line an event, which may not be empty.
        let message = format!("{}\n", record.message);
        for part in parts(&message, MESSAGE_BYTES_MAX) {
            insert.execute(params![ids.group, ids.stream, at_ms, self.now_ms, origin, part])?;
            *self.groups.entry(ids.group).or_default() += part.len() + OVERHEAD_BYTES;
        }
        let (first, last) = self.streams.entry(ids.stream).or_insert((at_ms, at_ms));
        *first = at_ms.min(*first);
        *last = at_ms.max(*last);
        Ok(())
    }

    /// A function may date its records as it likes. CloudWatch refuses those outside of 14 days back and 2 hours
    /// ahead (API Reference, `PutLogEvents`); here they keep their text and take the time of their arrival.
    fn event_time(&self, at: Timestamp) -> i64 {
        const BACK_MS: i64 = 14 * 24 * 3_600_000;
        const AHEAD_MS: i64 = 2 * 3_600_000;
        let window = self.now_ms - BACK_MS..=self.now_ms + AHEAD_MS;
        let at_ms = if window.contains(&at.millis()) { at.millis() } else { self.now_ms };
        at_ms.max(0)
    }

    fn finish(self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut update = transaction
            .prepare_cached("UPDATE log_group SET stored_bytes = stored_bytes + ?2 WHERE id = ?1")?;
        for (group, bytes) in self.groups {
            update.execute(params![group, i64::try_from(bytes).expect("a batch is smaller than 8 EiB")])?;
        }
        let mut update = transaction.prepare_cached(
            "UPDATE log_stream SET first_event_ms = min(first_event_ms, ?2),
             last_event_ms = max(last_event_ms, ?3), last_ingestion_ms = ?4 WHERE id = ?1",
        )?;
        for (stream, (first, last)) in self.streams {
            update.execute(params![stream, first, last, self.now_ms])?;
        }
        Ok(())
    }
}
