//! Reads: what is due, and which queues have anything at all.

use lambent_model::Timestamp;
use rusqlite::{Connection, params};

use super::{Arrival, Leases, Message, Taken};

/// Takes what is due in one queue: at most `count` messages, and no further one once their bodies have `bytes`.
pub(crate) fn take(
    conn: &Connection,
    leases: &Leases,
    queue: &str,
    now: Timestamp,
    count: usize,
    bytes: usize,
) -> rusqlite::Result<Taken> {
    // Before the reading begins: see `Held`.
    let mut held = leases.lock();
    let mut find =
        // Along the index alone: of those that are leased nothing else is read.
        conn.prepare_cached("SELECT id, due FROM message WHERE queue = ?1 ORDER BY due, id")?;
    let mut within = conn.prepare_cached("SELECT state, body FROM message WHERE id = ?1")?;
    let mut apart = conn.prepare_cached("SELECT body FROM message_body WHERE id = ?1")?;
    let mut rows = find.query(params![queue])?;
    let (mut found, mut sum) = (Vec::new(), 0);
    let mut next = None;
    while let Some(row) = rows.next()? {
        let (id, due) = (row.get(0)?, Timestamp::from_micros(row.get(1)?));
        if held.has(id) {
            continue;
        }
        if due > now || found.len() >= count || sum >= bytes {
            next = Some(due);
            break;
        }
        let (state, body): (Vec<u8>, Option<Vec<u8>>) =
            within.query_row(params![id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let is_apart = body.is_none();
        let body = body.map_or_else(|| apart.query_row(params![id], |row| row.get(0)), Ok)?;
        sum += body.len();
        found.push((id, due, state, body, is_apart));
    }
    // Not before everything was read: an error takes nothing.
    let message = |(id, due, state, body, apart)| Message { lease: held.grant(id, apart), due, state, body };
    Ok(Taken { messages: found.into_iter().map(message).collect(), next })
}

/// Every queue that has messages, leased ones included, and when its first is due.
pub(crate) fn waiting(conn: &Connection) -> rusqlite::Result<Vec<Arrival>> {
    // From name to name along the index instead of through all messages.
    let mut statement = conn.prepare_cached(
        "WITH RECURSIVE name(queue) AS (
             SELECT MIN(queue) FROM message
             UNION ALL
             SELECT (SELECT MIN(queue) FROM message WHERE queue > name.queue) FROM name WHERE queue IS NOT NULL
         )
         SELECT queue, (SELECT MIN(due) FROM message WHERE message.queue = name.queue)
         FROM name WHERE queue IS NOT NULL",
    )?;
    let rows = statement.query_map([], |row| {
        let queue: String = row.get(0)?;
        Ok(Arrival { queue: queue.into(), due: Timestamp::from_micros(row.get(1)?) })
    })?;
    rows.collect()
}
