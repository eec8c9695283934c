//! `unsafe` in the sandbox packages alone, each site with its reason.

use super::{Source, code};

/// The only folder in which the compiler may be told to trust us.
const ALLOWED: &str = "crates/sandbox/";

/// Every `unsafe` outside of the sandbox, and every one inside that gives no reason.
pub(crate) fn check(sources: &[&Source]) -> Vec<String> {
    sources.iter().flat_map(|source| check_file(source)).collect()
}

fn check_file(source: &Source) -> Vec<String> {
    let blanked = code::blank(&source.text);
    let code_lines: Vec<&str> = blanked.lines().collect();
    let lines: Vec<&str> = source.text.lines().collect();
    let mut faults = Vec::new();
    for (index, line) in code_lines.iter().enumerate().filter(|(_, line)| has_unsafe(line)) {
        let place = format!("{}:{}", source.path, index + 1);
        if !source.path.starts_with(ALLOWED) {
            faults.push(format!("{place}: unsafe code belongs into {ALLOWED} alone: {}", line.trim()));
        } else if !has_reason(&lines, &code_lines, index) {
            faults.push(format!("{place}: unsafe without a `// SAFETY:` comment above it"));
        }
    }
    faults
}

/// Whether the keyword stands in this line of code; `unsafe_code` and the like are other words.
fn has_unsafe(line: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
}

/// Looks upwards from an `unsafe` for its reason, over attributes, comments and the beginning of the same statement.
fn has_reason(lines: &[&str], code_lines: &[&str], index: usize) -> bool {
    for above in (0..=index).rev() {
        let (text, code) = (lines[above].trim(), code_lines[above].trim());
        if text.contains("// SAFETY:") || text.contains("/// # Safety") {
            return true;
        }
        let is_comment = code.is_empty() && !text.is_empty();
        let is_attribute = code.starts_with("#[") || code.starts_with("#![");
        let continues = above == index || !(code.is_empty() || code.ends_with([';', '{', '}']));
        if !(is_comment || is_attribute || continues) {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> usize {
        check_file(&Source { path: path.to_owned(), text: text.to_owned() }).len()
    }

    #[test]
    fn a_reason_is_asked_for() {
        let sandbox = "crates/sandbox/x/src/main.rs";
        for (text, expected) in [
            ("// SAFETY: it holds.\nunsafe { f() };", 0),
            ("// SAFETY: it holds.\n#[allow(unsafe_code)]\nlet a =\n    unsafe { f() };", 0),
            ("check(unsafe { f() }); // SAFETY: it holds.", 0),
            ("/// # Safety\n/// The caller knows.\npub unsafe fn f() {}", 0),
            ("let a = \"unsafe {\"; // unsafe {", 0),
            ("unsafe { f() };", 1),
            ("// SAFETY: of another one.\nunsafe { f() };\nunsafe { g() };", 1),
            ("// SAFETY: too far.\n\nunsafe { f() };", 1),
        ] {
            assert_eq!(faults(sandbox, text), expected, "{text}");
        }
    }

    #[test]
    fn elsewhere_no_reason_helps() {
        assert_eq!(faults("crates/cli/src/lib.rs", "// SAFETY: it holds.\nunsafe { f() };"), 1);
    }
}
