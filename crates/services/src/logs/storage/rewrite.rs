//! Closing a segment: its events sorted by time, packed into compressed frames with an index.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::frame::{Builder, EventRef, Frame, MAGIC};
use super::position::Position;
use super::segment::{Block, Segment, closed_path, encode_index};

/// What a reader has to decompress at once; ten thousand short lines fit into a few.
const FRAME_BYTES: usize = 256 * 1024;

/// What is taken at once for a segment's text, which a damaged file could say anything of.
const TEXT_BYTES_AHEAD: usize = 64 * 1024 * 1024;

/// Which events are written again.
#[derive(Debug, Default)]
pub(crate) struct Keep {
    /// Streams whose events are left out.
    pub(crate) without: HashSet<i64>,
}

/// Writes the segment's next generation into `dir`; `None` when nothing is left of it. The old file stays.
pub(crate) fn rewrite(dir: &Path, segment: &Segment, keep: &Keep) -> io::Result<Option<Segment>> {
    let mut events = read(segment, keep)?;
    if events.list.is_empty() {
        return Ok(None);
    }
    events.list.sort_unstable_by_key(|event| event.position);
    let generation = segment.generation + 1;
    let path = closed_path(dir, segment.number, generation);
    let temporary = path.with_extension("tmp");
    let result = pack(&temporary, &events).and_then(|()| std::fs::rename(&temporary, &path));
    if let Err(error) = result {
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    Segment::closed(path, segment.number, generation).map(Some)
}

/// Events with their texts in one place: a segment has some 100,000.
struct Events {
    list: Vec<Stored>,
    text: String,
}

struct Stored {
    stream: i64,
    position: Position,
    ingested_ms: i64,
    platform: bool,
    start: usize,
    length: usize,
}

fn read(segment: &Segment, keep: &Keep) -> io::Result<Events> {
    let file = File::open(&segment.path)?;
    // Its size is known, and a text that grows by doubling would hold twice as much.
    let raw = usize::try_from(segment.totals.raw_bytes).unwrap_or(0).min(TEXT_BYTES_AHEAD);
    let mut events = Events { list: Vec::new(), text: String::with_capacity(raw) };
    let (mut bytes, mut scratch) = (Vec::new(), Vec::new());
    for block in segment.blocks(&file)? {
        bytes.resize(usize::try_from(block.bytes).unwrap_or(0), 0);
        file.read_exact_at(&mut bytes, block.offset)?;
        let mut rest = &bytes[..];
        while let Some(frame) = Frame::read(rest) {
            frame.events(&mut scratch, |event| {
                if !keep.without.contains(&event.stream) {
                    events.push(&event);
                }
            });
            rest = &rest[frame.end..];
        }
    }
    Ok(events)
}

impl Events {
    fn push(&mut self, event: &EventRef<'_>) {
        self.list.push(Stored {
            stream: event.stream,
            position: event.position,
            ingested_ms: event.ingested_ms,
            platform: event.platform,
            start: self.text.len(),
            length: event.message.len(),
        });
        self.text.push_str(event.message);
    }

    fn get(&self, stored: &Stored) -> EventRef<'_> {
        EventRef {
            stream: stored.stream,
            position: stored.position,
            ingested_ms: stored.ingested_ms,
            platform: stored.platform,
            message: &self.text[stored.start..stored.start + stored.length],
        }
    }
}

/// Writes the file and waits for the disk: its name, which comes next, says that it is complete.
fn pack(path: &Path, events: &Events) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut bytes = MAGIC.to_vec();
    let mut blocks = Vec::new();
    let mut builder = Builder::default();
    let mut list = events.list.iter().peekable();
    while let Some(stored) = list.next() {
        builder.push(&events.get(stored));
        if builder.len() >= FRAME_BYTES || list.peek().is_none() {
            let offset = bytes.len();
            let summary = builder.finish(&mut bytes, true);
            blocks.push(Block { offset: offset as u64, bytes: (bytes.len() - offset) as u64, summary });
        }
    }
    let end = bytes.len() as u64;
    encode_index(&mut bytes, &blocks, end);
    file.write_all(&bytes)?;
    file.sync_all()
}
