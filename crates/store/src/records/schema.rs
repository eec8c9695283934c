//! Opening the database file: its settings, its schema, and the lock that keeps a second server out.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{Error, failpoint, wal};

/// Each entry takes the schema one number further (`PRAGMA user_version`). Entries are never edited, only added.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE record (
        kind      TEXT    NOT NULL,
        partition TEXT    NOT NULL,
        name      TEXT    NOT NULL,
        version   INTEGER NOT NULL,
        body      BLOB    NOT NULL,
        PRIMARY KEY (kind, partition, name)
    ) STRICT, WITHOUT ROWID;
    -- One row: the number of the last write. It only grows, so that a version is never used twice.
    CREATE TABLE sequence (last INTEGER NOT NULL) STRICT;
    INSERT INTO sequence VALUES (0);
", "
    -- Numbered by the sequence of all writes. Bodies apart: postponing a message must not write a megabyte anew.
    CREATE TABLE message (
        id    INTEGER PRIMARY KEY,
        queue TEXT    NOT NULL,
        -- Microseconds since the epoch.
        due   INTEGER NOT NULL,
        state BLOB    NOT NULL
    ) STRICT;
    CREATE INDEX message_due ON message (queue, due, id);
    CREATE TABLE message_body (
        id   INTEGER PRIMARY KEY,
        body BLOB    NOT NULL
    ) STRICT;
