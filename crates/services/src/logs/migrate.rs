//! Takes over what an earlier version kept: the SQLite file `logs.db`, with an event a row.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

use super::storage::files::{Appending, Files};
use super::storage::frame::EventRef;
use super::storage::position::Position;
use super::storage::space::Reserve;
use super::{Error, catalog};

/// Bytes of messages that are taken over at once.
const BYTES: usize = 8 * 1024 * 1024;

/// Makes the folder for logs ready and answers its path.
///
/// The old file is copied into a folder beside it, which gets its name when it is whole, so that an interrupted start
/// begins anew and loses nothing; then the old file goes.
pub(super) fn prepare(dir: &Path) -> Result<PathBuf, Error> {
    let path = dir.join("logs");
    let refused = |source| Error::Directory { path: path.clone(), source };
    let old = dir.join("logs.db");
    if !path.exists() && old.exists() {
        let copy = dir.join("logs.new");
        if copy.exists() {
            std::fs::remove_dir_all(&copy).map_err(refused)?;
        }
        make(&copy).map_err(refused)?;
        take_over(&old, &copy)?;
        std::fs::rename(&copy, &path).map_err(refused)?;
    }
    make(&path).map_err(refused)?;
    for name in ["logs.db", "logs.db-wal", "logs.db-shm"] {
        match std::fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(refused(error)),
            _ => {}
        }
    }
    Ok(path)
}

fn make(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn take_over(old: &Path, copy: &Path) -> Result<(), Error> {
    let path = copy.join("catalog.db");
    let conn = catalog::open(&path)?;
    copy_catalog(&conn, old).map_err(|source| Error::Database { path: old.to_owned(), source })?;
    let groups = catalog::write::group_ids(&conn).map_err(|source| Error::Database { path, source })?;
    let folder = copy.join("segments");
    let failed = |source| Error::File { path: folder.clone(), source };
    let mut files = Files::open(&folder, &groups, Reserve::DEFAULT).map_err(failed)?;
    copy_events(old, &mut files)?;
    groups.iter().try_for_each(|group| files.close_growing(*group)).map_err(failed)
}

fn copy_catalog(conn: &Connection, old: &Path) -> rusqlite::Result<()> {
    conn.execute("ATTACH ?1 AS old", [old.to_string_lossy()])?;
    conn.execute_batch(
        "INSERT INTO log_group (id, account, region, name, created_ms)
             SELECT id, account, region, name, created_ms FROM old.log_group;
         INSERT INTO log_stream SELECT * FROM old.log_stream;
         UPDATE counter SET next_event = (SELECT coalesce(max(number), 0) + 1 FROM old.log_event);
         DETACH old;",
    )
}

fn copy_events(old: &Path, files: &mut Files) -> Result<(), Error> {
    let refused = |source| Error::Database { path: old.to_owned(), source };
    let conn = Connection::open_with_flags(old, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(refused)?;
    let mut select = conn
        .prepare(
            "SELECT number, group_id, stream_id, at_ms, ingested_ms, origin, message FROM log_event
             WHERE number > ?1 ORDER BY number",
        )
        .map_err(refused)?;
    let mut last = 0;
    loop {
        let mut appending = Appending::default();
        let before = last;
        let mut bytes = 0;
        let mut rows = select.query(params![last]).map_err(refused)?;
        while bytes < BYTES
            && let Some(row) = rows.next().map_err(refused)?
        {
            let copied = copy_row(row, &mut appending).map_err(refused)?;
            last = copied.0;
            bytes += copied.1;
        }
        if last == before {
            return Ok(());
        }
        if let Some(source) = files.append(appending).into_values().next() {
            return Err(Error::File { path: old.to_owned(), source });
        }
    }
}

/// Answers the event's number and length.
fn copy_row(row: &rusqlite::Row<'_>, appending: &mut Appending) -> rusqlite::Result<(i64, usize)> {
    let number = row.get(0)?;
    let message = row.get_ref(6)?.as_str()?;
    let event = EventRef {
        stream: row.get(2)?,
        position: Position { at_ms: row.get(3)?, number },
        ingested_ms: row.get(4)?,
        platform: row.get::<_, i64>(5)? == 0,
        message,
    };
    appending.push(row.get(1)?, &event);
    Ok((number, message.len()))
}
