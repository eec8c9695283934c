//! Files as a crash, a deletion or a strange order of events leave them.

use std::collections::HashSet;
use std::sync::Arc;

use super::files::{Appending, Files};
use super::frame::EventRef;
use super::position::Position;
use super::scan::{PAGE_EVENTS_MAX, Page, Streams, Window, page, page_with_effort};
use super::segment::Segment;
use super::space::Reserve;

const ALL: Window =
    Window { after: Position::START, before: Position::END, descending: false, limit: PAGE_EVENTS_MAX };
const NONE_DELETED: fn() -> Streams = || Streams::AllBut(HashSet::new());

fn open(dir: &std::path::Path) -> Files {
    Files::open(dir, &HashSet::from([1, 2]), Reserve::DEFAULT).unwrap()
}

/// Events as (stream, time, text); numbers follow from `first`.
fn append(files: &mut Files, first: i64, events: &[(i64, i64, &str)]) {
    let mut appending = Appending::default();
    for (number, (stream, at_ms, message)) in (first..).zip(events) {
        let position = Position { at_ms: *at_ms, number };
        appending.push(1, &EventRef { stream: *stream, position, ingested_ms: 9, platform: false, message });
    }
    assert!(files.append(appending).is_empty());
}

fn read(files: &Files, streams: &Streams, window: Window) -> Page {
    page(files.segments().of(1), streams, window, &|_| true).unwrap()
}

fn texts(page: &Page) -> Vec<&str> {
    page.events.iter().map(|event| event.message.as_str()).collect()
}

fn names(dir: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir.join("1"))
        .map(|entries| entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

#[test]
fn a_tail_that_was_torn_anywhere_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = open(dir.path());
    append(&mut files, 1, &[(1, 10, "one"), (1, 20, "two")]);
    append(&mut files, 3, &[(1, 30, "three")]);
    drop(files);
    let path = dir.path().join("1/000000000001.log");
    let whole = std::fs::read(&path).unwrap();
    let second = whole.len() - 52 - "three".len() - 6;
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let mut files = open(dir.path());
        let kept = texts(&read(&files, &NONE_DELETED(), ALL)).len();
        assert!(kept == 0 || kept == 2, "{kept} events of a file cut at {length}");
        assert_eq!(kept == 2, length >= second, "cut at {length}");
        // What comes next can be read, too, also after another start.
        append(&mut files, 4, &[(1, 40, "next")]);
        drop(files);
        assert_eq!(texts(&read(&open(dir.path()), &NONE_DELETED(), ALL)).last(), Some(&"next"));
    }
    // A tail that holds something else is cut as well.
    for at in second..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(texts(&read(&open(dir.path()), &NONE_DELETED(), ALL)), ["one", "two"]);
    }
}

#[test]
fn a_closed_segment_is_sorted_and_survives_the_loss_of_its_index() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = open(dir.path());
    append(&mut files, 1, &[(1, 30, "c"), (2, 10, "a"), (1, 20, "b")]);
    files.close_growing(1).unwrap();
    assert_eq!(names(dir.path()), ["000000000001.1.seg"]);
    append(&mut files, 4, &[(2, 15, "late"), (1, 40, "d")]);
    let expected = ["a", "late", "b", "c", "d"];
    assert_eq!(texts(&read(&files, &NONE_DELETED(), ALL)), expected);
    let back = Window { descending: true, ..ALL };
    assert_eq!(texts(&read(&files, &Streams::Only([1].into()), back)), ["d", "c", "b"]);
    drop(files);

    let path = dir.path().join("1/000000000001.1.seg");
    let whole = std::fs::read(&path).unwrap();
    let segment = Segment::closed(path.clone(), 1, 1).unwrap();
    assert!(segment.has_index);
    for length in usize::try_from(segment.end).unwrap()..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let files = open(dir.path());
        assert_eq!(texts(&read(&files, &NONE_DELETED(), ALL)), expected, "cut at {length}");
    }
}

