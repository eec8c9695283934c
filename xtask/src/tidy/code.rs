//! Rust source with its comments and literals blanked, so that words in them are not taken for code.

/// Replaces comments and the contents of string and character literals by spaces. Lines stay where they are.
///
/// A lexer for this purpose alone: it knows what may hide a brace or a keyword (nested comments, raw strings, byte
/// strings, characters against lifetimes) and nothing else.
pub(crate) fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = hidden_until(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` itself when none does.
fn hidden_until(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => find(chars, at, |c| c == '\n'),
        '/' if next == Some('*') => comment_end(chars, at),
        '"' => string_end(chars, at),
        'r' if !continues_word(chars, at) => raw_string_end(chars, at),
        'b' if next == Some('r') && !continues_word(chars, at) => match raw_string_end(chars, at + 1) {
            end if end == at + 1 => at,
            end => end,
        },
        '\'' => char_end(chars, at),
        _ => at,
    }
}

fn find(chars: &[char], from: usize, stop: impl Fn(char) -> bool) -> usize {
    chars[from..].iter().position(|c| stop(*c)).map_or(chars.len(), |offset| from + offset)
}

fn continues_word(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
}

fn comment_end(chars: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0_u32);
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], quote: usize) -> usize {
    let mut at = quote + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// `r` must be at `at`; returns `at` when no raw string follows (`r#name` is an identifier).
fn raw_string_end(chars: &[char], at: usize) -> usize {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    if chars.get(at + 1 + hashes) != Some(&'"') {
        return at;
    }
    let mut quote = at + 2 + hashes;
    while quote < chars.len() {
        let closing = chars[quote + 1..].iter().take(hashes).filter(|c| **c == '#').count();
        if chars[quote] == '"' && closing == hashes {
            return quote + 1 + hashes;
        }
        quote += 1;
    }
    chars.len()
}

/// A character literal ends at its quote; a lifetime hides nothing.
fn char_end(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => (find(chars, at + 3, |c| c == '\'') + 1).min(chars.len()),
        (Some(_), Some('\'')) => at + 3,
        _ => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_remains() {
        for (text, expected) in [
            ("a // unsafe {\nb", "a            \nb"),
            ("a /* { /* } */ { */ b", "a                   b"),
            (r#"f("{ \" }") }"#, r"f(        ) }"),
            (r##"f(r#"{ " }"#) }"##, "f(          ) }"),
            (r#"f(br"{") }"#, "f(     ) }"),
            ("'{' '\\'' 'a: &'static str", "         'a: &'static str"),
            ("r#fn + var\"x\"", "r#fn + var   "),
        ] {
            assert_eq!(blank(text), expected, "{text}");
        }
    }
}
