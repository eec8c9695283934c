//! Files and functions short enough to read. A ratchet: what has been too long for good reason is listed, nothing may
//! join it unseen, and what has become short must leave it.

use super::{Source, code};

/// Lines of a hand-written file.
const FILE_LINES: usize = 800;
/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES: usize = 120;

/// One function that may be longer: file, name, and why.
pub(crate) type Exception = (&'static str, &'static str, &'static str);

/// The functions that may be longer.
pub(crate) const RATCHET: &[Exception] = &[];

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// Every file and function that is too long, and every exception that is no longer needed.
pub(crate) fn check(sources: &[&Source], ratchet: &[Exception]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut used = vec![false; ratchet.len()];
    for source in sources {
        let lines = source.text.lines().count();
        if lines > FILE_LINES {
            faults.push(format!("{}: {lines} lines; split it, {FILE_LINES} are the limit", source.path));
        }
        for function in functions(&source.text).iter().filter(|function| function.lines > FUNCTION_LINES) {
            let listed =
                ratchet.iter().position(|(path, name, _)| *path == source.path && *name == function.name);
            match listed {
                Some(index) => used[index] = true,
                None => faults.push(format!(
                    "{}:{}: fn {} has {} lines; split it, {FUNCTION_LINES} are the limit",
                    source.path, function.line, function.name, function.lines
                )),
            }
        }
    }
    let unused = ratchet.iter().zip(used).filter(|(_, used)| !used);
    faults.extend(unused.map(|((path, name, _), _)| {
        format!("{path}: fn {name} is short by now or gone; take it off the list in xtask/src/tidy/size.rs")
    }));
    faults
}

/// Every function with a body, in the order of their beginnings.
fn functions(text: &str) -> Vec<Function> {
    let blanked = code::blank(text);
    let bytes = blanked.as_bytes();
    let mut found = Vec::new();
    let mut line = 1;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' {
            line += 1;
        }
        let begins_word =
            at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || b"_#".contains(&bytes[at - 1]));
        if !begins_word || !bytes[at..].starts_with(b"fn ") {
            continue;
        }
        let rest = &blanked[at + 3..];
        let name: String =
            rest.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if let Some(lines) = body_lines(rest).filter(|_| !name.is_empty()) {
            found.push(Function { name, line, lines });
        }
    }
    found
}

/// Lines from the start of `text` to the brace that closes the first body; `None` when a `;` ends it before.
fn body_lines(text: &str) -> Option<usize> {
    let (mut braces, mut brackets, mut lines) = (0_u32, 0_u32, 1);
    for c in text.chars() {
        match c {
            '\n' => lines += 1,
            '(' | '[' if braces == 0 => brackets += 1,
            ')' | ']' if braces == 0 => brackets = brackets.saturating_sub(1),
            // A `;` inside of brackets is that of an array's length.
            ';' if braces == 0 && brackets == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    return Some(lines);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(body_lines: usize) -> Source {
        let body = "    let a = '{';\n".repeat(body_lines);
        let text = format!(
            "trait T {{ fn none(a: [u8; 2]); }}\nfn long(a: [u8; 2]) {{\n{body}}}\nfn short() {{}}\n"
        );
        Source { path: "a.rs".to_owned(), text }
    }

    #[test]
    fn functions_are_measured_to_their_closing_brace() {
        let found: Vec<(String, usize, usize)> =
            functions(&source(5).text).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(found, [("long".to_owned(), 2, 7), ("short".to_owned(), 9, 1)]);
    }

    #[test]
    fn long_functions_must_be_listed_and_listed_ones_long() {
        let (long, short) = (source(FUNCTION_LINES), source(1));
        let listed: &[Exception] = &[("a.rs", "long", "a table")];
        assert_eq!(check(&[&long], &[]).len(), 1);
        assert_eq!(check(&[&long], listed).len(), 0);
        assert_eq!(check(&[&short], listed).len(), 1);
        let file = Source { path: "b.rs".to_owned(), text: "\n".repeat(FILE_LINES + 1) };
        assert_eq!(check(&[&file], &[]).len(), 1);
    }
}
