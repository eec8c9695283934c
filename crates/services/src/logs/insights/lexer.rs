//! Words, numbers, texts and signs of a query.

use super::QueryError;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A keyword or a field's name.
    Word(String),
    /// A field's name in backticks.
    Name(String),
    Number(f64),
    /// A number with a unit of time, in milliseconds.
    Duration(i64),
    Text(String),
    /// Between slashes.
    Regex(String),
    Sign(&'static str),
}

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spanned {
    pub(super) token: Token,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The longer ones first.
const SIGNS: [&str; 21] = [
    "!=", "<=", ">=", "=~", "|", ",", "(", ")", "[", "]", "=", "<", ">", "+", "-", "*", "/", "%", "^", "&&",
    ".",
];

pub(super) fn tokens(text: &str) -> Result<Vec<Spanned>, QueryError> {
    let mut tokens: Vec<Spanned> = Vec::new();
    let mut at = 0;
    loop {
        at += spaces(&text[at..]);
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let (token, length) = match first {
            '"' | '\'' => quoted(rest, first).map(|(text, length)| (Token::Text(text), length)),
            '`' => quoted(rest, first).map(|(text, length)| (Token::Name(text), length)),
            '/' if begins_regex(&tokens) => regex(rest),
            c if c.is_ascii_digit() => number(rest),
            c if c.is_alphabetic() || c == '_' || c == '@' => Some(word(rest)),
            _ => {
                SIGNS.iter().find(|sign| rest.starts_with(**sign)).map(|sign| (Token::Sign(sign), sign.len()))
            }
        }
        .ok_or_else(|| {
            let end = at + first.len_utf8();
            QueryError {
                reason: format!("unexpected symbol found {first} at character {}", at + 1),
                span: at..end,
            }
        })?;
        tokens.push(Spanned { token, start: at, end: at + length });
        at += length;
    }
}

/// White space and comments, which go to the end of their line.
fn spaces(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        match rest.strip_prefix('#') {
            Some(comment) => rest = comment.find('\n').map_or("", |end| &comment[end..]),
            None => return text.len() - rest.len(),
        }
    }
}

/// A slash divides where a value came before it, and begins a regular expression elsewhere, and behind the field of a
/// `parse`.
fn begins_regex(before: &[Spanned]) -> bool {
    let is_word =
        |token: &Token, wanted: &str| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(wanted));
    match before {
        [] => true,
        [.., parse, Spanned { token: Token::Word(_) | Token::Name(_), .. }]
            if is_word(&parse.token, "parse") =>
        {
            true
        }
        [.., last] => match &last.token {
            Token::Sign(sign) => !matches!(*sign, ")" | "]"),
            word => is_word(word, "like") || is_word(word, "parse"),
        },
    }
}

fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        if c == quote {
            return Some((out, index + 1));
        }
        if c == '\\' {
            match chars.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                escaped if escaped == quote || escaped == '\\' => out.push(escaped),
                other => out.extend(['\\', other]),
            }
        } else {
            out.push(c);
        }
    }
    None
}

/// The text between slashes; a slash inside is escaped.
fn regex(text: &str) -> Option<(Token, usize)> {
    let mut source = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        match c {
            '/' => return Some((Token::Regex(source), index + 1)),
            '\\' => match chars.next()?.1 {
                '/' => source.push('/'),
                other => source.extend(['\\', other]),
            },
            other => source.push(other),
        }
    }
    None
}

fn number(text: &str) -> Option<(Token, usize)> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let tail = &text[digits..];
    let unit = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
    let number: f64 = text[..digits].parse().ok()?;
    let Some(unit_ms) = unit_ms(&tail[..unit]) else {
        return (unit == 0).then_some((Token::Number(number), digits));
    };
    let whole: i64 = text[..digits].parse().ok()?;
    Some((Token::Duration(whole.checked_mul(unit_ms)?), digits + unit))
}

/// Units of periods (User Guide, "Datetime functions"); months and longer are no fixed time.
fn unit_ms(unit: &str) -> Option<i64> {
    match unit {
        "ms" | "msec" | "millisecond" | "milliseconds" => Some(1),
        "s" | "sec" | "second" | "seconds" => Some(1_000),
        "m" | "min" | "minute" | "minutes" => Some(60_000),
        "h" | "hr" | "hour" | "hours" => Some(3_600_000),
        "d" | "day" | "days" => Some(86_400_000),
        "w" | "week" | "weeks" => Some(7 * 86_400_000),
        _ => None,
    }
}

fn word(text: &str) -> (Token, usize) {
    let end = text.find(|c: char| !c.is_alphanumeric() && !"_@.:".contains(c)).unwrap_or(text.len());
    (Token::Word(text[..end].to_owned()), end)
}
