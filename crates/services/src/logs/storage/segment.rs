//! Segments: the files of a log group, one that grows and those that are closed.
//!
//! ```text
//! NUMBER.log        magic · frame …                      grows, a frame for each batch; a torn end is cut at the next start
//! NUMBER.GEN.seg    magic · frame … · index · trailer    sorted by time, compressed, never changed again
//! ```
//!
//! A closed segment that has to lose events (a deleted stream) is written anew under the next generation. Readers hold
//! the segments that they read by [`Arc`](std::sync::Arc); a file that is no longer wanted goes away with its last holder.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::frame::{Frame, HEADER_BYTES, Header, MAGIC, SUMMARY_BYTES, Summary};

/// What stands at the end of a closed segment.
const TRAILER_MAGIC: [u8; 8] = *b"LAMBEND1";
/// Offset of the index, its entries, its checksum, the magic.
pub(crate) const TRAILER_BYTES: usize = 8 + 4 + 4 + 8;
/// A frame's offset, its length with the header, its summary.
pub(crate) const ENTRY_BYTES: usize = 8 + 4 + SUMMARY_BYTES;
/// Frames of a growing segment are read together up to this much: each may be a single line.
const BLOCK_BYTES: u64 = 256 * 1024;

/// A run of whole frames in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) summary: Summary,
}

/// A segment at a moment: what lies beyond `end` does not belong to it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) number: u64,
    pub(crate) generation: u32,
    pub(crate) is_closed: bool,
    /// Where its last whole frame ends.
    pub(crate) end: u64,
    /// Whether an index follows at `end`.
    pub(crate) has_index: bool,
    pub(crate) totals: Totals,
    doomed: AtomicBool,
}

/// Sums over all frames of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) min_ms: i64,
    pub(crate) max_ms: i64,
    pub(crate) streams: u128,
    pub(crate) events: u64,
    /// Before compression.
    pub(crate) raw_bytes: u64,
    /// As CloudWatch counts them.
    pub(crate) counted_bytes: u64,
}

impl Default for Totals {
    fn default() -> Self {
        Self { min_ms: i64::MAX, max_ms: i64::MIN, streams: 0, events: 0, raw_bytes: 0, counted_bytes: 0 }
    }
}

impl Totals {
    pub(crate) fn add(&mut self, summary: &Summary) {
        self.min_ms = self.min_ms.min(summary.min_ms);
        self.max_ms = self.max_ms.max(summary.max_ms);
        self.streams |= summary.streams;
        self.events += u64::from(summary.events);
        self.raw_bytes += u64::from(summary.raw_bytes);
        self.counted_bytes += u64::from(summary.counted_bytes);
    }
}

impl Segment {
    pub(crate) fn growing(path: PathBuf, number: u64, end: u64, totals: Totals) -> Self {
        let doomed = AtomicBool::new(false);
        Self { path, number, generation: 0, is_closed: false, end, has_index: false, totals, doomed }
    }

    /// Opens a closed one. Without a whole index it is read by its frames, as far as they are whole.
    pub(crate) fn closed(path: PathBuf, number: u64, generation: u32) -> io::Result<Self> {
        let file = File::open(&path)?;
        let mut totals = Totals::default();
        let (end, has_index) = match read_index(&file)? {
            Some((entries, end)) => {
                entries.iter().for_each(|block| totals.add(&block.summary));
                (end, true)
            }
            None => (recover(&file, &mut totals)?, false),
        };
        let doomed = AtomicBool::new(false);
        Ok(Self { path, number, generation, is_closed: true, end, has_index, totals, doomed })
    }

