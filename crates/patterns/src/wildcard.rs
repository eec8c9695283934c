//! Texts with `*` (Amazon EventBridge User Guide, "Comparison operators", "Matching using wildcards").

/// What lies between the stars. Without a star it is one text, which has to be the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wildcard(Vec<String>);

impl Wildcard {
    /// Reads `a*b`; `\*` stands for a star and `\\` for a backslash.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = vec![String::new()];
        let mut chars = text.chars().enumerate().peekable();
        while let Some((at, char)) = chars.next() {
            match char {
                '*' => {
                    if chars.peek().is_some_and(|(_, next)| *next == '*') {
                        return Err(format!("Consecutive wildcard characters at pos {at}"));
                    }
                    parts.push(String::new());
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('*' | '\\'))) => last(&mut parts).push(escaped),
                    _ => return Err(format!("Invalid escape character at pos {at}")),
                },
                other => last(&mut parts).push(other),
            }
        }
        Ok(Self(parts))
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., end] = self.0.as_slice() else {
            return self.0.first().is_some_and(|whole| whole == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        // The leftmost place for each part leaves the most for those that follow.
        for part in middle {
            let Some(at) = rest.find(part.as_str()) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(end.as_str())
    }
}

fn last(parts: &mut [String]) -> &mut String {
    parts.last_mut().expect("there is a part from the start")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*b", "ab", true),
            ("a*b", "axxb", true),
            ("a*b", "a", false),
            ("ab*ba", "aba", false),
            ("*/lib/*", "usr/lib/x", true),
            ("*/lib/*", "lib/x", false),
            ("*a*b*", "xbxaxb", true),
            ("x", "x", true),
            ("x", "xx", false),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            (r"a\\*", r"a\x", true),
            ("é*", "éa", true),
        ] {
            assert_eq!(Wildcard::parse(pattern).unwrap().matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        assert_eq!(Wildcard::parse("a**").unwrap_err(), "Consecutive wildcard characters at pos 1");
        assert_eq!(Wildcard::parse(r"a\n").unwrap_err(), "Invalid escape character at pos 1");
        assert_eq!(Wildcard::parse("a\\").unwrap_err(), "Invalid escape character at pos 1");
    }
}
