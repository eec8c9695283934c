//! Receives: what is due is hidden, counted and given out; what was received too often moves on.

use std::collections::BTreeSet;

use lambent_model::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::apply::{Refused, check_open};
use super::content::{Reader, Removal};
use super::{Attempt, DeadLetters, Message, Receipt, Receive, Received, groups};

/// How many messages are looked at for one receive. Beyond the dead letters among them the caller comes again, so that
/// no receive keeps all other commits waiting for long.
const LOOKED_AT: usize = 100;
/// No further message once those that are given have so many bytes: ten of 256 KiB. Who asks for ten of a megabyte gets
/// them by and by, so that many who ask at once do not fill the memory.
const GIVEN_BYTES: usize = 2560 * 1024;

/// A message's row, without what it says.
struct Row {
    number: u64,
    due: i64,
    receives: u64,
    base: u64,
    sent: i64,
    first: Option<i64>,
    source: Option<String>,
    group: Option<String>,
    back: Option<u64>,
}

const COLUMNS: &str = "id, due, receives, base, sent, first, source, grp, back";

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        number: row.get(0)?,
        due: row.get(1)?,
        receives: row.get(2)?,
        base: row.get(3)?,
        sent: row.get(4)?,
        first: row.get(5)?,
        source: row.get(6)?,
        group: row.get(7)?,
        back: row.get(8)?,
    })
}

/// What is to be done with a message that is due.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Give,
    Expired,
    Dead,
}

pub(super) fn receive(conn: &Connection, last: &mut u64, ask: &Receive) -> Result<Received, Refused> {
    check_open(conn, ask.mailbox)?;
    if let Some(again) = repeated(conn, ask)? {
        return Ok(again);
    }
    let received = match ask.groups {
        Some(sent_until) => from_groups(conn, last, ask, sent_until)?,
        None => from_all(conn, last, ask)?,
    };
    if let Some(attempt) = &ask.attempt
        && !received.messages.is_empty()
    {
        note_attempt(conn, ask, attempt, &received.messages)?;
    }
    Ok(received)
}

fn from_all(conn: &Connection, last: &mut u64, ask: &Receive) -> Result<Received, Refused> {
    let sql =
        format!("SELECT {COLUMNS} FROM mail WHERE mailbox = ?1 AND due <= ?2 ORDER BY due, receives, id");
    let mut received = Received::default();
    let found = {
        let mut statement = conn.prepare_cached(&sql)?;
        let rows = statement.query(params![ask.mailbox, ask.now.micros()])?;
        select(rows, ask, ask.count, |_| true)?
    };
    let is_all = found.is_all;
    let is_all = handle(conn, last, ask, found.rows, &mut received)? && is_all;
    // What was given and not hidden can be received at once.
    let is_hidden = received.messages.is_empty() || ask.hidden_until > ask.now;
    received.next = if is_all && is_hidden { next_due(conn, ask)? } else { Some(ask.now) };
    Ok(received)
}

/// Messages that were looked at, each with what is to be done with it.
struct Found {
    rows: Vec<(Row, Verdict)>,
    /// There were no further ones.
    is_all: bool,
}

/// Reads until enough can be given. Nothing is written meanwhile, for what is written moves in the order that is read.
fn select(
    mut rows: rusqlite::Rows<'_>,
    ask: &Receive,
    count: usize,
    fits: impl Fn(&Row) -> bool,
) -> rusqlite::Result<Found> {
    let mut found = Found { rows: Vec::new(), is_all: false };
    let mut given = 0;
    while given < count && found.rows.len() < LOOKED_AT {
        let Some(next) = rows.next()? else {
            found.is_all = true;
            break;
        };
        let next = row(next)?;
        if !fits(&next) {
            break;
        }
        let verdict = verdict(ask, &next);
        given += usize::from(verdict == Verdict::Give);
        found.rows.push((next, verdict));
    }
    Ok(found)
}

fn next_due(conn: &Connection, ask: &Receive) -> rusqlite::Result<Option<Timestamp>> {
    conn.prepare_cached("SELECT due FROM mail WHERE mailbox = ?1 AND due > ?2 ORDER BY due LIMIT 1")?
        .query_row(params![ask.mailbox, ask.now.micros()], |row| row.get(0).map(Timestamp::from_micros))
        .optional()
}

