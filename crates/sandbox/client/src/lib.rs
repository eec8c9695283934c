//! The server's side of the sandbox: ask the launcher for a sandbox, start programs in it, learn how they end.
//!
//! What is behind this contract today are namespaces (`Isolation::Namespaces`) and a bare process tree
//! (`Isolation::Process`, no isolation, by name only). SnapStart and microVMs will stand behind the same contract,
//! which is why the Runtime API is reached through [`Endpoint`] and not through a socket of the host.

mod channel;
mod control;
mod datagrams;
mod endpoint;
mod error;
mod launcher;
mod programs;
mod resolver;
mod rights;
mod sandbox;
mod snapshot;
mod unpack;
mod usage;
mod waiting;

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use lambent_model::{Bytes, EnvironmentId};
pub use lambent_sandbox_protocol::{
    Cgroups, Controller, Ends, Failure, Freezer, Host, Snapshotting, UnpackEnd, User,
};

pub use crate::control::Control;
pub use crate::datagrams::Datagrams;
pub use crate::endpoint::{Connection, Endpoint};
pub use crate::error::Error;
pub use crate::launcher::{
    Launcher, NatOptions, Options, SnapshotOptions, Spawned, Trees, declarations, declare, probe,
};
pub use crate::programs::EmbeddedProgram;
pub use crate::rights::{GiveUpError, give_up};
pub use crate::sandbox::Sandbox;
pub use crate::snapshot::Snapshot;
pub use crate::unpack::Unpacked;
pub use crate::waiting::{Foretell, Waiting};
pub use lambent_sandbox_protocol::process::{PROGRAM_IDS, SERVER_ID, has_roots_rights};

/// The Runtime API's port on 127.0.0.1 in every sandbox that has its own network.
pub const RUNTIME_API_PORT: u16 = 9001;

/// The port of X-Ray's daemon, likewise, by UDP.
pub const XRAY_PORT: u16 = 2000;

/// What keeps functions apart from the host and from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// User, mount, pid, network, IPC, UTS and cgroup namespaces, a composed root, seccomp, limits.
    Namespaces,
    /// None at all: the function is a process of the server's user. For one's own code, by name only.
    Process,
}

/// What a sandbox's network reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Loopback of its own; the platform's endpoints are bound there.
    None,
    /// That, and the outside by address translation: names and what they stand for, but not the host, other sandboxes,
    /// metadata services or, unless [`NatOptions::private`] says so, private networks.
    Nat,
    /// The host's network stack, unshared.
    Host,
}

/// A directory of the host shown read-only inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// An absolute path on the host.
    pub source: PathBuf,
    /// Where it appears: `/var/task`, `/opt`, `/var/lang`, `/var/runtime`.
    pub target: &'static str,
}

/// One sandbox to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Names the sandbox in the launcher, in cgroups and in errors.
    pub id: EnvironmentId,
    /// How it is kept apart.
    pub isolation: Isolation,
    /// What its network reaches.
    pub network: Network,
    /// The read-only directories of the function. The rest of the root is composed by the launcher.
    pub mounts: Vec<Mount>,
    /// Hard limit of memory. Kept where [`Host::controllers`] has `memory`. What the kernel keeps of files, those in
    /// `/tmp` too, counts as long as there is room and is dropped when there is not; only where [`Host::tmp_error`]
    /// makes `/tmp` a tmpfs does its content count in full.
    pub memory: Bytes,
    /// Bytes that the function can write to `/tmp`; beyond them a write fails with ENOSPC. `/tmp` is the sandbox's
    /// own, empty at first, kept across [`Control::reset`] and gone with the sandbox. It takes space on the host's
    /// disk only as it is filled, so all of them together may promise more than there is; a launch is refused when
    /// the disk of [`Options::scratch`] has less free than 2 % (at least 256 MiB, at most 1 GiB). Without isolation
    /// `/tmp` is the host's and has no such limit.
    pub tmp: Bytes,
    /// Processes and threads. Kept where [`Host::controllers`] has `pids`, and by a limit per user in namespaces.
    pub pids: u32,
    /// Whether [`Control::snapshot`] or [`Control::restore`] is to be asked for. Such a sandbox does without the second fence
    /// of Landlock.
    pub snapshots: Snapshotting,
}

/// What of a sandbox can be made before its function is known. Functions whose sandboxes are of equal kinds can each be
/// given the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Directories that are the same for all these functions.
    pub mounts: Vec<Mount>,
    /// The program that all of them have, started to wait for the rest; `None` if each has its own.
    pub program: Option<Program>,
    /// The memory until the function's own is set: no function of this kind has less.
    pub memory: Bytes,
    /// The size of `/tmp`, which cannot be exchanged: where there is Landlock, its rules are of the one that is there at
    /// the start.
    pub tmp: Bytes,
}

/// A program to run as the function's user inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Path inside the sandbox and arguments; the first is both the file and `argv[0]`.
    pub argv: Vec<OsString>,
    /// The whole environment, nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory, `/var/task` for a function.
    pub cwd: PathBuf,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It returned this exit code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

/// What the sandbox reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The program could not be started; `errno` of `execve`, as in "permission denied" or "exec format error".
    StartFailed {
        /// The operating system's error number.
        errno: i32,
    },
    /// The program that [`Control::start`] started has ended.
    Exited(Exit),
    /// An extension could not be started; `errno` as in `StartFailed`.
    ExtensionStartFailed {
        /// The slot that it was to have.
        slot: u8,
        /// The operating system's error number.
        errno: i32,
    },
    /// An extension has ended.
    ExtensionExited {
        /// Its slot, which is free again.
        slot: u8,
        /// How.
        exit: Exit,
    },
    /// Every process of the sandbox but init is gone, as [`Control::reset`] asked.
    Reset,
    /// The sandbox is gone with all that was in it.
    Gone {
        /// Why, for the server's log.
        reason: String,
    },
}

/// What the sandbox has used since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Peak of memory; `None` where no cgroup counts it.
    pub memory_peak: Option<Bytes>,
    /// Processes killed for lack of memory.
    pub oom_kills: u64,
}

/// File descriptors that the function writes to and the server reads from.
#[derive(Debug)]
pub struct Output {
    /// Standard output and standard error, one pipe, in the order written. It blocks until a reader such as
    /// tokio's `pipe::Receiver` changes that, and ends with the sandbox, not with a program.
    pub stdio: OwnedFd,
    /// Framed records of managed runtimes (`_LAMBDA_TELEMETRY_LOG_FD`), read end.
    pub telemetry: OwnedFd,
}
