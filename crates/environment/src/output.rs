//! What a function writes: raw lines of standard output and error, framed records of managed runtimes.
//!
//! Both parsers are fed by a hostile writer: they never hold more than [`RECORD_LIMIT`] bytes and never fail.

use lambent_model::Timestamp;

use crate::level::ApplicationLogLevel;

/// A log event holds at most 1 MB ("CloudWatch Logs quotas"); a longer line is split. A quarter of it keeps the
/// memory of a thousand environments in bounds.
const RECORD_LIMIT: usize = 256 * 1024;

/// Splits standard output into records at newlines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Takes the bytes read and hands each finished line to `emit`, without its newline.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], emit: &mut impl FnMut(String)) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            self.push(line, emit);
            emit(text(&self.partial));
            self.partial.clear();
            bytes = &rest[1..];
        }
        self.push(bytes, emit);
    }

    fn push(&mut self, mut bytes: &[u8], emit: &mut impl FnMut(String)) {
        while self.partial.len() + bytes.len() > RECORD_LIMIT {
            let (head, rest) = bytes.split_at(RECORD_LIMIT - self.partial.len());
            self.partial.extend_from_slice(head);
            emit(text(&self.partial));
            self.partial.clear();
            bytes = rest;
        }
        self.partial.extend_from_slice(bytes);
    }

    /// Hands over an unfinished line: at the end of an invocation it belongs to that invocation.
    pub(crate) fn flush(&mut self, emit: &mut impl FnMut(String)) {
        if !self.partial.is_empty() {
            emit(text(&self.partial));
            self.partial.clear();
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One framed record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// When the function wrote it, by its own clock; `None` in the frame format without a time.
    pub(crate) at: Option<Timestamp>,
    /// How much it matters, where its head says so.
    pub(crate) level: Option<ApplicationLogLevel>,
    pub(crate) message: String,
}

/// The magic half of a frame's type word.
const MAGIC: u32 = 0xa55a_0000;
/// The bit that says that eight bytes of time follow the length.
const WITH_TIME: u32 = 0b10;

/// Reads the frames of `_LAMBDA_TELEMETRY_LOG_FD`: u32 type, u32 length, i64 microseconds, message; big-endian.
///
/// Bytes that are no frame come from a function that writes to the descriptor itself; they are passed on as lines, so
/// that nothing written is lost and nothing can be hidden.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    buffer: Vec<u8>,
    stray: Lines,
}

impl Frames {
    /// Takes the bytes read and hands each finished record to `emit`.
    pub(crate) fn feed(&mut self, bytes: &[u8], emit: &mut impl FnMut(Frame)) {
        self.buffer.extend_from_slice(bytes);
        let mut consumed = 0;
        loop {
            match parse(&self.buffer[consumed..]) {
                Parsed::Frame(frame, length) => {
                    emit(frame);
                    consumed += length;
                }
                Parsed::Incomplete => break,
                Parsed::Stray => {
                    let rest = &self.buffer[consumed..];
                    self.stray.feed(rest, &mut |message| emit(Frame { at: None, level: None, message }));
                    consumed = self.buffer.len();
                }
            }
        }
        self.buffer.drain(..consumed);
    }

    /// Bytes that wait for the rest of their frame.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn held(&self) -> usize {
        self.buffer.len()
    }

    /// Hands over as much as there is of a frame that its writer did not live to finish: the next writer's first
    /// frame would otherwise be taken for the rest of it.
    pub(crate) fn flush(&mut self, emit: &mut impl FnMut(Frame)) {
        let rest = std::mem::take(&mut self.buffer);
        let mut line = |message| emit(Frame { at: None, level: None, message });
        self.stray.flush(&mut line);
        // A head alone says nothing.
        if let Some((kind, _)) = rest.split_first_chunk::<4>()
            && let Some(message) = rest.get(head_length(u32::from_be_bytes(*kind))..)
            && !message.is_empty()
        {
            line(text(message));
        }
    }
}

/// Bytes before a frame's message.
const fn head_length(kind: u32) -> usize {
    if kind & WITH_TIME != 0 { 16 } else { 8 }
}

enum Parsed {
    Frame(Frame, usize),
    Incomplete,
    Stray,
}

