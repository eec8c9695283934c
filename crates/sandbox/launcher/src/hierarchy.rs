//! Which cgroup hierarchies the host has, our place in each, and sweeping up after dead launchers.

use std::fs;
use std::io;
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};

use lambent_sandbox_protocol::{self as protocol, Cgroups, Controller};

use crate::cgroup;

/// The controllers that a limit or a count needs.
const NEEDED: [&str; 3] = ["memory", "cpu", "pids"];

/// The two interfaces of cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    V1,
    V2,
}

/// Our place in one hierarchy.
#[derive(Debug, Clone)]
pub(crate) struct Hierarchy {
    pub(crate) generation: Generation,
    /// The needed controllers that work here.
    pub(crate) controllers: Vec<String>,
    mount: PathBuf,
    /// `<mount>/lambent/<owner>`.
    pub(crate) directory: PathBuf,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Hierarchies {
    found: Vec<Hierarchy>,
    reasons: Vec<(String, String)>,
}

impl Hierarchies {
    /// Looks at the mounts of this process.
    pub(crate) fn discover(owner: &str) -> io::Result<Self> {
        let found = parse(&fs::read_to_string("/proc/self/mountinfo")?)
            .into_iter()
            .map(|(generation, mount, controllers)| {
                let directory = mount.join("lambent").join(owner);
                Hierarchy { generation, controllers, mount, directory }
            })
            .collect();
        let mut this = Self { found, reasons: Vec::new() };
        this.read_v2_controllers();
        Ok(this)
    }

    /// The part of version 2 below this directory, which takes the place of the mount.
    pub(crate) fn below(directory: PathBuf, owner: &str) -> Self {
        let place = directory.join("lambent").join(owner);
        let (generation, controllers) = (Generation::V2, Vec::new());
        let found = vec![Hierarchy { generation, controllers, mount: directory, directory: place }];
        let mut this = Self { found, reasons: Vec::new() };
        this.read_v2_controllers();
        this
    }

    fn read_v2_controllers(&mut self) {
        for hierarchy in self.found.iter_mut().filter(|found| found.generation == Generation::V2) {
            let listed = fs::read_to_string(hierarchy.mount.join("cgroup.controllers")).unwrap_or_default();
            hierarchy.controllers =
                listed.split_whitespace().filter(|name| NEEDED.contains(name)).map(str::to_owned).collect();
        }
    }

    /// Those in which sandboxes get a directory.
    pub(crate) fn owned(&self) -> &[Hierarchy] {
        &self.found
    }

    /// Makes `<mount>/lambent/<owner>` everywhere and, in version 2, hands the controllers down to it. What cannot
    /// be had is remembered with its reason.
    pub(crate) fn settle(&mut self) {
        let mut kept = Vec::new();
        for mut hierarchy in std::mem::take(&mut self.found) {
            if let Err(error) = fs::create_dir_all(&hierarchy.directory) {
                let reason = format!("{} cannot be made: {error}", hierarchy.directory.display());
                self.reasons.extend(hierarchy.controllers.iter().map(|name| (name.clone(), reason.clone())));
                continue;
            }
            if hierarchy.generation == Generation::V2 {
                let reasons = &mut self.reasons;
                hierarchy.controllers.retain(|name| {
                    let parent = hierarchy.directory.parent().expect("it lies below the mount");
                    let levels = [hierarchy.mount.as_path(), parent, hierarchy.directory.as_path()];
                    let result = levels.iter().try_for_each(|level| hand_down(level, name));
                    reasons.extend(result.as_ref().err().map(|reason| (name.clone(), reason.clone())));
                    result.is_ok()
                });
            }
            kept.push(hierarchy);
        }
        self.found = kept;
    }

    pub(crate) fn generation(&self) -> Cgroups {
        let has = |generation| {
            self.found.iter().any(|found| found.generation == generation && !found.controllers.is_empty())
        };
        let mounted = self.found.iter().any(|found| found.generation == Generation::V2);
        match (has(Generation::V1), has(Generation::V2) || mounted) {
            (true, true) => Cgroups::Hybrid,
            (true, false) => Cgroups::V1,
            (false, true) => Cgroups::V2,
            (false, false) => Cgroups::None,
        }
    }

    /// Whether a controller can be used.
    pub(crate) fn have(&self, name: &str) -> bool {
        self.found.iter().any(|found| found.controllers.iter().any(|controller| controller == name))
    }

    /// Each needed controller, with the reason where it is missing.
    pub(crate) fn controllers(&self) -> Vec<Controller> {
        let reason = |name: &str| {
            let known = self.reasons.iter().find(|(controller, _)| controller == name);
            known
                .map_or_else(|| "no mounted cgroup hierarchy has it".to_owned(), |(_, reason)| reason.clone())
        };
        NEEDED
            .iter()
            .map(|name| Controller {
                name: (*name).to_owned(),
                missing: (!self.have(name)).then(|| reason(name)),
                instead: None,
            })
            .collect()
    }

