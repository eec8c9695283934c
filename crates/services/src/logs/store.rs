//! What the writer owns: catalogue and files together, and the order in which they change.
//!
//! A stream is in the catalogue before its first event is in a file, and an event is in a file before the catalogue says
//! when the stream's last event was. A crash between two steps leaves nothing that speaks of something that is not there.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use lambent_model::{Clock, LogRecord, LogStream, Origin, Timestamp};
use rusqlite::{Connection, Transaction};

use super::Error;
use super::catalog::{self, write};
use super::queue::{Batch, Dropped, Queue};
use super::storage::files::{Appending, Files};
use super::storage::frame::EventRef;
use super::storage::position::Position;
use super::storage::space::Reserve;
use super::storage::split::{MESSAGE_BYTES_MAX, parts};
use super::tail::Tail;

/// Numbers set aside at once; as many are lost with each start.
const NUMBERS: i64 = 1_000_000;
/// How often old events are looked for.
const TEND_MS: i64 = 60_000;
/// A group that keeps its events for some days alone begins a new segment after this long, so that whole segments
/// become old.
const SEGMENT_AGE_MS: i64 = 24 * 3_600_000;

/// Catalogue and files.
pub(super) struct Store {
    pub(super) conn: Connection,
    pub(super) files: Files,
    pub(super) tail: Arc<Tail>,
    clock: Arc<dyn Clock>,
    known: write::Known,
    numbers: std::ops::Range<i64>,
    next_tending_ms: i64,
    /// Segments that were looked through for the streams of the group being purged.
    purging: Option<(i64, HashSet<i64>, HashSet<u64>)>,
    /// When a growing segment got its first event, by group.
    begun_ms: HashMap<i64, i64>,
}

/// Events of one stream that a client sends.
pub(super) struct Put {
    pub(super) group: i64,
    pub(super) stream: i64,
    pub(super) name: Arc<LogStream>,
    pub(super) events: Vec<(i64, String)>,
}

/// What a command changes: the catalogue within one transaction, and then files.
pub(super) struct Change<'a> {
    pub(super) conn: &'a Transaction<'a>,
    pub(super) now_ms: i64,
    /// Events to be written before the transaction ends; if that fails, nothing has happened.
    pub(super) put: Option<Put>,
    /// What goes once it has ended.
    pub(super) removed: Option<Removed>,
}

/// What a client deleted.
pub(super) enum Removed {
    /// This group, whose files go at once.
    Group(i64),
    /// A stream, whose events are taken out of the segments by and by.
    Stream,
}

impl Store {
    pub(super) fn open(
        dir: &Path,
        clock: Arc<dyn Clock>,
        reserve: Reserve,
        tail: Arc<Tail>,
    ) -> Result<Self, Error> {
        let path = dir.join("catalog.db");
        let refused = |source| Error::Database { path: path.clone(), source };
        let conn = catalog::open(&path)?;
        skip_numbers(&conn).map_err(refused)?;
        let groups = write::group_ids(&conn).map_err(refused)?;
        let folder = dir.join("segments");
        let files =
            Files::open(&folder, &groups, reserve).map_err(|source| Error::File { path: folder, source })?;
        Ok(Self {
            conn,
            files,
            tail,
            clock,
            known: write::Known::default(),
            numbers: 0..0,
            next_tending_ms: 0,
            purging: None,
            begun_ms: HashMap::new(),
        })
    }

    /// Writes a batch. What could not be written is handed back to the queue to be counted; answers why.
    pub(super) fn write(&mut self, batch: &Batch, queue: &Queue) -> Option<String> {
        let now_ms = self.clock.now().millis();
        let notices: Vec<LogRecord> =
            batch.dropped.iter().map(|(stream, lost)| notice(stream, *lost)).collect();
        let ids = match self.find_ids(batch.records.iter().chain(&notices), now_ms) {
            Ok(ids) => ids,
            Err(error) => {
                queue.lose(batch.records.iter(), batch.dropped.iter().cloned());
                return Some(error.to_string());
            }
        };
        let mut appending = Appending::default();
        let mut touched: HashMap<i64, HashMap<i64, (i64, i64)>> = HashMap::new();
        for (record, ids) in batch.records.iter().chain(&notices).zip(&ids) {
            let at_ms = event_time(record.at, now_ms);
            // Lambda's events end with the newline that ended the line (Lambda Developer Guide, "Viewing CloudWatch
            // logs for Lambda functions"); it also makes an empty line an event, which may not be empty.
            let message = format!("{}\n", record.message);
            for part in parts(&message, MESSAGE_BYTES_MAX) {
                let position =
                    Position { at_ms, number: self.numbers.next().expect("enough were set aside") };
                let platform = record.origin == Origin::Platform;
                let event =
                    EventRef { stream: ids.stream, position, ingested_ms: now_ms, platform, message: part };
                appending.push(ids.group, &event);
            }
            touch(touched.entry(ids.group).or_default(), ids.stream, at_ms);
        }
        let refused = self.files.append(appending);
        touched.retain(|group, _| !refused.contains_key(group));
        let noted = self.note(&touched, now_ms);
        self.show(&batch.records, &ids, &refused, now_ms);
        let is_lost = |ids: &write::Ids| refused.contains_key(&ids.group);
        if !refused.is_empty() {
            let (record_ids, notice_ids) = ids.split_at(batch.records.len());
            let records =
                batch.records.iter().zip(record_ids).filter(|(_, ids)| is_lost(ids)).map(|(r, _)| r);
            let untold = batch.dropped.iter().zip(notice_ids).filter(|(_, ids)| is_lost(ids));
            queue.lose(records, untold.map(|(dropped, _)| dropped.clone()));
        }
        let reason = refused.into_values().next().map(|error| error.to_string());
        reason.or_else(|| noted.err().map(|error| error.to_string()))
    }

