//! AWS's regular expressions, compiled once, when first used.

use std::sync::OnceLock;

use fancy_regex::Regex;

/// A pattern that a whole value has to match.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// As AWS writes it, which is how messages quote it.
    pub(crate) text: &'static str,
    compiled: OnceLock<Regex>,
}

impl Pattern {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, compiled: OnceLock::new() }
    }

    /// Whether all of `value` matches. A match that exceeds the engine's limit on backtracking counts as none: such
    /// a value was made to be slow.
    pub(crate) fn matches(&self, value: &str) -> bool {
        self.regex().is_match(value).unwrap_or(false)
    }

    pub(crate) fn regex(&self) -> &Regex {
        self.compiled.get_or_init(|| {
            let anchored = format!(r"\A(?:{})\z", translate(self.text));
            Regex::new(&anchored).expect("the tests compile every generated pattern")
        })
    }
}

/// AWS's patterns are Java's, in which `\d`, `\w` and `\s` mean ASCII; here they would mean all of Unicode.
fn translate(java: &str) -> String {
    // Characters beyond the first 65,536 as Java's regular expressions have them, by their surrogates.
    let java = &java.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\x{10000}-\x{10FFFF}");
    let mut out = String::with_capacity(java.len() + 16);
    let mut in_class = false;
    let mut chars = java.chars();
    while let Some(current) = chars.next() {
        match current {
            '\\' => match chars.next() {
                Some(escaped) => push_escape(&mut out, escaped, in_class),
                None => out.push('\\'),
            },
            '[' if in_class => out.push_str(r"\["),
            '[' | ']' => {
                in_class = current == '[';
                out.push(current);
            }
            other => out.push(other),
        }
    }
    out
}

fn push_escape(out: &mut String, escaped: char, in_class: bool) {
    let ascii = match escaped {
        'd' => "0-9",
        'w' => "a-zA-Z0-9_",
        's' => r" \t\n\x0B\f\r",
        _ => {
            out.push('\\');
            out.push(escaped);
            return;
        }
    };
    if in_class {
        out.push_str(ascii);
    } else {
        out.push('[');
        out.push_str(ascii);
        out.push(']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{Kind, Shape};

    #[test]
    fn the_whole_value_matches_in_ascii() {
        for (pattern, value, expected) in [
            (r"\d{2}|a", "12", true),
            (r"\d{2}|a", "12a", false),
            (r"\d{2}|a", "a\n", false),
            (r"\d", "٣", false),
            (r"[\w-]+", "a-b", true),
            (r"[\w-]+", "é", false),
            (r"[^\s]+", "a b", false),
            (r"[^\s]+", "ab", true),
            (r"([\p{L}\p{N}]*)", "é3", true),
            (r"[0-9A-Za-z\.\-_]*(?<!\.)", "bucket.", false),
            (r"(arn:.*)|()", "", true),
            (r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "12", false),
            (r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "a2", true),
            (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", "a b\u{1F600}\n", true),
            (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", "a\u{1}", false),
        ] {
            let pattern = Box::leak(Box::new(Pattern::new(pattern)));
            assert_eq!(pattern.matches(value), expected, "{} on {value:?}", pattern.text);
        }
    }

    /// `Pattern::regex` relies on this: a pattern that does not compile must fail here and not in a request.
    #[test]
    fn every_generated_pattern_compiles() {
        let mut compiled = 0;
        for service in
            [&crate::application_autoscaling::SERVICE, &crate::lambda::SERVICE, &crate::logs::SERVICE]
        {
            for operation in service.operations {
                compiled += operation.input.map_or(0, compile);
            }
        }
        assert!(compiled > 50, "only {compiled} patterns were reached");
    }

    fn compile(shape: &'static Shape) -> usize {
        match &shape.kind {
            Kind::String { pattern, .. } => pattern.iter().map(Pattern::regex).count(),
            Kind::List { element, .. } => compile(element),
            Kind::Map { key, value, .. } => compile(key) + compile(value),
            Kind::Structure { members } => members.iter().map(|member| compile(member.shape)).sum(),
            _ => 0,
        }
    }
}