", "
    CREATE TABLE mailbox (id INTEGER PRIMARY KEY, open INTEGER NOT NULL) STRICT;
    -- Numbered by the sequence of all writes, so in the order in which they came.
    CREATE TABLE mail (
        id       INTEGER PRIMARY KEY,
        mailbox  INTEGER NOT NULL,
        -- Microseconds since the epoch, here and below: when it can be received, again or for the first time.
        due      INTEGER NOT NULL,
        receives INTEGER NOT NULL,
        -- How many of these were in other mailboxes.
        base     INTEGER NOT NULL,
        sent     INTEGER NOT NULL,
        first    INTEGER,
        source   TEXT,
        grp      TEXT
    ) STRICT;
    -- With the receives, so that counting what is hidden and what is delayed reads nothing else.
    CREATE INDEX mail_due ON mail (mailbox, due, receives);
    CREATE INDEX mail_in_group ON mail (mailbox, grp) WHERE grp IS NOT NULL;
    CREATE TABLE mail_content (
        id   INTEGER PRIMARY KEY,
        head BLOB NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE mail_group (
        mailbox INTEGER NOT NULL,
        grp     TEXT    NOT NULL,
        -- The number of its oldest message.
        head    INTEGER NOT NULL,
        -- Until when one of its messages is hidden; 0 where none is.
        until   INTEGER NOT NULL,
        PRIMARY KEY (mailbox, grp)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX mail_group_ready ON mail_group (mailbox, until, head);
    CREATE TABLE mail_identity (
        mailbox INTEGER NOT NULL,
        scope   TEXT    NOT NULL,
        id      TEXT    NOT NULL,
        at      INTEGER NOT NULL,
        number  INTEGER NOT NULL,
        note    BLOB    NOT NULL,
        PRIMARY KEY (mailbox, scope, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX mail_identity_at ON mail_identity (at);
    CREATE TABLE mail_attempt (
        mailbox  INTEGER NOT NULL,
        id       TEXT    NOT NULL,
        number   INTEGER NOT NULL,
        receives INTEGER NOT NULL,
        at       INTEGER NOT NULL,
        PRIMARY KEY (mailbox, id, number)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX mail_attempt_at ON mail_attempt (at);
", "
    -- By how much its number is larger than that of the row of mail_content that has what it says among that of others;
    -- NULL where it has a row of its own.
    ALTER TABLE mail ADD COLUMN back INTEGER;
", "
    -- Of small messages; NULL where it is in message_body.
    ALTER TABLE message ADD COLUMN body BLOB;
"];

/// How many prepared statements a connection that writes keeps: all of them, with one for each size of a bundle.
const STATEMENTS: usize = 96;

/// Makes the data directory with access for the server's user only: records may hold a function's environment.
pub(super) fn create_dir(dir: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| Error::from_io(dir, &e))
}

/// Takes the data directory for this process. The lock lasts as long as the file is open, so that the kernel
/// frees it however the process ends.
pub(super) fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("lambent.lock");
    let io = |e: std::io::Error| Error::from_io(&path, &e);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // What the holder wrote is only a hint for the operator; the lock itself has been decided.
            let read = file.take(64).read_to_string(&mut holder);
            let holder = if read.is_ok() && !holder.is_empty() { holder } else { "another process".into() };
            return Err(Error::InUse { dir: dir.to_owned(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    file.set_len(0).map_err(io)?;
    file.rewind().map_err(io)?;
    write!(file, "process {}", std::process::id()).map_err(io)?;
    Ok(file)
}

/// Opens the database for writing and brings its schema up to date.
pub(crate) fn open_for_writing(path: &Path) -> Result<Connection, Error> {
    // Made before SQLite opens it, because SQLite would make it readable by everyone. The files beside it
    // (`-wal`, `-shm`) take over its mode.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|e| Error::from_io(path, &e))?;
    let sqlite = |e: rusqlite::Error| Error::from_sqlite(path, &e);
    let mut conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(sqlite)?;
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(sqlite)?;
    if mode != "wal" {
        let detail = format!("it cannot use a write-ahead log, only {mode:?}; use a local file system");
        return Err(Error::Io { path: path.to_owned(), detail });
    }
    set(&conn).map_err(sqlite)?;
    conn.execute_batch(&format!("PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = {};", wal::FILE))
        .map_err(sqlite)?;
    keep_plans(&conn).map_err(sqlite)?;
    migrate(&mut conn, path)?;
    // All that the writer has: the library keeps sixteen, and prepares the others anew each time.
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    // The directory entries of new files have to survive the power, too.
    if let Some(dir) = path.parent() {
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| Error::from_io(dir, &e))?;
    }
    Ok(conn)
}

/// Opens one more connection, to copy the log into the database.
pub(super) fn open_for_copying(path: &Path) -> Result<Connection, Error> {
    let sqlite = |e: rusqlite::Error| Error::from_sqlite(path, &e);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    set(&conn).map_err(sqlite)?;
    Ok(conn)
}

/// What those that write have in common. FULL is what makes a commit durable in WAL mode; the default of many builds, NORMAL,
/// loses the last commits with the power. The log is copied by [`wal`].
fn set(conn: &Connection) -> rusqlite::Result<()> {
    let synchronous = failpoint::synchronous();
    conn.execute_batch(&format!("PRAGMA synchronous = {synchronous}; PRAGMA wal_autocheckpoint = 0;"))
}

/// Opens one more connection that can only read.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, Error> {
    let sqlite = |e: rusqlite::Error| Error::from_sqlite(path, &e);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    // Readers of a write-ahead log wait for nobody except while the log is reset for an instant.
    conn.busy_timeout(std::time::Duration::from_secs(5)).map_err(sqlite)?;
    keep_plans(&conn).map_err(sqlite)?;
    Ok(conn)
}

/// Statements that ask for a range are prepared once. Otherwise SQLite prepares them anew for every bound that it is given,
/// as the plan might be another one for it, which takes longer than most of them run (SQLite: "Query Planner Stability
/// Guarantee").
fn keep_plans(conn: &Connection) -> rusqlite::Result<bool> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
}

fn migrate(conn: &mut Connection, path: &Path) -> Result<(), Error> {
    let sqlite = |e: rusqlite::Error| Error::from_sqlite(path, &e);
    let found: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(sqlite)?;
    let known = i64::try_from(MIGRATIONS.len()).expect("there are few migrations");
    let Some(done) = usize::try_from(found).ok().filter(|done| *done <= MIGRATIONS.len()) else {
        return Err(Error::NewerSchema { path: path.to_owned(), found, known });
    };
    if done == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = conn.transaction().map_err(sqlite)?;
    for migration in &MIGRATIONS[done..] {
        transaction.execute_batch(migration).map_err(sqlite)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(sqlite)?;
    transaction.commit().map_err(sqlite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_before_there_were_bundles_are_received_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let conn = Connection::open(dir.path().join("lambent.db")).unwrap();
        conn.execute_batch(&MIGRATIONS[..3].concat()).unwrap();
        conn.execute_batch(
            "INSERT INTO mailbox VALUES (1, 1);
             INSERT INTO mail (id, mailbox, due, receives, base, sent) VALUES (7, 1, 0, 0, 0, 0);
             INSERT INTO mail_content VALUES (7, x'01', x'02');
             UPDATE sequence SET last = 7;
             PRAGMA user_version = 3;",
        )
        .unwrap();
        let receive = |conn: &Connection| {
            let ask = crate::mailbox::Receive {
                mailbox: 1,
                now: lambent_model::Timestamp::from_millis(1),
                hidden_until: lambent_model::Timestamp::from_millis(2),
                count: 10,
                groups: None,
                oldest: lambent_model::Timestamp::from_millis(0),
                dead_letters: None,
                attempt: None,
            };
            crate::mailbox::apply(conn, &mut 7, &mut crate::mailbox::Op::Receive(ask)).unwrap()
        };
        drop(conn);
        let conn = open_for_writing(&dir.path().join("lambent.db")).unwrap();
        let crate::mailbox::Answer::Received(received) = receive(&conn) else { panic!() };
        let [message] = &received.messages[..] else { panic!("{received:?}") };
        assert_eq!((message.receipt.number, &message.head[..], &message.body[..]), (7, &[1][..], &[2][..]));
        let mut remove = crate::mailbox::Op::Remove { numbers: vec![7] };
        crate::mailbox::apply(&conn, &mut 7, &mut remove).unwrap();
        let left: u64 = conn.query_row("SELECT count(*) FROM mail_content", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0);
    }

    #[tokio::test]
    async fn messages_of_before_bodies_lay_within_are_taken_as_others_are() {
        use crate::{Store, Write, queue::Place};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lambent.db");
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(&MIGRATIONS[..4].concat()).unwrap();
        conn.execute_batch(
            "INSERT INTO message VALUES (1, 'q', 1, x'01'), (2, 'q', 2, x'02');
             INSERT INTO message_body VALUES (1, x'11'), (2, x'12');
             UPDATE sequence SET last = 2;
             PRAGMA user_version = 4;",
        )
        .unwrap();
        drop(conn);
        let store = Store::open(dir.path()).unwrap();
        let at = lambent_model::Timestamp::from_micros;
        // One that lies within its row, and one that is too large for it.
        let bodies = [vec![0x11], vec![0x12], vec![0x13], vec![0x14; 5000]];
        for (due, body) in [(3, &bodies[2]), (4, &bodies[3])] {
            let new = Write::Enqueue { queue: "q".into(), due: at(due), state: vec![3], body: body.clone() };
            store.commit(vec![new]).await.unwrap();
        }
        let extent = store.extent("q").await.unwrap();
        assert_eq!((extent.count, extent.bytes), (4, 5003));
        let read = store.entries("q", Place::before(at(0)), at(9), 9, 1 << 20).await.unwrap();
        assert_eq!(read.into_iter().map(|entry| entry.body).collect::<Vec<_>>(), bodies);
        // The first of each kind is discarded, the others are finished.
        let discard = |before| Write::Discard { queue: "q".into(), before: at(before), count: 1 };
        store.commit(vec![discard(2)]).await.unwrap();
        let taken = store.take("q", at(9), 9, 1 << 20).await.unwrap().messages;
        assert_eq!(taken.iter().map(|message| message.body.clone()).collect::<Vec<_>>(), bodies[1..]);
        assert_eq!((&taken[0].state[..], &taken[1].state[..]), (&[2][..], &[3][..]));
        let end = taken.iter().map(|message| Write::Finish { lease: message.lease }).collect();
        store.commit(end).await.unwrap();
        store.close().await.unwrap();
        let conn = Connection::open(&path).unwrap();
        for table in ["message", "message_body"] {
            let sql = format!("SELECT count(*) FROM {table}");
            let left: u64 = conn.query_row(&sql, [], |row| row.get(0)).unwrap();
            assert_eq!(left, 0, "{table}");
        }
    }

    #[test]
    fn statements_that_ask_for_a_range_are_prepared_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lambent.db");
        let writing = open_for_writing(&path).unwrap();
        for conn in [&writing, &open_for_reading(&path).unwrap()] {
            let mut ask =
                conn.prepare("SELECT id FROM mail WHERE mailbox = ?1 AND due <= ?2 ORDER BY due").unwrap();
            for due in 0..5 {
                assert!(!ask.exists([1, due]).unwrap());
            }
            assert_eq!(ask.get_status(rusqlite::StatementStatus::RePrepare), 0);
        }
    }
}
