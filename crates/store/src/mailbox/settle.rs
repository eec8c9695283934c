//! What becomes of messages that were received.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, params};

use super::apply::{Refused, check_open};
use super::content::{Removal, runs};
use super::{Fate, Receipt, Settle, Settled, groups};

pub(super) fn settle(conn: &Connection, settle: &Settle) -> Result<Vec<Settled>, Refused> {
    check_open(conn, settle.mailbox)?;
    let mut settled = Vec::with_capacity(settle.fates.len());
    let mut touched = BTreeSet::new();
    let mut found = find(conn, settle)?;
    let mut removal = Removal::new(conn);
    for (receipt, fate) in &settle.fates {
        let Receipt { number, receives } = *receipt;
        let became = match found.get_mut(&number).filter(|found| found.receives == receives) {
            Some(message) => one(conn, settle, number, message, *fate, &mut removal)?,
            None => Settled::Gone,
        };
        if became == Settled::Done {
            if let Some(group) = found.get(&number).and_then(|message| message.group.clone()) {
                touched.insert(group);
            }
            if *fate == Fate::Deleted {
                found.remove(&number);
            }
        } else if settle.strict {
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

/// By their numbers: without the sign SQLite would go through all messages of the mailbox instead.
const FIND: &str =
    "SELECT id, due, receives, grp, back FROM mail WHERE id BETWEEN ?1 AND ?2 AND +mailbox = ?3";

/// The messages of which the receipts are, as far as they are there; those whose numbers follow each other by one statement.
fn find(conn: &Connection, settle: &Settle) -> rusqlite::Result<HashMap<u64, Found>> {
    let numbers: BTreeSet<u64> = settle.fates.iter().map(|(receipt, _)| receipt.number).collect();
    let mut find = conn.prepare_cached(FIND)?;
    let mut found = HashMap::with_capacity(numbers.len());
    for (first, last) in runs(numbers) {
        let mut rows = find.query(params![first, last, settle.mailbox])?;
        while let Some(row) = rows.next()? {
            let message =
                Found { due: row.get(1)?, receives: row.get(2)?, group: row.get(3)?, back: row.get(4)? };
            found.insert(row.get(0)?, message);
        }
    }
    Ok(found)
}

/// A message for which there is a receipt.
struct Found {
    due: i64,
    receives: u64,
    group: Option<String>,
    back: Option<u64>,
}

fn one(
    conn: &Connection,
    settle: &Settle,
    number: u64,
    found: &mut Found,
    fate: Fate,
    removal: &mut Removal<'_>,
) -> rusqlite::Result<Settled> {
    if settle.while_hidden && found.due <= settle.now.micros() {
        return Ok(Settled::Visible);
    }
    match fate {
        Fate::Deleted => removal.remove(number, found.back),
        Fate::Hidden { until } => {
            found.due = until.micros();
            conn.prepare_cached("UPDATE mail SET due = ?2 WHERE id = ?1")?
                .execute(params![number, until.micros()])?;
        }
    }
    Ok(Settled::Done)
}

#[cfg(test)]
mod tests {
    #[test]
    fn messages_are_found_by_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let conn = crate::records::open_for_writing(&dir.path().join("lambent.db")).unwrap();
        let sql = format!("EXPLAIN QUERY PLAN {}", super::FIND);
        let plan: String = conn.query_row(&sql, [1, 2, 3], |row| row.get(3)).unwrap();
        assert_eq!(plan, "SEARCH mail USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)");
    }
}
