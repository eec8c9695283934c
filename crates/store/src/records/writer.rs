//! The one thread that writes. It commits for all who wait at once, so that they share one fsync.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::failpoint::{self, Moment};
use super::handover::HandOver;
use super::pace::Pace;
use super::wal::Wal;
use super::{Change, Error, Expect, Key, Write};
use crate::mailbox::{self, Answer, Op, Receive, Settle};
use crate::queue::{self, Leases};

/// What the writer is asked to do.
pub(super) enum Command {
    /// Commit this together.
    Commit { site: &'static str, task: Task, answer: oneshot::Sender<Result<Outcome, Error>> },
    /// Commit what came before, close the database, free the data directory.
    Close { answer: oneshot::Sender<Result<(), Error>> },
}

/// What is committed together.
pub(super) enum Task {
    /// Records and messages.
    Writes(Vec<Write>),
    /// Actions on mailboxes.
    Mail(Vec<Op>),
}

/// What became of a [`Task`], of the same name.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The numbers of the writes.
    Writes(Vec<u64>),
    /// What each action did.
    Mail(Vec<Answer>),
}

/// How others learn of commits, before these are answered.
pub(super) struct Told {
    pub(super) feed: broadcast::Sender<Change>,
    pub(super) arrivals: queue::Sender,
    /// Number of the last committed write of a record.
    pub(super) last_version: Arc<AtomicU64>,
    /// Number of the last write of which all others have been told.
    pub(super) announced: watch::Sender<u64>,
}

/// What a transaction has done so far.
#[derive(Default)]
struct Done {
    /// Number of the last write.
    last: u64,
    changes: Vec<Change>,
    messages: queue::Applied,
}

pub(super) struct Writer {
    conn: Connection,
    path: PathBuf,
    told: Told,
    leases: Arc<Leases>,
    pace: Pace,
    hand_over: HandOver,
    wal: Wal,
    /// Number of the last committed write.
    last: u64,
    /// Set by an error of the disk. What is on it is not known any more, so that no later commit may be promised.
    broken: Option<Error>,
    /// Held open for as long as the database is in use.
    _lock: File,
}

impl Writer {
    pub(super) fn new(
        mut conn: Connection,
        path: PathBuf,
        told: Told,
        leases: Arc<Leases>,
        lock: File,
    ) -> Result<Self, Error> {
        let last = conn
            .query_row("SELECT last FROM sequence", [], |row| row.get(0))
            .map_err(|e| Error::from_sqlite(&path, &e))?;
        told.announced.send_replace(last);
        let wal = Wal::keep(&mut conn, &path)?;
        Ok(Self {
            conn,
            path,
            told,
            leases,
            pace: Pace::default(),
            hand_over: HandOver::here(),
            wal,
            last,
            broken: None,
            _lock: lock,
        })
    }

