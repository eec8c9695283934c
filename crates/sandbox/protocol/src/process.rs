//! What /proc tells about processes.

use std::fs;
use std::io;
use std::ops::RangeInclusive;

use rustix::thread::CapabilitySet;

/// The ids that the launcher gives to sandboxes, and to programs of its own: above what systemd assigns to containers
/// (up to `0x6FFF_FFFF`), below its foreign and the kernel's reserved ids.
pub const PROGRAM_IDS: RangeInclusive<u32> = 0x7000_0000..=0x7fc0_0000;

/// The id of a server that was started by root, on a host without a user of that name.
pub const SERVER_ID: u32 = 0x7fc0_0001;

/// Whether this process can do what root can: it is root, with the capabilities to make namespaces and to become
/// somebody else, and all ids that are to be given away exist. Root of a container often cannot.
///
/// # Errors
/// When the kernel does not say.
pub fn has_roots_rights() -> io::Result<bool> {
    let needed = CapabilitySet::SYS_ADMIN | CapabilitySet::SETUID | CapabilitySet::SETGID;
    let capable = rustix::thread::capabilities(None)?.effective.contains(needed);
    let exist = |path| fs::read_to_string(path).map(|map| has_ids(&map, *PROGRAM_IDS.start(), SERVER_ID));
    let root = rustix::process::geteuid().is_root();
    Ok(root && capable && exist("/proc/self/uid_map")? && exist("/proc/self/gid_map")?)
}

/// The lines of a `uid_map` (user_namespaces(7)): first id inside, first id outside, how many.
pub fn id_map(map: &str) -> impl Iterator<Item = [u64; 3]> + '_ {
    map.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        Some([numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?])
    })
}

/// Whether one line of a map has all ids from `first` to `last`.
fn has_ids(map: &str, first: u32, last: u32) -> bool {
    id_map(map).any(|[inside, _, count]| {
        inside <= u64::from(first) && u64::from(last) < inside.saturating_add(count)
    })
}

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
    fn a_map_says_which_ids_exist() {
        let (first, last) = (*PROGRAM_IDS.start(), SERVER_ID);
        assert!(has_ids("         0          0 4294967295\n", first, last));
        assert!(!has_ids("0 1000 1\n1 100000 65536\n", first, last));
        assert!(!has_ids("0 0 1879048192\n", first, last), "one short of the first");
        assert!(!has_ids(&format!("0 0 {SERVER_ID}\n"), first, last), "one short of the last");
    }

    #[test]
    fn a_program_cannot_forge_its_stat_by_its_name() {
        let line = "7 (x) R 1 (y) S 42 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 987 1 1 1";
        assert_eq!(parse_stat(line), Some(Stat { parent: 42, start_ticks: 987 }));
        assert_eq!(parse_stat("7 (x) S 42"), None);
    }
}
