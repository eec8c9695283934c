//! The messages themselves. Fields are plain: the launcher and init check what they are told before they act on it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{Image, Raw, Restore, Snapshot, Snapshots};

/// What the server asks of the launcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ToLauncher {
    /// First message, the only one that is trusted: the server sends it before it gives up its rights. Descriptors: the
    /// program init, the program unpack, and where there is one a channel on which a [`Declaration`] will come.
    Hello {
        /// [`crate::VERSION`] of the sender.
        version: u32,
        /// Names the server's cgroups: letters, digits, `-` and `_`.
        instance: String,
        /// What the launcher is started for.
        purpose: Purpose,
        /// Absolute path of the folder for the content of `/tmp`, which the launcher makes where it is missing.
        /// Without one `/tmp` is a tmpfs.
        scratch: Option<Raw>,
        /// What to prepare for [`Reach::Nat`]; absent prepares nothing, and such a launch is refused.
        nat: Option<Nat>,
        /// Whom the server becomes; absent where it stays the launcher's own user.
        server: Option<User>,
        /// What sandboxes may be shown.
        trees: Trees,
        /// What snapshots need; absent where there are to be none.
        snapshots: Option<Snapshots>,
    },
    /// Make a sandbox. Descriptors: init's end of its channel, write end of stdio, write end of telemetry.
    Launch(Launch),
    /// Give an open sandbox what it was waiting for. Answered by [`FromLauncher::Assigned`].
    Assign(Assign),
    /// Change how much CPU a sandbox may use.
    SetCpu {
        /// The sandbox.
        id: String,
        /// Thousandths of one CPU; absent is no limit.
        millis: Option<u32>,
    },
    /// End a sandbox at once.
    Kill {
        /// The sandbox.
        id: String,
    },
    /// Run the unpack program. Descriptors: the zip, open for reading alone; an empty directory of the server's user;
    /// the write end of the pipe for the program's answer.
    Unpack(Unpack),
    /// End the unpack program at once. [`FromLauncher::Unpacked`] follows all the same.
    StopUnpack {
        /// The work.
        id: u64,
    },
    /// Take a snapshot of a sandbox's program.
    Snapshot(Snapshot),
    /// Bring a snapshot to life.
    Restore(Restore),
    /// Remove a snapshot, if there is one of this name. Not answered.
    Forget {
        /// The snapshot.
        snapshot: String,
    },
}

/// A user and group of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The user's id, never root's.
    pub uid: u32,
    /// The group's id, never root's.
    pub gid: u32,
}

/// The directories of the host that sandboxes may be shown, named before the server has read anything foreign. What
/// is neither named nor beneath a named place is refused, whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trees {
    /// Every directory beneath these: deployment packages, runtime clients.
    pub beneath: Vec<Raw>,
    /// Each of these directories.
    pub folders: Vec<Raw>,
}

/// Further folders of [`Trees`], from the process that looks for interpreters while the server starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// Absolute paths without symbolic links.
    pub folders: Vec<Raw>,
}

/// A zip to be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unpack {
    /// Names the work in later messages. No two at a time have the same.
    pub id: u64,
    /// Bytes that the zip may unpack to.
    pub bytes: u64,
    /// Files and directories that it may unpack to.
    pub entries: u32,
}

/// How sandboxes reach the outside by address translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nat {
    /// Whether they may reach private networks (RFC 1918, RFC 6598) through the host.
    pub private: bool,
    /// [`Layout::lowest_port`] of every sandbox, since their networks are made before them.
    pub lowest_port: u16,
}

/// What a launcher is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// To make sandboxes in namespaces, after sweeping up what a dead launcher has left. As root it makes sandboxes
    /// without isolation as well.
    Serve,
    /// The same for sandboxes without isolation alone. An ordinary user's launcher has to choose: to make namespaces
    /// it enters one itself, out of which no program could be started as that user.
    Bare,
    /// To report what the host offers, changing nothing.
    Probe,
}

/// A sandbox to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// Names it in later messages and in cgroups: letters, digits and `-`.
    pub id: String,
    /// How it is kept apart from the host.
    pub confinement: Confinement,
    /// Bytes of memory.
    pub memory: u64,
    /// Processes and threads of the function.
    pub pids: u32,
}

/// What an open sandbox is given, once in its life: it is closed from then on, also when it fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assign {
    /// The sandbox.
    pub id: String,
    /// Directories of the host shown read-only, at places where nothing is shown yet.
    pub trees: Vec<Tree>,
    /// Bytes of memory, in place of those that it was made with.
    pub memory: u64,
}

