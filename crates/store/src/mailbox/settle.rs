//! What becomes of messages that were received.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::apply::{Refused, check_open};
use super::{Fate, Receipt, Settle, Settled, groups, sweep};

pub(super) fn settle(conn: &Connection, settle: &Settle) -> Result<Vec<Settled>, Refused> {
    check_open(conn, settle.mailbox)?;
    let mut settled = Vec::with_capacity(settle.fates.len());
    let mut touched = BTreeSet::new();
    for (receipt, fate) in &settle.fates {
        let became = one(conn, settle, *receipt, *fate, &mut touched)?;
        if settle.strict && became != Settled::Done {
            return Err(Refused::Lost(receipt.number));
        }
        settled.push(became);
    }
    for group in touched {
        groups::refresh(conn, settle.mailbox, &group, settle.now)?;
    }
    Ok(settled)
}

fn one(
    conn: &Connection,
    settle: &Settle,
    receipt: Receipt,
    fate: Fate,
    touched: &mut BTreeSet<String>,
) -> rusqlite::Result<Settled> {
    let found: Option<(i64, Option<String>)> = conn
        .prepare_cached("SELECT due, grp FROM mail WHERE id = ?1 AND mailbox = ?2 AND receives = ?3")?
        .query_row(params![receipt.number, settle.mailbox, receipt.receives], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((due, group)) = found else { return Ok(Settled::Gone) };
    if settle.while_hidden && due <= settle.now.micros() {
        return Ok(Settled::Visible);
    }
    match fate {
        Fate::Deleted => sweep::delete(conn, receipt.number)?,
        Fate::Hidden { until } => {
            conn.prepare_cached("UPDATE mail SET due = ?2 WHERE id = ?1")?
                .execute(params![receipt.number, until.micros()])?;
        }
    }
    touched.extend(group);
    Ok(Settled::Done)
}
