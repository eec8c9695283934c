//! The router's way out for an ordinary user: slirp4netns(1), which ends the router's connections and opens its own in
//! their place, as the user that it runs as.
//!
//! It reaches whatever that user reaches, the host's own addresses too. The router's rules keep functions from them: the
//! host's loopback is closed in the program besides, and its own addresses are link-local ones.

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lambent_sandbox_protocol::Failure;
use rustix::io::FdFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::UPLINK;
use crate::step::{Step, refused};

/// Where distributions keep it. The launcher has no PATH.
const PLACES: [&str; 4] = [
    "/usr/bin/slirp4netns",
    "/usr/local/bin/slirp4netns",
    "/bin/slirp4netns",
    "/run/current-system/sw/bin/slirp4netns",
];

/// Its own network, link-local like everything that is not to be reached from a function.
const NETWORK: &str = "169.254.112.0/24";

/// The running program. It ends when `alive` is closed, whether by us or by our death.
pub(super) struct Slirp {
    child: Child,
    ended: OwnedFd,
    alive: OwnedFd,
}

impl Slirp {
    /// Starts it, from the host's network namespace, in which it stays.
    pub(super) fn start(router: &OwnedFd) -> Result<Self, Failure> {
        let program = find(&PLACES)?;
        let pipe = || pipe_with(PipeFlags::CLOEXEC).step("make a pipe to slirp4netns");
        let ((readiness, ready), (watched, alive)) = (pipe()?, pipe()?);
        // These two are the program's, so they stay open when it is executed; nothing else is, meanwhile.
        for theirs in [&ready, &watched] {
            rustix::io::fcntl_setfd(theirs, FdFlags::empty()).step("pass a pipe to slirp4netns")?;
        }
        let mut command = Command::new(program);
        command
            .args(["--configure", "--mtu=1500", "--cidr", NETWORK])
            // The host's loopback and its resolver are nobody's business inside.
            .args(["--disable-host-loopback", "--disable-dns", "--enable-sandbox", "--enable-seccomp"])
            .arg(format!("--ready-fd={}", ready.as_raw_fd()))
            .arg(format!("--exit-fd={}", watched.as_raw_fd()))
            .arg("--netns-type=path")
            .arg(format!("/proc/{}/fd/{}", std::process::id(), router.as_raw_fd()))
            .arg(UPLINK)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().step("start slirp4netns")?;
        drop((ready, watched));
        let mut word = [0];
        match std::fs::File::from(readiness).read(&mut word) {
            Ok(1) => {}
            _ => return Err(failure(child)),
        }
        // From here on it has nothing to say that anybody would read.
        child.stderr = None;
        let pid = Pid::from_child(&child);
        let ended = pidfd_open(pid, PidfdFlags::empty()).step("watch slirp4netns")?;
        Ok(Self { child, ended, alive })
    }

    pub(super) fn ended(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    pub(super) fn remove(self) -> Result<(), Failure> {
        let Self { mut child, alive, .. } = self;
        drop(alive);
        child.wait().step("wait for slirp4netns").map(|_| ())
    }
}

/// Whether it could be started, without doing so.
pub(super) fn check() -> Result<(), Failure> {
    find(&PLACES)?;
    let device = std::fs::File::options().read(true).write(true).open("/dev/net/tun");
    device.map(|_| ()).step(DEVICE)
}

/// The remedy is in the step's name, since the error of the system says the rest.
const DEVICE: &str =
    "open /dev/net/tun, which every user has to be able to (mode 0666, as on most distributions)";

fn find(places: &[&'static str]) -> Result<&'static Path, Failure> {
    let found = places.iter().copied().map(Path::new).find(|path| path.exists());
    found.ok_or_else(|| {
        refused(
            "the program slirp4netns is missing, without which only root has a way out: install slirp4netns",
        )
    })
}

/// What it said before it ended.
fn failure(mut child: Child) -> Failure {
    let mut said = String::new();
    let read = child.stderr.take().map(|stderr| stderr.take(4096).read_to_string(&mut said));
    // It has closed its word of readiness, so it is ending; what it says may still be read.
    let _ = (read, child.wait());
    let said = said.lines().rfind(|line| !line.starts_with("WARNING")).unwrap_or("it said nothing");
    let remedy = if said.contains("/dev/net/tun") {
        "; let every user open /dev/net/tun (mode 0666, as most distributions have it)"
    } else {
        ""
    };
    refused(format!("slirp4netns failed: {said}{remedy}"))
}