fn from_groups(
    conn: &Connection,
    last: &mut u64,
    ask: &Receive,
    sent_until: Timestamp,
) -> Result<Received, Refused> {
    groups::wake(conn, ask.mailbox, ask.now)?;
    let mut received = Received::default();
    let sql = format!("SELECT {COLUMNS} FROM mail WHERE mailbox = ?1 AND grp = ?2 ORDER BY id");
    let mut looked_at = 0;
    // Groups that gave messages: those are ready still where nothing is hidden.
    let mut done: Vec<String> = Vec::new();
    loop {
        let ready = groups::ready(conn, ask.mailbox, done.len() + 1)?;
        let Some(group) = ready.into_iter().find(|group| !done.contains(group)) else {
            received.next = match done.is_empty() || ask.hidden_until > ask.now {
                true => groups::next(conn, ask.mailbox)?,
                false => Some(ask.now),
            };
            return Ok(received);
        };
        if received.messages.len() >= ask.count || looked_at >= LOOKED_AT {
            received.next = Some(ask.now);
            return Ok(received);
        }
        let wanted = ask.count - received.messages.len();
        let found = {
            let mut statement = conn.prepare_cached(&sql)?;
            let rows = statement.query(params![ask.mailbox, group])?;
            select(rows, ask, wanted, |row| row.sent <= sent_until.micros())?
        };
        if found.rows.is_empty() {
            // The oldest of all that is left is delayed, and so is the rest.
            received.next = delayed_until(conn, ask, &group, sent_until)?;
            return Ok(received);
        }
        looked_at += found.rows.len();
        let given = received.messages.len();
        let goes_on = handle(conn, last, ask, found.rows, &mut received)?;
        groups::refresh(conn, ask.mailbox, &group, ask.now)?;
        if !goes_on {
            received.next = Some(ask.now);
            return Ok(received);
        }
        if received.messages.len() > given {
            done.push(group);
        }
    }
}

/// When the first message of a group is not delayed any more, or another group goes on.
fn delayed_until(
    conn: &Connection,
    ask: &Receive,
    group: &str,
    sent_until: Timestamp,
) -> rusqlite::Result<Option<Timestamp>> {
    let sent: i64 = conn
        .prepare_cached("SELECT sent FROM mail WHERE mailbox = ?1 AND grp = ?2 ORDER BY id LIMIT 1")?
        .query_row(params![ask.mailbox, group], |row| row.get(0))?;
    let wait = Timestamp::from_micros(ask.now.micros() + sent - sent_until.micros());
    Ok(Some(groups::next(conn, ask.mailbox)?.map_or(wait, |kept| kept.min(wait))))
}

/// Does what was decided; false where it stopped because enough bytes are given.
fn handle(
    conn: &Connection,
    last: &mut u64,
    ask: &Receive,
    rows: Vec<(Row, Verdict)>,
    received: &mut Received,
) -> Result<bool, Refused> {
    if rows.is_empty() {
        return Ok(true);
    }
    let mut hiding = Hiding { conn, ask, run: None };
    let mut content = Reader::new(conn)?;
    let mut removal = Removal::new(conn);
    let mut goes_on = true;
    for (row, verdict) in rows {
        if received.messages.iter().map(|message| message.body.len()).sum::<usize>() >= GIVEN_BYTES {
            goes_on = false;
            break;
        }
        match verdict {
            Verdict::Give => {
                let first = row.first.unwrap_or_else(|| ask.now.micros());
                hiding.hide(&row, first)?;
                received.messages.push(with_content(&mut content, row, first, 1)?);
            }
            Verdict::Expired => removal.remove(row.number, row.back),
            Verdict::Dead => {
                let target = ask.dead_letters.as_ref().expect("without it there are no dead letters");
                bury(conn, last, ask, target, &row)?;
                received.moved += 1;
            }
        }
    }
    hiding.finish()?;
    removal.finish()?;
    Ok(goes_on)
}

/// Hides and counts what is given, in one statement for those whose numbers follow each other and that fared alike.
struct Hiding<'c> {
    conn: &'c Connection,
    ask: &'c Receive,
    run: Option<Run>,
}

#[derive(Clone, Copy)]
struct Run {
    from: u64,
    to: u64,
    receives: u64,
    first: i64,
}

impl Hiding<'_> {
    fn hide(&mut self, row: &Row, first: i64) -> rusqlite::Result<()> {
        match &mut self.run {
            Some(run) if (run.to + 1, run.receives, run.first) == (row.number, row.receives, first) => {
                run.to = row.number;
            }
            _ => {
                self.end_run()?;
                let (from, to) = (row.number, row.number);
                self.run = Some(Run { from, to, receives: row.receives, first });
            }
        }
        Ok(())
    }

    fn end_run(&mut self) -> rusqlite::Result<()> {
        let Some(Run { from, to, receives, first }) = self.run.take() else { return Ok(()) };
        self.conn
            .prepare_cached("UPDATE mail SET due = ?3, receives = ?4, first = ?5 WHERE id BETWEEN ?1 AND ?2")?
            .execute(params![from, to, self.ask.hidden_until.micros(), receives + 1, first])?;
        Ok(())
    }

    fn finish(mut self) -> rusqlite::Result<()> {
        self.end_run()
    }
}

