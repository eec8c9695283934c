//! The writer's part: messages in the transaction of a commit.

use lambent_model::Timestamp;
use rusqlite::{Connection, params};

use super::{Arrival, Lease, Leases};
use crate::Write;

/// What follows from a commit once it is on the disk.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) settled: Vec<Lease>,
}

/// Bytes of a body that lies in its message's row, so that both are written at once. A row is then within one page of 4 KB,
/// and putting it off writes little anew.
const WITHIN: usize = 3072;

/// Among how many queues an arrival looks for its own.
const LOOKED_BACK: usize = 8;

impl Applied {
    /// Notes that something is due in a queue. One that was noted a moment ago is due at the earlier of both times: a
    /// listener looks into a queue once, however many messages came in one commit.
    fn arrived(&mut self, queue: &str, due: Timestamp) {
        match self.arrivals.iter_mut().rev().take(LOOKED_BACK).find(|arrival| *arrival.queue == *queue) {
            // Were the command to be refused, the listener would look too early, which costs it a look.
            Some(arrival) => arrival.due = arrival.due.min(due),
            None => self.arrivals.push(Arrival { queue: queue.into(), due }),
        }
    }
}

/// Why a message was not written.
pub(crate) enum Refused {
    /// Somebody else may have taken the message.
    Lost(u64),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Applies a write that is about a message; `seq` becomes the number of a new one.
pub(crate) fn apply(
    conn: &Connection,
    leases: &Leases,
    seq: u64,
    write: &Write,
    applied: &mut Applied,
) -> Result<(), Refused> {
    match write {
        Write::Enqueue { queue, due, state, body } => {
            let within = Some(body).filter(|body| body.len() <= WITHIN);
            conn.prepare_cached(
                "INSERT INTO message (id, queue, due, state, body) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![seq, queue, due.micros(), state, within])?;
            if within.is_none() {
                conn.prepare_cached("INSERT INTO message_body (id, body) VALUES (?1, ?2)")?
                    .execute(params![seq, body])?;
            }
            applied.arrived(queue, *due);
        }
        Write::Finish { lease } => {
            check(leases, *lease)?;
            if lease.apart {
                conn.prepare_cached("DELETE FROM message_body WHERE id = ?1")?.execute(params![lease.id])?;
            }
            let found =
                conn.prepare_cached("DELETE FROM message WHERE id = ?1")?.execute(params![lease.id])?;
            if found == 0 {
                return Err(Refused::Lost(lease.id));
            }
            applied.settled.push(*lease);
        }
        Write::Postpone { lease, due, state } => {
            check(leases, *lease)?;
            let mut statement =
                conn.prepare_cached("UPDATE message SET due = ?2, state = ?3 WHERE id = ?1 RETURNING queue")?;
            let mut rows = statement.query(params![lease.id, due.micros(), state])?;
            let Some(row) = rows.next()? else { return Err(Refused::Lost(lease.id)) };
            applied.arrived(&row.get::<_, String>(0)?, *due);
            applied.settled.push(*lease);
        }
        Write::Discard { queue, before, count } => super::keep::discard(conn, queue, *before, *count)?,
        Write::Put { .. } | Write::Delete { .. } | Write::OpenMailbox { .. } | Write::CloseMailbox { .. } => {
            unreachable!("records and mailboxes are the writer's own")
        }
    }
    Ok(())
}

fn check(leases: &Leases, lease: Lease) -> Result<(), Refused> {
    if leases.lock().is_valid(lease) { Ok(()) } else { Err(Refused::Lost(lease.id)) }
}
