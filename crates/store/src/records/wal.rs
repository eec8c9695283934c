//! The write-ahead log, kept short. A thread with a connection of its own, the *keeper*, copies the log into the database while
//! the writer goes on; only the last of it, which is little by then, is copied by the writer, between two transactions,
//! for the log begins anew at its head when all of it is copied and nothing is added meanwhile (SQLite: "Write-Ahead
//! Logging", "Avoiding Excessively Large WAL Files").
//!
//! ```text
//! writer: commit, commit ──the log has grown by `step`──▶ keeper: copies, has the database synced
//! writer: copies the rest ◀──the log is a `lap` long, and little is left── keeper
//! ```

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::failpoint::{self, Moment};
use super::{Error, schema};

/// The site of the keeper's passes and of the writer's, for tests of crashes.
const PASS: &str = "log/pass";
const REST: &str = "log/rest";

/// How far the log may grow, in pages of 4 KB.
#[derive(Debug, Clone, Copy)]
struct Lengths {
    /// By so much before the keeper is woken. Pages that are written again and again, those of indexes and of messages that
    /// come and go, are copied once for all of it, and each time costs syncs.
    step: u32,
    /// Then it is to begin anew. What a start after a crash has to read, and what lies in memory as the file's pages, is
    /// some 32 MB.
    lap: u32,
    /// Then the writer waits for the keeper and for whoever reads an old state, and copies all that is left: 64 MB. Only
    /// a disk on which the keeper cannot follow comes here, or a long reading.
    most: u32,
    /// What the keeper leaves to the writer is to be so little: some are written while it makes a pass.
    little: u32,
}

/// What a file of the log is cut to when it has begun anew, in bytes: a single large commit may have made it longer.
pub(super) const FILE: u32 = 4096 * LENGTHS.most;

const LENGTHS: Lengths = Lengths { step: 4000, lap: 8000, most: 16_000, little: 200 };

/// For so long the writer waits for those who read an old state, and all others for the writer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Passes of the keeper, one after the other, in which it may catch up with the writer. Each leaves what is written
/// while it runs, about a tenth of what it copies.
const PASSES: usize = 4;

/// The writer's side. Dropping it ends the keeper, after the pass that it is in.
pub struct Wal {
    shared: Arc<Shared>,
    lengths: Lengths,
    /// How long the log was when the keeper was last woken, or the writer last copied because it had become too long.
    woken: u32,
    forced: u32,
    /// One signal is enough, for the keeper looks at the log as it is.
    wake: Option<SyncSender<()>>,
    keeper: Option<JoinHandle<()>>,
}

/// What both sides know.
struct Shared {
    /// Pages in the log.
    pages: AtomicU32,
    /// The log is a lap long, and the keeper has left little of it.
    little_left: AtomicBool,
    /// Whoever copies holds it.
    turn: Mutex<()>,
    /// What failed the keeper.
    failed: Mutex<Option<Error>>,
    /// The database, to have it synced beside SQLite. It is closed after all connections, because closing it frees the
    /// locks of all of them (POSIX: `fcntl`).
    database: File,
}

impl Wal {
    /// Starts the keeper of the log that `writer` writes. From now on SQLite copies nothing by itself.
    ///
    /// # Errors
    /// Those of opening the database once more, and of starting a thread.
    pub fn keep(writer: &mut Connection, path: &Path) -> Result<Self, Error> {
        Self::keep_within(failpoint::step().map_or(LENGTHS, Lengths::of), writer, path)
    }

