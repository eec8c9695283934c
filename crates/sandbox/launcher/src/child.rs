//! What the cloned process does until it has become init.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use lambent_sandbox_protocol::{self as protocol, Failure, Layout, Reach, Snapshotting, User, init_fd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    unmount,
};
use rustix::thread::UnshareFlags;
use seccompiler::BpfProgram;

use crate::privileges::Limits;
use crate::rights::Ids;
use crate::step::{Step, refused};
use crate::{privileges, template, tree};

/// What the child works with. All of it is a copy of the launcher's memory and descriptors.
pub(crate) struct Child<'a> {
    /// To the launcher: "go" comes in, a failure goes out, and `execve` closes it.
    pub(crate) setup: &'a OwnedFd,
    /// The program to become.
    pub(crate) init: &'a OwnedFd,
    /// Whether /tmp comes as a tree, right after the root.
    pub(crate) tmp: bool,
    /// Init's descriptors, in the order of their numbers from [`init_fd::CONTROL`] on.
    pub(crate) passed: &'a [OwnedFd],
}

/// Files of /proc that tell about the host or steer it.
const HIDDEN: [&str; 26] = [
    "acpi",
    "asound",
    "bootconfig",
    "cmdline",
    "config.gz",
    "diskstats",
    "driver",
    "dynamic_debug",
    "firmware",
    "interrupts",
    "iomem",
    "ioports",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "locks",
    "mdstat",
    "partitions",
    "sched_debug",
    "scsi",
    "sysrq-trigger",
    "timer_list",
];

/// Above every number that init is given.
const HIGH: i32 = 20;

/// Directories of /proc that are left to be read.
const FROZEN: [&str; 4] = ["bus", "fs", "irq", "sys"];

impl Child<'_> {
    /// Becomes init in a sandbox; comes back only to report why not.
    pub(crate) fn confine(
        &self,
        layout: &Layout,
        ids: Ids,
        limits: Limits,
        filters: &[BpfProgram],
    ) -> Failure {
        let result = self.enter(layout, ids).and_then(|()| privileges::give_up(ids, limits, filters, layout));
        self.finish(result)
    }

    /// Becomes init without any isolation, as the server's user, in the host's mount namespace.
    pub(crate) fn run_bare(&self, host_mounts: Option<&OwnedFd>, server: Option<User>) -> Failure {
        let result = self.await_go().and_then(|_| {
            if let Some(namespace) = host_mounts {
                let kind = Some(rustix::thread::LinkNameSpaceType::Mount);
                rustix::thread::move_into_link_name_space(namespace.as_fd(), kind)
                    .step("return to the host's mounts")?;
            }
            rustix::process::setsid().step("start a session")?;
            // Root's rights are the launcher's alone: a server that has none must not get any by asking for this.
            server.map_or(Ok(()), privileges::become_server)
        });
        self.finish(result)
    }

    fn finish(&self, result: Result<(), Failure>) -> Failure {
        // To a high number first: init's descriptors may take the present one.
        let channel = match rustix::io::fcntl_dupfd_cloexec(self.setup, HIGH) {
            Ok(channel) => channel,
            Err(error) => return refused(format!("keep the channel to the launcher: {error}")),
        };
        let failure = match result.and_then(|()| self.become_init(&channel)) {
            Ok(never) => match never {},
            Err(failure) => failure,
        };
        // If the launcher is gone as well, nobody is left to be told.
        let _ = protocol::send(&channel, &failure, &[]);
        failure
    }

    /// The launcher's word that maps, cgroups and trees are ready: the root, /tmp where it is one, then one tree for
    /// each mount.
    fn await_go(&self) -> Result<Vec<OwnedFd>, Failure> {
        match protocol::receive::<()>(self.setup) {
            Ok(Some(((), trees))) => Ok(trees),
            Ok(None) => Err(refused("the launcher gave up")),
            Err(error) => Err(refused(format!("the launcher's word did not come: {error}"))),
        }
    }

    fn enter(&self, layout: &Layout, ids: Ids) -> Result<(), Failure> {
        let trees = self.await_go()?;
        // The maps are written: from "nobody" to root of the user namespace, so that what is made here is root's. A
        // process has every capability in the namespace it was cloned into, whoever it is there: without a root it
        // stays who it is.
        if ids.have_root() {
            privileges::become_user(0)?;
        }
        // SAFETY: one thread.
        #[allow(unsafe_code)]
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWCGROUP) }
            .step("leave the cgroup namespace")?;
        rustix::process::setsid().step("start a session")?;
        new_session_keyring().step("start a session keyring")?;
        rustix::system::sethostname(template::HOSTNAME.as_bytes()).step("set the host name")?;
        if layout.reach == Reach::Loopback {
            loopback_up().step("bring up loopback")?;
        }
        compose(layout, &trees, self.tmp)?;
        if layout.reach == Reach::Loopback && layout.lowest_port < 1024 {
            // Only in this network namespace; init has no capability to bind the platform's port otherwise.
            let port = layout.lowest_port.to_string();
            fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", port)
                .step("allow the platform's port")?;
        }
        if layout.snapshots == Snapshotting::Take {
            let last = (protocol::FIRST_PID - 1).to_string();
            fs::write("/proc/sys/kernel/ns_last_pid", last).step("choose the numbers of processes")?;
        }
        // Last: the lines above are the only writes to /proc/sys.
        restrict_proc()
    }

    /// Puts init's descriptors at their numbers, closes all others, and execs.
    fn become_init(&self, channel: &OwnedFd) -> Result<std::convert::Infallible, Failure> {
        let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .step("open /dev/null")?;
        let init = rustix::io::fcntl_dupfd_cloexec(self.init, HIGH).step("arrange descriptors")?;
        let standard = (0..3).map(|number| (&null, number));
        place(standard.chain(self.passed.iter().zip(init_fd::CONTROL..)))?;
        // It may have had one of these numbers.
        std::mem::forget(null);
        close_others(init_fd::TELEMETRY + 1, &[init.as_raw_fd(), channel.as_raw_fd()])
            .step("close descriptors")?;
        let argv = [c"lambent-init".as_ptr(), std::ptr::null()];
        let empty = [std::ptr::null::<libc::c_char>()];
        // SAFETY: both lists end with a null pointer and outlive the call.
        #[allow(unsafe_code)]
        unsafe {
            libc::syscall(
                libc::SYS_execveat,
                init.as_raw_fd(),
                c"".as_ptr(),
                argv.as_ptr(),
                empty.as_ptr(),
                libc::AT_EMPTY_PATH,
            );
        }
        Err(io::Error::last_os_error()).step("execute init")
    }
}