#[test]
fn the_newest_generation_counts_and_rubbish_goes() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = open(dir.path());
    append(&mut files, 1, &[(1, 10, "a")]);
    drop(files);
    let log = dir.path().join("1/000000000001.log");
    let open_file = std::fs::read(&log).unwrap();
    let mut files = open(dir.path());
    files.close_growing(1).unwrap();
    drop(files);
    // As if the server had died before the old file was removed, and while a third was being written.
    std::fs::write(&log, open_file).unwrap();
    std::fs::write(dir.path().join("1/000000000001.2.tmp"), "half").unwrap();
    std::fs::create_dir(dir.path().join("99")).unwrap();
    let files = open(dir.path());
    assert_eq!(texts(&read(&files, &NONE_DELETED(), ALL)), ["a"]);
    assert_eq!(names(dir.path()), ["000000000001.1.seg"]);
    assert!(!dir.path().join("99").exists(), "no group has this number");
}

#[test]
fn deletions_free_their_space() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = open(dir.path());
    append(&mut files, 1, &[(1, 10, "a"), (2, 20, "b")]);
    files.close_growing(1).unwrap();
    append(&mut files, 3, &[(2, 30, "c")]);
    let held: Vec<Arc<Segment>> = files.segments().of(1);

    let (gone, mut done) = (HashSet::from([2]), HashSet::new());
    while files.purge_some(1, &gone, &mut done).unwrap() {}
    assert_eq!(texts(&read(&files, &NONE_DELETED(), ALL)), ["a"]);
    // Whoever was reading reads on.
    let before = page(held, &NONE_DELETED(), ALL, &|_| true).unwrap();
    assert_eq!(texts(&before), ["a", "b", "c"]);
    assert_eq!(names(dir.path()), ["000000000001.2.seg"]);

    append(&mut files, 4, &[(1, 50, "d")]);
    files.close_growing(1).unwrap();
    assert_eq!((files.expire(1, 10), files.expire(1, 11)), (0, 1));
    assert_eq!(texts(&read(&files, &NONE_DELETED(), ALL)), ["d"]);
    // A file that nobody wants goes with its last reader, and takes no newer one along.
    let held = files.segments().of(1);
    assert_eq!(files.expire(1, 99), 1);
    append(&mut files, 7, &[(1, 55, "e")]);
    drop(held);
    assert_eq!(texts(&read(&files, &NONE_DELETED(), ALL)), ["e"]);
    files.remove(1).unwrap();
    assert!(!dir.path().join("1").exists());
    append(&mut files, 5, &[(1, 60, "anew")]);
    assert_eq!(texts(&read(&files, &NONE_DELETED(), ALL)), ["anew"]);
}

#[test]
fn pages_are_exact_however_files_overlap() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = open(dir.path());
    // Three segments over the same time, and a growing one: a multiplicative order is a shuffle that repeats.
    let mut expected = Vec::new();
    for part in 0..4i64 {
        let events: Vec<(i64, i64, String)> =
            (0..50).map(|n| (1 + n % 5, (n * 37 + part * 11) % 101, format!("{part}-{n}"))).collect();
        let borrowed: Vec<(i64, i64, &str)> = events.iter().map(|(s, t, m)| (*s, *t, m.as_str())).collect();
        append(&mut files, 1 + part * 50, &borrowed);
        if part < 3 {
            files.close_growing(1).unwrap();
        }
        expected
            .extend((1 + part * 50..).zip(events).map(|(number, (_, at_ms, text))| (at_ms, number, text)));
    }
    expected.sort();
    for (descending, limit, effort) in
        [(false, 7, u64::MAX), (true, 7, u64::MAX), (false, 3, 1), (true, 200, 1)]
    {
        let mut window = Window { descending, limit, ..ALL };
        let mut found = Vec::new();
        loop {
            let page =
                page_with_effort(files.segments().of(1), &NONE_DELETED(), window, &|_| true, effort).unwrap();
            found
                .extend(page.events.iter().map(|e| (e.position.at_ms, e.position.number, e.message.clone())));
            let Some(next) = page.next else { break };
            let progress = if descending { next < window.before } else { next > window.after };
            assert!(progress, "a page has to come further than the one before");
            if descending { window.before = next } else { window.after = next }
        }
        if descending {
            found.reverse();
        }
        assert_eq!(found, expected, "descending {descending}, limit {limit}, effort {effort}");
    }
}