    /// Serves commands until the store is closed or every handle is gone.
    pub(super) fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(first) = commands.blocking_recv() {
            let mut next = Some(first);
            let mut batch = Vec::new();
            let mut close = None;
            while let Some(command) = next.take() {
                match command {
                    Command::Commit { site, task, answer } => batch.push(((site, task), answer)),
                    Command::Close { answer } => {
                        close = Some(answer);
                        break;
                    }
                }
                if batch.len() < self.pace.limit() {
                    next = commands.try_recv().ok();
                }
            }
            let (group, answers): (Vec<(_, _)>, Vec<_>) = batch.into_iter().unzip();
            let (sites, mut tasks): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            let results = self.commit_group_at(&mut tasks, || each(&sites, Moment::Written));
            each(&sites, Moment::After);
            self.hand_over.answer(answers, results, tasks);
            if let Err(error) = self.wal.committed(&self.conn, &self.path) {
                self.broken.get_or_insert(error);
            }
            if let Some(answer) = close {
                // Whoever queued behind the close learns it from the closed channel.
                drop(commands);
                drop(answer.send(self.close()));
                return;
            }
        }
        // Every handle is gone and nobody is left to hear an error; what was acknowledged is on the disk anyway.
        drop(self.close());
    }

    /// The same without a moment before.
    #[cfg(test)]
    pub(super) fn commit_group(&mut self, group: Vec<Vec<Write>>) -> Vec<Result<Outcome, Error>> {
        self.commit_group_at(&mut group.into_iter().map(Task::Writes).collect::<Vec<_>>(), || ())
    }

    fn close(self) -> Result<(), Error> {
        let Self { conn, path, wal, _lock, .. } = self;
        let database = wal.end();
        // The last connection that can write copies what there is of the log and removes it.
        let closed = conn.close().map_err(|(_conn, error)| Error::from_sqlite(&path, &error));
        drop(database);
        // Last, so that the next server finds a database that nobody has open.
        drop(_lock);
        closed
    }

    /// Runs the commands in one transaction and answers them all, in order; calls `written` before they are committed. What
    /// was written is left to the caller, to be dropped where that keeps nobody waiting.
    fn commit_group_at(&mut self, group: &mut [Task], written: impl FnOnce()) -> Vec<Result<Outcome, Error>> {
        if group.is_empty() {
            return Vec::new();
        }
        let size = group.len();
        if self.broken.is_none() {
            self.broken = self.wal.failure();
        }
        if let Some(error) = &self.broken {
            return refused(size, error);
        }
        let began = Instant::now();
        let mut ended = began;
        let transaction = self.transaction(group, || {
            written();
            ended = Instant::now();
        });
        match transaction {
            Ok((results, done)) => {
                self.pace.learn(size, ended - began, ended.elapsed());
                self.tell(done);
                results
            }
            Err(error) => {
                if matches!(error, Error::Io { .. } | Error::Corrupt { .. }) {
                    self.broken = Some(error.clone());
                }
                if !self.conn.is_autocommit()
                    && let Err(rollback) = self.conn.execute_batch("ROLLBACK")
                {
                    self.broken = Some(Error::from_sqlite(&self.path, &rollback));
                }
                refused(size, &error)
            }
        }
    }

    /// Nobody listening is no error.
    fn tell(&mut self, done: Done) {
        self.last = done.last;
        let last_version = done.changes.last().map(|change| change.version);
        for change in done.changes {
            drop(self.told.feed.send(change));
        }
        if let Some(last) = last_version {
            self.told.last_version.store(last, Ordering::Release);
        }
        let mut held = self.leases.lock();
        done.messages.settled.iter().for_each(|lease| held.release(*lease));
        drop(held);
        for arrival in done.messages.arrivals {
            drop(self.told.arrivals.send(arrival));
        }
        self.told.announced.send_replace(done.last);
    }

    fn transaction(
        &self,
        group: &mut [Task],
        written: impl FnOnce(),
    ) -> Result<(Vec<Result<Outcome, Error>>, Done), Error> {
        let sqlite = |e: rusqlite::Error| Error::from_sqlite(&self.path, &e);
        self.statement("BEGIN IMMEDIATE")?;
        let mut results = Vec::with_capacity(group.len());
        let mut done = Done { last: self.last, ..Done::default() };
        for task in group {
            let may_be_undone = task.may_be_undone();
            if may_be_undone {
                self.statement("SAVEPOINT command")?;
            }
            let before = done.mark();
            let applied = match task {
                Task::Writes(writes) => self.apply_all(writes, &mut done).map(Outcome::Writes),
                Task::Mail(ops) => self.mail_all(ops, &mut done).map(Outcome::Mail),
            };
            match applied {
                Ok(outcome) => results.push(Ok(outcome)),
                Err(
                    refusal
                    @ (Error::Conflict { .. } | Error::LeaseLost { .. } | Error::MailboxClosed { .. }),
                ) => {
                    if may_be_undone {
                        self.statement("ROLLBACK TO command")?;
                    }
                    done.back_to(before);
                    results.push(Err(refusal));
                }
                // SQLite may have undone the whole transaction by itself (disk full, I/O error), and then the
                // commands before this one are gone, too: all of them fail.
                Err(error) => return Err(error),
            }
            if may_be_undone {
                self.statement("RELEASE command")?;
            }
        }
        if done.last != self.last {
            self.conn
                .prepare_cached("UPDATE sequence SET last = ?1")
                .and_then(|mut statement| statement.execute(params![done.last]))
                .map_err(sqlite)?;
        }
        written();
        self.statement("COMMIT")?;
        Ok((results, done))
    }

    /// Runs one that every transaction has again.
    fn statement(&self, sql: &str) -> Result<(), Error> {
        let ran = self.conn.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
        ran.map(drop).map_err(|e| Error::from_sqlite(&self.path, &e))
    }

    fn apply_all(&self, writes: &mut [Write], done: &mut Done) -> Result<Vec<u64>, Error> {
        let mut versions = Vec::with_capacity(writes.len());
        for write in writes {
            let seq = done.last + 1;
            done.last = seq;
            versions.push(seq);
            let (key, body) = match write {
                Write::Put { key, expect, body } => {
                    self.check(key, *expect)?;
                    self.put(key, seq, body).map_err(|e| Error::from_sqlite(&self.path, &e))?;
                    (key, Some(Arc::from(&body[..])))
                }
                Write::Delete { key, expect } => {
                    self.check(key, *expect)?;
                    self.delete(key).map_err(|e| Error::from_sqlite(&self.path, &e))?;
                    (key, None)
                }
                Write::OpenMailbox { mailbox } => {
                    mailbox::open(&self.conn, *mailbox).map_err(|e| Error::from_sqlite(&self.path, &e))?;
                    continue;
                }
                Write::CloseMailbox { mailbox } => {
                    mailbox::close(&self.conn, *mailbox).map_err(|e| Error::from_sqlite(&self.path, &e))?;
                    continue;
                }
                message => {
                    queue::apply(&self.conn, &self.leases, seq, message, &mut done.messages).map_err(
                        |refused| match refused {
                            queue::Refused::Lost(id) => Error::LeaseLost { id },
                            queue::Refused::Sqlite(error) => Error::from_sqlite(&self.path, &error),
                        },
                    )?;
                    continue;
                }
            };
            done.changes.push(Change { seq, key: key.take(), version: seq, body });
        }
        Ok(versions)
    }

    fn mail_all(&self, ops: &mut [Op], done: &mut Done) -> Result<Vec<Answer>, Error> {
        let apply = |op| {
            mailbox::apply(&self.conn, &mut done.last, op).map_err(|refused| match refused {
                mailbox::Refused::Closed(mailbox) => Error::MailboxClosed { mailbox },
                mailbox::Refused::Lost(id) => Error::LeaseLost { id },
                mailbox::Refused::Sqlite(error) => Error::from_sqlite(&self.path, &error),
            })
        };
        ops.iter_mut().map(apply).collect()
    }

    fn check(&self, key: &Key, expect: Expect) -> Result<(), Error> {
        if expect == Expect::Any {
            return Ok(());
        }
        let found: Option<u64> = self
            .conn
            .prepare_cached("SELECT version FROM record WHERE kind = ?1 AND partition = ?2 AND name = ?3")
            .and_then(|mut statement| {
                statement.query_row(params![key.kind, key.partition, key.name], |row| row.get(0)).optional()
            })
            .map_err(|e| Error::from_sqlite(&self.path, &e))?;
        let met = match expect {
            Expect::Any => true,
            Expect::Absent => found.is_none(),
            Expect::Present => found.is_some(),
            Expect::Version(version) => found == Some(version),
        };
        if met { Ok(()) } else { Err(Error::Conflict { key: key.clone() }) }
    }

    fn put(&self, key: &Key, version: u64, body: &[u8]) -> rusqlite::Result<usize> {
        self.conn
            .prepare_cached(
                "INSERT INTO record (kind, partition, name, version, body) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET version = excluded.version, body = excluded.body",
            )?
            .execute(params![key.kind, key.partition, key.name, version, body])
    }

    fn delete(&self, key: &Key) -> rusqlite::Result<usize> {
        self.conn
            .prepare_cached("DELETE FROM record WHERE kind = ?1 AND partition = ?2 AND name = ?3")?
            .execute(params![key.kind, key.partition, key.name])
    }
}