    fn keep_within(lengths: Lengths, writer: &mut Connection, path: &Path) -> Result<Self, Error> {
        let sqlite = |e: rusqlite::Error| Error::from_sqlite(path, &e);
        let database = File::open(path).map_err(|e| Error::from_io(path, &e))?;
        let shared = Arc::new(Shared {
            pages: AtomicU32::new(0),
            little_left: AtomicBool::new(false),
            turn: Mutex::new(()),
            failed: Mutex::new(None),
            database,
        });
        let told = Arc::clone(&shared);
        writer
            .wal_hook(Some(move |_: &mut _, pages: std::ffi::c_int| {
                told.pages.store(u32::try_from(pages).unwrap_or(0), Ordering::Release);
                Ok(())
            }))
            .map_err(sqlite)?;
        writer.busy_timeout(PATIENCE).map_err(sqlite)?;
        let (wake, woken) = sync_channel(1);
        let mut keeper = Keeper {
            conn: schema::open_for_copying(path)?,
            path: path.to_owned(),
            shared: Arc::clone(&shared),
            lengths,
        };
        let keeper = std::thread::Builder::new()
            .name("store-keeper".into())
            .spawn(move || keeper.run(&woken))
            .map_err(|e| Error::from_io(path, &e))?;
        Ok(Self { shared, lengths, woken: 0, forced: 0, wake: Some(wake), keeper: Some(keeper) })
    }

