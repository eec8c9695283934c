//! Conditions (IAM User Guide, "IAM JSON policy elements: Condition operators", "Set operators for multi-valued context
//! keys").

use std::net::IpAddr;

use super::pattern::{Piece, arn_like, expand, matches, pieces};
use super::{Access, OneOrMany, Ordered};

/// Each operator and each key has to hold; one of a key's values is enough.
pub(super) fn holds(condition: &Ordered<Ordered<OneOrMany>>, access: &Access<'_>, variables: bool) -> bool {
    condition.0.iter().all(|(name, keys)| {
        // Documents with other operators are not taken.
        let Some(operator) = Operator::parse(name) else { return false };
        keys.0.iter().all(|(key, values)| operator.holds(&access.values_of(key), values, access, variables))
    })
}

/// What is wrong with a condition; `None` when it can be kept to.
pub(super) fn fault(condition: &Ordered<Ordered<OneOrMany>>) -> Option<String> {
    condition.0.iter().find_map(|(name, keys)| {
        let Some(operator) = Operator::parse(name) else {
            return Some(format!("Invalid Condition type : {name}"));
        };
        keys.0.iter().find_map(|(key, values)| {
            let wrong = values.iter().find(|value| !value.contains("${") && !operator.takes(value))?;
            Some(format!("'{wrong}' is not a value for the condition operator {name} of the key {key}"))
        })
    })
}

/// An operator with what stands before and after its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Operator {
    set: Set,
    test: Test,
    negative: bool,
    if_exists: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    /// The key has one value, or one of several is enough.
    Single,
    ForAllValues,
    ForAnyValue,
}

/// What is decided about one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Equals,
    EqualsIgnoringCase,
    Like,
    Arn,
    Bool,
    Binary,
    Ip,
    Numeric(Order),
    Date(Order),
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Equals,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    fn parse(name: &str) -> Option<Self> {
        let (set, name) = match name.split_once(':') {
            Some(("ForAllValues", rest)) => (Set::ForAllValues, rest),
            Some(("ForAnyValue", rest)) => (Set::ForAnyValue, rest),
            Some(_) => return None,
            None => (Set::Single, name),
        };
        let (name, if_exists) = match name.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (test, negative) = match name {
            "StringEquals" => (Test::Equals, false),
            "StringNotEquals" => (Test::Equals, true),
            "StringEqualsIgnoreCase" => (Test::EqualsIgnoringCase, false),
            "StringNotEqualsIgnoreCase" => (Test::EqualsIgnoringCase, true),
            "StringLike" => (Test::Like, false),
            "StringNotLike" => (Test::Like, true),
            "ArnEquals" | "ArnLike" => (Test::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true),
            "Bool" => (Test::Bool, false),
            "BinaryEquals" => (Test::Binary, false),
            "IpAddress" => (Test::Ip, false),
            "NotIpAddress" => (Test::Ip, true),
            // Whether a key is there needs neither an exception for absent ones nor a choice among values.
            "Null" if !if_exists && set == Set::Single => (Test::Null, false),
            other => match (other.strip_prefix("Numeric"), other.strip_prefix("Date")) {
                (Some(rest), _) => order(rest).map(|(order, negative)| (Test::Numeric(order), negative))?,
                (_, Some(rest)) => order(rest).map(|(order, negative)| (Test::Date(order), negative))?,
                _ => return None,
            },
        };
        Some(Self { set, test, negative, if_exists })
    }

    fn holds(self, found: &[String], values: &OneOrMany, access: &Access<'_>, variables: bool) -> bool {
        if self.test == Test::Null {
            return values.iter().any(|absent| absent.eq_ignore_ascii_case("true") == found.is_empty());
        }
        if found.is_empty() {
            // "If the key is not present, … the negated operators … match"; the positive ones do not. A set of no
            // values has each of them matching, and none.
            return match self.set {
                Set::ForAllValues => true,
                Set::ForAnyValue => self.if_exists,
                Set::Single => self.if_exists || self.negative,
            };
        }
        let pattern = |text: &str| match variables {
            true => expand(text, |key| access.values_of(key).into_iter().next()),
            false => Some(pieces(text)),
        };
        let patterns: Vec<Vec<Piece>> = values.iter().filter_map(pattern).collect();
        let one =
            |value: &String| patterns.iter().any(|pattern| self.test.holds(pattern, value)) != self.negative;
        match self.set {
            Set::ForAllValues => found.iter().all(one),
            Set::ForAnyValue => found.iter().any(one),
            // None of several may be the one that is not to be.
            Set::Single if self.negative => found.iter().all(one),
            Set::Single => found.iter().any(one),
        }
    }

    /// Whether a statement may hold this value.
    fn takes(self, value: &str) -> bool {
        match self.test {
            Test::Bool | Test::Null => {
                value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
            }
            Test::Ip => network(value).is_some(),
            Test::Numeric(_) => number(value).is_some(),
            Test::Date(_) => seconds(value).is_some(),
            _ => true,
        }
    }
}

