//! What SQLite takes in bare batches with the store's settings: the floor that the benchmark holds the acceptance of events
//! against. `batches FOLDER COUNT BYTES BATCH rows|events` prints the nanoseconds.
//!
//! `rows` are rows of a table with nothing beside it; `events` are what the store writes for an event: a message, its entry
//! in the index of due times, its body, and once in each batch the number of the last write. Both are written into a file
//! that the store has made, so that tables and settings of the file are the store's, and both without the store.

use std::path::Path;
use std::time::Instant;

use lambent_store::Store;
use rusqlite::{Connection, params};

/// As long as those of events are.
const QUEUE: &str = "event/arn:aws:lambda:us-east-1:000000000000:function:bench-wait-0";
const STATE: &[u8] = br#"{"failed":0,"deferred":0}"#;
/// As the store has it. It is a connection's setting, as `synchronous` is, and not the file's.
const CHECKPOINT: u32 = 4000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, count, bytes, batch, kind] = arguments.as_slice() else {
        return Err("usage: batches FOLDER COUNT BYTES BATCH rows|events".into());
    };
    let (count, bytes, batch): (usize, usize, usize) = (count.parse()?, bytes.parse()?, batch.parse()?);
    let insert = match kind.as_str() {
        "rows" => row,
        "events" => event,
        other => return Err(format!("{other}: neither rows nor events").into()),
    };
    let mut conn = open(Path::new(folder))?;
    let body = vec![b'x'; bytes];
    let began = Instant::now();
    let mut written = 0;
    while written < count {
        let now = (count - written).min(batch);
        let transaction = conn.transaction()?;
        for _ in 0..now {
            written += 1;
            insert(&transaction, written, &body)?;
        }
        transaction.prepare_cached("UPDATE sequence SET last = ?1")?.execute(params![written])?;
        transaction.commit()?;
    }
    println!("{}", began.elapsed().as_nanos());
    Ok(())
}

fn open(folder: &Path) -> Result<Connection, Box<dyn std::error::Error>> {
    // It is closed when its last handle is dropped; that a connection is still open for a moment is no matter.
    drop(Store::open(folder)?);
    let conn = Connection::open(folder.join("lambent.db"))?;
    conn.busy_timeout(std::time::Duration::from_secs(5))?;
    conn.execute_batch(
        "PRAGMA synchronous = FULL; CREATE TABLE row (id INTEGER PRIMARY KEY, body BLOB NOT NULL);",
    )?;
    conn.pragma_update(None, "wal_autocheckpoint", CHECKPOINT)?;
    Ok(conn)
}

fn row(conn: &Connection, number: usize, body: &[u8]) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO row (id, body) VALUES (?1, ?2)")?.execute(params![number, body])?;
    Ok(())
}

fn event(conn: &Connection, number: usize, body: &[u8]) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO message (id, queue, due, state) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![number, QUEUE, 1_800_000_000_000_000 + number as u64, STATE])?;
    conn.prepare_cached("INSERT INTO message_body (id, body) VALUES (?1, ?2)")?
        .execute(params![number, body])?;
    Ok(())
}
