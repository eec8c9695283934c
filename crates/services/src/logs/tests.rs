//! The store from sink to page.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use lambent_model::{AccountId, Clock, Entropy, LogRecord, LogStream, Origin, Region, Scope, Timestamp};
use rusqlite::Connection;

use super::catalog::read;
use super::queue::{Limits, Queue};
use super::storage::position::Position;
use super::storage::scan::{self, Page, Streams, Window};
use super::storage::space::Reserve;
use super::{Error, Logs};
use lambent_model::LogSink;

/// 2026-01-31T12:00:00Z.
pub(super) const NOW_MS: i64 = 1_769_860_800_000;

/// A clock that stands still until it is set.
pub(super) struct StoppedClock(AtomicI64);

impl StoppedClock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(NOW_MS)))
    }
}

impl StoppedClock {
    pub(super) fn advance(&self, by_ms: i64) {
        self.0.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Counts, so that ids differ.
#[derive(Default)]
pub(super) struct Counting(std::sync::atomic::AtomicU8);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}

pub(super) fn scope() -> Scope {
    Scope { account: AccountId::default_account(), region: Region::default_region() }
}

pub(super) fn stream(group: &str, stream: &str) -> Arc<LogStream> {
    Arc::new(LogStream { scope: scope(), group: group.to_owned(), stream: stream.to_owned() })
}

/// A line of a function, `after_ms` after the clock's time.
pub(super) fn line(stream: &Arc<LogStream>, after_ms: i64, message: &str) -> LogRecord {
    LogRecord {
        stream: Arc::clone(stream),
        at: Timestamp::from_millis(NOW_MS + after_ms),
        origin: Origin::Function,
        message: message.to_owned(),
    }
}

fn open(dir: &std::path::Path) -> Logs {
    Logs::open(dir, StoppedClock::new(), Arc::new(Counting::default())).unwrap()
}

fn ask<T>(logs: &Logs, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> T {
    logs.inner.readers.ask(question).unwrap()
}

const ALL: Window =
    Window { after: Position::START, before: Position::END, descending: false, limit: scan::PAGE_EVENTS_MAX };

/// A page of a group's events.
fn page(logs: &Logs, group: &str, only: Option<&[&str]>, window: Window) -> Page {
    let (group, streams) = ask(logs, |conn| {
        let group = read::group(conn, &scope(), group)?.expect("the group exists").id;
        let id = |name: &&str| read::stream(conn, group, name).unwrap().unwrap().id;
        let streams = match only {
            Some(names) => Streams::Only(names.iter().map(id).collect()),
            None => Streams::AllBut(read::deleted_streams(conn, group)?),
        };
        Ok((group, streams))
    });
    scan::page(logs.inner.segments.of(group), &streams, window, &|_| true).unwrap()
}

fn texts(page: &Page) -> Vec<&str> {
    page.events.iter().map(|event| event.message.trim_end()).collect()
}

#[tokio::test]
async fn events_come_in_time_order_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path());
    let (a, b) = (stream("/aws/lambda/f", "a"), stream("/aws/lambda/f", "b"));
    let sink = logs.sink();
    for (stream, after_ms, text) in [(&a, 5, "3"), (&b, 2, "1"), (&a, 5, "4"), (&b, 4, "2"), (&b, 9, "5")] {
        sink.write(line(stream, after_ms, text));
    }
    sink.write(line(&stream("/aws/lambda/other", "a"), 3, "elsewhere"));
    logs.flush().await.unwrap();

    assert_eq!(texts(&page(&logs, "/aws/lambda/f", None, ALL)), ["1", "2", "3", "4", "5"]);
    assert_eq!(texts(&page(&logs, "/aws/lambda/f", Some(&["b"]), ALL)), ["1", "2", "5"]);
    let back = Window { descending: true, ..ALL };
    assert_eq!(texts(&page(&logs, "/aws/lambda/f", Some(&["a"]), back)), ["4", "3"]);

    // Pages of two, in both directions: together they are everything, and none overlaps.
    for (descending, expected) in [(false, ["1", "2", "3", "4", "5"]), (true, ["5", "4", "3", "2", "1"])] {
        let mut window = Window { descending, limit: 2, ..ALL };
        let mut seen = Vec::new();
        loop {
            let page = page(&logs, "/aws/lambda/f", None, window);
            seen.extend(texts(&page).iter().map(|text| (*text).to_owned()));
            match page.next {
                Some(next) if descending => window.before = next,
                Some(next) => window.after = next,
                None => break,
            }
        }
        assert_eq!(seen, expected);
    }
    logs.close().await.unwrap();
}

