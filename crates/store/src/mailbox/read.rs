//! Reads beside the writer: how many there are, and what can go.

use lambent_model::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Depth, Expired};

/// Counts the messages of one mailbox along an index that has all that is asked for.
pub(crate) fn depth(
    conn: &Connection,
    mailbox: u64,
    now: Timestamp,
    sent_until: Option<Timestamp>,
) -> rusqlite::Result<Depth> {
    let mut depth = conn
        .prepare_cached(
            "SELECT SUM(due <= ?2), SUM(due > ?2 AND receives > 0), SUM(due > ?2 AND receives = 0)
             FROM mail WHERE mailbox = ?1",
        )?
        .query_row(params![mailbox, now.micros()], |row| {
            let count = |column| row.get::<_, Option<u64>>(column).map(Option::unwrap_or_default);
            Ok(Depth { visible: count(0)?, hidden: count(1)?, delayed: count(2)? })
        })?;
    if let Some(sent_until) = sent_until.filter(|until| *until < now) {
        // With groups what is delayed is told by when it was sent, which is when it was due.
        let delayed: u64 = conn
            .prepare_cached(
                "SELECT COUNT(*) FROM mail WHERE mailbox = ?1 AND due > ?2 AND due <= ?3 AND receives = 0",
            )?
            .query_row(params![mailbox, sent_until.micros(), now.micros()], |row| row.get(0))?;
        depth.delayed += delayed.min(depth.visible);
        depth.visible -= delayed.min(depth.visible);
    }
    Ok(depth)
}

/// Counts those that somebody has, up to `most`. Unlike [`depth`] it passes by all that can be received.
pub(crate) fn hidden(conn: &Connection, mailbox: u64, now: Timestamp, most: u64) -> rusqlite::Result<u64> {
    conn.prepare_cached(
        "SELECT COUNT(*) FROM
             (SELECT 1 FROM mail WHERE mailbox = ?1 AND due > ?2 AND receives > 0 LIMIT ?3)",
    )?
    .query_row(params![mailbox, now.micros(), most], |row| row.get(0))
}

/// A mailbox that was closed and holds rows yet.
pub(crate) fn closed(conn: &Connection) -> rusqlite::Result<Option<u64>> {
    conn.prepare_cached("SELECT id FROM mailbox WHERE open = 0 LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()
}

/// Looks through `count` messages after the number `after`, in the order of their numbers, which is that of their times,
/// for those of which `is_over` says that their time is. At the first that was sent after `newest` it ends.
pub(crate) fn expired(
    conn: &Connection,
    after: u64,
    count: usize,
    newest: Timestamp,
    is_over: impl Fn(u64, Timestamp) -> bool,
) -> rusqlite::Result<Expired> {
    let mut find =
        conn.prepare_cached("SELECT id, mailbox, sent FROM mail WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let mut rows = find.query(params![after, count])?;
    let (mut found, mut seen) = (Expired::default(), 0);
    while let Some(row) = rows.next()? {
        let (id, mailbox, sent): (u64, u64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if sent > newest.micros() {
            return Ok(Expired { after: None, ..found });
        }
        seen += 1;
        found.after = Some(id);
        if is_over(mailbox, Timestamp::from_micros(sent)) {
            found.numbers.push(id);
        }
    }
    if seen < count {
        found.after = None;
    }
    Ok(found)
}
