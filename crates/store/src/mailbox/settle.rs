//! What becomes of messages that were received.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::apply::{Refused, check_open};
use super::content::Removal;
use super::{Fate, Receipt, Settle, Settled, groups};

pub(super) fn settle(conn: &Connection, settle: &Settle) -> Result<Vec<Settled>, Refused> {
    check_open(conn, settle.mailbox)?;
    let mut settled = Vec::with_capacity(settle.fates.len());
    let mut touched = BTreeSet::new();
    let mut find = conn
        .prepare_cached("SELECT due, grp, back FROM mail WHERE id = ?1 AND mailbox = ?2 AND receives = ?3")?;
    let mut removal = Removal::new(conn)?;
    for (receipt, fate) in &settle.fates {
        let Receipt { number, receives } = *receipt;
        let found = find
            .query_row(params![number, settle.mailbox, receives], |row| {
                Ok(Found { number, due: row.get(0)?, group: row.get(1)?, back: row.get(2)? })
            })
            .optional()?;
        let became = match found {
            Some(found) => one(conn, settle, found, *fate, &mut removal, &mut touched)?,
            None => Settled::Gone,
        };
        if settle.strict && became != Settled::Done {
            return Err(Refused::Lost(receipt.number));
        }
        settled.push(became);
    }
    removal.finish()?;
    for group in touched {
        groups::refresh(conn, settle.mailbox, &group, settle.now)?;
    }
    Ok(settled)
}

/// A message that somebody received, and nobody since.
struct Found {
    number: u64,
    due: i64,
    group: Option<String>,
    back: Option<u64>,
}

fn one(
    conn: &Connection,
    settle: &Settle,
    found: Found,
    fate: Fate,
    removal: &mut Removal<'_>,
    touched: &mut BTreeSet<String>,
) -> rusqlite::Result<Settled> {
    if settle.while_hidden && found.due <= settle.now.micros() {
        return Ok(Settled::Visible);
    }
    match fate {
        Fate::Deleted => removal.remove(found.number, found.back)?,
        Fate::Hidden { until } => {
            conn.prepare_cached("UPDATE mail SET due = ?2 WHERE id = ?1")?
                .execute(params![found.number, until.micros()])?;
        }
    }
    touched.extend(found.group);
    Ok(Settled::Done)
}