    /// Says of every controller why it cannot be used.
    pub(crate) fn unavailable(reason: &str) -> Self {
        let reasons = NEEDED.iter().map(|name| ((*name).to_owned(), reason.to_owned())).collect();
        Self { found: Vec::new(), reasons }
    }

    /// Kills and removes what dead launchers have left; what is still dying stays for the next sweep.
    pub(crate) fn sweep(&self) {
        for hierarchy in &self.found {
            // A directory that cannot be listed holds nothing of ours.
            for owner in fs::read_dir(hierarchy.mount.join("lambent")).into_iter().flatten().flatten() {
                if owner.file_name().to_str().is_some_and(owner_is_dead) {
                    clear(&owner.path());
                }
            }
        }
    }

    /// Removes our own directories at the end.
    pub(crate) fn leave(&self) {
        for hierarchy in &self.found {
            // Every sandbox is gone by now; if not, the next launcher's sweep finds the rest. `lambent` itself stays:
            // another server may be about to make its own directory in it.
            let _ = cgroup::remove(&hierarchy.directory);
        }
    }
}

/// Names a launcher for ever: instance, PID namespace, pid and start time.
pub(crate) fn owner(instance: &str) -> io::Result<String> {
    let pid = std::process::id();
    let start = protocol::process::stat(pid.cast_signed())?.start_ticks;
    Ok(format!("{instance}.{}.{pid}.{start}", pid_namespace()?))
}

/// Whether the launcher with this name is surely dead. One of another PID namespace cannot be judged from here.
pub(crate) fn owner_is_dead(name: &str) -> bool {
    let mut parts = name.rsplit('.').map(str::parse::<u64>);
    let (Some(Ok(start)), Some(Ok(pid)), Some(Ok(namespace))) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let (Ok(pid), Ok(ours)) = (i32::try_from(pid), pid_namespace()) else { return false };
    namespace == ours && !protocol::process::stat(pid).is_ok_and(|stat| stat.start_ticks == start)
}

fn pid_namespace() -> io::Result<u64> {
    Ok(fs::metadata("/proc/self/ns/pid")?.st_ino())
}

/// Kills what is inside, then removes the directory, a few times: the killed need a moment to go.
fn clear(directory: &Path) {
    for _ in 0..100 {
        for child in fs::read_dir(directory).into_iter().flatten().flatten() {
            if child.file_type().is_ok_and(|kind| kind.is_dir()) {
                cgroup::kill_all(&child.path());
                let _ = cgroup::remove(&child.path());
            }
        }
        cgroup::kill_all(directory);
        if cgroup::remove(directory).is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn hand_down(level: &Path, controller: &str) -> Result<(), String> {
    fs::write(level.join("cgroup.subtree_control"), format!("+{controller}")).map_err(|error| {
        format!("{} does not hand it down: {error} (a container's own cgroup cannot)", level.display())
    })
}

/// The hierarchies in a mountinfo file (proc(5)): generation, mount point, needed controllers of version 1.
fn parse(mountinfo: &str) -> Vec<(Generation, PathBuf, Vec<String>)> {
    let mut found: Vec<(Generation, PathBuf, Vec<String>)> = Vec::new();
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let Some(mount) = left.split(' ').nth(4) else { continue };
        let mut right = right.split(' ');
        let (kind, options) = (right.next(), right.nth(1).unwrap_or_default());
        let controllers: Vec<String> =
            options.split(',').filter(|option| NEEDED.contains(option)).map(str::to_owned).collect();
        let seen = |generation| found.iter().any(|(g, _, c)| *g == generation && *c == controllers);
        match kind {
            // The same hierarchy may be mounted twice; the first mount serves.
            Some("cgroup") if !controllers.is_empty() && !seen(Generation::V1) => {
                found.push((Generation::V1, mount.into(), controllers));
            }
            Some("cgroup2") if !found.iter().any(|(g, ..)| *g == Generation::V2) => {
                found.push((Generation::V2, mount.into(), Vec::new()));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_read_from_mountinfo() {
        let text = "30 25 0:26 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n\
                    31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                    32 25 0:27 / /mnt/again rw - cgroup cgroup rw,cpu,cpuacct\n\
                    33 25 0:28 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n\
                    34 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
                    35 25 8:1 / / rw - ext4 /dev/vda rw\n";
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            parse(text),
            [
                (Generation::V1, "/sys/fs/cgroup/memory".into(), names(&["memory"])),
                (Generation::V1, "/sys/fs/cgroup/cpu,cpuacct".into(), names(&["cpu"])),
                (Generation::V2, "/sys/fs/cgroup/unified".into(), names(&[])),
            ]
        );
    }

    #[test]
    fn only_a_launcher_that_is_surely_dead_is_dead() {
        let ours = owner("test").unwrap();
        assert!(!owner_is_dead(&ours));
        let (rest, _) = ours.rsplit_once('.').unwrap();
        assert!(owner_is_dead(&format!("{rest}.1")), "another start time is another process");
        assert!(!owner_is_dead("test.1.2.3"), "another namespace");
        assert!(!owner_is_dead("docker"));
    }
}
