//! The bytes of rtnetlink's messages (netlink(7), rtnetlink(7)): a header, a structure, and attributes, which may hold
//! attributes. Numbers are in the machine's own order, everything begins at a multiple of four.

use std::io;

/// Length, type, flags, sequence number, port.
const HEADER: usize = 16;

/// netlink(7): an answer that is an error number, 0 for none; the end of a list.
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// A message that is being written.
pub(super) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    pub(super) fn new(kind: u16, flags: u16, structure: &[&[u8]]) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes.extend(structure.concat());
        Self { bytes }
    }

    pub(super) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.put(kind, value);
        self
    }

    /// An attribute made of attributes, behind a structure where there is one.
    pub(super) fn nested(self, kind: u16, structure: &[u8], inner: impl FnOnce(Self) -> Self) -> Self {
        let within = inner(Self { bytes: structure.to_vec() });
        self.attribute(kind, &within.bytes)
    }

    fn put(&mut self, kind: u16, value: &[u8]) {
        let length =
            u16::try_from(4 + value.len()).expect("attributes are names, addresses and a few of them");
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// The whole of it, with further flags.
    pub(super) fn finish(mut self, flags: u16, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).expect("a message is small");
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        let flags = flags | half(&self.bytes, 6).unwrap_or_default();
        self.bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}

/// What the kernel answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The change is made, or the operating system's error number.
    Result(i32),
    /// One of a list: structure and attributes.
    Item(Vec<u8>),
    /// The end of the list.
    End,
}

/// The answers to one question in a datagram.
pub(super) fn answers(datagram: &[u8], sequence: u32) -> io::Result<Vec<Answer>> {
    let mut found = Vec::new();
    let mut rest = datagram;
    while !rest.is_empty() {
        let length = number(rest, 0).and_then(|length| usize::try_from(length).ok()).ok_or_else(malformed)?;
        let body = rest.get(HEADER..length).ok_or_else(malformed)?;
        if number(rest, 8) == Some(sequence) {
            found.push(match half(rest, 4) {
                Some(ERROR) => {
                    Answer::Result(number(body, 0).ok_or_else(malformed)?.cast_signed().wrapping_neg())
                }
                Some(DONE) => Answer::End,
                _ => Answer::Item(body.to_vec()),
            });
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(found)
}

/// The value of an attribute behind a structure of so many bytes.
pub(super) fn attribute(item: &[u8], structure: usize, wanted: u16) -> Option<&[u8]> {
    let mut rest = item.get(structure..)?;
    loop {
        let length = usize::from(half(rest, 0)?);
        let value = rest.get(4..length)?;
        if half(rest, 2)? == wanted {
            return Some(value);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer is not one of netlink")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let structure = [7; 8];
        let message =
            Message::new(20, 5, &[&structure])
                .attribute(1, b"eth0\0")
                .nested(18, &[9; 4], |inner| inner.attribute(2, &[1, 2]));
        let bytes = message.finish(1, 42);
        assert_eq!(bytes.len(), 16 + 8 + 12 + 16);
        let Answer::Item(item) = &answers(&bytes, 42).unwrap()[0] else { panic!("an item") };
        assert_eq!(attribute(item, 8, 1), Some(&b"eth0\0"[..]));
        let nested = attribute(item, 8, 18).unwrap();
        assert_eq!(attribute(nested, 4, 2), Some(&[1, 2][..]));
        assert_eq!(attribute(item, 8, 3), None);
        assert_eq!(answers(&bytes, 41).unwrap(), [], "an answer to another question");
    }

    #[test]
    fn results_and_ends_are_told_apart_and_rubbish_from_both() {
        let mut answer = Message::new(ERROR, 0, &[&(-17_i32).to_ne_bytes()]).finish(0, 1);
        answer.extend(Message::new(DONE, 0, &[]).finish(0, 1));
        assert_eq!(answers(&answer, 1).unwrap(), [Answer::Result(17), Answer::End]);
        for rubbish in [&[0_u8; 16][..], &[255; 20], &[16, 0, 0, 0]] {
            assert!(answers(rubbish, 0).is_err(), "{rubbish:?}");
        }
        assert_eq!(attribute(&[0; 12], 4, 1), None, "an attribute without a length");
    }
}
