//! What the launcher may do on this host, found out once at its start. Whatever differs between the two kinds of
//! rights is asked of [`Rights`] and [`Ids`]; nothing else looks at the user.
//!
//! As root every sandbox has a range of user ids of its own. An ordinary user has one id to give, the own: the
//! launcher becomes root of a user namespace in which that id is the only one, and each sandbox is a child of it.
//!
//! ```text
//! as root:     host (0 … 2³²)  ──▶ sandbox (0 … 65535 = a range of its own)
//! rootless:    host (1000)     ──▶ launcher (0 = 1000) ──▶ sandbox (1051 = 0 = 1000)
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use lambent_sandbox_protocol::{Failure, process};
use rustix::thread::UnshareFlags;

use crate::privileges::FUNCTION_UID;
use crate::step::{Step, refused};
use crate::uids::{RANGE, Range, Ranges};

/// Where root keeps the locks on ranges of user ids, and the mount point of the template root.
const STATE: &str = "/run/lambent";

/// Mount points for the template root of an ordinary user, who cannot make one where it would not outlive a crash.
/// The mount covers the directory in the launcher's own mount namespace alone; nobody else sees it, and nothing
/// below these belongs to an ordinary user's functions or interpreters.
const COVERED: [&str; 4] = ["/root", "/lost+found", "/var/empty", "/boot"];

/// What the launcher may do.
pub(crate) enum Rights {
    /// Root, over ids of which it can give away ranges.
    Root(Ranges),
    /// An ordinary user.
    Rootless,
}

/// The ids of one sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ids {
    /// A range, in which 0 is root of the sandbox and sets it up.
    Range(Range),
    /// The launcher's one id, which is the function's inside. There is no root.
    Single,
}

impl Rights {
    /// Looks at the user, its capabilities and the ids that exist here.
    pub(crate) fn find() -> Result<Self, Failure> {
        let root = rustix::process::geteuid().is_root();
        let capable = process::has_roots_rights().step("read the capabilities")?;
        if root && capable {
            return Ok(Self::Root(Ranges::new(PathBuf::from(STATE))));
        }
        // A function must never be the host's root, not even without a capability.
        let map = fs::read_to_string("/proc/self/uid_map").step("read /proc/self/uid_map")?;
        if root && outside(&map, 0).is_none_or(|id| id == 0) {
            return Err(refused(
                "root lacks the rights of root here (a container without CAP_SYS_ADMIN): start the server as an \
                 ordinary user, or the container with --privileged",
            ));
        }
        Ok(Self::Rootless)
    }

    pub(crate) fn is_root(&self) -> bool {
        matches!(self, Self::Root(_))
    }

    /// Takes what is needed to make sandboxes: nothing for root; an ordinary user becomes root of a user namespace,
    /// out of which there is no way back.
    pub(crate) fn take_possession(&self) -> Result<(), Failure> {
        match self {
            Self::Root(_) => Ok(()),
            Self::Rootless => enter_user_namespace(),
        }
    }

    /// The mount point of the template root.
    pub(crate) fn template_root(&self) -> Result<PathBuf, Failure> {
        match self {
            Self::Root(_) => Ok(Path::new(STATE).join("root")),
            Self::Rootless => {
                let found = COVERED.iter().map(Path::new).find(|path| path.is_dir());
                found.map(Path::to_path_buf).ok_or_else(|| {
                    refused(format!("the host has no directory for the root, none of {}", COVERED.join(", ")))
                })
            }
        }
    }

    /// Ids for one more sandbox.
    pub(crate) fn take_ids(&mut self) -> Result<Ids, Failure> {
        match self {
            Self::Root(ranges) => ranges.take().map(Ids::Range),
            Self::Rootless => Ok(Ids::Single),
        }
    }

    /// Takes ids back. No process that has them may be left.
    pub(crate) fn release(&mut self, ids: Ids) {
        if let (Self::Root(ranges), Ids::Range(range)) = (self, ids) {
            ranges.release(range);
        }
    }
}

impl Ids {
    /// The line for `uid_map` and `gid_map` (user_namespaces(7)): first id inside, first id in the launcher's
    /// namespace, how many.
    pub(crate) fn map(self) -> String {
        match self {
            Self::Range(range) => format!("0 {} {RANGE}\n", range.0),
            Self::Single => format!("{FUNCTION_UID} 0 1\n"),
        }
    }

    /// Whether the sandbox has a root besides the function's user, who sets it up and owns what is made.
    pub(crate) fn have_root(self) -> bool {
        matches!(self, Self::Range(_))
    }
}

/// Becomes root of a user namespace in which the own id is the only one (user_namespaces(7)).
fn enter_user_namespace() -> Result<(), Failure> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    // SAFETY: this program has one thread, so no other is surprised by the change.
    #[allow(unsafe_code)]
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER) }.step("make a user namespace")?;
    // The kernel lets an ordinary user map a group only where groups cannot be left, by which a file could be
    // opened that is forbidden to a group.
    fs::write("/proc/self/setgroups", "deny").step("give up changing groups")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1\n")).step("map the user")?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1\n")).step("map the group")
}

/// What an id is outside of the namespace.
fn outside(map: &str, id: u32) -> Option<u64> {
    let id = u64::from(id);
    process::id_map(map).find_map(|[inside, outside, count]| {
        let offset = id.checked_sub(inside).filter(|offset| *offset < count)?;
        Some(outside + offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_says_which_ids_exist() {
        let (host, container) = ("         0          0 4294967295\n", "0 1000 1\n1 100000 65536\n");
        assert_eq!(outside(host, 0), Some(0));
        assert_eq!(outside(container, 0), Some(1000));
        assert_eq!(outside(container, 2), Some(100_001));
        assert_eq!(outside(container, 65_537), None);
        assert_eq!(outside("", 0), None);
    }
}
