//! Cuts long messages to the size of an event.

use super::frame::OVERHEAD_BYTES;

/// The longest message: an event has up to 1 MB (API Reference, `PutLogEvents`), of which a batch that it fills
/// alone leaves this much.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1024 * 1024 - OVERHEAD_BYTES;

/// The parts of a message, each an event of its own: nothing that a function prints is cut off.
pub(crate) fn parts(message: &str, max_bytes: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(message);
    std::iter::from_fn(move || {
        let text = rest?;
        if text.len() <= max_bytes {
            rest = None;
            return Some(text);
        }
        // The nearest boundary is at most three bytes back.
        let end = (1..=max_bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        let (part, tail) = text.split_at(end);
        rest = Some(tail);
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_between_characters() {
        for (message, expected) in [
            ("", vec![""]),
            ("abcd", vec!["abcd"]),
            ("abcde", vec!["abcd", "e"]),
            ("abcdefgh", vec!["abcd", "efgh"]),
            ("abcéf", vec!["abc", "éf"]),
        ] {
            assert_eq!(parts(message, 4).collect::<Vec<_>>(), expected);
        }
    }
}
