//! Moments at which a debug build can be made to die, so that tests see what a crash there leaves behind.
//!
//! `LAMBENT_CRASH_AT=SITE/MOMENT` names one commit in the source and one of its moments. A release build has none of it.

/// A moment of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// It has been decided on and nothing is written.
    Before,
    /// All is written, and the transaction is open.
    Written,
    /// It is on the disk, and nobody has been told.
    After,
}

/// Ends the process as `kill -9` does, where this is what the environment names.
#[cfg(debug_assertions)]
pub(super) fn hit(site: &str, moment: Moment) {
    use std::sync::LazyLock;

    static CRASH_AT: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("LAMBENT_CRASH_AT").ok());
    let Some(wanted) = CRASH_AT.as_deref() else { return };
    let word = match moment {
        Moment::Before => "before",
        Moment::Written => "written",
        Moment::After => "after",
    };
    if wanted.rsplit_once('/') == Some((site, word)) {
        // Without a last word: a crash has none either. Should the signal not come, the abort does as well.
        let _sent = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort();
    }
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
pub(super) fn hit(_site: &str, _moment: Moment) {}

/// How commits are synced. A debug build can be told not to (`LAMBENT_STORE_SYNCHRONOUS`), so that the test that cuts the
/// power is seen to fail.
#[cfg(debug_assertions)]
pub(super) fn synchronous() -> &'static str {
    match std::env::var("LAMBENT_STORE_SYNCHRONOUS").as_deref() {
        Ok("NORMAL") => "NORMAL",
        Ok("OFF") => "OFF",
        _ => "FULL",
    }
}

/// All of them, in a release build.
#[cfg(not(debug_assertions))]
pub(super) fn synchronous() -> &'static str {
    "FULL"
}

/// Pages after which the log is copied. A debug build can be told another number (`LAMBENT_STORE_STEP`), so that tests that
/// write little see laps of the log.
#[cfg(debug_assertions)]
pub(super) fn step() -> Option<u32> {
    std::env::var("LAMBENT_STORE_STEP").ok()?.parse().ok()
}

/// As it is, in a release build.
#[cfg(not(debug_assertions))]
pub(super) fn step() -> Option<u32> {
    None
}