/// Assembles the root on top of the old one, moves into it and lets the old one go.
fn compose(layout: &Layout, trees: &[OwnedFd], has_tmp: bool) -> Result<(), Failure> {
    let missing = || refused("the launcher sent too few trees");
    let (root, mounts) = trees.split_first().ok_or_else(missing)?;
    let (tmp, mounts) = if has_tmp {
        let (tmp, mounts) = mounts.split_first().ok_or_else(missing)?;
        (Some(tmp), mounts)
    } else {
        (None, mounts)
    };
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .step("make mounts private")?;
    tree::attach(root, CWD, "/").step("attach the root")?;
    // From here on relative to the new root: "/" still names the old one below it.
    rustix::process::fchdir(root).step("enter the root")?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    // While the host's /proc is still in sight, which the kernel demands of whoever mounts another.
    mount("proc", "proc", "proc", flags | MountFlags::NOEXEC, None::<&CStr>).step("mount /proc")?;
    match tmp {
        Some(tree) => tree::attach(tree, CWD, "tmp").step("mount /tmp")?,
        None => {
            // As many files as ext4 would have in that size; a tmpfs by itself allows millions, each of which is
            // memory of the kernel's.
            let inodes = (layout.tmp / 16_384).max(1024);
            let options = format!("mode=1777,size={},nr_inodes={inodes}", layout.tmp);
            let options = std::ffi::CString::new(options).expect("no zero in it");
            mount("tmpfs", "tmp", "tmpfs", flags, Some(options.as_c_str())).step("mount /tmp")?;
        }
    }
    for (tree, target) in mounts.iter().zip(targets(layout)) {
        tree::attach(tree, CWD, target.trim_start_matches('/')).step(&format!("mount {target}"))?;
    }
    // With the same directory for both, the old root is mounted over the new one, and goes with the next call.
    rustix::process::pivot_root(".", ".").step("pivot into the root")?;
    unmount(".", UnmountFlags::DETACH).step("let go of the host's root")?;
    rustix::process::chdir("/").step("enter the root")
}

