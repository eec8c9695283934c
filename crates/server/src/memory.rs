//! How much memory the host can still give to environments.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use lambent_model::Bytes;

/// The part of the host's memory that environments leave to everything else: the server, the kernel's own, and those
/// environments that grow after they have been let in.
const RESERVE_PART: u64 = 20;
/// That is at least so much …
const LEAST_RESERVE: Bytes = Bytes::mib(128);
/// … and at most.
const MOST_RESERVE: Bytes = Bytes::mib(1024);

/// Reads it anew each time, from files that stay open: every start waits for it.
pub(crate) struct HostMemory {
    meminfo: Option<File>,
    /// Where the server's own cgroup, and those above it, say how much there may be and is.
    groups: Vec<OpenGroup>,
}

struct OpenGroup {
    limit: File,
    used: File,
    stat: File,
}

struct Group {
    limit: PathBuf,
    used: PathBuf,
    stat: PathBuf,
}

impl HostMemory {
    /// Looks for the cgroups that limit the server.
    pub(crate) fn find() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let groups = groups(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
        let open = |group: &Group| {
            let open = |path: &Path| File::open(path).ok();
            Some(OpenGroup { limit: open(&group.limit)?, used: open(&group.used)?, stat: open(&group.stat)? })
        };
        // A root of cgroups has no limit, and no such file in version 2.
        Self { meminfo: File::open("/proc/meminfo").ok(), groups: groups.iter().filter_map(open).collect() }
    }

    /// What can be given, the reserve kept; `None` where the kernel does not tell.
    pub(crate) fn available(&self) -> Option<Bytes> {
        let meminfo = read(self.meminfo.as_ref()?)?;
        let (host, mut available) = (field(&meminfo, "MemTotal:")?, field(&meminfo, "MemAvailable:")?);
        let mut total = host;
        for group in &self.groups {
            // "max" is no limit; a group that is gone has none. A limit above all that there is ends nothing before the
            // host does, and to count what a group holds the kernel goes through all groups below it.
            let number = |file: &File| read(file)?.trim().parse::<u64>().ok();
            let Some(limit) = number(&group.limit).filter(|limit| *limit < host) else { continue };
            if let Some(used) = number(&group.used) {
                let stat = read(&group.stat).unwrap_or_default();
                total = total.min(limit);
                available = available.min(limit.saturating_sub(used.saturating_sub(reclaimable(&stat))));
            }
        }
        Some(Bytes(available.saturating_sub(reserve(total))))
    }
}

/// A file of the kernel's, in one call of it; `None` once what it speaks of is gone.
fn read(file: &File) -> Option<String> {
    // Several times what any of them holds.
    let mut text = vec![0; 16 * 1024];
    let length = file.read_at(&mut text, 0).ok()?;
    text.truncate(length);
    String::from_utf8(text).ok()
}

fn reserve(total: u64) -> u64 {
    (total / RESERVE_PART).clamp(LEAST_RESERVE.0, MOST_RESERVE.0)
}

/// Bytes of files that the kernel keeps for a group as long as nobody else wants the memory, by its `memory.stat`.
fn reclaimable(stat: &str) -> u64 {
    let named = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    // Version 1 counts the groups below apart.
    named("total_inactive_file ").or_else(|| named("inactive_file ")).unwrap_or(0)
}

/// A line such as `MemAvailable:   22158416 kB` (proc_meminfo(5)), in bytes.
fn field(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The memory cgroups of a process, its own first, by its mounts and memberships.
fn groups(mountinfo: &str, membership: &str) -> Vec<Group> {
    let mut found = Vec::new();
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let mut fields = left.split(' ').skip(3);
        let (Some(root), Some(mount)) = (fields.next(), fields.next()) else { continue };
        let (files, path) = if right.starts_with("cgroup2 ") {
            (["memory.max", "memory.current"], member(membership, |controllers| controllers.is_empty()))
        } else if right.starts_with("cgroup ") && right.split([' ', ',']).any(|word| word == "memory") {
            let is_memory = |controllers: &str| controllers.split(',').any(|name| name == "memory");
            (["memory.limit_in_bytes", "memory.usage_in_bytes"], member(membership, is_memory))
        } else {
            continue;
        };
        // In a container the mount begins at the container's own group, and with a cgroup namespace all paths do.
        let below = path.map(|path| path.strip_prefix(root).unwrap_or(path).trim_start_matches('/'));
        let Some(below) = below else { continue };
        for directory in Path::new(below).ancestors() {
            let directory = Path::new(mount).join(directory);
            let [limit, used] = files.map(|file| directory.join(file));
            found.push(Group { limit, used, stat: directory.join("memory.stat") });
        }
    }
    found
}

/// The path of the membership whose controllers are these.
fn member(membership: &str, is: impl Fn(&str) -> bool) -> Option<&str> {
    membership.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        is(controllers).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_all_groups_above_are_found() {
        let limits = |mountinfo: &str, membership: &str| {
            let groups = groups(mountinfo, membership);
            groups.into_iter().map(|group| group.limit.display().to_string()).collect::<Vec<_>>()
        };
        let v2 = "34 25 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            limits(v2, "0::/system.slice/lambent.service\n"),
            [
                "/sys/fs/cgroup/system.slice/lambent.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max",
            ]
        );
        let v1 = "30 25 0:26 /docker/1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                  31 25 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        assert_eq!(
            limits(v1, "4:memory:/docker/1\n3:cpu:/x\n"),
            ["/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        );
    }

    #[test]
    fn a_part_is_kept_in_reserve() {
        let gib = 1024 * 1024 * 1024;
        assert_eq!(reserve(gib), LEAST_RESERVE.0);
        assert_eq!(reserve(10 * gib), gib / 2);
        assert_eq!(reserve(512 * gib), MOST_RESERVE.0);
        assert_eq!(reclaimable("cache 9\ninactive_file 5\ntotal_inactive_file 7\n"), 7);
        assert_eq!(reclaimable("anon 1\ninactive_file 5\n"), 5);
        assert_eq!(field("MemTotal: 100 kB\nMemAvailable:   3 kB\n", "MemAvailable:"), Some(3072));
        assert!(HostMemory::find().available().is_some(), "Linux says so since 3.14");
    }
}