/// How a sandbox is kept apart from the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Confinement {
    /// Not at all.
    Process,
    /// Namespaces, composed root, no capability, system call filter.
    Namespaces(Layout),
}

/// What a confined sandbox shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// What its network reaches.
    pub reach: Reach,
    /// Directories of the host shown read-only.
    pub trees: Vec<Tree>,
    /// Bytes of `/tmp`.
    pub tmp: u64,
    /// The lowest port that init has to bind inside, so that one below 1024 can be allowed in that network alone.
    pub lowest_port: u16,
    /// Whether the sandbox is made in advance, and an [`Assign`] may follow.
    pub open: bool,
    /// What snapshots have to do with it.
    pub snapshots: Snapshotting,
}

/// What snapshots have to do with a sandbox. One that has to do with them does without Landlock, which would keep CRIU from
/// a program that is in one of its domains, and init from one that is not, as none is that CRIU has brought to life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Snapshotting {
    /// Nothing.
    #[default]
    No,
    /// One is to be taken: processes have numbers from [`FIRST_PID`] on, which are free in other sandboxes.
    Take,
    /// One is to be brought to life.
    Restore,
}

/// The number of the first process that init starts in a sandbox for a snapshot. What brings one to life has a few numbers
/// of its own, from the lowest on.
pub const FIRST_PID: i32 = 100;

/// What a sandbox's network reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// A loopback of its own.
    Loopback,
    /// That, and the outside by address translation.
    Nat,
    /// The host's network.
    Host,
}

/// A directory of the host inside a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// Absolute path on the host.
    pub source: Raw,
    /// Where it appears.
    pub target: MountPoint,
}

/// The places at which a function's directories may appear. A closed list: a path from outside is never joined to
/// the root of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MountPoint {
    /// `/var/task`, the function's code.
    Task,
    /// `/opt`, its layers.
    Opt,
    /// `/var/lang`, the interpreter.
    Lang,
    /// `/var/runtime`, the runtime client.
    Runtime,
    /// `/var/runtime/site-packages`, the AWS SDK for Python, in the client's folder.
    SitePackages,
    /// `/var/runtime/node_modules`, the AWS SDK for JavaScript, in the client's folder.
    NodeModules,
}

impl MountPoint {
    /// Every mount point.
    pub const ALL: [Self; 6] =
        [Self::Task, Self::Opt, Self::Lang, Self::Runtime, Self::SitePackages, Self::NodeModules];

    /// The absolute path inside.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Task => "/var/task",
            Self::Opt => "/opt",
            Self::Lang => "/var/lang",
            Self::Runtime => "/var/runtime",
            Self::SitePackages => "/var/runtime/site-packages",
            Self::NodeModules => "/var/runtime/node_modules",
        }
    }

    /// Whether the place is a folder of what another place shows, and so none of the root's own.
    #[must_use]
    pub const fn is_inside_another(self) -> bool {
        matches!(self, Self::SitePackages | Self::NodeModules)
    }
}

/// What the launcher reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum FromLauncher {
    /// First message. Descriptors, where [`ToLauncher::Hello`] asked for [`Nat`] and [`Host::nat_error`] is absent: the
    /// UDP and the TCP socket at which sandboxes ask for names.
    Hello {
        /// [`crate::VERSION`] of the sender.
        version: u32,
        /// What the host offers. Apart, for it is far larger than all other messages.
        host: Box<Host>,
    },
    /// Init runs inside. Descriptors: those of [`Counters`] that are present, in the order of its fields.
    Launched {
        /// The sandbox.
        id: String,
        /// Which counters came along.
        counters: Counters,
    },
    /// The sandbox could not be made; nothing of it is left.
    LaunchFailed {
        /// The sandbox.
        id: String,
        /// Why.
        failure: Failure,
    },
    /// The answer to an [`Assign`]. A sandbox for which it failed is ended.
    Assigned {
        /// The sandbox.
        id: String,
        /// Why it was not done.
        failure: Option<Failure>,
    },
    /// The answer to each [`ToLauncher::SetCpu`], in their order.
    CpuSet {
        /// The sandbox.
        id: String,
        /// Why it was not done.
        failure: Option<Failure>,
    },
    /// The sandbox is gone with all that was in it, and so are its cgroups.
    Gone {
        /// The sandbox.
        id: String,
        /// Why.
        reason: String,
        /// Peak of memory in bytes, where it was counted.
        memory_peak: Option<u64>,
        /// Processes killed for lack of memory.
        oom_kills: u64,
        /// Whether something of it may still be there after all: it was killed and does not die.
        left: bool,
    },
    /// The unpack program has ended, and what it left belongs to the server's user.
    Unpacked {
        /// The work.
        id: u64,
        /// How it ended.
        end: UnpackEnd,
    },
    /// The answer to a [`Snapshot`].
    Snapshotted {
        /// The sandbox.
        id: String,
        /// What was taken, or why it failed.
        taken: Result<Image, Failure>,
    },
    /// The answer to a [`Restore`]. A sandbox in which it failed is of no more use.
    Restored {
        /// The sandbox.
        id: String,
        /// Why it failed.
        failure: Option<Failure>,
    },
}

