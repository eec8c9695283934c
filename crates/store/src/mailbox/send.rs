//! New messages.

use std::fmt::Write as _;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::apply::{Refused, check_open};
use super::{Identity, NewMessage, Send, Sent, content, groups};

/// Adds those of the messages that are not known yet, which alone are left in `send`.
pub(super) fn send(conn: &Connection, last: &mut u64, send: &mut Send) -> Result<Vec<Sent>, Refused> {
    check_open(conn, send.mailbox)?;
    let mut sent = Vec::with_capacity(send.messages.len());
    let mut added = Vec::with_capacity(send.messages.len());
    let first = *last + 1;
    for message in std::mem::take(&mut send.messages) {
        if let Some(identity) = &message.identity {
            if let Some(first) = earlier(conn, send.mailbox, identity)? {
                sent.push(first);
                continue;
            }
            remember(conn, send.mailbox, identity, *last + 1, send.now.micros())?;
        }
        *last += 1;
        sent.push(Sent { number: *last, repeats: None });
        added.push(message);
    }
    add(conn, send.mailbox, first, send.now.micros(), &added)?;
    send.messages = added;
    Ok(sent)
}

/// Adds messages whose numbers begin with `first`.
fn add(
    conn: &Connection,
    mailbox: u64,
    mut first: u64,
    sent: i64,
    mut messages: &[NewMessage],
) -> rusqlite::Result<()> {
    let mut content = content::insert(conn)?;
    while !messages.is_empty() {
        let (together, others) = messages.split_at(content::together(messages));
        content::write(&mut content, first, together)?;
        let due = together[0].due;
        if together.len() > 1 && together.iter().all(|message| message.due == due) {
            conn.prepare_cached(&alike(together.len()))?.execute(params![
                first,
                mailbox,
                due.micros(),
                sent
            ])?;
        } else {
            each(conn, mailbox, first, sent, together)?;
        }
        first += together.len() as u64;
        messages = others;
    }
    Ok(())
}

/// Inserts the messages of a bundle that are due at the same time, which are alike but for their numbers: one statement takes a
/// third of the time of as many as there are messages.
fn alike(count: usize) -> String {
    let mut sql = String::from("INSERT INTO mail (id, mailbox, due, receives, base, sent, back) VALUES");
    for back in 0..count {
        let comma = if back > 0 { "," } else { "" };
        write!(sql, "{comma} (?1 + {back}, ?2, ?3, 0, 0, ?4, {back})").expect("a string takes every text");
    }
    sql
}

/// Inserts messages that lie in one row of content, or one that lies alone.
fn each(
    conn: &Connection,
    mailbox: u64,
    first: u64,
    sent: i64,
    together: &[NewMessage],
) -> rusqlite::Result<()> {
    let mut row = conn.prepare_cached(
        "INSERT INTO mail (id, mailbox, due, receives, base, sent, grp, back)
         VALUES (?1, ?2, ?3, 0, 0, ?4, ?5, ?6)",
    )?;
    for (number, message) in (first..).zip(together) {
        let back = (together.len() > 1).then_some(number - first);
        row.execute(params![number, mailbox, message.due.micros(), sent, message.group, back])?;
        if let Some(group) = &message.group {
            groups::join(conn, mailbox, group, number)?;
        }
    }
    Ok(())
}

fn earlier(conn: &Connection, mailbox: u64, identity: &Identity) -> rusqlite::Result<Option<Sent>> {
    conn.prepare_cached(
        "SELECT number, note FROM mail_identity WHERE mailbox = ?1 AND scope = ?2 AND id = ?3 AND at >= ?4",
    )?
    .query_row(params![mailbox, identity.scope, identity.id, identity.since.micros()], |row| {
        Ok(Sent { number: row.get(0)?, repeats: Some(row.get(1)?) })
    })
    .optional()
}

fn remember(
    conn: &Connection,
    mailbox: u64,
    identity: &Identity,
    number: u64,
    at: i64,
) -> rusqlite::Result<usize> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO mail_identity (mailbox, scope, id, at, number, note)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![mailbox, identity.scope, identity.id, at, number, identity.note])
}