fn verdict(ask: &Receive, row: &Row) -> Verdict {
    if row.sent < ask.oldest.micros() {
        return Verdict::Expired;
    }
    match &ask.dead_letters {
        Some(target) if row.receives - row.base >= target.after => Verdict::Dead,
        _ => Verdict::Give,
    }
}

fn with_content(content: &mut Reader<'_>, row: Row, first: i64, more: u64) -> rusqlite::Result<Message> {
    let (head, body) = content.read(row.number, row.back)?;
    Ok(Message {
        receipt: Receipt { number: row.number, receives: row.receives + more },
        sent: Timestamp::from_micros(row.sent),
        first_received: Timestamp::from_micros(first),
        source: row.source,
        head,
        body,
    })
}

/// A dead letter keeps the time at which it was sent, and its number with it; in a mailbox with groups it is the newest
/// of its group instead (Amazon SQS Developer Guide, "Using dead-letter queues": retention periods).
fn bury(
    conn: &Connection,
    last: &mut u64,
    ask: &Receive,
    target: &DeadLetters,
    row: &Row,
) -> Result<(), Refused> {
    check_open(conn, target.mailbox)?;
    let (number, sent) = match row.group {
        Some(_) => {
            *last += 1;
            (*last, ask.now.micros())
        }
        None => (row.number, row.sent),
    };
    conn.prepare_cached(
        "UPDATE mail SET id = ?2, mailbox = ?3, due = ?4, base = receives, sent = ?5, source = ?6 WHERE id = ?1",
    )?
    .execute(params![row.number, number, target.mailbox, ask.now.micros(), sent, target.source])?;
    if let Some(group) = &row.group {
        conn.prepare_cached("UPDATE mail_content SET id = ?2 WHERE id = ?1")?
            .execute(params![row.number, number])?;
        groups::join(conn, target.mailbox, group, number)?;
    }
    Ok(())
}

/// The messages of an earlier receive of the same name, if all of them are still as they were then; they are hidden anew
/// (Amazon SQS API Reference, `ReceiveMessage`: `ReceiveRequestAttemptId`).
fn repeated(conn: &Connection, ask: &Receive) -> Result<Option<Received>, Refused> {
    let Some(attempt) = &ask.attempt else { return Ok(None) };
    let receipts: Vec<Receipt> = conn
        .prepare_cached(
            "SELECT number, receives FROM mail_attempt WHERE mailbox = ?1 AND id = ?2 AND at >= ?3 ORDER BY number",
        )?
        .query_map(params![ask.mailbox, attempt.id, attempt.since.micros()], |row| {
            Ok(Receipt { number: row.get(0)?, receives: row.get(1)? })
        })?
        .collect::<Result<_, _>>()?;
    let mut rows = Vec::with_capacity(receipts.len());
    for receipt in &receipts {
        let sql = format!("SELECT {COLUMNS} FROM mail WHERE id = ?1 AND mailbox = ?2");
        let found = conn
            .prepare_cached(&sql)?
            .query_row(params![receipt.number, ask.mailbox], row)
            .optional()?
            .filter(|row| row.receives == receipt.receives && row.due > ask.now.micros());
        match found {
            Some(row) => rows.push(row),
            None => return Ok(None),
        }
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let groups: BTreeSet<String> = rows.iter().filter_map(|row| row.group.clone()).collect();
    let mut received = Received::default();
    let mut content = Reader::new(conn)?;
    for row in rows {
        conn.prepare_cached("UPDATE mail SET due = ?2 WHERE id = ?1")?
            .execute(params![row.number, ask.hidden_until.micros()])?;
        let first = row.first.unwrap_or_else(|| ask.now.micros());
        received.messages.push(with_content(&mut content, row, first, 0)?);
    }
    for group in groups {
        groups::refresh(conn, ask.mailbox, &group, ask.now)?;
    }
    received.next = Some(ask.now);
    Ok(Some(received))
}

fn note_attempt(
    conn: &Connection,
    ask: &Receive,
    attempt: &Attempt,
    messages: &[Message],
) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM mail_attempt WHERE mailbox = ?1 AND id = ?2")?
        .execute(params![ask.mailbox, attempt.id])?;
    let mut insert = conn.prepare_cached(
        "INSERT INTO mail_attempt (mailbox, id, number, receives, at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for message in messages {
        let Receipt { number, receives } = message.receipt;
        insert.execute(params![ask.mailbox, attempt.id, number, receives, ask.now.micros()])?;
    }
    Ok(())
}