    /// What failed the keeper: what is on the disk is not known then.
    pub(super) fn failure(&self) -> Option<Error> {
        self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// To be called after each transaction, when those who waited for it have been told.
    ///
    /// # Errors
    /// Those of the disk, after which no later commit can be believed; that the disk is full is none.
    pub fn committed(&mut self, writer: &Connection, path: &Path) -> Result<(), Error> {
        let pages = self.shared.pages.load(Ordering::Acquire);
        if pages < self.woken {
            (self.woken, self.forced) = (0, 0);
        }
        if self.shared.little_left.swap(false, Ordering::AcqRel) {
            self.rest(writer, path, "PASSIVE")
        } else if pages >= self.lengths.most.max(self.forced + self.lengths.step) {
            self.forced = pages;
            self.rest(writer, path, "RESTART")
        } else {
            if pages >= self.woken + self.lengths.step {
                self.woken = pages;
                // Full: it is about to look anyway. Closed: it has failed, and the next transaction will hear of it.
                let _looks = self.wake.as_ref().map(|wake| wake.try_send(()));
            }
            Ok(())
        }
    }

    /// Copies what the keeper has left.
    fn rest(&self, writer: &Connection, path: &Path, mode: &str) -> Result<(), Error> {
        let _turn = self.shared.turn();
        failpoint::hit(REST, Moment::Before);
        let copied = copy(writer, mode);
        failpoint::hit(REST, Moment::After);
        match copied.map_err(|e| Error::from_sqlite(path, &e)) {
            // A full disk: the log lengthens, and when it cannot, a commit says so.
            Ok(_) | Err(Error::DiskFull { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends the keeper, after the pass that it is in. What is given back is to be dropped when no connection is open.
    pub fn end(mut self) -> impl Sized {
        drop(self.wake.take());
        if let Some(keeper) = self.keeper.take()
            && let Err(panic) = keeper.join()
        {
            std::panic::resume_unwind(panic);
        }
        Arc::clone(&self.shared)
    }
}

impl Shared {
    fn turn(&self) -> std::sync::MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lengths {
    /// Shorter ones, for tests.
    fn of(step: u32) -> Self {
        Self { step, lap: 2 * step, most: 4 * step, little: step / 4 }
    }
}

struct Keeper {
    conn: Connection,
    path: std::path::PathBuf,
    shared: Arc<Shared>,
    lengths: Lengths,
}

impl Keeper {
    /// Until the writer's side is dropped, or something fails.
    fn run(&mut self, woken: &Receiver<()>) {
        while let Ok(()) = woken.recv() {
            match self.look() {
                // As with what the writer copies.
                Ok(()) | Err(Error::DiskFull { .. }) => {}
                Err(error) => {
                    *self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return;
                }
            }
        }
    }

    fn look(&mut self) -> Result<(), Error> {
        let mut done = 0;
        for _ in 0..PASSES {
            let copied = self.pass()?;
            let pages = self.shared.pages.load(Ordering::Acquire);
            let left = pages.saturating_sub(copied);
            let (is_over, little) = match pages >= self.lengths.lap {
                true => (true, self.lengths.little),
                false => (false, self.lengths.step),
            };
            if left <= little {
                self.shared.little_left.store(is_over, Ordering::Release);
                return Ok(());
            }
            // What somebody reads in an old state cannot be copied yet. The writer will wake us again.
            if copied <= done {
                return Ok(());
            }
            done = copied;
        }
        Ok(())
    }

    /// Answers of how many pages of the log the database has the content.
    fn pass(&self) -> Result<u32, Error> {
        let _turn = self.shared.turn();
        failpoint::hit(PASS, Moment::Before);
        let copied = copy(&self.conn, "PASSIVE").map_err(|e| Error::from_sqlite(&self.path, &e))?;
        failpoint::hit(PASS, Moment::Written);
        // SQLite syncs it with the last page of the log alone, which is mostly the writer's part: what has been copied by then
        // is on the disk already.
        // A sync that fails may have lost pages, of whatever kind the error is.
        let lost = |e: std::io::Error| Error::Io { path: self.path.clone(), detail: e.to_string() };
        self.shared.database.sync_data().map_err(lost)?;
        failpoint::hit(PASS, Moment::After);
        Ok(copied)
    }
}

/// Copies as much as the mode says (SQLite: "PRAGMA wal_checkpoint"); answers of how many pages the database has the content.
fn copy(conn: &Connection, mode: &str) -> rusqlite::Result<u32> {
    let mut statement = conn.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    // -1 where there is no log.
    statement.query_row([], |row| Ok(u32::try_from(row.get::<_, i64>(2)?).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Lengths = Lengths { step: 40, lap: 80, most: 160, little: 10 };
    /// What one commit of these tests adds at most.
    const COMMIT: u32 = 8;

    struct Log {
        conn: Connection,
        wal: Wal,
        path: std::path::PathBuf,
        written: u32,
        _dir: tempfile::TempDir,
    }

    impl Log {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("lambent.db");
            let mut conn = schema::open_for_writing(&path).unwrap();
            let wal = Wal::keep_within(SHORT, &mut conn, &path).unwrap();
            Self { conn, wal, path, written: 0, _dir: dir }
        }

        /// Commits a body of two pages and answers how long the log was then.
        fn commit(&mut self) -> u32 {
            self.written += 1;
            self.conn
                .execute("INSERT INTO message_body VALUES (?1, zeroblob(6000))", [self.written])
                .unwrap();
            let pages = self.wal.shared.pages.load(Ordering::Acquire);
            self.wal.committed(&self.conn, &self.path).unwrap();
            assert!(self.wal.failure().is_none());
            pages
        }

        /// Commits until the log has begun anew, and answers how long it became.
        fn lap(&mut self) -> u32 {
            let mut longest = 0;
            loop {
                let pages = self.commit();
                if pages < longest {
                    return longest;
                }
                longest = pages;
            }
        }

        fn end(self) {
            let database = self.wal.end();
            self.conn.close().unwrap();
            drop(database);
            assert!(!self.path.with_extension("db-wal").exists());
            let conn = Connection::open(&self.path).unwrap();
            let count: u32 =
                conn.query_row("SELECT count(*) FROM message_body", [], |row| row.get(0)).unwrap();
            assert_eq!(count, self.written);
            conn.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0))
                .map(|answer| assert_eq!(answer, "ok"))
                .unwrap();
        }
    }

    #[test]
    fn the_log_begins_anew_while_it_is_written() {
        let mut log = Log::new();
        for _ in 0..5 {
            let longest = log.lap();
            assert!((SHORT.lap..SHORT.most + COMMIT).contains(&longest), "{longest}");
        }
        log.end();
    }

    #[test]
    fn a_reader_of_an_old_state_holds_the_log_and_not_the_writer() {
        let mut log = Log::new();
        log.commit();
        log.conn.busy_timeout(Duration::ZERO).unwrap();
        let reader = schema::open_for_reading(&log.path).unwrap();
        let count = |reader: &Connection| -> u32 {
            reader.query_row("SELECT count(*) FROM message_body", [], |row| row.get(0)).unwrap()
        };
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(count(&reader), 1);
        while log.commit() < 2 * SHORT.most {}
        assert_eq!(count(&reader), 1, "it sees what was when it began");
        reader.execute_batch("COMMIT").unwrap();
        assert_eq!(count(&reader), log.written);
        log.lap();
        assert!(log.lap() < SHORT.most + COMMIT);
        drop(reader);
        log.end();
    }
}