    /// Has the file removed when nobody reads it any more.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Relaxed);
    }

    /// The blocks of the segment, in the order of the file.
    pub(crate) fn blocks(&self, file: &File) -> io::Result<Vec<Block>> {
        if self.has_index
            && let Some((blocks, _)) = read_index(file)?
        {
            return Ok(blocks);
        }
        let mut blocks: Vec<Block> = Vec::new();
        walk(file, self.end, |offset, header| {
            let bytes = (HEADER_BYTES + header.payload_bytes) as u64;
            match blocks.last_mut() {
                Some(last) if last.bytes + bytes <= BLOCK_BYTES => {
                    last.bytes += bytes;
                    last.summary.merge(&header.summary);
                }
                _ => blocks.push(Block { offset, bytes, summary: header.summary }),
            }
        })?;
        Ok(blocks)
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if *self.doomed.get_mut() {
            // A file that stays is found again at the next start, and removed there.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Gives every frame's header up to `end` to `visit`, without reading payloads or checking sums.
fn walk(file: &File, end: u64, mut visit: impl FnMut(u64, &Header)) -> io::Result<()> {
    let mut reader = io::BufReader::with_capacity(64 * 1024, file);
    let mut at = MAGIC.len() as u64;
    reader.seek(SeekFrom::Start(at))?;
    let mut bytes = [0; HEADER_BYTES];
    while at + HEADER_BYTES as u64 <= end {
        reader.read_exact(&mut bytes)?;
        let Some(header) = Header::read(&bytes) else { break };
        let next = at + (HEADER_BYTES + header.payload_bytes) as u64;
        if next > end {
            break;
        }
        visit(at, &header);
        reader.seek_relative(i64::try_from(header.payload_bytes).expect("payloads are small"))?;
        at = next;
    }
    Ok(())
}

/// Reads frames from the file's beginning as long as they are whole and true. Answers where they end.
pub(crate) fn recover(file: &File, totals: &mut Totals) -> io::Result<u64> {
    let mut reader = io::BufReader::with_capacity(256 * 1024, file);
    reader.rewind()?;
    let mut magic = [0; MAGIC.len()];
    if fill(&mut reader, &mut magic)? < magic.len() || magic != MAGIC {
        return Ok(0);
    }
    let mut at = MAGIC.len() as u64;
    let mut frame = vec![0; HEADER_BYTES];
    loop {
        frame.truncate(HEADER_BYTES);
        if fill(&mut reader, &mut frame)? < HEADER_BYTES {
            return Ok(at);
        }
        let Some(header) = Header::read(&frame) else { return Ok(at) };
        frame.resize(HEADER_BYTES + header.payload_bytes, 0);
        fill(&mut reader, &mut frame[HEADER_BYTES..])?;
        let Some(whole) = Frame::read(&frame) else { return Ok(at) };
        totals.add(&whole.summary);
        at += whole.end as u64;
    }
}

/// As many bytes as there are, up to the buffer's length.
fn fill(reader: &mut impl io::Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The index of a closed segment and where it begins; `None` where it is torn.
fn read_index(file: &File) -> io::Result<Option<(Vec<Block>, u64)>> {
    let length = file.metadata()?.len();
    let Some(trailer_at) = length.checked_sub(TRAILER_BYTES as u64) else { return Ok(None) };
    let mut trailer = [0; TRAILER_BYTES];
    file.read_exact_at(&mut trailer, trailer_at)?;
    let Some((offset, checksum)) = check_trailer(&trailer, trailer_at) else { return Ok(None) };
    let mut bytes = vec![0; usize::try_from(trailer_at - offset).unwrap_or(0)];
    file.read_exact_at(&mut bytes, offset)?;
    if crc32fast::hash(&bytes) != checksum {
        return Ok(None);
    }
    Ok(decode_index(&bytes, offset).map(|blocks| (blocks, offset)))
}

/// Offset and checksum of the index before the trailer, where both can be true.
fn check_trailer(trailer: &[u8; TRAILER_BYTES], trailer_at: u64) -> Option<(u64, u32)> {
    let offset = u64::from_le_bytes(trailer[0..8].try_into().ok()?);
    let entries = u64::from(u32::from_le_bytes(trailer[8..12].try_into().ok()?));
    let checksum = u32::from_le_bytes(trailer[12..16].try_into().ok()?);
    let fits =
        offset >= MAGIC.len() as u64 && offset.checked_add(entries * ENTRY_BYTES as u64) == Some(trailer_at);
    (trailer[16..] == TRAILER_MAGIC && fits).then_some((offset, checksum))
}

fn decode_index(bytes: &[u8], end: u64) -> Option<Vec<Block>> {
    bytes
        .chunks_exact(ENTRY_BYTES)
        .map(|entry| {
            let offset = u64::from_le_bytes(entry[0..8].try_into().ok()?);
            let bytes = u64::from(u32::from_le_bytes(entry[8..12].try_into().ok()?));
            let summary = Summary::decode(entry[12..].try_into().ok()?);
            let inside = offset.checked_add(bytes).is_some_and(|last| last <= end);
            inside.then_some(Block { offset, bytes, summary })
        })
        .collect()
}

/// Appends index and trailer behind frames that end at `offset`.
pub(crate) fn encode_index(out: &mut Vec<u8>, blocks: &[Block], offset: u64) {
    let start = out.len();
    for block in blocks {
        out.extend_from_slice(&block.offset.to_le_bytes());
        out.extend_from_slice(&u32::try_from(block.bytes).expect("a frame is small").to_le_bytes());
        out.extend_from_slice(&block.summary.encode());
    }
    let checksum = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&offset.to_le_bytes());
    out.extend_from_slice(&u32::try_from(blocks.len()).expect("a segment has few frames").to_le_bytes());
    out.extend_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(&TRAILER_MAGIC);
}

/// Number, generation and kind of a file by its name; `None` for what is no segment.
pub(crate) fn parse_name(name: &str) -> Option<(u64, u32, bool)> {
    if let Some(number) = name.strip_suffix(".log") {
        return Some((number.parse().ok()?, 0, false));
    }
    let (number, generation) = name.strip_suffix(".seg")?.split_once('.')?;
    Some((number.parse().ok()?, generation.parse().ok()?, true))
}

pub(crate) fn growing_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:012}.log"))
}

pub(crate) fn closed_path(dir: &Path, number: u64, generation: u32) -> PathBuf {
    dir.join(format!("{number:012}.{generation}.seg"))
}

/// Reads the end of a file as trailer and index, as [`read_index`] does.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_index(file: &[u8]) {
    let Some((body, trailer)) = file.split_last_chunk::<TRAILER_BYTES>() else { return };
    let Some((offset, _)) = check_trailer(trailer, body.len() as u64) else { return };
    let index = &body[usize::try_from(offset).expect("it lies within the file")..];
    for block in decode_index(index, offset).unwrap_or_default() {
        assert!(block.offset + block.bytes <= offset, "a block lies within the frames");
    }
}
