//! What a leaf of a pattern may list: values, and comparisons by name.

use crate::cidr::Cidr;
use crate::event::{Node, Scalar};
use crate::numeric::Range;
use crate::pattern::{Dialect, InvalidPattern};
use crate::wildcard::Wildcard;

/// The names of comparisons. A member `$or` whose alternatives have such names is a field like others.
pub(crate) const NAMES: [&str; 10] = [
    "exactly",
    "prefix",
    "suffix",
    "equals-ignore-case",
    "wildcard",
    "anything-but",
    "numeric",
    "cidr",
    "exists",
    "$or",
];

/// One entry of a leaf's list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operator {
    /// This value.
    Equals(Scalar),
    /// This number, however it is written.
    EqualsNumber(f64),
    Text(Comparison),
    /// There is a value, and it is none of these.
    AnythingBut(Vec<Operator>),
    Numeric(Range),
    Cidr(Cidr),
    /// There is a value.
    Present,
    /// There is no value, anywhere in the event, at the leaf's path.
    Absent,
}

/// A comparison of texts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Comparison {
    Prefix(String),
    Suffix(String),
    /// All in lower case, here and below.
    IgnoringCase(String),
    PrefixIgnoringCase(String),
    SuffixIgnoringCase(String),
    Wildcard(Wildcard),
}

impl Operator {
    /// Reads an entry of a leaf's list.
    pub(crate) fn parse(node: &Node, dialect: Dialect) -> Result<Self, InvalidPattern> {
        match node {
            Node::Scalar(scalar) => Ok(Self::equals(scalar, dialect)),
            Node::Array(_) => {
                Err(InvalidPattern::new("Match value must be String, number, true, false, or null"))
            }
            Node::Object(members) => {
                let mut members = members.iter();
                match (members.next(), members.next()) {
                    (Some((name, value)), None) => Self::named(name, value, dialect),
                    (None, _) => Err(InvalidPattern::new("Empty objects are not allowed")),
                    _ => Err(InvalidPattern::new("Only one key allowed in match expression")),
                }
            }
        }
    }

    fn equals(scalar: &Scalar, dialect: Dialect) -> Self {
        match scalar.number() {
            Some(number) if dialect.compares_numbers_by_value() => Self::EqualsNumber(number),
            _ => Self::Equals(scalar.clone()),
        }
    }

    fn named(name: &str, value: &Node, dialect: Dialect) -> Result<Self, InvalidPattern> {
        if !dialect.knows(name) {
            return Err(InvalidPattern::new(format!("Unrecognized match type {name}")));
        }
        match name {
            "anything-but" => anything_but(value, dialect),
            "numeric" => {
                Range::parse(value, dialect.largest_number()).map(Self::Numeric).map_err(InvalidPattern::new)
            }
            "cidr" => Cidr::parse(text(name, value)?).map(Self::Cidr).map_err(InvalidPattern::new),
            "exists" => match value {
                Node::Scalar(Scalar::Bool(true)) => Ok(Self::Present),
                Node::Scalar(Scalar::Bool(false)) => Ok(Self::Absent),
                _ => Err(InvalidPattern::new("exists match pattern must be either true or false.")),
            },
            _ => Comparison::parse(name, value).map(Self::Text),
        }
    }

    /// Whether a value is what this asks for. `Absent` asks for none.
    pub(crate) fn matches(&self, scalar: &Scalar) -> bool {
        match self {
            Self::Equals(value) => value == scalar,
            Self::EqualsNumber(value) => scalar.number() == Some(*value),
            Self::Text(comparison) => scalar.text().is_some_and(|text| comparison.matches(text)),
            Self::AnythingBut(others) => !others.iter().any(|other| other.matches(scalar)),
            Self::Numeric(range) => scalar.number().is_some_and(|number| range.contains(number)),
            Self::Cidr(block) => scalar.text().is_some_and(|text| block.contains(text)),
            Self::Present => true,
            Self::Absent => false,
        }
    }
}

impl Comparison {
    fn parse(name: &str, value: &Node) -> Result<Self, InvalidPattern> {
        if let ("prefix" | "suffix", Node::Object(members)) = (name, value) {
            let folded = match (members.len(), members.get("equals-ignore-case")) {
                (1, Some(value)) => text("equals-ignore-case", value)?.to_lowercase(),
                _ => {
                    let problem =
                        format!("Unsupported {name} pattern: only equals-ignore-case is allowed within it");
                    return Err(InvalidPattern::new(problem));
                }
            };
            return Ok(match name {
                "prefix" => Self::PrefixIgnoringCase(folded),
                _ => Self::SuffixIgnoringCase(folded),
            });
        }
        let text = text(name, value)?;
        Ok(match name {
            "prefix" => Self::Prefix(text.into()),
            "suffix" => Self::Suffix(text.into()),
            "equals-ignore-case" => Self::IgnoringCase(text.to_lowercase()),
            "wildcard" => Self::Wildcard(Wildcard::parse(text).map_err(InvalidPattern::new)?),
            _ => return Err(InvalidPattern::new(format!("Unrecognized match type {name}"))),
        })
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Self::IgnoringCase(folded) => text.to_lowercase() == *folded,
            Self::PrefixIgnoringCase(folded) => text.to_lowercase().starts_with(folded.as_str()),
            Self::SuffixIgnoringCase(folded) => text.to_lowercase().ends_with(folded.as_str()),
            Self::Wildcard(wildcard) => wildcard.matches(text),
        }
    }
}

/// `anything-but` takes a value, a list of values of one kind, or a comparison of texts with one or a list of them.
fn anything_but(value: &Node, dialect: Dialect) -> Result<Operator, InvalidPattern> {
    let invalid = |problem: &str| Err(InvalidPattern::new(problem));
    let others = match value {
        Node::Object(members) => {
            let mut members = members.iter();
            let (Some((name, value)), None) = (members.next(), members.next()) else {
                return invalid("Only one key allowed in match expression");
            };
            if !dialect.knows_within_anything_but(name) {
                return invalid(&format!("Unsupported anything-but pattern: {name}"));
            }
            let parse = |value| Comparison::parse(name, value).map(Operator::Text);
            match value {
                Node::Array(values) => values.iter().map(parse).collect::<Result<Vec<_>, _>>()?,
                one => vec![parse(one)?],
            }
        }
        Node::Array(values) => {
            let is_text = |node: &Node| matches!(node, Node::Scalar(Scalar::Text(_)));
            let is_number = |node: &Node| matches!(node, Node::Scalar(Scalar::Number(_)));
            if !values.iter().all(is_text) && !values.iter().all(is_number) {
                return invalid(
                    "Inside anything but list, either all values are number or string, mixed type is not supported",
                );
            }
            values.iter().map(|value| Operator::parse(value, dialect)).collect::<Result<_, _>>()?
        }
        Node::Scalar(Scalar::Text(_) | Scalar::Number(_)) => vec![Operator::parse(value, dialect)?],
        Node::Scalar(_) => return invalid("Inside anything but list, start|null|boolean is not supported."),
    };
    match others.is_empty() {
        true => invalid("Empty arrays are not allowed"),
        false => Ok(Operator::AnythingBut(others)),
    }
}

fn text<'a>(name: &str, value: &'a Node) -> Result<&'a str, InvalidPattern> {
    match value {
        Node::Scalar(Scalar::Text(text)) => Ok(text),
        _ => Err(InvalidPattern::new(format!("{name} match pattern must be a string"))),
    }
}
