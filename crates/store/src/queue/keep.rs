//! Messages that nobody takes: a queue as a log, in the order of due times, which are when its messages came. Read without
//! a lease as often as somebody likes, and discarded from its beginning.

use lambent_model::Timestamp;
use rusqlite::{Connection, params};

/// A place in a queue: behind the message of this number that was due then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When it was due.
    pub due: Timestamp,
    /// Its number.
    pub id: u64,
}

impl Place {
    /// Before all messages that are due at `due` or later.
    #[must_use]
    pub fn before(due: Timestamp) -> Self {
        Self { due, id: 0 }
    }
}

/// A message that was read where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies.
    pub place: Place,
    /// What its owner put.
    pub body: Vec<u8>,
}

/// How much lies in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Messages.
    pub count: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

/// Messages behind `after` that are due before `until`: at most `count`, and no further one once their bodies have `bytes`.
pub(crate) fn entries(
    conn: &Connection,
    queue: &str,
    after: Place,
    until: Timestamp,
    count: usize,
    bytes: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, due, COALESCE(body, (SELECT body FROM message_body WHERE message_body.id = message.id))
         FROM message WHERE queue = ?1 AND (due, id) > (?2, ?3) AND due < ?4 ORDER BY due, id LIMIT ?5",
    )?;
    let limit = i64::try_from(count).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![queue, after.due.micros(), after.id, until.micros(), limit])?;
    let (mut found, mut sum) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        if sum >= bytes {
            break;
        }
        let place = Place { id: row.get(0)?, due: Timestamp::from_micros(row.get(1)?) };
        let body: Vec<u8> = row.get(2)?;
        sum += body.len();
        found.push(Entry { place, body });
    }
    Ok(found)
}

/// How much lies in a queue. It looks at every message of it, and at no body.
pub(crate) fn extent(conn: &Connection, queue: &str) -> rusqlite::Result<Extent> {
    let mut statement = conn.prepare_cached(
        "SELECT COUNT(*), COALESCE(SUM(COALESCE(LENGTH(body),
             (SELECT LENGTH(body) FROM message_body WHERE message_body.id = message.id))), 0)
         FROM message WHERE queue = ?1",
    )?;
    statement.query_row(params![queue], |row| Ok(Extent { count: row.get(0)?, bytes: row.get(1)? }))
}

/// Removes the first messages that are due before `before`.
pub(super) fn discard(
    conn: &Connection,
    queue: &str,
    before: Timestamp,
    count: usize,
) -> rusqlite::Result<()> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let mut first = conn.prepare_cached(
        "SELECT id, body IS NULL FROM message WHERE queue = ?1 AND due < ?2 ORDER BY due, id LIMIT ?3",
    )?;
    let ids: Vec<(u64, bool)> = first
        .query_map(params![queue, before.micros(), count], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (id, is_apart) in ids {
        if is_apart {
            conn.prepare_cached("DELETE FROM message_body WHERE id = ?1")?.execute(params![id])?;
        }
        conn.prepare_cached("DELETE FROM message WHERE id = ?1")?.execute(params![id])?;
    }
    Ok(())
}
