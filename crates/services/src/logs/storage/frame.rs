//! Frames: how events lie in a file. Pure: bytes in, bytes out.
//!
//! ```text
//! frame   = length u32 · checksum u32 · summary (44 bytes) · payload
//! payload = event*, plain or compressed by LZ4
//! event   = stream · number · time · delay of arrival · length, each a varint · origin u8 · text
//! ```
//!
//! Numbers are little-endian. The checksum is of all that follows it, so that what a crash tore is told from what was
//! written, and nothing behind a torn place is believed.

use std::ops::Range;

use super::position::Position;

/// What stands at the beginning of a file of frames; the digit is the format.
pub(crate) const MAGIC: [u8; 8] = *b"LAMBLOG1";
/// Length, checksum and summary.
pub(crate) const HEADER_BYTES: usize = 8 + SUMMARY_BYTES;
/// A [`Summary`], encoded.
pub(crate) const SUMMARY_BYTES: usize = 44;
/// The most that a frame holds before compression: a batch of the writer is cut to less, but for one event, which may
/// have a megabyte. A length beyond it is not believed.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What CloudWatch adds to a message when it counts its size (API Reference, `PutLogEvents`).
pub(crate) const OVERHEAD_BYTES: usize = 26;

/// An event as it lies in memory, its text borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventRef<'a> {
    pub(crate) stream: i64,
    pub(crate) position: Position,
    pub(crate) ingested_ms: i64,
    /// Whether the platform wrote it, and no function and no client.
    pub(crate) platform: bool,
    pub(crate) message: &'a str,
}

/// What is known of a frame, or of a file, without reading its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The payload's length before compression; equal to its length where it is not compressed.
    pub(crate) raw_bytes: u32,
    pub(crate) events: u32,
    pub(crate) min_ms: i64,
    pub(crate) max_ms: i64,
    /// A bit for each stream in it, by the stream's id modulo 128: neighbours in time have neighbouring ids.
    pub(crate) streams: u128,
    /// Bytes of the messages as CloudWatch counts them.
    pub(crate) counted_bytes: u32,
}

/// The bit of a stream in [`Summary::streams`].
pub(crate) fn stream_bit(stream: i64) -> u128 {
    1 << stream.rem_euclid(128)
}

impl Summary {
    pub(crate) const EMPTY: Self =
        Self { raw_bytes: 0, events: 0, min_ms: i64::MAX, max_ms: i64::MIN, streams: 0, counted_bytes: 0 };

    fn add(&mut self, event: &EventRef<'_>) {
        self.events += 1;
        self.min_ms = self.min_ms.min(event.position.at_ms);
        self.max_ms = self.max_ms.max(event.position.at_ms);
        self.streams |= stream_bit(event.stream);
        let counted = u32::try_from(event.message.len() + OVERHEAD_BYTES).unwrap_or(u32::MAX);
        self.counted_bytes = self.counted_bytes.saturating_add(counted);
    }

    /// Sums up two neighbours.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.raw_bytes = self.raw_bytes.saturating_add(other.raw_bytes);
        self.events = self.events.saturating_add(other.events);
        self.min_ms = self.min_ms.min(other.min_ms);
        self.max_ms = self.max_ms.max(other.max_ms);
        self.streams |= other.streams;
        self.counted_bytes = self.counted_bytes.saturating_add(other.counted_bytes);
    }

    pub(crate) fn encode(&self) -> [u8; SUMMARY_BYTES] {
        let mut out = [0; SUMMARY_BYTES];
        out[0..4].copy_from_slice(&self.raw_bytes.to_le_bytes());
        out[4..8].copy_from_slice(&self.events.to_le_bytes());
        out[8..16].copy_from_slice(&self.min_ms.to_le_bytes());
        out[16..24].copy_from_slice(&self.max_ms.to_le_bytes());
        out[24..40].copy_from_slice(&self.streams.to_le_bytes());
        out[40..44].copy_from_slice(&self.counted_bytes.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8; SUMMARY_BYTES]) -> Self {
        fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
            bytes[at..at + N].try_into().expect("the slice has the array's length")
        }
        Self {
            raw_bytes: u32::from_le_bytes(part(bytes, 0)),
            events: u32::from_le_bytes(part(bytes, 4)),
            min_ms: i64::from_le_bytes(part(bytes, 8)),
            max_ms: i64::from_le_bytes(part(bytes, 16)),
            streams: u128::from_le_bytes(part(bytes, 24)),
            counted_bytes: u32::from_le_bytes(part(bytes, 40)),
        }
    }
}

