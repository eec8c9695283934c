//! New messages.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::apply::{Refused, check_open};
use super::{Identity, NewMessage, Send, Sent, content, groups};

pub(super) fn send(conn: &Connection, last: &mut u64, send: Send) -> Result<Vec<Sent>, Refused> {
    check_open(conn, send.mailbox)?;
    let mut sent = Vec::with_capacity(send.messages.len());
    let mut added = Vec::with_capacity(send.messages.len());
    let first = *last + 1;
    for message in send.messages {
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
    let mut row = conn.prepare_cached(
        "INSERT INTO mail (id, mailbox, due, receives, base, sent, grp, back)
         VALUES (?1, ?2, ?3, 0, 0, ?4, ?5, ?6)",
    )?;
    let mut content = content::insert(conn)?;
    while !messages.is_empty() {
        let (together, others) = messages.split_at(content::together(messages));
        content::write(&mut content, first, together)?;
        let is_bundle = together.len() > 1;
        for (number, message) in (first..).zip(together) {
            let back = is_bundle.then_some(number - first);
            row.execute(params![number, mailbox, message.due.micros(), sent, message.group, back])?;
            if let Some(group) = &message.group {
                groups::join(conn, mailbox, group, number)?;
            }
        }
        first += together.len() as u64;
        messages = others;
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