    /// Shows what was written to those who watch.
    fn show(
        &self,
        records: &[LogRecord],
        ids: &[write::Ids],
        refused: &HashMap<i64, std::io::Error>,
        now_ms: i64,
    ) {
        if !self.tail.is_watched() {
            return;
        }
        let written = records.iter().zip(ids).filter(|(_, ids)| !refused.contains_key(&ids.group));
        for (record, _) in written {
            let message = format!("{}\n", record.message);
            let at_ms = event_time(record.at, now_ms);
            parts(&message, MESSAGE_BYTES_MAX)
                .for_each(|part| self.tail.offer(&record.stream, at_ms, now_ms, part));
        }
    }

    /// The ids of the records' streams, which are made where they are missing, and numbers for all events.
    fn find_ids<'a>(
        &mut self,
        records: impl Iterator<Item = &'a LogRecord>,
        now_ms: i64,
    ) -> rusqlite::Result<Vec<write::Ids>> {
        self.known.trim();
        let transaction = self.conn.transaction()?;
        let mut events = 0;
        let found = records
            .map(|record| {
                events += 1 + record.message.len() / (MESSAGE_BYTES_MAX - 3);
                write::ids(&transaction, &mut self.known, &record.stream, now_ms)
            })
            .collect::<rusqlite::Result<Vec<_>>>();
        let result = found.and_then(|ids| transaction.commit().map(|()| ids));
        if result.is_err() {
            // The ids of groups and streams that this transaction made are gone with it.
            self.known.clear();
        }
        let ids = result?;
        self.set_numbers_aside(events)?;
        Ok(ids)
    }

    fn set_numbers_aside(&mut self, count: usize) -> rusqlite::Result<()> {
        let count = i64::try_from(count).expect("a batch is bounded");
        if self.numbers.end - self.numbers.start < count {
            let span = NUMBERS.max(count);
            let first = write::reserve_numbers(&self.conn, span)?;
            self.numbers = first..first + span;
        }
        Ok(())
    }

    /// Notes in the catalogue what was written.
    fn note(
        &mut self,
        touched: &HashMap<i64, HashMap<i64, (i64, i64)>>,
        now_ms: i64,
    ) -> rusqlite::Result<()> {
        let transaction = self.conn.transaction()?;
        for (group, streams) in touched {
            self.begun_ms.entry(*group).or_insert(now_ms);
            write::touch_streams(&transaction, streams, now_ms)?;
        }
        transaction.commit()
    }

    /// Runs a client's command: all of it or nothing.
    pub(super) fn change<T, E: From<rusqlite::Error> + From<std::io::Error>>(
        &mut self,
        change: impl FnOnce(&mut Change<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let now_ms = self.clock.now().millis();
        self.set_numbers_aside(10_000)?;
        let transaction = self.conn.transaction()?;
        let mut ongoing = Change { conn: &transaction, now_ms, put: None, removed: None };
        let output = change(&mut ongoing)?;
        let Change { put, removed, .. } = ongoing;
        if let Some(put) = put {
            let touched = append_put(&mut self.files, &mut self.numbers, &put, now_ms)?;
            write::touch_streams(&transaction, &touched, now_ms)?;
            self.begun_ms.entry(put.group).or_insert(now_ms);
            put.events.iter().for_each(|(at, message)| self.tail.offer(&put.name, *at, now_ms, message));
        }
        transaction.commit()?;
        self.next_tending_ms = 0;
        if removed.is_some() {
            // The ids that were read before are not to be believed any more.
            self.known.clear();
        }
        if let Some(Removed::Group(group)) = removed {
            self.files.remove(group)?;
        }
        Ok(output)
    }

    /// Removes what has become too old, and what was deleted. Answers whether there is more of it to do at once.
    pub(super) fn tend(&mut self) -> bool {
        let now_ms = self.clock.now().millis();
        // What fails here (a full disk, a file that is gone) is tried again at the next turn, and costs space until
        // then, nothing else.
        let purged = self.purge_one();
        if now_ms >= self.next_tending_ms {
            self.next_tending_ms = now_ms + TEND_MS;
            if let Ok(retentions) = write::retentions(&self.conn) {
                self.expire(&retentions, now_ms);
            }
        }
        purged.unwrap_or(false)
    }

    fn expire(&mut self, retentions: &[(i64, i32)], now_ms: i64) {
        for (group, days) in retentions {
            self.files.expire(*group, now_ms - i64::from(*days) * 24 * 3_600_000);
            let begun_ms = *self.begun_ms.entry(*group).or_insert(now_ms);
            if now_ms - begun_ms >= SEGMENT_AGE_MS && self.files.close_growing(*group).is_ok() {
                self.begun_ms.remove(group);
            }
        }
    }

    /// Takes deleted streams out of one segment. Answers whether there is another.
    fn purge_one(&mut self) -> Result<bool, Error> {
        let failed = |source| Error::Database { path: "catalog.db".into(), source };
        let (group, streams, done) = match &mut self.purging {
            Some(purging) => purging,
            None => {
                let Some(group) = write::next_purge(&self.conn).map_err(failed)? else { return Ok(false) };
                let streams = catalog::read::deleted_streams(&self.conn, group).map_err(failed)?;
                self.purging.insert((group, streams, HashSet::new()))
            }
        };
        let more = self.files.purge_some(*group, streams, done);
        if let Ok(true) = more {
            return Ok(true);
        }
        let (group, streams, _) = self.purging.take().expect("it was there above");
        more.map_err(|source| Error::File { path: "segments".into(), source })?;
        write::forget_deleted(&self.conn, group, &streams).map_err(failed)?;
        Ok(true)
    }
}

