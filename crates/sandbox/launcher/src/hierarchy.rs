//! Which cgroup hierarchies the host has, our place in each, and sweeping up after dead launchers.

use std::fs;
use std::io;
use std::os::linux::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use lambent_sandbox_protocol::{self as protocol, Cgroups, Controller};

use crate::cgroup::{self, FREEZER};
use crate::delegated::LEAF;

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
    /// Where we may make directories: the root of version 1; see [`place`] for version 2.
    base: PathBuf,
    /// `<base>/lambent/<owner>`.
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
                let base = if generation == Generation::V2 { place(mount) } else { mount };
                let directory = base.join("lambent").join(owner);
                Hierarchy { generation, controllers, base, directory }
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
        let found = vec![Hierarchy { generation, controllers, base: directory, directory: place }];
        let mut this = Self { found, reasons: Vec::new() };
        this.read_v2_controllers();
        this
    }

    fn read_v2_controllers(&mut self) {
        for hierarchy in self.found.iter_mut().filter(|found| found.generation == Generation::V2) {
            let listed = fs::read_to_string(hierarchy.base.join("cgroup.controllers")).unwrap_or_default();
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
                if let Err(error) = evacuate(&hierarchy.base) {
                    let reason = format!("{} cannot be emptied: {error}", hierarchy.base.display());
                    let without = hierarchy.controllers.drain(..).map(|name| (name, reason.clone()));
                    self.reasons.extend(without);
                }
                let reasons = &mut self.reasons;
                hierarchy.controllers.retain(|name| {
                    let parent = hierarchy.directory.parent().expect("it lies below the base");
                    let levels = [hierarchy.base.as_path(), parent, hierarchy.directory.as_path()];
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

    /// Why nothing can be frozen here; `None` when it can.
    pub(crate) fn freezer_error(&self) -> Option<String> {
        let v2 = self.found.iter().find(|found| found.generation == Generation::V2);
        match v2 {
            // Only children have the file; our own directory is one of the mount's or of what was delegated.
            Some(v2) if v2.directory.join("cgroup.freeze").exists() => None,
            Some(v2) => {
                Some(format!("{} has no cgroup.freeze, which Linux 5.2 brought", v2.directory.display()))
            }
            None if self.have(FREEZER) => None,
            None => {
                let known = self.reasons.iter().find(|(controller, _)| controller == FREEZER);
                let reason = known.map(|(_, reason)| reason.clone());
                Some(reason.unwrap_or_else(|| "no mounted cgroup hierarchy can freeze".to_owned()))
            }
        }
    }

    /// Each needed controller, with the reason where it is missing.
    pub(crate) fn controllers(&self) -> Vec<Controller> {
        let reason = |name: &str| {
            let known = self.reasons.iter().find(|(controller, _)| controller == name);
            let v2 = self.found.iter().find(|found| found.generation == Generation::V2);
            let unknown = || match v2 {
                Some(v2) => format!("the cgroup {} has not been given it", v2.base.display()),
                None => "no mounted cgroup hierarchy has it".to_owned(),
            };
            known.map_or_else(unknown, |(_, reason)| reason.clone())
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
        let names = NEEDED.iter().chain([&FREEZER]);
        let reasons = names.map(|name| ((*name).to_owned(), reason.to_owned())).collect();
        Self { found: Vec::new(), reasons }
    }

    /// Kills and removes what dead launchers have left; what is still dying stays for the next sweep.
    pub(crate) fn sweep(&self) {
        for hierarchy in &self.found {
            // A directory that cannot be listed holds nothing of ours.
            for owner in fs::read_dir(hierarchy.base.join("lambent")).into_iter().flatten().flatten() {
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

/// Where in version 2 our directories belong: in the cgroup that this process is in, if that was handed to us for the
/// purpose, otherwise in the root. The root of a container is not the kernel's; that is no difference here.
fn place(mount: PathBuf) -> PathBuf {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let own = own.strip_suffix(LEAF).map_or(own, |place| place.trim_end_matches('/'));
    // A path that leads up begins outside of what this mount shows.
    let own = Path::new(own).components().all(|part| matches!(part, Component::Normal(_))).then_some(own);
    own.map(|own| mount.join(own)).filter(|own| is_delegated(own)).unwrap_or(mount)
}

/// systemd marks what it leaves to a service (`Delegate=`, see "Control Group APIs and Delegation"). An ordinary user's
/// cgroup is found by `delegated.rs`.
fn is_delegated(directory: &Path) -> bool {
    let marked = |name: &str| {
        let mut value = [0; 8];
        rustix::fs::getxattr(directory, name, &mut value[..]).is_ok_and(|length| &value[..length] == b"1")
    };
    marked("trusted.delegate") || marked("user.delegate")
}

/// Gives a controller to the children of a cgroup.
fn hand_down(level: &Path, controller: &str) -> Result<(), String> {
    let result = fs::write(level.join("cgroup.subtree_control"), format!("+{controller}"));
    result.map_err(|error| format!("{} does not hand it down: {error}", level.display()))
}

/// Moves the processes of a service or a container that was handed to us into a child: a cgroup whose children have
/// controllers has no processes itself, but for the kernel's root. Not only when the kernel refuses: with the
/// controllers that threads can have (cpu, pids) it would take it for a wish to part threads, and make the children
/// unfit for processes (Linux: Documentation/admin-guide/cgroup-v2.rst, "Threads").
fn evacuate(level: &Path) -> io::Result<()> {
    // The kernel's root has no type.
    if !level.join("cgroup.type").exists() {
        return Ok(());
    }
    // Again, for those that were forked meanwhile.
    for _ in 0..10 {
        let listed = fs::read_to_string(level.join("cgroup.procs"))?;
        if listed.is_empty() {
            return Ok(());
        }
        let leaf = level.join(LEAF);
        match fs::create_dir(&leaf) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        for pid in listed.lines() {
            match fs::write(leaf.join("cgroup.procs"), pid) {
                // It has ended meanwhile.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                other => other?,
            }
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// The hierarchies in a mountinfo file (proc(5)): generation, mount point, needed controllers of version 1. Its freezer
/// is needed where version 2, which can do the same and better, is not mounted.
fn parse(mountinfo: &str) -> Vec<(Generation, PathBuf, Vec<String>)> {
    let mut found: Vec<(Generation, PathBuf, Vec<String>)> = Vec::new();
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let Some(mount) = left.split(' ').nth(4) else { continue };
        let mut right = right.split(' ');
        let (kind, options) = (right.next(), right.nth(1).unwrap_or_default());
        let needed = |option: &&str| NEEDED.contains(option) || *option == FREEZER;
        let controllers: Vec<String> = options.split(',').filter(needed).map(str::to_owned).collect();
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
    if found.iter().any(|(generation, ..)| *generation == Generation::V2) {
        found.iter_mut().for_each(|(.., controllers)| controllers.retain(|name| name != FREEZER));
        found.retain(|(generation, _, controllers)| *generation == Generation::V2 || !controllers.is_empty());
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
                    36 25 0:30 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n\
                    35 25 8:1 / / rw - ext4 /dev/vda rw\n";
        let both = format!("{text}34 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let limits = [
            (Generation::V1, "/sys/fs/cgroup/memory".into(), names(&["memory"])),
            (Generation::V1, "/sys/fs/cgroup/cpu,cpuacct".into(), names(&["cpu"])),
        ];
        let freezer = (Generation::V1, "/sys/fs/cgroup/freezer".into(), names(&["freezer"]));
        assert_eq!(parse(text), [&limits[..], &[freezer]].concat());
        let unified = (Generation::V2, "/sys/fs/cgroup/unified".into(), names(&[]));
        assert_eq!(
            parse(&both),
            [&limits[..], &[unified]].concat(),
            "version 2 freezes, where it is mounted"
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
