//! Values: what a field holds. A text that reads as a number is one where a number is wanted.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use lambent_model::Timestamp;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Number(f64),
    Text(Cow<'a, str>),
    /// Milliseconds since the UNIX epoch.
    Time(i64),
    /// A map or a list, as JSON.
    Structure(Arc<str>),
}

impl<'a> Value<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(super) fn truth(holds: bool) -> Self {
        Self::Number(f64::from(u8::from(holds)))
    }

    pub(super) fn is_null(&self) -> bool {
        *self == Value::Null
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Value::Null => false,
            Value::Number(number) => *number != 0.0,
            Value::Text(text) => text == "true" || text.parse().is_ok_and(|number: f64| number != 0.0),
            Value::Time(_) | Value::Structure(_) => true,
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "a time in milliseconds is far below 2^53")]
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Value::Null | Value::Structure(_) => None,
            Value::Number(number) => Some(*number),
            Value::Text(text) => {
                let text = text.trim();
                // What Rust takes for a number and nobody means by it: "inf", "nan".
                let begins = text.bytes().next()?;
                (begins.is_ascii_digit() || b"+-.".contains(&begins)).then(|| text.parse().ok()).flatten()
            }
            Value::Time(ms) => Some(*ms as f64),
        }
        .filter(|number: &f64| number.is_finite())
    }

    /// As results show it; `None` where there is nothing to show.
    pub(super) fn display(&self) -> Option<Cow<'_, str>> {
        match self {
            Value::Null => None,
            Value::Number(number) => Some(Cow::Owned(format_number(*number))),
            Value::Text(text) => Some(Cow::Borrowed(text.as_ref())),
            Value::Time(ms) => Some(Cow::Owned(format_time(*ms))),
            Value::Structure(json) => Some(Cow::Borrowed(json)),
        }
    }

    /// The text, empty for nothing.
    pub(super) fn as_text(&self) -> Cow<'_, str> {
        self.display().unwrap_or_default()
    }

    pub(super) fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Number(number) => Value::Number(number),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Value::Time(ms) => Value::Time(ms),
            Value::Structure(json) => Value::Structure(json),
        }
    }

    /// Bytes that it occupies.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>()
            + match self {
                Value::Text(text) => text.len(),
                Value::Structure(json) => json.len(),
                _ => 0,
            }
    }

    /// The order of `sort`: nothing, then texts, then numbers (User Guide, "sort").
    pub(super) fn compare(&self, other: &Value<'_>) -> Ordering {
        match (self.is_null(), other.is_null()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => {}
        }
        match (self.number(), other.number()) {
            (Some(one), Some(two)) => one.total_cmp(&two),
            (Some(_), None) => Ordering::Greater,
            (None, Some(_)) => Ordering::Less,
            (None, None) => natural(&self.as_text(), &other.as_text()),
        }
    }
}

/// Chunks of digits by their length and then their value, everything else by its characters.
fn natural(one: &str, two: &str) -> Ordering {
    fn chunk(text: &str) -> (&str, &str, bool) {
        let is_digits = text.starts_with(|c: char| c.is_ascii_digit());
        let end = text.find(|c: char| c.is_ascii_digit() != is_digits).unwrap_or(text.len());
        let (chunk, rest) = text.split_at(end);
        (chunk, rest, is_digits)
    }
    let (mut one, mut two) = (one, two);
    while !one.is_empty() && !two.is_empty() {
        let ((first, rest_one, one_digits), (second, rest_two, two_digits)) = (chunk(one), chunk(two));
        let order = if one_digits && two_digits {
            first.len().cmp(&second.len()).then_with(|| first.cmp(second))
        } else {
            first.cmp(second)
        };
        if order.is_ne() {
            return order;
        }
        (one, two) = (rest_one, rest_two);
    }
    one.len().cmp(&two.len())
}

/// Whole numbers without a point, others with four digits behind it at most.
fn format_number(number: f64) -> String {
    if number == number.trunc() && number.abs() < 1e15 {
        return format!("{number:.0}");
    }
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `2026-01-31 12:00:00.000`
fn format_time(ms: i64) -> String {
    let text = Timestamp::from_millis(ms).to_string();
    text.replacen('T', " ", 1).trim_end_matches('Z').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_the_order_of_the_user_guide() {
        let sorted = [
            "!:",
            "#",
            "*%04",
            "0#",
            "5A",
            "111A",
            "2345_",
            "@",
            "@_",
            "A",
            "A9876fghj",
            "a12345hfh",
            "0",
            "1",
            "2",
            "3",
        ];
        for pair in sorted.windows(2) {
            assert_eq!(Value::text(pair[0]).compare(&Value::text(pair[1])), Ordering::Less, "{pair:?}");
        }
        assert_eq!(Value::Null.compare(&Value::text("")), Ordering::Less);
    }
}
