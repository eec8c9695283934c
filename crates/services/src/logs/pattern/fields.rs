//! Conditions on the words of space-delimited events: `[ip, user, ..., status = 4* || status = 5*, bytes > 100]`.

use std::collections::BTreeMap;

use super::PatternError;
use super::condition::{Comparison, Operator};
use super::scanner::Scanner;

#[derive(Debug)]
pub(super) struct Fields {
    /// Before the dots, or all of them.
    head: Vec<Field>,
    /// Behind the dots, where there are some.
    tail: Option<Vec<Field>>,
}

#[derive(Debug)]
struct Field {
    /// Empty for one that has none.
    name: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Nothing,
    Compare(Comparison),
    All(Vec<Self>),
    Any(Vec<Self>),
}

pub(super) fn parse(text: &str) -> Result<Fields, PatternError> {
    let mut scanner = Scanner::new(text);
    scanner.eat("[");
    let (mut head, mut tail) = (Vec::new(), None::<Vec<Field>>);
    loop {
        scanner.skip_spaces();
        if scanner.eat("...") {
            if tail.is_some() {
                return Err(PatternError::new("there can be one ... only"));
            }
            tail = Some(Vec::new());
        } else {
            let field = field(&mut scanner)?;
            tail.as_mut().unwrap_or(&mut head).push(field);
        }
        scanner.skip_spaces();
        if scanner.eat("]") {
            break;
        }
        if !scanner.eat(",") {
            return Err(scanner.unexpected());
        }
    }
    scanner.skip_spaces();
    if scanner.is_at_end() { Ok(Fields { head, tail }) } else { Err(scanner.unexpected()) }
}

/// A name, or conditions on it: `status`, `status = 5*`, `(w = a && w != b)`.
fn field(scanner: &mut Scanner<'_>) -> Result<Field, PatternError> {
    let mut name = String::new();
    let test = any(scanner, &mut name, 0)?;
    Ok(Field { name, test })
}

fn any(scanner: &mut Scanner<'_>, name: &mut String, depth: usize) -> Result<Test, PatternError> {
    let mut tests = vec![all(scanner, name, depth)?];
    while scanner.eat("||") {
        tests.push(all(scanner, name, depth)?);
    }
    Ok(if tests.len() == 1 { tests.remove(0) } else { Test::Any(tests) })
}

fn all(scanner: &mut Scanner<'_>, name: &mut String, depth: usize) -> Result<Test, PatternError> {
    let mut tests = vec![one(scanner, name, depth)?];
    while scanner.eat("&&") {
        tests.push(one(scanner, name, depth)?);
    }
    Ok(if tests.len() == 1 { tests.remove(0) } else { Test::All(tests) })
}

fn one(scanner: &mut Scanner<'_>, name: &mut String, depth: usize) -> Result<Test, PatternError> {
    scanner.skip_spaces();
    let test = if depth < 16 && scanner.eat("(") {
        let test = any(scanner, name, depth + 1)?;
        if !scanner.eat(")") {
            return Err(scanner.unexpected());
        }
        test
    } else {
        let found = scanner.take_while(|c| c.is_alphanumeric() || "_-.".contains(c));
        if !name.is_empty() && found != name {
            return Err(PatternError::new(format!(
                "conditions on '{name}' and '{found}' are two fields: put a comma"
            )));
        }
        found.clone_into(name);
        scanner.skip_spaces();
        match Operator::read(scanner) {
            Some(operator) => {
                let bare = |c: char| !c.is_whitespace() && !",]()&|\"<>=!".contains(c);
                Test::Compare(Comparison::read(scanner, operator, bare)?)
            }
            None => Test::Nothing,
        }
    };
    scanner.skip_spaces();
    Ok(test)
}

impl Test {
    fn holds(&self, word: &str) -> bool {
        match self {
            Self::Nothing => true,
            Self::Compare(comparison) => comparison.holds_for_text(word),
            Self::All(tests) => tests.iter().all(|test| test.holds(word)),
            Self::Any(tests) => tests.iter().any(|test| test.holds(word)),
        }
    }
}

impl Fields {
    /// The fields with their words, if there are as many as the pattern says. Words that the dots stand for have no
    /// field.
    fn pair<'a, 'b>(&'a self, words: &[&'b str]) -> Option<Vec<(Option<&'a Field>, &'b str)>> {
        let tail = self.tail.as_deref().unwrap_or_default();
        let between = words.len().checked_sub(self.head.len() + tail.len())?;
        if between > 0 && self.tail.is_none() {
            return None;
        }
        let fields = self.head.iter().map(Some).chain(std::iter::repeat_n(None, between));
        Some(fields.chain(tail.iter().map(Some)).zip(words.iter().copied()).collect())
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        let words = words(message);
        let paired = self.pair(&words);
        paired.is_some_and(|all| {
            all.iter().all(|(field, word)| field.is_none_or(|field| field.test.holds(word)))
        })
    }

    pub(super) fn extract(&self, message: &str) -> BTreeMap<String, String> {
        let words = words(message);
        let paired = self.pair(&words).unwrap_or_default();
        let named = paired.into_iter().enumerate().map(|(index, (field, word))| {
            let name = field.map(|field| field.name.as_str()).filter(|name| !name.is_empty());
            let key = name.map_or_else(|| format!("${}", index + 1), |name| format!("${name}"));
            (key, word.to_owned())
        });
        named.collect()
    }
}

/// The words of a line: separated by spaces, but for what stands in brackets or quotation marks.
fn words(message: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = message.trim();
    while !rest.is_empty() {
        let close = match rest.as_bytes()[0] {
            b'[' => Some(']'),
            b'"' => Some('"'),
            _ => None,
        };
        let enclosed = close.and_then(|close| rest[1..].find(close));
        let (word, end) = match enclosed {
            Some(length) => (&rest[1..=length], length + 2),
            None => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (&rest[..end], end)
            }
        };
        words.push(word);
        rest = rest[end..].trim_start();
    }
    words
}
