//! Reads a pattern from left to right.

use regex::{Regex, RegexBuilder};

use super::PatternError;

pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// A word of a pattern.
#[derive(Debug)]
pub(super) enum Token {
    Quoted(String),
    Bare(String),
    Regex(Regex),
}

/// Compiled, a regular expression takes no more than this: a pattern has 1,024 characters, and repetitions in it would
/// else be arbitrarily large.
const REGEX_BYTES_MAX: usize = 1024 * 1024;

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    pub(super) fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes the text if it comes next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    /// Takes a word in any case, if it comes next and ends there.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let rest = self.rest();
        let Some(head) = rest.get(..word.len()) else { return false };
        let ends =
            rest[word.len()..].chars().next().is_none_or(|next| !next.is_alphanumeric() && next != '_');
        let is_next = head.eq_ignore_ascii_case(word) && ends;
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    /// Takes characters for as long as they are wanted.
    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// A quoted text, a regular expression between percent signs, or a bare word of the characters wanted.
    pub(super) fn token(&mut self, wanted: impl Fn(char) -> bool) -> Result<Token, PatternError> {
        match self.peek() {
            Some('"') => self.quoted().map(Token::Quoted),
            Some('%') => self.regex().map(Token::Regex),
            _ => match self.take_while(wanted) {
                "" => Err(self.unexpected()),
                word => Ok(Token::Bare(word.to_owned())),
            },
        }
    }

    /// A text in double quotes, in which a backslash takes what follows as it is.
    pub(super) fn quoted(&mut self) -> Result<String, PatternError> {
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((index, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += index + 1;
                    return Ok(out);
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('"' | '\\'))) => out.push(escaped),
                    Some((_, other)) => out.extend(['\\', other]),
                    None => break,
                },
                other => out.push(other),
            }
        }
        Err(PatternError::new("a quotation mark is not closed"))
    }

    /// A regular expression in the characters that CloudWatch allows.
    fn regex(&mut self) -> Result<Regex, PatternError> {
        let rest = &self.rest()[1..];
        let end =
            rest.find('%').ok_or_else(|| PatternError::new("a regular expression is not closed by %"))?;
        let source = &rest[..end];
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || r"_#=@/;,-:^$?[]{}|\*+. ".contains(c);
        // An escaped character may be any: `\(` is how a parenthesis is looked for.
        let mut escaped = false;
        for c in source.chars() {
            if !c.is_ascii() || (!escaped && !is_allowed(c)) {
                return Err(PatternError::new(format!("'{c}' is not allowed in a regular expression")));
            }
            escaped = c == '\\' && !escaped;
        }
        let regex = RegexBuilder::new(source).unicode(false).size_limit(REGEX_BYTES_MAX).build();
        // Without Unicode the engine may match inside of a character; only classes of ASCII are allowed above.
        let regex = regex.or_else(|_| RegexBuilder::new(source).size_limit(REGEX_BYTES_MAX).build());
        let regex = regex.map_err(|_| PatternError::new(format!("%{source}% is no regular expression")))?;
        self.at += end + 2;
        Ok(regex)
    }

    pub(super) fn unexpected(&self) -> PatternError {
        match self.peek() {
            Some(c) => PatternError::new(format!("'{c}' is not expected at character {}", self.at + 1)),
            None => PatternError::new("it ends too early"),
        }
    }
}
