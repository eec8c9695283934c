//! New messages.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::apply::{Refused, check_open};
use super::{Identity, NewMessage, Send, Sent, groups};

pub(super) fn send(conn: &Connection, last: &mut u64, send: Send) -> Result<Vec<Sent>, Refused> {
    check_open(conn, send.mailbox)?;
    let mut sent = Vec::with_capacity(send.messages.len());
    for message in send.messages {
        if let Some(identity) = &message.identity {
            if let Some(first) = earlier(conn, send.mailbox, identity)? {
                sent.push(first);
                continue;
            }
            remember(conn, send.mailbox, identity, *last + 1, send.now.micros())?;
        }
        *last += 1;
        add(conn, send.mailbox, *last, send.now.micros(), message)?;
        sent.push(Sent { number: *last, repeats: None });
    }
    Ok(sent)
}

fn add(conn: &Connection, mailbox: u64, number: u64, sent: i64, message: NewMessage) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO mail (id, mailbox, due, receives, base, sent, grp) VALUES (?1, ?2, ?3, 0, 0, ?4, ?5)",
    )?
    .execute(params![number, mailbox, message.due.micros(), sent, message.group])?;
    conn.prepare_cached("INSERT INTO mail_content (id, head, body) VALUES (?1, ?2, ?3)")?
        .execute(params![number, message.head, message.body])?;
    match message.group {
        Some(group) => groups::join(conn, mailbox, &group, number),
        None => Ok(()),
    }
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