/// How the unpack program ended. What it says for itself is in its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum UnpackEnd {
    /// It returned this exit code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It was not started, or what it left could not be handed over.
    Failed(Failure),
}

/// Files of the sandbox's cgroups, opened by the launcher so that the server uses them without any right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// Peak of memory: a decimal number of bytes.
    pub peak: bool,
    /// Lines of words, one of which is `oom_kill N`.
    pub oom: bool,
    /// Stops the sandbox's processes, and lets them go on: open for writing, absent where the host cannot.
    pub freezer: Option<Freezer>,
}

/// The interface of a file that freezes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Freezer {
    /// `freezer.state`: what is frozen does not even die before it is thawed, and a write takes a tenth of a
    /// millisecond (Linux: Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst).
    V1,
    /// `cgroup.freeze` (Linux: Documentation/admin-guide/cgroup-v2.rst).
    V2,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(deny_unknown_fields)]
pub enum Failure {
    /// A step failed in the operating system.
    #[error("sandbox setup failed at {step:?}: {}", os_text(*errno))]
    Step {
        /// What was being done, such as `mount /proc`.
        step: String,
        /// The operating system's error number.
        errno: i32,
    },
    /// The request cannot be met.
    #[error("{reason}")]
    Refused {
        /// Why, and what to do.
        reason: String,
    },
}

/// `permission denied` for 13, in the manner of our own messages.
fn os_text(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    // The standard library appends "(os error 13)" and begins with a capital.
    let text = text.split(" (os error").next().unwrap_or(&text).to_owned();
    let mut letters = text.chars();
    letters.next().map_or(text.clone(), |first| first.to_lowercase().chain(letters).collect())
}

/// What the host offers to sandboxes, as the launcher found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Whether the launcher has root's rights. Without them it isolates by user namespaces of one id each, which is
    /// weaker, or not at all: see `namespaces_error`.
    pub root: bool,
    /// How limits are kept.
    pub cgroups: Cgroups,
    /// Each controller that a limit needs.
    pub controllers: Vec<Controller>,
    /// Why namespaces cannot be used; absent when a trial succeeded.
    pub namespaces_error: Option<String>,
    /// That `/tmp` is a tmpfs, what this means for the function's memory, and why; absent when it is a file system of
    /// its own.
    pub tmp_error: Option<String>,
    /// Why sandboxes cannot reach the outside by address translation. Absent when they can, and when it was not looked
    /// at: a launcher that serves looks where it is asked to prepare it.
    pub nat_error: Option<String>,
    /// Which of the host's own rules drop packets that it forwards, and so the packets of such sandboxes, unless they
    /// are told otherwise. Looked at by a launcher that probes, as root.
    pub nat_obstacle: Option<String>,
    /// Why environments cannot be frozen between invocations; absent when they can.
    pub freezer_error: Option<String>,
    /// The version of Landlock that the kernel has; absent where it has none.
    pub landlock: Option<u32>,
    /// Why no snapshots can be taken; absent where they may be, which the first one shows. A launcher that probes does not
    /// look.
    pub snapshots_error: Option<String>,
}

/// Which generation of cgroups the host mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cgroups {
    /// None was found.
    None,
    /// Version 1 alone.
    V1,
    /// Version 2 alone.
    V2,
    /// Limits by version 1, while version 2 is mounted without controllers.
    Hybrid,
}

