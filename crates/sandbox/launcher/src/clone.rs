//! Making a process with namespaces, a pidfd and a cgroup in one call.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// The namespaces of a sandbox that `clone3` makes. The cgroup namespace comes later: its root is the cgroup that
/// the process is in at that moment.
pub(crate) const NAMESPACES: i32 =
    libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// linux/sched.h; the constant of the libc crate is too narrow for its value.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// A process of ours that has not been waited for, so that its number cannot have gone to another.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
}

impl Process {
    /// Ends it, and with it the namespace whose PID 1 it is.
    pub(crate) fn kill(&self) {
        // It may be dead already; there is nothing else that can fail.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, rustix::process::Signal::KILL);
    }
}

/// Clones this process; `None` in the child, which has a copy of everything.
pub(crate) fn clone_process(namespaces: i32, cgroup: Option<&OwnedFd>) -> io::Result<Option<Process>> {
    let mut pidfd: i32 = -1;
    let into_cgroup = cgroup.map_or(0, |_| CLONE_INTO_CGROUP);
    // SAFETY: an all-zero structure is what the kernel takes as "nothing asked for".
    #[allow(unsafe_code)]
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from((namespaces | libc::CLONE_PIDFD).cast_unsigned()) | into_cgroup;
    arguments.pidfd = (&raw mut pidfd).expose_provenance() as u64;
    arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    arguments.cgroup = cgroup.map_or(0, |fd| u64::from(fd.as_raw_fd().unsigned_abs()));
    // SAFETY: this program has one thread and shares no memory with the child (no CLONE_VM), so the child is a full
    // copy that may go on where it is. The structure and the pidfd's place outlive the call.
    #[allow(unsafe_code)]
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>()) };
    match i32::try_from(pid).expect("a pid fits") {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => {
            // SAFETY: the kernel has just made this descriptor for us.
            #[allow(unsafe_code)]
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Some(Process { pid, pidfd }))
        }
    }
}
