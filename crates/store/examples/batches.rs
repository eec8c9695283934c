//! What SQLite takes in bare batches with the store's settings: the floor that the benchmark holds the acceptance of events
//! against. `batches FILE COUNT BYTES BATCH` prints the nanoseconds.

use std::time::Instant;

use rusqlite::{Connection, params};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, count, bytes, batch] = arguments.as_slice() else {
        return Err("usage: batches FILE COUNT BYTES BATCH".into());
    };
    let (count, bytes, batch): (usize, usize, usize) = (count.parse()?, bytes.parse()?, batch.parse()?);
    let mut conn = Connection::open(file)?;
    let _mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    conn.execute_batch(
        "PRAGMA synchronous = FULL; CREATE TABLE event (id INTEGER PRIMARY KEY, body BLOB NOT NULL);",
    )?;
    let body = vec![b'x'; bytes];
    let began = Instant::now();
    let mut left = count;
    while left > 0 {
        let now = left.min(batch);
        let transaction = conn.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO event (body) VALUES (?1)")?;
            for _ in 0..now {
                insert.execute(params![body])?;
            }
        }
        transaction.commit()?;
        left -= now;
    }
    println!("{}", began.elapsed().as_nanos());
    Ok(())
}
