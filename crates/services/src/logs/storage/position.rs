//! Where an event stands among all others.

use std::fmt;
use std::str::FromStr;

/// An event's time, then the order of arrival among events of one time. Doubles as the event's id: 56 digits that
/// sort like the events, the form of CloudWatch's own ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// Milliseconds since the UNIX epoch, not negative.
    pub(crate) at_ms: i64,
    /// The event's number in the file, from 1.
    pub(crate) number: i64,
}

impl Position {
    /// Before every event.
    pub(crate) const START: Self = Self { at_ms: 0, number: 0 };
    /// After every event.
    pub(crate) const END: Self = Self { at_ms: i64::MAX, number: i64::MAX };

    /// Before every event of this millisecond, after all of the one before.
    pub(crate) const fn at(at_ms: i64) -> Self {
        Self { at_ms, number: 0 }
    }

    /// Right after this event, before the next.
    pub(crate) const fn after(self) -> Self {
        Self { at_ms: self.at_ms, number: self.number.saturating_add(1) }
    }

    /// Right before this event, after the one before.
    pub(crate) const fn before(self) -> Self {
        Self { at_ms: self.at_ms, number: self.number.saturating_sub(1) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:019}{:037}", self.at_ms, self.number)
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.len() != 56 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(());
        }
        let (at_ms, number) = text.split_at(19);
        Ok(Self { at_ms: at_ms.parse().map_err(|_| ())?, number: number.parse().map_err(|_| ())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_sorts_like_positions_and_reads_back() {
        let positions = [
            Position::START,
            Position { at_ms: 9, number: 1 },
            Position { at_ms: 10, number: 0 },
            Position { at_ms: 10, number: i64::MAX },
            Position::END,
        ];
        let texts = positions.map(|p| p.to_string());
        assert!(texts.is_sorted());
        assert_eq!(texts.map(|t| t.parse()), positions.map(Ok));
        for text in ["", "1", &"9".repeat(56), &"x".repeat(56), &format!("+{}", "0".repeat(55))] {
            assert_eq!(text.parse::<Position>(), Err(()), "{text}");
        }
    }
}