/// Gathers events of one frame.
#[derive(Debug)]
pub(crate) struct Builder {
    payload: Vec<u8>,
    summary: Summary,
}

impl Default for Builder {
    fn default() -> Self {
        Self { payload: Vec::new(), summary: Summary::EMPTY }
    }
}

impl Builder {
    pub(crate) fn push(&mut self, event: &EventRef<'_>) {
        let out = &mut self.payload;
        put_varint(out, zigzag(event.stream));
        put_varint(out, zigzag(event.position.number));
        put_varint(out, zigzag(event.position.at_ms));
        put_varint(out, zigzag(event.ingested_ms.wrapping_sub(event.position.at_ms)));
        put_varint(out, event.message.len() as u64);
        out.push(u8::from(!event.platform));
        out.extend_from_slice(event.message.as_bytes());
        self.summary.add(event);
    }

    /// Bytes so far, before compression.
    pub(crate) fn len(&self) -> usize {
        self.payload.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.summary.events == 0
    }

    /// Appends the frame to `out` and begins anew. Answers its summary.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>, compress: bool) -> Summary {
        let raw = u32::try_from(self.payload.len()).expect("a frame is cut long before four gigabytes");
        let summary = Summary { raw_bytes: raw, ..self.summary };
        let packed = compress.then(|| lz4_flex::block::compress(&self.payload));
        // Equal lengths say "not compressed", so what does not shrink is stored as it is.
        let payload = match &packed {
            Some(packed) if packed.len() < self.payload.len() => packed,
            _ => &self.payload,
        };
        let start = out.len();
        out.extend_from_slice(
            &u32::try_from(payload.len()).expect("no longer than the raw one").to_le_bytes(),
        );
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&summary.encode());
        out.extend_from_slice(payload);
        let checksum = crc32fast::hash(&out[start + 8..]);
        out[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
        self.payload.clear();
        self.summary = Summary::EMPTY;
        summary
    }
}

/// A frame's header, not yet believed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    /// The payload's length in the file.
    pub(crate) payload_bytes: usize,
    checksum: u32,
    pub(crate) summary: Summary,
}

impl Header {
    /// Reads a header from the first bytes; `None` when there are too few or they cannot be one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (header, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let (lengths, summary) = header.split_at(8);
        let payload_bytes = u32::from_le_bytes(lengths[..4].try_into().ok()?) as usize;
        let checksum = u32::from_le_bytes(lengths[4..].try_into().ok()?);
        let summary = Summary::decode(summary.try_into().ok()?);
        let plausible = payload_bytes <= summary.raw_bytes as usize
            && summary.raw_bytes as usize <= PAYLOAD_BYTES_MAX
            && summary.events > 0
            && summary.min_ms <= summary.max_ms;
        plausible.then_some(Self { payload_bytes, checksum, summary })
    }
}

/// A whole frame at the beginning of some bytes, its checksum right.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) summary: Summary,
    payload: &'a [u8],
    /// Where it ends in those bytes.
    pub(crate) end: usize,
}

