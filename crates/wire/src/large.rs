//! Large blobs of JSON, decoded where they lie: a package of 50 MB arrives as 67 MB of base64, and a buffer of its own for
//! what it stands for would nearly double that.

use std::ops::Range;

use base64::{DecodeError, DecodeSliceError, Engine as _};
use bytes::Bytes;

use crate::blob::BASE64;
use crate::shape::{Kind, Member};
use crate::tree::Tree;

/// Below it a second buffer is cheaper than the way around it.
const LARGE: usize = 256 * 1024;
/// Characters that are decoded at once, and the bytes that they stand for; whole groups of four.
const PIECE: usize = 32 * 1024;
const DECODED: usize = PIECE / 4 * 3;

/// Where in `body` the text of a large blob lies, of which nobody else holds the memory; in `tree` nothing is left of it.
pub(crate) fn lift(members: &[Member], tree: &mut Tree<'_>, body: &Bytes) -> Option<Range<usize>> {
    // Whoever else holds the body must not see it change.
    if body.len() < LARGE || !body.is_unique() {
        return None;
    }
    let found = find(members, tree, &|tree| matches!(tree, Tree::String(text) if text.len() >= LARGE))?;
    let Tree::String(text) = &*found else { return None };
    // A text with escapes in it was copied, and lies elsewhere.
    let start = (text.as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
    let end = start.checked_add(text.len()).filter(|end| *end <= body.len())?;
    *found = Tree::Bytes(Vec::new());
    Some(start..end)
}

/// Puts back what [`lift`] took, decoded, in the memory of `body`, which is to be nobody else's.
pub(crate) fn lower(
    members: &[Member],
    tree: &mut Tree<'_>,
    body: Bytes,
    text: Range<usize>,
) -> Result<(), DecodeError> {
    let decoded = decode_in_place(body.into(), text)?;
    if let Some(found) = find(members, tree, &|tree| matches!(tree, Tree::Bytes(_))) {
        *found = Tree::Bytes(decoded);
    }
    Ok(())
}

/// The first blob that is `wanted`, in structures within structures.
fn find<'t, 'a>(
    members: &[Member],
    tree: &'t mut Tree<'a>,
    wanted: &impl Fn(&Tree<'a>) -> bool,
) -> Option<&'t mut Tree<'a>> {
    let Tree::Map(entries) = tree else { return None };
    entries.iter_mut().find_map(|(key, value)| {
        match members.iter().find(|member| member.key == key)?.shape.kind {
            Kind::Blob { .. } if wanted(value) => Some(value),
            Kind::Structure { members } => find(members, value, wanted),
            _ => None,
        }
    })
}

/// Decodes a part of `buffer` to its front, which is never ahead of what is still to be read.
fn decode_in_place(mut buffer: Vec<u8>, text: Range<usize>) -> Result<Vec<u8>, DecodeError> {
    let (mut read, mut written) = (text.start, 0);
    let mut piece = [0; DECODED];
    while read < text.end {
        let end = text.end.min(read + PIECE);
        let count = BASE64
            .decode_slice(&buffer[read..end], &mut piece)
            .map_err(|error| placed(error, read - text.start))?;
        // The end of a text stands at its end.
        if end < text.end && count < DECODED {
            return Err(DecodeError::InvalidPadding);
        }
        buffer[written..written + count].copy_from_slice(&piece[..count]);
        (read, written) = (end, written + count);
    }
    buffer.truncate(written);
    buffer.shrink_to_fit();
    Ok(buffer)
}

/// An error of a piece as one of the whole text.
fn placed(error: DecodeSliceError, before: usize) -> DecodeError {
    match error {
        DecodeSliceError::DecodeError(DecodeError::InvalidByte(at, byte)) => {
            DecodeError::InvalidByte(at + before, byte)
        }
        DecodeSliceError::DecodeError(DecodeError::InvalidLastSymbol(at, byte)) => {
            DecodeError::InvalidLastSymbol(at + before, byte)
        }
        DecodeSliceError::DecodeError(other) => other,
        DecodeSliceError::OutputSliceTooSmall => {
            unreachable!("a piece stands for no more than there is room for")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_place(text: &str, before: usize) -> Result<Vec<u8>, DecodeError> {
        let buffer = format!("{}{text}\"}}", " ".repeat(before));
        decode_in_place(buffer.into_bytes(), before..before + text.len())
    }

    #[test]
    fn it_decodes_as_a_buffer_of_its_own_would() {
        for len in [0, 1, 2, 3, DECODED - 1, DECODED, DECODED + 1, 3 * DECODED + 7] {
            let bytes: Vec<u8> = (0..len).map(|n| u8::try_from(n * n % 251).unwrap()).collect();
            let text = BASE64.encode(&bytes);
            for text in [text.as_str(), text.trim_end_matches('=')] {
                assert_eq!(in_place(text, 0).as_ref(), Ok(&bytes), "{len}");
                assert_eq!(in_place(text, 1_000).as_ref(), Ok(&bytes), "{len}");
            }
        }
    }

    #[test]
    fn what_is_no_base64_is_refused_where_it_is_wrong() {
        let good = "QUJD".repeat(PIECE / 2);
        for (at, wrong) in [(5, "!"), (PIECE + 5, "!"), (PIECE - 2, "=="), (PIECE - 1, "=")] {
            let mut text = good.clone();
            text.replace_range(at..at + wrong.len(), wrong);
            let whole = BASE64.decode(&text).unwrap_err();
            let found = in_place(&text, 7).unwrap_err();
            assert!(found == whole || wrong != "!", "{at}: {found:?} {whole:?}");
        }
    }
}
