//! AWS's validation of an input, with AWS's wording.

use std::fmt::Write as _;

use crate::blob::decoded_len;
use crate::error::Error;
use crate::overrides::Overrides;
use crate::path::{Path, Step, lower_first};
use crate::shape::{Bounds, Kind, Member, Place, Shape};
use crate::tree::Tree;

/// How many violations one message lists. AWS lists all; a list of a million wrong elements must not be answered
/// with a message of a million entries.
const VIOLATIONS_MAX: usize = 100;

/// How many characters of a value a message repeats, for the same reason.
const ECHO_CHARS_MAX: usize = 4096;

/// One entry of a validation message, `Value '…' at '…' failed to satisfy constraint: …`, for limits that the model
/// does not hold. `constraint` is a sentence such as `Member must have length less than or equal to 64`.
#[must_use]
pub fn violation_message(value: &str, path: &str, constraint: &str) -> String {
    format!("Value '{value}' at '{path}' failed to satisfy constraint: {constraint}")
}

/// Checks an input's members.
///
/// # Errors
/// One error that lists every violation, `ValidationException` unless the service has another.
pub(crate) fn check(input: &Tree<'_>, members: &'static [Member], overrides: Overrides) -> Result<(), Error> {
    let mut check = Check { overrides, violations: Vec::new(), missing: None };
    check.input(members, input);
    let count = check.violations.len();
    if count == 0 {
        return Ok(());
    }
    let plural = if count == 1 { "error" } else { "errors" };
    let list = check.violations.join("; ");
    Err(overrides.violation(format!("{count} validation {plural} detected: {list}"), check.missing))
}

struct Check {
    overrides: Overrides,
    violations: Vec<String>,
    /// The first member that has to be there and is not.
    missing: Option<String>,
}

impl Check {
    /// The top of an input. Members in the query string come first, as the live service lists them: `qualifier`
    /// before `functionName`.
    fn input(&mut self, members: &'static [Member], input: &Tree<'_>) {
        let mut path = Path::default();
        let in_query = |member: &&Member| matches!(member.place, Place::Query(_));
        for member in members.iter().filter(in_query) {
            self.member(member, input, &mut path);
        }
        for member in members.iter().filter(|member| !in_query(member)) {
            self.member(member, input, &mut path);
        }
    }

