//! Where a listing goes on, as a text that clients hand back unread.
//!
//! A token holds a position and no state: it does not expire, and stays good over a restart.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::storage::position::Position;
use super::invalid;

/// A token of the operations that describe or filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// After this log group.
    Group(String),
    /// After the stream of this name.
    Stream(String),
    /// After the stream with this last event and name.
    StreamByTime(i64, String),
    /// After the document of this owner and name.
    Document(String, String),
    /// After this event.
    Events {
        /// From new to old.
        descending: bool,
        position: Position,
    },
}

impl Token {
    pub(super) fn encode(&self) -> String {
        let text = match self {
            Self::Group(name) => format!("groups/{name}"),
            Self::Stream(name) => format!("streams/{name}"),
            Self::StreamByTime(time, name) => format!("streams-by-time/{time}/{name}"),
            Self::Document(owner, name) => format!("documents/{owner}:{name}"),
            Self::Events { descending: false, position } => format!("events/{position}"),
            Self::Events { descending: true, position } => format!("events-back/{position}"),
        };
        URL_SAFE_NO_PAD.encode(text)
    }

    pub(super) fn decode(token: &str) -> Result<Self, lambent_wire::Error> {
        Self::read(token).ok_or_else(refused)
    }

    fn read(token: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let (kind, rest) = text.split_once('/')?;
        match kind {
            "groups" => Some(Self::Group(rest.to_owned())),
            "streams" => Some(Self::Stream(rest.to_owned())),
            "streams-by-time" => {
                let (time, name) = rest.split_once('/')?;
                Some(Self::StreamByTime(time.parse().ok()?, name.to_owned()))
            }
            // Names of log groups have no colon.
            "documents" => {
                let (owner, name) = rest.split_once(':')?;
                Some(Self::Document(owner.to_owned(), name.to_owned()))
            }
            "events" => Some(Self::Events { descending: false, position: rest.parse().ok()? }),
            "events-back" => Some(Self::Events { descending: true, position: rest.parse().ok()? }),
            _ => None,
        }
    }
}

/// The answer to a token that is none, or one of another listing.
pub(super) fn refused() -> lambent_wire::Error {
    invalid("The specified nextToken is invalid.")
}

/// A token of `GetLogEvents`, which goes both ways from where it is: `f/POSITION/s` or `b/POSITION/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Events after the position.
    Forward(Position),
    /// Events before the position.
    Backward(Position),
}

impl Direction {
    pub(super) fn encode(self) -> String {
        match self {
            Self::Forward(position) => format!("f/{position}/s"),
            Self::Backward(position) => format!("b/{position}/s"),
        }
    }

    pub(super) fn decode(token: &str) -> Result<Self, lambent_wire::Error> {
        let position = |text: &str| text.strip_suffix("/s").and_then(|text| text.parse().ok());
        if let Some(position) = token.strip_prefix("f/").and_then(position) {
            return Ok(Self::Forward(position));
        }
        token.strip_prefix("b/").and_then(position).map(Self::Backward).ok_or_else(refused)
    }
}

/// What finds an event again: `@ptr` of query results.
pub(super) fn record_pointer(group: &str, position: Position) -> String {
    URL_SAFE_NO_PAD.encode(format!("{position}{group}"))
}

/// Group and position of a pointer.
pub(super) fn read_pointer(pointer: &str) -> Option<(String, Position)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(pointer).ok()?).ok()?;
    let (position, group) = (text.get(..56)?, text.get(56..)?);
    Some((group.to_owned(), position.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_back_and_others_are_refused() {
        let position = Position { at_ms: 5, number: 7 };
        for token in [
            Token::Group("/aws/lambda/f".to_owned()),
            Token::Stream("2026/01/31/[$LATEST]é".to_owned()),
            Token::StreamByTime(5, "a/b".to_owned()),
            Token::Document("/aws/lambda/f".to_owned(), "a:b".to_owned()),
            Token::Events { descending: false, position },
            Token::Events { descending: true, position },
        ] {
            assert_eq!(Token::decode(&token.encode()).ok(), Some(token));
        }
        for direction in [Direction::Forward(position), Direction::Backward(position)] {
            assert_eq!(Direction::decode(&direction.encode()).ok(), Some(direction));
        }
        for text in ["", "x", "f/1/s", "f/", "Z3JvdXBz", "ZXZlbnRzL3g", "%"] {
            assert!(Token::decode(text).is_err() && Direction::decode(text).is_err(), "{text}");
        }
    }
}
