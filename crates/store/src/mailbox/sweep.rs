//! Removing what nobody can ask for any more.

use std::collections::BTreeSet;

use lambent_model::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::apply::Refused;
use super::content::Removal;
use super::groups;

pub(super) fn remove(conn: &Connection, numbers: &[u64]) -> Result<usize, Refused> {
    let mut touched = BTreeSet::new();
    let mut removed = 0;
    let mut removal = Removal::new(conn);
    for number in numbers {
        let found: Option<(u64, Option<String>, Option<u64>)> = conn
            .prepare_cached("SELECT mailbox, grp, back FROM mail WHERE id = ?1")?
            .query_row(params![number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((mailbox, group, back)) = found else { continue };
        removal.remove(*number, back);
        removed += 1;
        touched.extend(group.map(|group| (mailbox, group)));
    }
    removal.finish()?;
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
    let numbers: Vec<(u64, Option<u64>)> = conn
        .prepare_cached("SELECT id, back FROM mail WHERE mailbox = ?1 LIMIT ?2")?
        .query_map(params![mailbox, limit], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut removal = Removal::new(conn);
    for (number, back) in &numbers {
        removal.remove(*number, *back);
    }
    removal.finish()?;
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
