//! Conditions on a value: an operator, and a number, a text with wildcards or a regular expression.

use regex::Regex;

use super::PatternError;
use super::scanner::{Scanner, Token};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    /// The operator that comes next, if one does.
    pub(super) fn read(scanner: &mut Scanner<'_>) -> Option<Self> {
        [
            ("!=", Self::NotEqual),
            ("<=", Self::LessOrEqual),
            (">=", Self::GreaterOrEqual),
            ("=", Self::Equal),
            ("<", Self::Less),
            (">", Self::Greater),
        ]
        .into_iter()
        .find_map(|(text, operator)| scanner.eat(text).then_some(operator))
    }

    pub(super) fn holds(self, ordering: Option<std::cmp::Ordering>) -> bool {
        let Some(ordering) = ordering else { return false };
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// What a value is held against.
#[derive(Debug)]
pub(super) enum Operand {
    Number(f64),
    Text(Glob),
    Regex(Regex),
}

/// An operator with its operand.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) operator: Operator,
    pub(super) operand: Operand,
}

impl Comparison {
    /// Reads what follows an operator.
    pub(super) fn read(
        scanner: &mut Scanner<'_>,
        operator: Operator,
        bare: impl Fn(char) -> bool,
    ) -> Result<Self, PatternError> {
        scanner.skip_spaces();
        let operand = match scanner.token(bare)? {
            Token::Quoted(text) => Operand::Text(Glob::new(&text)),
            Token::Regex(regex) => Operand::Regex(regex),
            Token::Bare(word) => match number(&word) {
                Some(number) => Operand::Number(number),
                None => Operand::Text(Glob::new(&word)),
            },
        };
        let is_order = !matches!(operator, Operator::Equal | Operator::NotEqual);
        if is_order && !matches!(operand, Operand::Number(_)) {
            return Err(PatternError::new("<, <=, > and >= compare with a number"));
        }
        Ok(Self { operator, operand })
    }

    /// Whether it holds for a text.
    pub(super) fn holds_for_text(&self, value: &str) -> bool {
        let is_equal = match &self.operand {
            Operand::Number(wanted) => {
                return match number(value) {
                    Some(found) => self.operator.holds(found.partial_cmp(wanted)),
                    None => self.operator == Operator::NotEqual,
                };
            }
            Operand::Text(glob) => glob.matches(value),
            Operand::Regex(regex) => regex.is_match(value),
        };
        is_equal == (self.operator == Operator::Equal)
    }

    /// Whether it holds for a number that reads so.
    pub(super) fn holds_for_number(&self, value: f64, text: &str) -> bool {
        match &self.operand {
            Operand::Number(wanted) => self.operator.holds(value.partial_cmp(wanted)),
            Operand::Text(_) | Operand::Regex(_) => self.holds_for_text(text),
        }
    }
}

/// Integers, decimals and scientific notation, and nothing else that Rust takes for a number.
fn number(text: &str) -> Option<f64> {
    let begins = text.strip_prefix(['-', '+']).unwrap_or(text).bytes().next()?;
    if !begins.is_ascii_digit() && begins != b'.' {
        return None;
    }
    text.parse().ok()
}

/// A text in which `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    pieces: Vec<String>,
}

impl Glob {
    pub(super) fn new(text: &str) -> Self {
        Self { pieces: text.split('*').map(str::to_owned).collect() }
    }

    pub(super) fn matches(&self, value: &str) -> bool {
        let [first, middle @ .., last] = &self.pieces[..] else {
            return self.pieces.first().is_some_and(|only| only == value);
        };
        let Some(mut rest) = value.strip_prefix(first.as_str()) else { return false };
        for piece in middle {
            let Some(at) = rest.find(piece.as_str()) else { return false };
            rest = &rest[at + piece.len()..];
        }
        rest.ends_with(last.as_str())
    }
}