fn order(name: &str) -> Option<(Order, bool)> {
    Some(match name {
        "Equals" => (Order::Equals, false),
        "NotEquals" => (Order::Equals, true),
        "LessThan" => (Order::Less, false),
        "LessThanEquals" => (Order::LessOrEqual, false),
        "GreaterThan" => (Order::Greater, false),
        "GreaterThanEquals" => (Order::GreaterOrEqual, false),
        _ => return None,
    })
}

impl Order {
    fn holds(self, wanted: f64, found: f64) -> bool {
        match self {
            // Both were read from texts in the same way; equal texts are equal numbers.
            Self::Equals => found.total_cmp(&wanted).is_eq(),
            Self::Less => found < wanted,
            Self::LessOrEqual => found <= wanted,
            Self::Greater => found > wanted,
            Self::GreaterOrEqual => found >= wanted,
        }
    }
}

impl Test {
    fn holds(self, pattern: &[Piece], found: &str) -> bool {
        let text = || pattern.iter().map(character).collect::<String>();
        match self {
            Self::Like => matches(pattern, found),
            Self::Arn => arn_like(pattern, found),
            Self::Equals | Self::Binary => text() == found,
            Self::EqualsIgnoringCase => text().to_lowercase() == found.to_lowercase(),
            Self::Bool => text().eq_ignore_ascii_case(found),
            Self::Ip => {
                network(&text()).zip(found.parse().ok()).is_some_and(|(network, ip)| contains(network, ip))
            }
            Self::Numeric(order) => compare(order, number(&text()), number(found)),
            Self::Date(order) => compare(order, seconds(&text()), seconds(found)),
            // Answered before, from whether the key is there.
            Self::Null => false,
        }
    }
}

fn compare(order: Order, wanted: Option<f64>, found: Option<f64>) -> bool {
    wanted.zip(found).is_some_and(|(wanted, found)| order.holds(wanted, found))
}

/// Where an operator takes no wildcards, they are themselves.
fn character(piece: &Piece) -> char {
    match piece {
        Piece::Char(character) => *character,
        Piece::One => '?',
        Piece::Any => '*',
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A moment as seconds of the epoch: ISO 8601, a day alone, or the seconds themselves.
fn seconds(text: &str) -> Option<f64> {
    if let Some(number) = number(text) {
        return Some(number);
    }
    // Milliseconds of any year that can be written are exact in a double.
    #[allow(clippy::cast_precision_loss)]
    let seconds = |moment: jiff::Timestamp| moment.as_millisecond() as f64 / 1000.0;
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Some(seconds(moment));
    }
    let day: jiff::civil::Date = text.parse().ok()?;
    day.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| seconds(zoned.timestamp()))
}

/// An address with the number of its bits that count.
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let all = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(all), |bits| bits.parse().ok()).filter(|bits| *bits <= all)?;
    Some((address, bits))
}

fn contains((network, bits): (IpAddr, u32), address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            (network.to_bits() ^ address.to_bits()) & mask == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            (network.to_bits() ^ address.to_bits()) & mask == 0
        }
        _ => false,
    }
}