/// Where the trees after root and /tmp belong, in the order in which the launcher sends them.
pub(crate) fn targets(layout: &Layout) -> Vec<&'static str> {
    let resolver = (layout.reach == Reach::Host).then_some("/etc/resolv.conf");
    layout.trees.iter().map(|tree| tree.target.path()).chain(resolver).collect()
}

fn restrict_proc() -> Result<(), Failure> {
    let proc = Path::new("/proc");
    for name in HIDDEN {
        let path = proc.join(name);
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        // /dev/null reads as empty. Both sources lie on the sealed root, so the covers are read-only too.
        let cover =
            if found.is_dir() { Path::new("/").join(template::EMPTY_DIRECTORY) } else { "/dev/null".into() };
        mount_bind(&cover, &path).step(&format!("hide {}", path.display()))?;
    }
    for name in FROZEN {
        let path = proc.join(name);
        if !path.exists() {
            continue;
        }
        let what = format!("make {} read-only", path.display());
        mount_bind_recursive(&path, &path).step(&what)?;
        let flags = MountFlags::BIND
            | MountFlags::RDONLY
            | MountFlags::NOSUID
            | MountFlags::NODEV
            | MountFlags::NOEXEC;
        rustix::mount::mount_remount(&path, flags, "").step(&what)?;
    }
    Ok(())
}

/// Without one, the sandbox would share the keyring of the server's session.
fn new_session_keyring() -> io::Result<()> {
    const JOIN_SESSION_KEYRING: i32 = 1;
    // SAFETY: a null name asks for an anonymous keyring.
    #[allow(unsafe_code)]
    let result =
        unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>()) };
    match io::Error::last_os_error() {
        // A kernel without keyrings, or a container whose own filter refuses: there is none to share then.
        error if result < 0 && !matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

fn loopback_up() -> io::Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: all zeroes is a valid `ifreq`; the name and the flags below are the members this call reads.
    #[allow(unsafe_code)]
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, letter) in request.ifr_name.iter_mut().zip(*b"lo") {
        *place = letter.cast_signed();
    }
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_UP | libc::IFF_RUNNING).expect("two low bits");
    // SAFETY: the structure outlives the call and has the size that this request expects.
    #[allow(unsafe_code)]
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Puts copies of descriptors at these numbers, all of them below [`HIGH`]. For a process that ends in execve or `_exit`: what
/// was open there is closed, whoever thinks to own it, and further copies stay open at higher numbers.
pub(crate) fn place<'a>(wanted: impl Iterator<Item = (&'a OwnedFd, i32)>) -> Result<(), Failure> {
    let what = "arrange descriptors";
    // First to high numbers, so that no target is a source still needed.
    let high = |(fd, number)| Ok((rustix::io::fcntl_dupfd_cloexec(fd, HIGH).step(what)?, number));
    for (fd, number) in wanted.map(high).collect::<Result<Vec<_>, Failure>>()? {
        // SAFETY: numbers only. What was open at the target is owned by copies of the launcher's values that this process
        // neither uses nor drops any more.
        #[allow(unsafe_code)]
        if unsafe { libc::dup2(fd.as_raw_fd(), number) } < 0 {
            return Err(io::Error::last_os_error()).step(what);
        }
    }
    Ok(())
}

/// Closes everything from `first` on but `kept`.
pub(crate) fn close_others(first: i32, kept: &[i32]) -> io::Result<()> {
    let mut kept = kept.to_vec();
    kept.sort_unstable();
    let mut from = first;
    for end in kept.into_iter().chain([i32::MAX]) {
        if from < end {
            // SAFETY: numbers only; see the note at `dup2`.
            #[allow(unsafe_code)]
            let result = unsafe { libc::syscall(libc::SYS_close_range, from, end - 1, 0) };
            if result < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        from = end.saturating_add(1);
    }
    Ok(())
}

/// A descriptor of the caller's that outlives the child.
pub(crate) fn borrow(fds: &[OwnedFd]) -> Vec<BorrowedFd<'_>> {
    fds.iter().map(AsFd::as_fd).collect()
}
