//! The writer's part: actions in the transaction of a commit.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Answer, Op, receive, send, settle, sweep};

/// Why an action was not done.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The mailbox is not open.
    Closed(u64),
    /// A message is not its settler's any more.
    Lost(u64),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Does one action; `last` is the number of the last write and grows with each new message.
pub(crate) fn apply(conn: &Connection, last: &mut u64, op: &mut Op) -> Result<Answer, Refused> {
    match op {
        Op::Send(send) => send::send(conn, last, send).map(Answer::Sent),
        Op::Receive(receive) => receive::receive(conn, last, receive).map(Answer::Received),
        Op::Settle(settle) => settle::settle(conn, settle).map(Answer::Settled),
        Op::Remove { numbers } => sweep::remove(conn, numbers).map(Answer::Removed),
        Op::Discard { mailbox, limit } => sweep::discard(conn, *mailbox, *limit).map(Answer::Removed),
        Op::Forget { before, limit } => sweep::forget(conn, *before, *limit).map(Answer::Removed),
    }
}

/// Has a mailbox take messages.
pub(crate) fn open(conn: &Connection, mailbox: u64) -> rusqlite::Result<usize> {
    conn.prepare_cached("INSERT INTO mailbox (id, open) VALUES (?1, 1)")?.execute(params![mailbox])
}

/// Ends a mailbox; what it holds is left to [`Op::Discard`].
pub(crate) fn close(conn: &Connection, mailbox: u64) -> rusqlite::Result<usize> {
    conn.prepare_cached("UPDATE mailbox SET open = 0 WHERE id = ?1")?.execute(params![mailbox])
}

/// A mailbox that was closed meanwhile takes nothing: what is acknowledged must not be lost.
pub(super) fn check_open(conn: &Connection, mailbox: u64) -> Result<(), Refused> {
    let open: Option<bool> = conn
        .prepare_cached("SELECT open FROM mailbox WHERE id = ?1")?
        .query_row(params![mailbox], |row| row.get(0))
        .optional()?;
    if open == Some(true) { Ok(()) } else { Err(Refused::Closed(mailbox)) }
}
