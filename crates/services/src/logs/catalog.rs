//! The catalogue: what there is beside the events. Groups, streams, tags, and the documents that hang on them.
//!
//! A SQLite file, because it is small, asked in many ways and changed in transactions. The events themselves are in
//! [`storage`](super::storage).

pub(super) mod document;
pub(super) mod read;
pub(super) mod write;

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::Error;

/// The file's format. Raise it with each change of the schema, and bring older files up to it in `open`.
const FORMAT: i64 = 1;

const SCHEMA: &str = "
-- Numbers of groups and streams are never used twice: files and clients' tokens speak of them.
CREATE TABLE log_group (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    class TEXT NOT NULL DEFAULT 'STANDARD',
    created_ms INTEGER NOT NULL,
    retention_days INTEGER,
    UNIQUE (account, region, name)
) STRICT;
CREATE TABLE log_stream (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    group_id INTEGER NOT NULL REFERENCES log_group,
    name TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    -- Of no event yet: the largest number, 0, 0.
    first_event_ms INTEGER NOT NULL,
    last_event_ms INTEGER NOT NULL,
    last_ingestion_ms INTEGER NOT NULL,
    UNIQUE (group_id, name)
) STRICT;
CREATE INDEX log_stream_by_time ON log_stream (group_id, last_event_ms, name);
-- Deleted streams whose events are still in segments.
CREATE TABLE deleted_stream (
    group_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (group_id, id)
) STRICT;
CREATE TABLE tag (
    group_id INTEGER NOT NULL REFERENCES log_group,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (group_id, key)
) STRICT;
-- Metric filters, subscription filters, policies, saved queries: what is stored as it came. The owner is a log group's
-- name, or empty.
CREATE TABLE document (
    kind TEXT NOT NULL,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    changed_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, account, region, owner, name)
) STRICT;
-- Events are numbered through; numbers below this one may be in use.
CREATE TABLE counter (next_event INTEGER NOT NULL) STRICT;
INSERT INTO counter VALUES (1);
";

/// Makes the file before SQLite does, which would leave it readable by everyone; names say what functions do.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

/// Opens the file for the writer, creating it where it is missing.
pub(super) fn open(path: &Path) -> Result<Connection, Error> {
    let refused = |source| Error::Database { path: path.to_owned(), source };
    make_private(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    let mut conn = Connection::open(path).map_err(refused)?;
    conn.busy_timeout(Duration::from_secs(5)).map_err(refused)?;
    let found: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(refused)?;
    if found > FORMAT {
        return Err(Error::Newer { path: path.to_owned(), found, known: FORMAT });
    }
    if found == 0 {
        // Space that deleted streams leave can be given back only when this stands before the first table.
        conn.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(refused)?;
    }
    conn.pragma_update(None, "journal_mode", "WAL").map_err(refused)?;
    conn.pragma_update(None, "synchronous", "NORMAL").map_err(refused)?;
    if found == 0 {
        let schema = conn.transaction().map_err(refused)?;
        schema.execute_batch(SCHEMA).map_err(refused)?;
        schema.pragma_update(None, "user_version", FORMAT).map_err(refused)?;
        schema.commit().map_err(refused)?;
    }
    Ok(conn)
}