    fn member<'t>(&mut self, member: &'static Member, parent: &'t Tree<'_>, path: &mut Path<'t>) {
        // Of a raw body nothing but its presence could be wrong, and no model requires it.
        if member.place == Place::RawBody {
            return;
        }
        path.within(Step::Member(member.name), |path| match (lookup(parent, member.key), member.required) {
            (Some(value), _) => self.value(member.shape, value, path),
            (None, true) => {
                self.missing.get_or_insert_with(|| path.to_string());
                self.report(format!(
                    "Value null at '{path}' failed to satisfy constraint: Member must not be null"
                ));
            }
            (None, false) => {}
        });
    }

    fn value<'t>(&mut self, shape: &'static Shape, value: &'t Tree<'_>, path: &mut Path<'t>) {
        for constraint in self.broken(shape, value, path) {
            self.violation(shape, value, path, &constraint);
        }
        self.inside(shape, value, path);
    }

    /// Scalars in a list are reported once, at the list, with every constraint of the element.
    fn list<'t>(
        &mut self,
        shape: &'static Shape,
        element: &'static Shape,
        elements: &'t [Tree<'_>],
        value: &Tree<'_>,
        path: &mut Path<'t>,
    ) {
        let broken =
            elements.iter().any(|item| *item == Tree::Null || !self.broken(element, item, path).is_empty());
        if broken {
            let constraint = format!("Member must satisfy constraint: [{}]", all(element));
            self.violation(shape, value, path, &constraint);
        }
        if is_nested(element) {
            for (index, item) in elements.iter().enumerate().filter(|(_, item)| **item != Tree::Null) {
                path.within(Step::Element(index), |path| self.inside(element, item, path));
            }
        }
    }

    fn map<'t>(
        &mut self,
        shape: &'static Shape,
        (key, entry): (&'static Shape, &'static Shape),
        entries: &'t [(std::borrow::Cow<'_, str>, Tree<'_>)],
        value: &Tree<'_>,
        path: &mut Path<'t>,
    ) {
        let key_tree = |name: &'t str| Tree::String(name.into());
        if entries.iter().any(|(name, _)| !self.broken(key, &key_tree(name), path).is_empty()) {
            self.violation(shape, value, path, &format!("Map keys must satisfy constraint: [{}]", all(key)));
        }
        let broken =
            entries.iter().any(|(_, item)| *item == Tree::Null || !self.broken(entry, item, path).is_empty());
        if broken {
            self.violation(
                shape,
                value,
                path,
                &format!("Map value must satisfy constraint: [{}]", all(entry)),
            );
        }
        if is_nested(entry) {
            for (name, item) in entries.iter().filter(|(_, item)| *item != Tree::Null) {
                path.within(Step::Entry(name), |path| self.inside(entry, item, path));
            }
        }
    }

    /// What a value is made of, its own constraints aside; those of an element are reported at its container.
    fn inside<'t>(&mut self, shape: &'static Shape, value: &'t Tree<'_>, path: &mut Path<'t>) {
        match (&shape.kind, value) {
            (Kind::Structure { members }, _) => {
                for member in *members {
                    self.member(member, value, path);
                }
            }
            (Kind::List { element, .. }, Tree::List(elements)) => {
                self.list(shape, element, elements, value, path)
            }
            (Kind::Map { key, value: entry, .. }, Tree::Map(entries)) => {
                self.map(shape, (key, entry), entries, value, path);
            }
            _ => {}
        }
    }

    /// The constraints of the shape itself that `value` breaks; length comes before pattern, as AWS checks.
    fn broken(&self, shape: &Shape, value: &Tree<'_>, path: &Path<'_>) -> Vec<String> {
        match (&shape.kind, value) {
            (Kind::String { length, pattern, values }, Tree::String(text)) => {
                let mut broken = outside(*length, count(text.chars().count()), "length");
                if let Some(pattern) = pattern.as_ref().filter(|pattern| !pattern.matches(text)) {
                    broken.push(pattern_text(pattern.text));
                }
                let unknown = !values.is_empty() && !values.contains(&&**text);
                if unknown && !self.overrides.leaves_enum(path) {
                    broken.push(enum_text(values));
                }
                broken
            }
            (Kind::Blob { length }, Tree::String(text)) => {
                outside(*length, count(decoded_len(text)), "length")
            }
            (Kind::List { length, .. }, Tree::List(elements)) => {
                outside(*length, count(elements.len()), "length")
            }
            (Kind::Map { length, .. }, Tree::Map(entries)) => {
                outside(*length, count(entries.len()), "length")
            }
            (Kind::Integer { range } | Kind::Long { range }, Tree::Integer(number)) => {
                outside(*range, *number, "value")
            }
            (Kind::Double { range }, Tree::Double(number)) => outside(*range, *number, "value"),
            _ => Vec::new(),
        }
    }

    fn violation(&mut self, shape: &Shape, value: &Tree<'_>, path: &Path<'_>, constraint: &str) {
        let failed = "failed to satisfy constraint:";
        if shape.sensitive {
            // The live service leaves the value out.
            self.report(format!("Value at '{path}' {failed} {constraint}"));
        } else {
            let mut echo = String::new();
            print(shape, value, &mut echo);
            if let Some((end, _)) = echo.char_indices().nth(ECHO_CHARS_MAX) {
                echo.truncate(end);
            }
            self.report(violation_message(&echo, &path.to_string(), constraint));
        }
    }

    fn report(&mut self, violation: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(violation);
        }
    }
}

