//! Removing what nobody can ask for any more.

use std::collections::BTreeSet;

use lambent_model::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::apply::Refused;
use super::groups;

/// Removes one message; whoever does it looks after its group.
pub(super) fn delete(conn: &Connection, number: u64) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM mail_content WHERE id = ?1")?.execute(params![number])?;
    conn.prepare_cached("DELETE FROM mail WHERE id = ?1")?.execute(params![number])?;
    Ok(())
}

pub(super) fn remove(conn: &Connection, numbers: &[u64]) -> Result<usize, Refused> {
    let mut touched = BTreeSet::new();
    let mut removed = 0;
    for number in numbers {
        let found: Option<(u64, Option<String>)> = conn
            .prepare_cached("SELECT mailbox, grp FROM mail WHERE id = ?1")?
            .query_row(params![number], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((mailbox, group)) = found else { continue };
        delete(conn, *number)?;
        removed += 1;
        touched.extend(group.map(|group| (mailbox, group)));
    }
    for (mailbox, group) in touched {
        // Whether the rest of the group is hidden is told by when it is due; a receive looks at the time by itself.
        groups::refresh(conn, mailbox, &group, Timestamp::from_micros(0))?;
    }
    Ok(removed)
}

pub(super) fn discard(conn: &Connection, mailbox: u64, limit: usize) -> Result<usize, Refused> {
    let open: Option<bool> = conn
        .prepare_cached("SELECT open FROM mailbox WHERE id = ?1")?
        .query_row(params![mailbox], |row| row.get(0))
        .optional()?;
    if open != Some(false) {
        return Ok(0);
    }
    let numbers: Vec<u64> = conn
        .prepare_cached("SELECT id FROM mail WHERE mailbox = ?1 LIMIT ?2")?
        .query_map(params![mailbox, limit], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for number in &numbers {
        delete(conn, *number)?;
    }
    if numbers.len() < limit {
        for table in ["mail_group", "mail_identity", "mail_attempt"] {
            conn.execute(&format!("DELETE FROM {table} WHERE mailbox = ?1"), params![mailbox])?;
        }
        conn.execute("DELETE FROM mailbox WHERE id = ?1", params![mailbox])?;
    }
    Ok(numbers.len())
}

pub(super) fn forget(conn: &Connection, before: Timestamp, limit: usize) -> Result<usize, Refused> {
    let mut removed = 0;
    for table in ["mail_identity", "mail_attempt"] {
        // The whole key, for tables without row numbers have no other name for a row.
        let key = if table == "mail_identity" { "mailbox, scope, id" } else { "mailbox, id, number" };
        removed += conn.execute(
            &format!(
                "DELETE FROM {table} WHERE ({key}) IN
                     (SELECT {key} FROM {table} WHERE at < ?1 ORDER BY at LIMIT ?2)"
            ),
            params![before.micros(), limit],
        )?;
    }
    Ok(removed)
}