#[tokio::test]
async fn a_page_holds_a_megabyte() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path());
    let stream = stream("g", "s");
    // The middle one is longer than an event: it becomes two.
    for text in ["x".repeat(600_000), "é".repeat(600_000), "z".to_owned()] {
        logs.sink().write(line(&stream, 0, &text));
    }
    logs.flush().await.unwrap();
    let mut window = ALL;
    let mut sizes = Vec::new();
    loop {
        let page = page(&logs, "g", None, window);
        sizes.push(page.events.iter().map(|event| event.message.len()).collect::<Vec<_>>());
        let Some(next) = page.next else { break };
        window.after = next;
    }
    assert_eq!(sizes, [vec![600_001], vec![1_048_550], vec![151_451, 2]]);
    let group = ask(&logs, |conn| read::group(conn, &scope(), "g")).unwrap();
    assert_eq!(logs.inner.segments.counted_bytes(group.id), 600_001 + 1_200_001 + 2 + 4 * 26);
}

#[tokio::test]
async fn a_restart_keeps_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    first.sink().write(line(&stream("g", "s"), 1, "before"));
    // No flush: closing writes what is queued.
    let sink = first.sink();
    first.close().await.unwrap();
    sink.write(line(&stream("g", "s"), 1, "into the void"));

    let second = open(dir.path());
    second.sink().write(line(&stream("g", "s"), 2, "after"));
    second.flush().await.unwrap();
    assert_eq!(texts(&page(&second, "g", None, ALL)), ["before", "after"]);
    let stream = ask(&second, |conn| {
        let group = read::group(conn, &scope(), "g")?.unwrap();
        read::stream(conn, group.id, "s")
    })
    .unwrap();
    assert_eq!((stream.first_event_ms, stream.last_event_ms), (NOW_MS + 1, NOW_MS + 2));
    assert_eq!((stream.created_ms, stream.last_ingestion_ms), (NOW_MS, NOW_MS));
}

#[tokio::test]
async fn dates_beyond_cloudwatchs_window_become_the_arrival() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path());
    const DAY_MS: i64 = 86_400_000;
    for after_ms in [-NOW_MS - 1, -15 * DAY_MS, -13 * DAY_MS, 3_600_000, DAY_MS] {
        logs.sink().write(line(&stream("g", "s"), after_ms, "x"));
    }
    logs.flush().await.unwrap();
    let times: Vec<i64> =
        page(&logs, "g", None, ALL).events.iter().map(|e| e.position.at_ms - NOW_MS).collect();
    assert_eq!(times, [-13 * DAY_MS, 0, 0, 0, 3_600_000]);
}

#[test]
fn a_full_queue_drops_counts_and_shares() {
    let queue = Queue::new(Limits { records: 16, bytes: 16_000, reserve_eighths: 2, streams: 1 });
    let (loud, quiet) = (stream("loud", "s"), stream("quiet", "s"));
    // The flood gets half.
    for n in 0..20 {
        queue.write(line(&loud, n, "flood"));
    }
    // A neighbour gets an eighth more, and the platform all that is left.
    for n in 20..23 {
        queue.write(line(&quiet, n, "drop"));
    }
    for n in 0..7 {
        queue.write(LogRecord { origin: Origin::Platform, ..line(&quiet, 30 + n, "REPORT") });
    }
    let batch = queue.take(Duration::ZERO).expect("it holds records");
    let kept: Vec<&str> = batch.records.iter().map(|record| record.message.as_str()).collect();
    assert_eq!(kept, [&["flood"; 8][..], &["drop"; 2], &["REPORT"; 6]].concat());
    // Losses of the second stream are in the total alone, by the limit on streams.
    let [(stream, lost)] = &batch.dropped[..] else { panic!("one stream is told apart") };
    assert_eq!((stream, lost.records, lost.bytes), (&loud, 12, 60));
    assert_eq!(lost.since, Timestamp::from_millis(NOW_MS + 8));
    assert_eq!((queue.dropped(), batch.up_to), (12 + 1 + 1, 30));

    // There is room again, but not for more bytes than there may ever be.
    queue.write(line(&loud, 30, "after"));
    queue.write(line(&quiet, 31, &"x".repeat(16_000)));
    let batch = queue.take(Duration::ZERO).expect("one record");
    assert_eq!((batch.records.len(), batch.dropped.len()), (1, 1));
    queue.close();
    queue.write(line(&loud, 32, "too late"));
    assert!(queue.take(Duration::ZERO).is_none());
}

#[tokio::test]
async fn a_loss_is_told_in_its_stream() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { bytes: 64 * 1024, ..Limits::DEFAULT };
    let logs = open_with(dir.path(), limits, Reserve::DEFAULT);
    let sink = logs.sink();
    sink.write(line(&stream("g", "s"), 0, "first"));
    sink.write(line(&stream("g", "s"), 1, &"x".repeat(100_000)));
    sink.write(line(&stream("g", "s"), 2, "last"));
    logs.flush().await.unwrap();
    let page = page(&logs, "g", None, ALL);
    let notice = "LOGS_DROPPED\tDropped Records: 1\tDropped Bytes: 100000\tReason: more was logged than could be written";
    assert_eq!(texts(&page), ["first", notice, "last"]);
    assert_eq!(logs.dropped(), 1);
}

