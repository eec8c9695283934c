//! An event as patterns see it: JSON whose numbers are kept as they were written.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// How deep an event may be nested, and a pattern. What is deeper is no event of AWS's, and would use up the stack.
const DEPTH: usize = 100;

/// A JSON value to hold patterns against.
///
/// "Number matching is at the string representation level. For example, 300, 300.0, and 3.0e2 are not considered equal"
/// (Amazon EventBridge Events Reference, "Event patterns"), so it is not `serde_json::Value`, which forgets the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Event(pub(crate) Node);

/// A text that is no JSON, or JSON too deep to look into.
#[derive(Debug, thiserror::Error)]
pub enum NotAnEvent {
    /// It is no JSON.
    #[error("the text is not JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// It is nested too deeply.
    #[error("the JSON is nested more than {DEPTH} levels deep")]
    Depth,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Object(BTreeMap<String, Node>),
    Array(Vec<Node>),
    Scalar(Scalar),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Scalar {
    Text(String),
    /// As it was written.
    Number(String),
    Bool(bool),
    Null,
}

impl Event {
    /// Reads JSON.
    ///
    /// # Errors
    ///
    /// It is none, or it is nested more than a hundred levels deep.
    pub fn parse(json: &str) -> Result<Self, NotAnEvent> {
        Ok(Self(Node::parse(serde_json::from_str(json)?, DEPTH)?))
    }
}

impl Node {
    fn parse(raw: &RawValue, depth: usize) -> Result<Self, NotAnEvent> {
        let depth = depth.checked_sub(1).ok_or(NotAnEvent::Depth)?;
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
                let parse = |(name, raw)| Ok((name, Self::parse(raw, depth)?));
                Self::Object(members.into_iter().map(parse).collect::<Result<_, NotAnEvent>>()?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text)?;
                Self::Array(items.into_iter().map(|raw| Self::parse(raw, depth)).collect::<Result<_, _>>()?)
            }
            Some(b'"') => Self::Scalar(Scalar::Text(serde_json::from_str(text)?)),
            Some(b't') => Self::Scalar(Scalar::Bool(true)),
            Some(b'f') => Self::Scalar(Scalar::Bool(false)),
            Some(b'n') => Self::Scalar(Scalar::Null),
            _ => Self::Scalar(Scalar::Number(text.into())),
        })
    }

    /// The values at this place: one, or those of a list, however it is nested. An object is no value.
    pub(crate) fn scalars(&self, found: &mut impl FnMut(&Scalar) -> bool) -> bool {
        match self {
            Self::Object(_) => false,
            Self::Array(items) => items.iter().any(|item| item.scalars(found)),
            Self::Scalar(scalar) => found(scalar),
        }
    }

    /// Whether `found` takes one of the values at a path, through all lists on the way.
    pub(crate) fn scalars_at(&self, path: &[String], found: &mut impl FnMut(&Scalar) -> bool) -> bool {
        let Some((first, rest)) = path.split_first() else { return self.scalars(found) };
        match self {
            Self::Object(members) => members.get(first).is_some_and(|member| member.scalars_at(rest, found)),
            Self::Array(items) => items.iter().any(|item| item.scalars_at(path, found)),
            Self::Scalar(_) => false,
        }
    }
}

impl Scalar {
    /// The number that this is, if it is one.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_text_and_depth_has_a_bound() {
        let event = Event::parse(r#"{"a": [1, 1.0, [true, null, "x"]]}"#).unwrap();
        let mut seen = Vec::new();
        event.0.scalars_at(&["a".into()], &mut |scalar| {
            seen.push(scalar.clone());
            false
        });
        let number = |text: &str| Scalar::Number(text.into());
        let expected =
            [number("1"), number("1.0"), Scalar::Bool(true), Scalar::Null, Scalar::Text("x".into())];
        assert_eq!(seen, expected);
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Event::parse(&nested(DEPTH)).is_ok());
        assert!(matches!(Event::parse(&nested(DEPTH + 1)), Err(NotAnEvent::Depth)));
        assert!(Event::parse(&nested(1_000_000)).is_err());
        assert!(matches!(Event::parse("{\"a\":}"), Err(NotAnEvent::Syntax(_))));
    }
}