impl<'a> Frame<'a> {
    /// The frame that `bytes` begin with; `None` where they are torn or no frame.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let header = Header::read(bytes)?;
        let end = HEADER_BYTES + header.payload_bytes;
        let frame = bytes.get(..end)?;
        (crc32fast::hash(&frame[8..]) == header.checksum).then(|| Self {
            summary: header.summary,
            payload: &frame[HEADER_BYTES..],
            end,
        })
    }

    /// Gives each event to `visit`, in the order in which they were written. Answers whether all could be read, which
    /// is so for every frame that this program wrote.
    pub(crate) fn events(&self, scratch: &mut Vec<u8>, mut visit: impl FnMut(EventRef<'_>)) -> bool {
        let raw = self.summary.raw_bytes as usize;
        let payload = if self.payload.len() == raw {
            self.payload
        } else {
            scratch.resize(raw, 0);
            match lz4_flex::block::decompress_into(self.payload, scratch) {
                Ok(length) if length == raw => &scratch[..],
                _ => return false,
            }
        };
        let mut at = 0;
        for _ in 0..self.summary.events {
            let Some((event, next)) = read_event(payload, at) else { return false };
            visit(event);
            at = next;
        }
        at == payload.len()
    }
}

fn read_event(payload: &[u8], at: usize) -> Option<(EventRef<'_>, usize)> {
    let mut cursor = at;
    let mut number = || {
        let (value, length) = get_varint(payload.get(cursor..)?)?;
        cursor += length;
        Some(value)
    };
    let stream = unzigzag(number()?);
    let count = unzigzag(number()?);
    let at_ms = unzigzag(number()?);
    let delay = unzigzag(number()?);
    let length = usize::try_from(number()?).ok()?;
    let origin = *payload.get(cursor)?;
    let text: Range<usize> = cursor + 1..(cursor + 1).checked_add(length)?;
    let end = text.end;
    let message = std::str::from_utf8(payload.get(text)?).ok()?;
    let position = Position { at_ms, number: count };
    let ingested_ms = at_ms.wrapping_add(delay);
    Some((EventRef { stream, position, ingested_ms, platform: origin == 0, message }, end))
}

fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn get_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(u32::try_from(index * 7).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: i64, message: &str) -> EventRef<'_> {
        EventRef {
            stream: number % 3,
            position: Position { at_ms: 1_769_860_800_000 - number, number },
            ingested_ms: 1_769_860_800_123,
            platform: number % 2 == 0,
            message,
        }
    }

    #[test]
    fn frames_read_back_and_no_cut_is_believed() {
        for compress in [false, true] {
            let messages = ["", "héllo\n", &"a line that repeats itself ".repeat(40)];
            let events: Vec<EventRef<'_>> = (0..).zip(messages).map(|(n, text)| event(n, text)).collect();
            let mut builder = Builder::default();
            events.iter().for_each(|event| builder.push(event));
            let mut bytes = Vec::new();
            let summary = builder.finish(&mut bytes, compress);
            assert!(builder.is_empty());
            assert_eq!((summary.events, summary.streams), (3, 0b111));
            assert_eq!(Summary::decode(&summary.encode()), summary);

            let frame = Frame::read(&bytes).expect("whole");
            assert_eq!(frame.end, bytes.len());
            let (mut scratch, mut at) = (Vec::new(), 0);
            assert!(frame.events(&mut scratch, |event| {
                assert_eq!(event, events[at]);
                at += 1;
            }));
            assert_eq!(at, 3);
            for cut in 0..bytes.len() {
                assert!(Frame::read(&bytes[..cut]).is_none(), "cut at {cut}");
            }
            for flipped in 0..bytes.len() {
                let mut bytes = bytes.clone();
                bytes[flipped] ^= 1;
                assert!(Frame::read(&bytes).is_none(), "byte {flipped} changed");
            }
        }
    }

    #[test]
    fn numbers_of_every_size_read_back() {
        for value in [0, 1, -1, 63, -64, 64, i64::MAX, i64::MIN] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, zigzag(value));
            assert_eq!(get_varint(&bytes).map(|(v, n)| (unzigzag(v), n)), Some((value, bytes.len())));
        }
        assert_eq!(get_varint(&[0x80; 11]), None);
    }
}