fn open_with(dir: &std::path::Path, limits: Limits, reserve: Reserve) -> Logs {
    Logs::open_with(dir, StoppedClock::new(), Arc::new(Counting::default()), limits, reserve).unwrap()
}

#[tokio::test]
async fn a_disk_without_room_drops_counts_and_tells() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path());
    logs.sink().write(line(&stream("g", "s"), 0, "kept"));
    logs.flush().await.unwrap();
    logs.close().await.unwrap();

    // All of the disk is reserved.
    let full = open_with(dir.path(), Limits::DEFAULT, Reserve { bytes_max: u64::MAX, part: 1 });
    for n in 1..4 {
        full.sink().write(line(&stream("g", "s"), n, "lost"));
    }
    let error = full.flush().await.unwrap_err();
    assert!(matches!(&error, Error::Write { reason, .. } if reason.contains("set a retention")), "{error}");
    assert!(full.failure().is_some() && full.dropped() == 3);
    assert_eq!(texts(&page(&full, "g", None, ALL)), ["kept"]);
    drop(full.close().await);

    let again = open(dir.path());
    again.sink().write(line(&stream("g", "s"), 5, "after"));
    again.flush().await.unwrap();
    assert_eq!(texts(&page(&again, "g", None, ALL)), ["kept", "after"]);
    assert!(again.failure().is_none());
}

#[tokio::test]
async fn a_loss_is_told_when_the_file_works_again() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path());
    let stream = stream("g", "s");
    logs.sink().write(line(&stream, 0, "kept"));
    logs.flush().await.unwrap();
    let other = Connection::open(dir.path().join("logs/catalog.db")).unwrap();
    other.execute_batch("ALTER TABLE log_stream RENAME TO away").unwrap();
    // A stream that is not known yet has to be looked for.
    logs.sink().write(line(&super::tests::stream("g", "new"), 1, "lost"));
    let error = logs.flush().await.unwrap_err();
    assert!(matches!(&error, Error::Write { reason, .. } if reason.contains("log_stream")), "{error}");

    other.execute_batch("ALTER TABLE away RENAME TO log_stream").unwrap();
    logs.sink().write(line(&stream, 2, "late"));
    logs.flush().await.unwrap();
    let notice =
        "LOGS_DROPPED\tDropped Records: 1\tDropped Bytes: 4\tReason: more was logged than could be written";
    assert_eq!(texts(&page(&logs, "g", None, ALL)), ["kept", notice, "late"]);
    assert_eq!(logs.dropped(), 1);
}

#[tokio::test]
async fn a_newer_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("logs")).unwrap();
    let conn = Connection::open(dir.path().join("logs/catalog.db")).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    let opened = Logs::open(dir.path(), StoppedClock::new(), Arc::new(Counting::default()));
    assert!(matches!(opened.err().expect("refused"), Error::Newer { found: 99, .. }));
}

/// The schema of the version before segments.
const EARLIER: &str = "
CREATE TABLE log_group (id INTEGER PRIMARY KEY, account TEXT, region TEXT, name TEXT, created_ms INTEGER,
    stored_bytes INTEGER);
CREATE TABLE log_stream (id INTEGER PRIMARY KEY, group_id INTEGER, name TEXT, created_ms INTEGER,
    first_event_ms INTEGER, last_event_ms INTEGER, last_ingestion_ms INTEGER);
CREATE TABLE log_event (number INTEGER PRIMARY KEY AUTOINCREMENT, group_id INTEGER, stream_id INTEGER, at_ms INTEGER,
    ingested_ms INTEGER, origin INTEGER, message TEXT);
INSERT INTO log_group VALUES (3, '000000000000', 'us-east-1', 'g', 10, 99);
INSERT INTO log_stream VALUES (7, 3, 's', 11, 1, 3, 12);
INSERT INTO log_event VALUES (5, 3, 7, 3, 12, 1, 'second
'), (6, 3, 7, 1, 12, 0, 'first
');
PRAGMA user_version = 1;
";

#[tokio::test]
async fn what_an_earlier_version_kept_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    Connection::open(dir.path().join("logs.db")).unwrap().execute_batch(EARLIER).unwrap();
    // An attempt that was interrupted.
    std::fs::create_dir(dir.path().join("logs.new")).unwrap();
    std::fs::write(dir.path().join("logs.new/catalog.db"), "half").unwrap();
    let logs = open(dir.path());
    assert_eq!(texts(&page(&logs, "g", None, ALL)), ["first", "second"]);
    logs.sink().write(line(&stream("g", "s"), 0, "third"));
    logs.flush().await.unwrap();
    let page = page(&logs, "g", Some(&["s"]), ALL);
    assert_eq!(texts(&page), ["first", "second", "third"]);
    assert!(page.events[2].position.number > 6);
    assert!(!dir.path().join("logs.db").exists() && !dir.path().join("logs.new").exists());
}
