//! What suites count, and how to read it out of what cargo and pytest print.

use std::fmt;

/// How many tests ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Count {
    /// One check that is a suite in itself.
    pub(crate) fn check(passed: bool) -> Self {
        Self { passed: passed.into(), failed: (!passed).into(), skipped: 0 }
    }

    /// A suite that could not run: silence would look like success.
    pub(crate) fn failed_suite() -> Self {
        Self { failed: 1, ..Self::default() }
    }

    /// A suite that is optional and absent.
    pub(crate) fn skipped_suite() -> Self {
        Self { skipped: 1, ..Self::default() }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// The count of a test program, given how the program ended: a crash or a compile error has no failed test to
    /// show, and a run without a single test has shown nothing.
    pub(crate) fn settled(mut self, success: bool, may_be_empty: bool) -> Self {
        let empty = self == Self::default() && !may_be_empty;
        if (!success && self.failed == 0) || empty {
            self.failed += 1;
        }
        self
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`.
pub(crate) fn of_cargo(line: &str) -> Option<Count> {
    let rest = line.trim().strip_prefix("test result: ")?.split_once(". ")?.1;
    Some(tally(rest.split(';').map(str::trim)))
}

/// Reads `== 1 failed, 3 passed, 2 skipped in 12.34s ==`, with or without the rules around it.
pub(crate) fn of_pytest(line: &str) -> Option<Count> {
    let (counts, time) = line.trim_matches(|c| c == '=' || c == ' ').rsplit_once(" in ")?;
    let seconds = time.split_once('s')?.0;
    if seconds.parse::<f64>().is_err() {
        return None;
    }
    Some(tally(counts.split(", ")))
}

/// Adds up parts such as `3 passed`; what is neither passed nor failed nor skipped, such as warnings, is not counted.
fn tally<'a>(parts: impl Iterator<Item = &'a str>) -> Count {
    let mut count = Count::default();
    for part in parts {
        let Some((number, word)) = part.split_once(' ') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match word {
            "passed" => count.passed += number,
            // A test that was expected to fail and passes tells that the expectation is out of date.
            "failed" | "error" | "errors" | "xpassed" => count.failed += number,
            "ignored" | "skipped" | "xfailed" => count.skipped += number,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(passed: u64, failed: u64, skipped: u64) -> Count {
        Count { passed, failed, skipped }
    }

    #[test]
    fn cargos_line_is_read() {
        let line = "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.00s";
        assert_eq!(of_cargo(line), Some(count(3, 2, 1)));
        assert_eq!(of_cargo("test a::b ... ok"), None);
    }

    #[test]
    fn pytests_line_is_read() {
        for (line, expected) in [
            ("==== 3 passed in 0.12s ====", Some(count(3, 0, 0))),
            (
                "== 1 failed, 3 passed, 2 skipped, 4 warnings, 1 error in 62.34s (0:01:02) ==",
                Some(count(3, 2, 2)),
            ),
            ("1 xfailed, 1 xpassed in 1.00s", Some(count(0, 1, 1))),
            ("no tests ran in 0.01s", Some(count(0, 0, 0))),
            ("the server started in time", None),
            ("test_a.py ..s", None),
        ] {
            assert_eq!(of_pytest(line), expected, "{line}");
        }
    }

    #[test]
    fn crash_and_silence_are_failures() {
        assert_eq!(count(3, 0, 0).settled(false, false), count(3, 1, 0));
        assert_eq!(count(3, 2, 0).settled(false, false), count(3, 2, 0));
        assert_eq!(count(0, 0, 0).settled(true, false), count(0, 1, 0));
        assert_eq!(count(0, 0, 0).settled(true, true), count(0, 0, 0));
    }
}