/// After a crash of the machine the catalogue may be older than the segments. Ids and numbers that were given out then
/// are skipped, so that no new stream gets the events of a forgotten one.
fn skip_numbers(conn: &Connection) -> rusqlite::Result<()> {
    write::reserve_numbers(conn, NUMBERS)?;
    conn.execute(
        "UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name IN ('log_group', 'log_stream')",
        [NUMBERS],
    )?;
    Ok(())
}

fn append_put(
    files: &mut Files,
    numbers: &mut std::ops::Range<i64>,
    put: &Put,
    now_ms: i64,
) -> std::io::Result<HashMap<i64, (i64, i64)>> {
    let mut appending = Appending::default();
    let mut touched = HashMap::new();
    for (at_ms, message) in &put.events {
        let position = Position { at_ms: *at_ms, number: numbers.next().expect("enough were set aside") };
        let event = EventRef { stream: put.stream, position, ingested_ms: now_ms, platform: false, message };
        appending.push(put.group, &event);
        touch(&mut touched, put.stream, *at_ms);
    }
    match files.append(appending).into_values().next() {
        Some(error) => Err(error),
        None => Ok(touched),
    }
}

fn touch(streams: &mut HashMap<i64, (i64, i64)>, stream: i64, at_ms: i64) {
    let (first, last) = streams.entry(stream).or_insert((at_ms, at_ms));
    *first = at_ms.min(*first);
    *last = at_ms.max(*last);
}

/// A function may date its records as it likes. CloudWatch refuses those outside of 14 days back and 2 hours ahead (API
/// Reference, `PutLogEvents`); here they keep their text and take the time of their arrival.
fn event_time(at: Timestamp, now_ms: i64) -> i64 {
    let at_ms =
        if (now_ms - BACK_MS..=now_ms + AHEAD_MS).contains(&at.millis()) { at.millis() } else { now_ms };
    at_ms.max(0)
}

/// How old events may be when they arrive (API Reference, `PutLogEvents`).
pub(super) const BACK_MS: i64 = 14 * 24 * 3_600_000;
/// How far ahead they may be dated.
pub(super) const AHEAD_MS: i64 = 2 * 3_600_000;

/// Tells the readers of a stream what is missing from it.
fn notice(stream: &Arc<LogStream>, dropped: Dropped) -> LogRecord {
    let Dropped { records, bytes, since } = dropped;
    LogRecord {
        stream: Arc::clone(stream),
        at: since,
        origin: Origin::Platform,
        message: format!(
            "LOGS_DROPPED\tDropped Records: {records}\tDropped Bytes: {bytes}\tReason: \
             more was logged than could be written"
        ),
    }
}