fn parse(bytes: &[u8]) -> Parsed {
    let Some((kind, rest)) = bytes.split_first_chunk::<4>() else {
        return if MAGIC.to_be_bytes().starts_with(&bytes[..bytes.len().min(2)]) {
            Parsed::Incomplete
        } else {
            Parsed::Stray
        };
    };
    let kind = u32::from_be_bytes(*kind);
    if kind & 0xffff_0000 != MAGIC {
        return Parsed::Stray;
    }
    let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Parsed::Incomplete };
    let length = u32::from_be_bytes(*length) as usize;
    if length > 4 * RECORD_LIMIT {
        return Parsed::Stray;
    }
    let (at, rest) = if kind & WITH_TIME != 0 {
        let Some((micros, rest)) = rest.split_first_chunk::<8>() else { return Parsed::Incomplete };
        (Some(Timestamp::from_micros(i64::from_be_bytes(*micros))), rest)
    } else {
        (None, rest)
    };
    let Some(message) = rest.get(..length) else { return Parsed::Incomplete };
    let message = text(message.strip_suffix(b"\n").unwrap_or(message));
    let level = ApplicationLogLevel::of_frame(kind);
    Parsed::Frame(Frame { at, level, message }, head_length(kind) + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.feed(chunk, &mut |line| out.push(line));
        }
        lines.flush(&mut |line| out.push(line));
        out
    }

    #[test]
    fn lines_survive_any_split() {
        assert_eq!(lines(&[b"a\nbc", b"d\n", b"\ne"]), ["a", "bcd", "", "e"]);
        assert_eq!(lines(&[b"\xff\n"]), ["\u{fffd}"]);
    }

    #[test]
    fn an_endless_line_is_split_not_hoarded() {
        let long = vec![b'x'; RECORD_LIMIT * 2 + 5];
        let sizes: Vec<usize> = lines(&[&long]).iter().map(String::len).collect();
        assert_eq!(sizes, [RECORD_LIMIT, RECORD_LIMIT, 5]);
    }

    fn frame(kind: u32, micros: Option<i64>, message: &[u8]) -> Vec<u8> {
        let mut bytes = kind.to_be_bytes().to_vec();
        bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        bytes.extend(micros.into_iter().flat_map(i64::to_be_bytes));
        bytes.extend(message);
        bytes
    }

    #[test]
    fn frames_survive_any_split() {
        let mut bytes = frame(0xa55a_0003, Some(5_000_000), b"two\nlines\n");
        bytes.extend(frame(0xa55a_0001, None, b"no time"));
        for cut in 0..bytes.len() {
            let (mut frames, mut out) = (Frames::default(), Vec::new());
            frames.feed(&bytes[..cut], &mut |frame| out.push(frame));
            frames.feed(&bytes[cut..], &mut |frame| out.push(frame));
            let at = Some(Timestamp::from_micros(5_000_000));
            let first = Frame { at, level: None, message: "two\nlines".into() };
            assert_eq!(
                out,
                [first, Frame { at: None, level: None, message: "no time".into() }],
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn unfinished_frame_does_not_swallow_the_next_writers() {
        let (mut frames, mut out) = (Frames::default(), Vec::new());
        let mut unfinished = frame(0xa55a_0001, None, b"cut off here");
        unfinished.truncate(unfinished.len() - 5);
        frames.feed(&unfinished, &mut |frame| out.push(frame.message));
        frames.flush(&mut |frame| out.push(frame.message));
        frames.feed(&frame(0xa55a_0001, None, b"next"), &mut |frame| out.push(frame.message));
        assert_eq!(out, ["cut off", "next"]);
    }

    #[test]
    fn what_is_no_frame_is_a_line() {
        let (mut frames, mut out) = (Frames::default(), Vec::new());
        frames.feed(b"hello\n", &mut |frame| out.push(frame.message));
        frames.feed(&frame(0xa55a_0003, Some(0), b"framed"), &mut |frame| out.push(frame.message));
        let mut lying = 0xa55a_0003_u32.to_be_bytes().to_vec();
        lying.extend(u32::MAX.to_be_bytes());
        lying.extend(b"\n");
        frames.feed(&lying, &mut |frame| out.push(frame.message));
        assert_eq!(out[..2], ["hello", "framed"]);
        assert_eq!(out.len(), 3);
    }
}
