//! Reading events: a page in the order of time, or all of them, newest segments first.
//!
//! Files overlap in time, because clients send events up to 14 days late. A page is therefore not merged out of all
//! files at once; it is the best so far, and whatever can no longer improve it is not opened. That needs the memory of
//! one page and one block, however the files overlap.

use std::collections::{BinaryHeap, HashSet};
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::frame::{EventRef, Frame, OVERHEAD_BYTES, stream_bit};
use super::position::Position;
use super::segment::{Block, Segment};

/// The most of a page (API Reference, `GetLogEvents`, `FilterLogEvents`).
pub(crate) const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// The most events of a page.
pub(crate) const PAGE_EVENTS_MAX: usize = 10_000;
/// How much one page may read. A page may be empty and still have a successor (API Reference, `FilterLogEvents`); this
/// keeps one question to some hundred milliseconds.
const PAGE_SCAN_BYTES: u64 = 256 * 1024 * 1024;

/// Whose events are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Streams {
    /// Of every stream but these, which have been deleted.
    AllBut(HashSet<i64>),
    /// Of these alone.
    Only(HashSet<i64>),
}

impl Streams {
    fn wants(&self, stream: i64) -> bool {
        match self {
            Self::AllBut(deleted) => deleted.is_empty() || !deleted.contains(&stream),
            Self::Only(ids) => ids.contains(&stream),
        }
    }

    fn bits(&self) -> u128 {
        match self {
            Self::AllBut(_) => u128::MAX,
            Self::Only(ids) => ids.iter().fold(0, |bits, id| bits | stream_bit(*id)),
        }
    }
}

/// Which events are wanted: those strictly between two positions, from one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) after: Position,
    pub(crate) before: Position,
    /// Newest first.
    pub(crate) descending: bool,
    pub(crate) limit: usize,
}

/// An event of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) position: Position,
    pub(crate) stream: i64,
    pub(crate) ingested_ms: i64,
    pub(crate) message: String,
}

/// Events in the order asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Page {
    pub(crate) events: Vec<Event>,
    /// Where the next page goes on, when this one ended before the window did.
    pub(crate) next: Option<Position>,
}

/// A position by which a smaller one comes earlier in the order asked for.
fn key(position: Position, descending: bool) -> Position {
    if descending {
        Position { at_ms: i64::MAX - position.at_ms, number: i64::MAX - position.number }
    } else {
        position
    }
}

/// Something that is not opened yet, and the smallest key that may be in it.
struct Unopened {
    from: Position,
    what: What,
}

enum What {
    Segment(Arc<Segment>),
    Block(Arc<Segment>, Block),
}

impl PartialEq for Unopened {
    fn eq(&self, other: &Self) -> bool {
        self.from == other.from
    }
}
impl Eq for Unopened {}
impl PartialOrd for Unopened {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Unopened {
    /// Reversed: the heap gives the smallest first.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.from.cmp(&self.from)
    }
}

/// The files of a group, opened in the order of time.
struct Frontier<'a> {
    heap: BinaryHeap<Unopened>,
    window: Window,
    streams: &'a Streams,
    bits: u128,
    bytes: Vec<u8>,
    scratch: Vec<u8>,
    read: u64,
}

impl<'a> Frontier<'a> {
    fn new(segments: Vec<Arc<Segment>>, streams: &'a Streams, window: Window) -> Self {
        let mut frontier = Self {
            heap: BinaryHeap::new(),
            window,
            streams,
            bits: streams.bits(),
            bytes: Vec::new(),
            scratch: Vec::new(),
            read: 0,
        };
        for segment in segments {
            let totals = segment.totals;
            frontier.offer(totals.min_ms, totals.max_ms, totals.streams, What::Segment(segment));
        }
        frontier
    }

    fn offer(&mut self, min_ms: i64, max_ms: i64, streams: u128, what: What) {
        let (after, before) = (self.window.after, self.window.before);
        if min_ms <= before.at_ms && max_ms >= after.at_ms && streams & self.bits != 0 {
            let descending = self.window.descending;
            let edge =
                if descending { Position { at_ms: max_ms, number: i64::MAX } } else { Position::at(min_ms) };
            self.heap.push(Unopened { from: key(edge, descending), what });
        }
    }

    /// The smallest key of what is not opened yet.
    fn next_from(&self) -> Option<Position> {
        self.heap.peek().map(|unopened| unopened.from)
    }

