//! Groups: which message of each is the first, and until when others keep it from being received.

use lambent_model::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

/// How many messages of a group may be hidden at once: as many as one receive takes, as none of the group is received
/// before all of these are settled or due. They are the first of it.
pub(super) const HIDDEN: usize = 10;

/// A new message, the last of its group.
pub(super) fn join(conn: &Connection, mailbox: u64, group: &str, number: u64) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO mail_group (mailbox, grp, head, until) VALUES (?1, ?2, ?3, 0) ON CONFLICT DO NOTHING",
    )?
    .execute(params![mailbox, group, number])?;
    Ok(())
}

/// Looks anew at a group of which messages were removed, hidden or shown.
pub(super) fn refresh(conn: &Connection, mailbox: u64, group: &str, now: Timestamp) -> rusqlite::Result<()> {
    let mut find =
        conn.prepare_cached("SELECT id, due FROM mail WHERE mailbox = ?1 AND grp = ?2 ORDER BY id LIMIT ?3")?;
    let mut rows = find.query(params![mailbox, group, HIDDEN])?;
    let mut head: Option<u64> = None;
    let mut until: i64 = 0;
    while let Some(row) = rows.next()? {
        let (id, due): (u64, i64) = (row.get(0)?, row.get(1)?);
        head = head.or(Some(id));
        if due > now.micros() {
            until = until.max(due);
        }
    }
    match head {
        Some(head) => conn
            .prepare_cached("UPDATE mail_group SET head = ?3, until = ?4 WHERE mailbox = ?1 AND grp = ?2")?
            .execute(params![mailbox, group, head, until])?,
        None => conn
            .prepare_cached("DELETE FROM mail_group WHERE mailbox = ?1 AND grp = ?2")?
            .execute(params![mailbox, group])?,
    };
    Ok(())
}

/// Lets those groups go on whose hidden messages are all due again.
pub(super) fn wake(conn: &Connection, mailbox: u64, now: Timestamp) -> rusqlite::Result<usize> {
    conn.prepare_cached("UPDATE mail_group SET until = 0 WHERE mailbox = ?1 AND until > 0 AND until <= ?2")?
        .execute(params![mailbox, now.micros()])
}

/// The first groups that nothing keeps, by their oldest message.
pub(super) fn ready(conn: &Connection, mailbox: u64, count: usize) -> rusqlite::Result<Vec<String>> {
    conn.prepare_cached("SELECT grp FROM mail_group WHERE mailbox = ?1 AND until = 0 ORDER BY head LIMIT ?2")?
        .query_map(params![mailbox, count], |row| row.get(0))?
        .collect()
}

/// When the first of those goes on that something keeps.
pub(super) fn next(conn: &Connection, mailbox: u64) -> rusqlite::Result<Option<Timestamp>> {
    conn.prepare_cached(
        "SELECT until FROM mail_group WHERE mailbox = ?1 AND until > 0 ORDER BY until LIMIT 1",
    )?
    .query_row(params![mailbox], |row| row.get(0).map(Timestamp::from_micros))
    .optional()
}
