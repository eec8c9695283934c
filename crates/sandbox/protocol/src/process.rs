//! What /proc tells about processes.

use std::fs;
use std::io;

/// The fields of `/proc/PID/stat` that launcher and init use (proc(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The parent.
    pub parent: i32,
    /// When it started, in clock ticks after boot. A pid and its start time name one process for ever.
    pub start_ticks: u64,
}

/// Reads `/proc/PID/stat`.
///
/// # Errors
/// `NotFound` when there is no such process.
pub fn stat(pid: i32) -> io::Result<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat"))?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a stat file without the known fields"))
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The second field is the program's name in parentheses, which the program chooses: it may hold anything, so
    // only the last closing parenthesis counts.
    let mut rest = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let parent = rest.nth(1)?.parse().ok()?;
    let start_ticks = rest.nth(17)?.parse().ok()?;
    Some(Stat { parent, start_ticks })
}

/// The direct children of a process. Those of the caller stay valid until it waits for them, so they can be
/// killed without hitting a stranger that took over the number.
///
/// # Errors
/// When /proc cannot be read.
pub fn children(parent: i32) -> io::Result<Vec<i32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that ended between the two reads is no child to be killed any more.
        if stat(pid).is_ok_and(|stat| stat.parent == parent) {
            found.push(pid);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_cannot_forge_its_stat_by_its_name() {
        let line = "7 (x) R 1 (y) S 42 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 987 1 1 1";
        assert_eq!(parse_stat(line), Some(Stat { parent: 42, start_ticks: 987 }));
        assert_eq!(parse_stat("7 (x) S 42"), None);
    }
}