    /// Opens what comes next; the events of a block that are wanted go to `visit`.
    fn open_next(&mut self, visit: &mut impl FnMut(EventRef<'_>)) -> io::Result<()> {
        let Some(unopened) = self.heap.pop() else { return Ok(()) };
        match unopened.what {
            What::Segment(segment) => {
                let Some(file) = open(&segment)? else { return Ok(()) };
                for block in segment.blocks(&file)? {
                    let summary = block.summary;
                    let what = What::Block(Arc::clone(&segment), block);
                    self.offer(summary.min_ms, summary.max_ms, summary.streams, what);
                }
                Ok(())
            }
            // Opened once more, because as many segments as overlap would else be open at once.
            What::Block(segment, block) => match open(&segment)? {
                Some(file) => self.read_block(&file, block, visit),
                None => Ok(()),
            },
        }
    }

    fn read_block(
        &mut self,
        file: &File,
        block: Block,
        visit: &mut impl FnMut(EventRef<'_>),
    ) -> io::Result<()> {
        self.read += u64::from(block.summary.raw_bytes);
        self.bytes.resize(usize::try_from(block.bytes).unwrap_or(0), 0);
        file.read_exact_at(&mut self.bytes, block.offset)?;
        let (window, streams) = (self.window, self.streams);
        let mut rest = &self.bytes[..];
        while let Some(frame) = Frame::read(rest) {
            frame.events(&mut self.scratch, |event| {
                let inside = window.after < event.position && event.position < window.before;
                if inside && streams.wants(event.stream) {
                    visit(event);
                }
            });
            rest = &rest[frame.end..];
        }
        Ok(())
    }
}

/// `None` when its group was deleted in this moment, names and all.
fn open(segment: &Segment) -> io::Result<Option<File>> {
    match File::open(&segment.path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// An event with its place in the order; the largest is the first to go.
struct Ranked(Position, Event);

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Ranked {}
impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

/// The first events of the window so far.
struct Best {
    heap: BinaryHeap<Ranked>,
    bytes: usize,
    limit: usize,
    /// From here on nothing is wanted any more: an event of this key had no room.
    ceiling: Option<Position>,
}

impl Best {
    fn has_room_for(&self, key: Position) -> bool {
        self.ceiling.is_none_or(|ceiling| key < ceiling)
    }

    fn push(&mut self, key: Position, event: Event) {
        self.bytes += event.message.len() + OVERHEAD_BYTES;
        self.heap.push(Ranked(key, event));
        // The first event always fits: it is at most as long as a page.
        while self.heap.len() > self.limit || (self.bytes > PAGE_BYTES_MAX && self.heap.len() > 1) {
            let Some(Ranked(key, event)) = self.heap.pop() else { break };
            self.bytes -= event.message.len() + OVERHEAD_BYTES;
            self.ceiling = Some(key);
        }
    }

    /// Whether what comes from this key on cannot be in the page.
    fn is_complete_before(&self, from: Position) -> bool {
        let is_full = self.heap.len() >= self.limit && self.heap.peek().is_some_and(|last| last.0 < from);
        is_full || !self.has_room_for(from)
    }
}

/// Reads a page of events: as many as its limits of count, bytes and effort allow.
pub(crate) fn page(
    segments: Vec<Arc<Segment>>,
    streams: &Streams,
    window: Window,
    wanted: &dyn Fn(&str) -> bool,
) -> io::Result<Page> {
    page_with_effort(segments, streams, window, wanted, PAGE_SCAN_BYTES)
}

pub(crate) fn page_with_effort(
    segments: Vec<Arc<Segment>>,
    streams: &Streams,
    window: Window,
    wanted: &dyn Fn(&str) -> bool,
    effort: u64,
) -> io::Result<Page> {
    let descending = window.descending;
    let start = key(if descending { window.before } else { window.after }, descending);
    let mut frontier = Frontier::new(segments, streams, window);
    let mut best = Best { heap: BinaryHeap::new(), bytes: 0, limit: window.limit, ceiling: None };
    let mut more_from = None;
    while let Some(from) = frontier.next_from() {
        let is_tired = frontier.read >= effort && from > start;
        if is_tired || best.is_complete_before(from) {
            more_from = Some(from);
            break;
        }
        frontier.open_next(&mut |event| {
            let key = key(event.position, descending);
            if best.has_room_for(key) && wanted(event.message) {
                let EventRef { stream, position, ingested_ms, message, .. } = event;
                best.push(key, Event { position, stream, ingested_ms, message: message.to_owned() });
            }
        })?;
    }
    // What is known is complete up to the first unopened file and below the first event without room.
    let mut ranked = best.heap.into_sorted_vec();
    ranked.retain(|ranked| more_from.is_none_or(|from| ranked.0 < from));
    let next = match (best.ceiling, more_from) {
        (Some(ceiling), from) if from.is_none_or(|from| ceiling < from) => {
            ranked.last().map(|last| last.1.position)
        }
        // The number in it belongs to no event, so that a page which ends there leaves none out.
        (_, from) => from.map(|from| key(from, descending)),
    };
    Ok(Page { events: ranked.into_iter().map(|ranked| ranked.1).collect(), next })
}

/// Gives every event of the window to `visit`, a block at a time, until it breaks off.
pub(crate) fn scan(
    segments: Vec<Arc<Segment>>,
    streams: &Streams,
    window: Window,
    mut visit: impl FnMut(EventRef<'_>) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut frontier = Frontier::new(segments, streams, window);
    let mut flow = ControlFlow::Continue(());
    while flow.is_continue() && frontier.next_from().is_some() {
        frontier.open_next(&mut |event| {
            if flow.is_continue() {
                flow = visit(event);
            }
        })?;
    }
    Ok(())
}
