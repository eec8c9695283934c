//! The part of the cgroup hierarchy that was handed to an ordinary user (systemd: `Delegate=yes`; Linux:
//! Documentation/admin-guide/cgroup-v2.rst, "Delegation").
//!
//! A cgroup that hands controllers down may have no processes of its own. So those that are in ours, this one and
//! the server, go to a leaf, and the sandboxes get their places beside it:
//!
//! ```text
//! lambent.scope ─┬─ lambent-server                 the server, the launcher
//!                └─ lambent ── <owner> ─┬─ <id>    a sandbox
//!                                       └─ <id>
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use lambent_sandbox_protocol::process;

/// Where those go that were in the cgroup.
pub(crate) const LEAF: &str = "lambent-server";

/// The directory of our cgroup of version 2, emptied of processes; or why it cannot be divided.
pub(crate) fn prepare() -> Result<PathBuf, String> {
    let read =
        |path: &str| fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"));
    let directory = locate(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?)
        .ok_or("no cgroup of version 2 is mounted here")?;
    let shown = directory.display();
    let members = fs::read_to_string(directory.join("cgroup.procs"));
    let members = members.map_err(|error| format!("the cgroup {shown} cannot be read: {error}"))?;
    let leaf = directory.join(LEAF);
    match fs::create_dir(&leaf) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(format!("the cgroup {shown} is not delegated to this user"));
        }
        _ => {}
    }
    let members: Vec<i32> = members.lines().filter_map(|line| line.parse().ok()).collect();
    if let Some(stranger) = members.iter().find(|pid| !is_family(**pid)) {
        // Best effort: it is in nobody's way.
        let _ = fs::remove_dir(&leaf);
        return Err(format!("the cgroup {shown} has other processes as well, such as {stranger}"));
    }
    for pid in members {
        match fs::write(leaf.join("cgroup.procs"), pid.to_string()) {
            // It has ended meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            other => other.map_err(|error| format!("process {pid} cannot be moved in {shown}: {error}"))?,
        }
    }
    Ok(directory)
}

/// Whether a process is the launcher, the server or started by it. Those of others, such as the shell of a terminal,
/// are not ours to be moved.
fn is_family(pid: i32) -> bool {
    let server = rustix::process::getppid().map(rustix::process::Pid::as_raw_pid);
    let mut ancestor = pid;
    while ancestor > 1 {
        if Some(ancestor) == server {
            return true;
        }
        match process::stat(ancestor) {
            Ok(stat) => ancestor = stat.parent,
            // It has ended: then it need not be moved.
            Err(_) => return true,
        }
    }
    false
}

/// The directory of the cgroup of version 2 that /proc/self/cgroup names, by the mounts of /proc/self/mountinfo. Of
/// our leaf it is the parent.
fn locate(mountinfo: &str, membership: &str) -> Option<PathBuf> {
    let path = Path::new(membership.lines().find_map(|line| line.strip_prefix("0::"))?);
    let directory = mountinfo.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut fields = left.split(' ').skip(3);
        let (root, mount) = (fields.next()?, fields.next()?);
        // The root of the mount, as seen from the root of our cgroup namespace.
        let below = path.strip_prefix(root).ok().filter(|_| right.starts_with("cgroup2 "))?;
        Some(Path::new(mount).join(below))
    })?;
    let is_leaf = path.file_name().is_some_and(|name| name == LEAF);
    if is_leaf { directory.parent().map(Path::to_path_buf) } else { Some(directory) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cgroup_is_found_below_its_mount() {
        let mounts =
            "35 25 8:1 / / rw - ext4 /dev/vda rw\n34 25 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let found = |mounts, path: &str| locate(mounts, &format!("1:name=x:/y\n0::{path}\n"));
        let scope = Some("/sys/fs/cgroup/user.slice/lambent.scope".into());
        assert_eq!(found(mounts, "/user.slice/lambent.scope"), scope);
        assert_eq!(found(mounts, "/user.slice/lambent.scope/lambent-server"), scope);
        assert_eq!(found(mounts, "/"), Some("/sys/fs/cgroup/".into()));
        let part = "34 25 0:29 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        assert_eq!(found(part, "/docker/1/x"), Some("/sys/fs/cgroup/x".into()));
        assert_eq!(found(part, "/docker/2"), None, "another container's");
        assert_eq!(locate(mounts, "4:memory:/x\n"), None);
    }

    #[test]
    fn neither_init_nor_what_it_started_is_family() {
        assert!(!is_family(1));
        assert!(is_family(std::process::id().cast_signed()));
    }
}