/// One controller that a limit needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    /// `memory`, `cpu` or `pids`.
    pub name: String,
    /// Why it cannot be used; absent when it can.
    pub missing: Option<String>,
    /// How its limit is kept without it; absent when it is not, or has no need to be.
    pub instead: Option<String>,
}

/// What the server asks of init.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ToInit {
    /// First message.
    Hello(InitHello),
    /// Start the program. Answered by `StartFailed`, or by `Exited` when it has ended. Descriptor, for a program that
    /// waits to be told what it is for: its end of the channel for that, which it finds at [`crate::ASSIGNMENT_FD`].
    Start(Start),
    /// Start a program beside it, in this slot, of which a number of it is free. Answered by `ExtensionStartFailed`, or by
    /// `ExtensionExited` when it has ended. Descriptor: the write end for its standard output and error.
    StartExtension {
        /// Names it in later messages.
        slot: u8,
        /// The program.
        start: Start,
    },
    /// Send SIGTERM to the program and its process group, if it runs.
    Terminate,
    /// Send SIGKILL to the program, or to the extension in a slot, and its process group, if it runs.
    KillProgram {
        /// The extension's slot; absent for the program itself.
        slot: Option<u8>,
    },
    /// A program will come to be without init's doing, from a snapshot: init is to take the process with this number for
    /// the program that it would have started. Answered by `Exited` when it has ended.
    Expect {
        /// Its number inside.
        pid: i32,
    },
    /// Make a TCP socket in the sandbox's network, for the server to connect. Answered by `Socket`, in the order asked.
    Socket,
    /// Kill every process but init. Answered by `Reset`.
    Reset,
}

/// Init's first message from the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitHello {
    /// [`crate::VERSION`] of the sender.
    pub version: u32,
    /// Whether init is PID 1 of a namespace of its own. Without one it has to find its descendants by itself.
    pub namespaced: bool,
    /// Where to listen for the Runtime API; port 0 lets the kernel choose.
    pub runtime_api: SocketAddr,
    /// Where to listen for calls to the platform; port 0 lets the kernel choose.
    pub platform: SocketAddr,
    /// Where to receive segments for X-Ray by UDP; port 0 lets the kernel choose.
    pub xray: SocketAddr,
}

/// A program to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The file and its arguments.
    pub argv: Vec<Raw>,
    /// The whole environment.
    pub env: Vec<(Raw, Raw)>,
    /// Working directory.
    pub cwd: Raw,
}

/// What a program that was started in advance is for: the rest of what [`Start`] would have said. It is one document on
/// the channel at [`crate::ASSIGNMENT_FD`] and ends with a newline. With another one, after which the channel ends, the
/// program is to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The whole environment, in place of the one that it was started with.
    pub env: Vec<(Raw, Raw)>,
    /// Working directory.
    pub cwd: Raw,
}

/// What init reports. A function cannot write here, but the server still treats all of it as foreign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum FromInit {
    /// First message. Descriptors: the listener of the Runtime API, the platform's listener, X-Ray's UDP socket.
    Ready {
        /// [`crate::VERSION`] of the sender.
        version: u32,
        /// Where the first listener is bound.
        runtime_api: SocketAddr,
        /// Where the second listener is bound.
        platform: SocketAddr,
        /// Where the UDP socket is bound.
        xray: SocketAddr,
    },
    /// Init could not get ready and ends.
    Failed(Failure),
    /// The program was not started.
    StartFailed {
        /// The error number of the call that failed, usually `execve`.
        errno: i32,
    },
    /// The program has returned.
    ExitedWithCode(i32),
    /// A signal has ended the program.
    ExitedBySignal(i32),
    /// An extension was not started.
    ExtensionStartFailed {
        /// Its slot.
        slot: u8,
        /// The error number of the call that failed, usually `execve`.
        errno: i32,
    },
    /// An extension has ended.
    ExtensionExited {
        /// Its slot.
        slot: u8,
        /// Its exit code, where it has returned.
        code: Option<i32>,
        /// The signal that ended it, where one has.
        signal: Option<i32>,
    },
    /// The answer to each [`ToInit::Socket`]. Descriptor: the socket, not connected; none where there is `errno`.
    Socket {
        /// Why there is none.
        errno: Option<i32>,
    },
    /// Every process but init is gone.
    Reset,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_reads_as_one_sentence() {
        let failure = Failure::Step { step: "mount /proc".to_owned(), errno: 13 };
        assert_eq!(failure.to_string(), "sandbox setup failed at \"mount /proc\": permission denied");
    }
}
