//! Changes of the catalogue. The writer's thread alone makes them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use lambent_model::{LogStream, Scope};
use rusqlite::{Connection, OptionalExtension, params};

/// The ids of a group and a stream in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids {
    pub(crate) group: i64,
    pub(crate) stream: i64,
}

/// The ids of streams that were written lately.
#[derive(Default)]
pub(crate) struct Known(HashMap<Arc<LogStream>, Ids>);

impl Known {
    /// Above this many the ids are forgotten and read anew: streams end with their environments, and nobody says so.
    const MAX: usize = 4_096;

    /// After a deletion, and when there are too many.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn trim(&mut self) {
        if self.0.len() > Self::MAX {
            self.0.clear();
        }
    }
}

/// Finds a stream and its group, making both where they are missing.
pub(crate) fn ids(
    transaction: &Connection,
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
            // The times are those of no event yet; the first one, which is written next, corrects them.
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

/// Notes when the first and last event of streams happened and arrived.
pub(crate) fn touch_streams(
    conn: &Connection,
    streams: &HashMap<i64, (i64, i64)>,
    now_ms: i64,
) -> rusqlite::Result<()> {
    let mut update = conn.prepare_cached(
        "UPDATE log_stream SET first_event_ms = min(first_event_ms, ?2),
         last_event_ms = max(last_event_ms, ?3), last_ingestion_ms = max(last_ingestion_ms, ?4) WHERE id = ?1",
    )?;
    for (stream, (first, last)) in streams {
        update.execute(params![stream, first, last, now_ms])?;
    }
    Ok(())
}

/// Adds a group; false when there is one of that name.
pub(crate) fn create_group(
    conn: &Connection,
    scope: &Scope,
    name: &str,
    class: &str,
    now_ms: i64,
) -> rusqlite::Result<bool> {
    let added = conn
        .prepare_cached(
            "INSERT INTO log_group (account, region, name, class, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![scope.account.as_str(), scope.region.as_str(), name, class, now_ms])?;
    Ok(added > 0)
}

/// Adds a stream without events; false when there is one of that name.
pub(crate) fn create_stream(
    conn: &Connection,
    group: i64,
    name: &str,
    now_ms: i64,
) -> rusqlite::Result<bool> {
    let added = conn
        .prepare_cached(
            "INSERT INTO log_stream (group_id, name, created_ms, first_event_ms, last_event_ms, last_ingestion_ms)
             VALUES (?1, ?2, ?3, ?4, 0, 0) ON CONFLICT DO NOTHING",
        )?
        .execute(params![group, name, now_ms, i64::MAX])?;
    Ok(added > 0)
}

/// Removes a group with its streams and tags. Its files and documents are the caller's.
pub(crate) fn delete_group(conn: &Connection, group: i64) -> rusqlite::Result<()> {
    for table in ["tag", "log_stream", "deleted_stream"] {
        conn.execute(&format!("DELETE FROM {table} WHERE group_id = ?1"), [group])?;
    }
    conn.execute("DELETE FROM log_group WHERE id = ?1", [group])?;
    Ok(())
}

/// Removes a stream, and notes that its events are to be taken out of the segments.
pub(crate) fn delete_stream(conn: &Connection, group: i64, stream: i64) -> rusqlite::Result<()> {
    conn.execute("DELETE FROM log_stream WHERE id = ?1", [stream])?;
    conn.execute("INSERT OR IGNORE INTO deleted_stream VALUES (?1, ?2)", [group, stream])?;
    Ok(())
}

/// Forgets deleted streams whose events are gone.
pub(crate) fn forget_deleted(conn: &Connection, group: i64, streams: &HashSet<i64>) -> rusqlite::Result<()> {
    let mut delete = conn.prepare_cached("DELETE FROM deleted_stream WHERE group_id = ?1 AND id = ?2")?;
    for stream in streams {
        delete.execute([group, *stream])?;
    }
    Ok(())
}

/// Sets for how many days a group keeps its events; `None` for ever.
pub(crate) fn set_retention(conn: &Connection, group: i64, days: Option<i32>) -> rusqlite::Result<()> {
    conn.execute("UPDATE log_group SET retention_days = ?2 WHERE id = ?1", params![group, days])?;
    Ok(())
}

/// Adds tags to a group, or changes their values.
pub(crate) fn tag(conn: &Connection, group: i64, tags: &BTreeMap<String, String>) -> rusqlite::Result<()> {
    let mut insert = conn.prepare_cached("INSERT OR REPLACE INTO tag VALUES (?1, ?2, ?3)")?;
    for (key, value) in tags {
        insert.execute(params![group, key, value])?;
    }
    Ok(())
}

/// Removes tags from a group; those that it has not are passed over.
pub(crate) fn untag(conn: &Connection, group: i64, keys: &[String]) -> rusqlite::Result<()> {
    let mut delete = conn.prepare_cached("DELETE FROM tag WHERE group_id = ?1 AND key = ?2")?;
    for key in keys {
        delete.execute(params![group, key])?;
    }
    Ok(())
}

/// Groups that keep their events for some days alone, and for how many.
pub(crate) fn retentions(conn: &Connection) -> rusqlite::Result<Vec<(i64, i32)>> {
    conn.prepare_cached("SELECT id, retention_days FROM log_group WHERE retention_days IS NOT NULL")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// A group with deleted streams whose events are still to be taken out.
pub(crate) fn next_purge(conn: &Connection) -> rusqlite::Result<Option<i64>> {
    conn.query_row("SELECT group_id FROM deleted_stream LIMIT 1", [], |row| row.get(0)).optional()
}

/// The ids of all groups.
pub(crate) fn group_ids(conn: &Connection) -> rusqlite::Result<HashSet<i64>> {
    conn.prepare("SELECT id FROM log_group")?.query_map([], |row| row.get(0))?.collect()
}

/// Sets aside numbers for events, of which none is given out twice, also after a crash. Answers the first.
pub(crate) fn reserve_numbers(conn: &Connection, count: i64) -> rusqlite::Result<i64> {
    conn.query_row(
        "UPDATE counter SET next_event = next_event + ?1 RETURNING next_event - ?1",
        [count],
        |row| row.get(0),
    )
}
