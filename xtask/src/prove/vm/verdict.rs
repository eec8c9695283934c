//! What the machine's console tells.
//!
//! `== NAME` begins a part, the test program's own lines follow, and `== ended N` gives its exit code. The last line is
//! `== end`: a machine that stops before it has proven nothing.

use crate::test::count::{self, Count};

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Each part with its count.
    pub(crate) parts: Vec<(String, Count)>,
    pub(crate) total: Count,
    /// Whether the machine came to its end.
    complete: bool,
}

impl Verdict {
    /// Why the proof has failed.
    pub(crate) fn problem(&self) -> Option<String> {
        if !self.complete {
            Some("the machine stopped before its last test had ended; see above".to_owned())
        } else if self.total.failed > 0 {
            Some("some tests failed in the machine; see above".to_owned())
        } else if self.total.passed == 0 {
            Some("no test has passed in the machine".to_owned())
        } else {
            None
        }
    }
}

/// Reads the console. With a filter a part may be without any test.
pub(crate) fn judge(said: &str, may_be_empty: bool) -> Verdict {
    let mut verdict = Verdict::default();
    let mut part: Option<(String, Count)> = None;
    let mut skipped_themselves = 0;
    for line in said.lines() {
        if line == "== end" {
            verdict.complete = part.is_none();
        } else if let Some(code) = line.strip_prefix("== ended ") {
            if let Some((name, mut count)) = part.take() {
                // A test that skips itself has passed for its program.
                let skipped = std::mem::take(&mut skipped_themselves).min(count.passed);
                count = Count { passed: count.passed - skipped, skipped: count.skipped + skipped, ..count };
                let count = count.settled(code == "0", may_be_empty);
                verdict.total.add(count);
                verdict.parts.push((name, count));
            }
        } else if let Some(name) = line.strip_prefix("== ") {
            part = Some((name.to_owned(), Count::default()));
        } else if let Some((_, count)) = &mut part {
            if let Some(found) = count::of_cargo(line) {
                count.add(found);
            } else if line.starts_with("skipped ") {
                skipped_themselves += 1;
            }
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str = "== root limits\nskipped one: the host has no fuse\n\
                      test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1s\n";

    #[test]
    fn only_a_whole_run_without_a_failure_proves() {
        let good = format!("[0.1] booting\n{OK}== ended 0\n== end\n");
        assert_eq!(judge(&good, false).problem(), None);
        assert_eq!(judge(&good, false).total, Count { passed: 2, failed: 0, skipped: 2 });
        for bad in [
            OK.to_owned(),
            format!("{OK}== ended 101\n== end\n"),
            format!("{OK}== ended 0\n"),
            "== root limits\n== ended 0\n== end\n".to_owned(),
            "== end\n".to_owned(),
            String::new(),
        ] {
            assert!(judge(&bad, false).problem().is_some(), "{bad}");
        }
    }
}