impl Done {
    /// How far it is, to come [`Done::back_to`]. Numbers that were given away are not used again.
    fn mark(&self) -> [usize; 3] {
        [self.changes.len(), self.messages.arrivals.len(), self.messages.settled.len()]
    }

    fn back_to(&mut self, [changes, arrivals, settled]: [usize; 3]) {
        self.changes.truncate(changes);
        self.messages.arrivals.truncate(arrivals);
        self.messages.settled.truncate(settled);
    }
}

/// The same error for each of a group.
fn refused(size: usize, error: &Error) -> Vec<Result<Outcome, Error>> {
    std::iter::repeat_with(|| Err(error.clone())).take(size).collect()
}

impl Task {
    /// Whether some of a command may have been written when it is refused. Most are one write, which is refused before
    /// it changes anything or not at all; a savepoint takes them longer than writing does.
    fn may_be_undone(&self) -> bool {
        match self {
            Self::Writes(writes) => writes.iter().enumerate().any(|(place, write)| match write {
                Write::Put { expect, .. } | Write::Delete { expect, .. } => {
                    *expect != Expect::Any && place > 0
                }
                Write::Enqueue { .. } => false,
                _ => true,
            }),
            // Whether the mailbox is open is looked at before the first message; only that for dead letters may be found
            // closed later, and only strict settling stops in the middle.
            Self::Mail(ops) => !matches!(
                ops[..],
                [Op::Send(_)
                    | Op::Receive(Receive { dead_letters: None, .. })
                    | Op::Settle(Settle { strict: false, .. })]
            ),
        }
    }
}

/// Passes a moment of each commit of a group.
fn each(sites: &[&'static str], moment: Moment) {
    sites.iter().for_each(|site| failpoint::hit(site, moment));
}

#[cfg(test)]
mod tests;
