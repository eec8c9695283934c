//! What SQLite takes in bare batches with the store's settings: the floor that the benchmark holds the acceptance of events
//! against. `batches FOLDER COUNT BYTES BATCH rows|events` prints the nanoseconds.
//!
//! `rows` are rows of a table with nothing beside it; `events` are what the store writes for an event: a message with its body,
//! its entry in the index of due times, and once in each batch the number of the last write. Both are written into a file
//! that the store has made, so that tables and settings of the file are the store's, and both without the store.

use std::path::Path;
use std::time::Instant;

use lambent_store::{Store, Wal};
use rusqlite::{Connection, params};

/// As long as those of events are.
const QUEUE: &str = "event/arn:aws:lambda:us-east-1:000000000000:function:bench-wait-0";
const STATE: &[u8] = b"";

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
    let path = Path::new(folder).join("lambent.db");
    let mut conn = open(Path::new(folder), &path)?;
    // Beside it, as the store has it, a thread copies the log into the database.
    let mut wal = Wal::keep(&mut conn, &path)?;
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
        wal.committed(&conn, &path)?;
    }
    println!("{}", began.elapsed().as_nanos());
    Ok(())
}

fn open(folder: &Path, path: &Path) -> Result<Connection, Box<dyn std::error::Error>> {
    let store = Store::open(folder)?;
    tokio::runtime::Builder::new_current_thread().build()?.block_on(store.close())?;
    let conn = Connection::open(path)?;
    conn.busy_timeout(std::time::Duration::from_secs(5))?;
    conn.execute_batch(
        "PRAGMA synchronous = FULL; CREATE TABLE row (id INTEGER PRIMARY KEY, body BLOB NOT NULL);",
    )?;
    Ok(conn)
}

fn row(conn: &Connection, number: usize, body: &[u8]) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO row (id, body) VALUES (?1, ?2)")?.execute(params![number, body])?;
    Ok(())
}

fn event(conn: &Connection, number: usize, body: &[u8]) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO message (id, queue, due, state, body) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![number, QUEUE, 1_800_000_000_000_000 + number as u64, STATE, body])?;
    Ok(())
}