fn count(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

fn is_nested(shape: &Shape) -> bool {
    matches!(shape.kind, Kind::Structure { .. } | Kind::List { .. } | Kind::Map { .. })
}

fn lookup<'t, 'a>(parent: &'t Tree<'a>, key: &str) -> Option<&'t Tree<'a>> {
    let Tree::Map(entries) = parent else { return None };
    entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

fn outside<T: PartialOrd + Copy + std::fmt::Debug>(bounds: Bounds<T>, value: T, what: &str) -> Vec<String> {
    let mut broken = Vec::new();
    if let Some(max) = bounds.max.filter(|max| value > *max) {
        broken.push(max_text(what, max));
    }
    if let Some(min) = bounds.min.filter(|min| value < *min) {
        broken.push(min_text(what, min));
    }
    broken
}

// `{:?}` prints a double as Java does, `1.0` and not `1`.
fn max_text<T: std::fmt::Debug>(what: &str, max: T) -> String {
    format!("Member must have {what} less than or equal to {max:?}")
}

fn min_text<T: std::fmt::Debug>(what: &str, min: T) -> String {
    format!("Member must have {what} greater than or equal to {min:?}")
}

fn pattern_text(pattern: &str) -> String {
    format!("Member must satisfy regular expression pattern: {pattern}")
}

fn enum_text(values: &[&str]) -> String {
    format!("Member must satisfy enum value set: [{}]", values.join(", "))
}

/// Every constraint of an element, which AWS lists together when an element breaks one of them.
fn all(shape: &Shape) -> String {
    let mut texts = match &shape.kind {
        Kind::String { length, pattern, values } => {
            let mut texts = both(*length, "length");
            texts.extend(pattern.as_ref().map(|pattern| pattern_text(pattern.text)));
            texts.extend((!values.is_empty()).then(|| enum_text(values)));
            texts
        }
        Kind::Blob { length } | Kind::List { length, .. } | Kind::Map { length, .. } => {
            both(*length, "length")
        }
        Kind::Integer { range } | Kind::Long { range } => both(*range, "value"),
        Kind::Double { range } => both(*range, "value"),
        Kind::Boolean | Kind::Timestamp | Kind::Document | Kind::Structure { .. } => Vec::new(),
    };
    texts.push("Member must not be null".to_owned());
    texts.join(", ")
}

fn both<T: std::fmt::Debug + Copy>(bounds: Bounds<T>, what: &str) -> Vec<String> {
    let max = bounds.max.map(|max| max_text(what, max));
    max.into_iter().chain(bounds.min.map(|min| min_text(what, min))).collect()
}

/// Prints a value as the live service does: lists `[a, b]`, maps `{k=v}`, structures `Name(member=value)`. Sensitive
/// parts become `***`.
fn print(shape: &Shape, value: &Tree<'_>, out: &mut String) {
    // Nothing beyond the bound is shown, so nothing beyond it is built.
    if out.len() > 4 * ECHO_CHARS_MAX {
        return;
    }
    match (&shape.kind, value) {
        (_, Tree::Null) => out.push_str("null"),
        _ if shape.sensitive => out.push_str("***"),
        (Kind::List { element, .. }, Tree::List(elements)) => {
            separated(out, "[", elements, "]", |out, item| print(element, item, out));
        }
        (Kind::Map { key, value: entry, .. }, Tree::Map(entries)) => {
            separated(out, "{", entries, "}", |out, (name, item)| {
                out.push_str(if key.sensitive { "***" } else { name });
                out.push('=');
                print(entry, item, out);
            });
        }
        (Kind::Structure { members }, _) => {
            out.push_str(shape.name);
            separated(out, "(", members, ")", |out, member| {
                out.push_str(&lower_first(member.name));
                out.push('=');
                print(member.shape, lookup(value, member.key).unwrap_or(&Tree::Null), out);
            });
        }
        (_, Tree::String(text)) => out.extend(text.chars().take(ECHO_CHARS_MAX)),
        (_, Tree::Boolean(flag)) => out.push_str(if *flag { "true" } else { "false" }),
        (_, Tree::Integer(number)) => push(out, number),
        (_, Tree::Double(number)) => push(out, number),
        // Types were checked before constraints, and blobs are decoded after them.
        (_, Tree::Bytes(_) | Tree::List(_) | Tree::Map(_)) => {}
    }
}

fn push(out: &mut String, number: &impl std::fmt::Debug) {
    // Writing into a string cannot fail.
    let _ = write!(out, "{number:?}");
}

fn separated<T>(out: &mut String, open: &str, items: &[T], close: &str, print: impl Fn(&mut String, &T)) {
    out.push_str(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        print(out, item);
    }
    out.push_str(close);
}
