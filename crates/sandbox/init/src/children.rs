//! Deaths, and killing.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use lambent_sandbox_protocol::process;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process};

/// Becomes readable when a child has died. Every signal is blocked from then on, so that none ends or stops init.
pub(crate) struct Deaths {
    signals: OwnedFd,
}

impl Deaths {
    pub(crate) fn watch() -> io::Result<Self> {
        // SAFETY: the sets live on this stack and are initialised by the calls that take them first; the result of
        // `signalfd` is a new descriptor that nobody else owns.
        #[allow(unsafe_code)]
        let signals = unsafe {
            let mut all = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            if libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut()) < 0 {
                return Err(io::Error::last_os_error());
            }
            let mut deaths = std::mem::zeroed();
            libc::sigemptyset(&raw mut deaths);
            libc::sigaddset(&raw mut deaths, libc::SIGCHLD);
            let fd = libc::signalfd(-1, &raw const deaths, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Self { signals })
    }

    /// Forgets the deaths noticed so far. Call it before reaping: a later death makes it readable again.
    pub(crate) fn clear(&self) {
        // Signals of one kind merge, so one read of a few records empties it; an empty one answers EAGAIN.
        let _ = rustix::io::read(&self.signals, &mut [0; 4 * size_of::<libc::signalfd_siginfo>()]);
    }
}

impl AsFd for Deaths {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signals.as_fd()
    }
}

/// What waiting for any child found.
pub(crate) enum Reaped {
    /// This one had died.
    One(Pid, WaitStatus),
    /// There are children, none has died.
    NoneDead,
    /// There is no child.
    NoChildren,
}

/// Waits for one dead child, without blocking.
pub(crate) fn wait_one() -> io::Result<Reaped> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => return Ok(Reaped::One(pid, status)),
            Ok(None) => return Ok(Reaped::NoneDead),
            Err(rustix::io::Errno::CHILD) => return Ok(Reaped::NoChildren),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends SIGKILL: to everything in the namespace, or to the direct children, whose own children then become ours.
pub(crate) fn kill(namespaced: bool) -> io::Result<()> {
    if namespaced {
        assert!(std::process::id() == 1, "only PID 1 of a namespace may kill all it can reach");
        // SAFETY: no memory is involved. -1 reaches this PID namespace alone, whose PID 1 it spares.
        #[allow(unsafe_code)]
        let killed = unsafe { libc::kill(-1, libc::SIGKILL) };
        return match io::Error::last_os_error() {
            // Nobody to be killed.
            error if killed < 0 && error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            error if killed < 0 => Err(error),
            _ => Ok(()),
        };
    }
    for pid in process::children(std::process::id().cast_signed())? {
        if let Some(pid) = Pid::from_raw(pid) {
            // It is our child and has not been waited for, so the number is its own. A program that changed its
            // user cannot be killed by us; the launcher's cgroup or the user has to.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    Ok(())
}
