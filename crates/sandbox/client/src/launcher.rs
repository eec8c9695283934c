//! The launcher's process and the one task that talks to it.
//!
//! ```text
//! Launcher (handle) ─┐                 ┌─▶ launch, set_cpu: the one who asked
//! Launcher (handle) ─┼─▶ Actor ◀─▶ launcher process
//! Control, watcher ──┘                 └─▶ gone: the watcher of that sandbox
//! ```
//!
//! The actor ends when the last [`Launcher`] is dropped or the process ends; every sandbox ends with it.
//!
//! The process is started in two steps, for a server that gives up its rights in between: [`Launcher::spawn`] needs them
//! and no runtime, [`Spawned::connect`] needs a runtime and no rights.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use lambent_sandbox_protocol::{
    self as protocol, Assign, Counters, Failure, Freezer, FromLauncher, Host, Image, Launch, Nat, Purpose,
    Raw, Restore, Snapshot, ToLauncher, Unpack, UnpackEnd, User, VERSION,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::channel::{Channel, blocking_pair};
use crate::{Error, Isolation, programs, resolver};

/// Enough for every launch of a busy moment; those beyond wait in `launch`, in order.
const WAITING_REQUESTS: usize = 64;

/// How to start a launcher.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names the cgroups; unique for each data folder. Letters, digits, `-` and `_`, at most 64.
    pub instance: String,
    /// How the sandboxes will be kept apart. As root the launcher makes both kinds; without root each kind needs a
    /// launcher of its own.
    pub isolation: Isolation,
    /// The port of the platform, bound on 127.0.0.1 in every sandbox that has its own network.
    pub platform_port: u16,
    /// An absolute path: where the content of every `/tmp` is kept, for as long as its sandbox lives, in files without
    /// a name. Made where it is missing, and root's alone. Without one `/tmp` is a tmpfs and counts against the
    /// function's memory, as it does where [`Host::tmp_error`] says that it has to.
    pub scratch: Option<PathBuf>,
    /// What to prepare for [`crate::Network::Nat`]. Without it such a sandbox is refused.
    pub nat: Option<NatOptions>,
    /// Whom this process is about to become. Absent where it stays the launcher's own user.
    pub server: Option<User>,
    /// What sandboxes may be shown.
    pub trees: Trees,
    /// What [`crate::Control::snapshot`] needs. Without it there are none, as there are none where
    /// [`Host::snapshots_error`] says so.
    pub snapshots: Option<SnapshotOptions>,
}

/// What snapshots are taken by, and where they are kept.
#[derive(Debug, Clone)]
pub struct SnapshotOptions {
    /// An absolute path: a folder of the launcher's own, root's alone. It is empty after each start.
    pub folder: PathBuf,
    /// An absolute path: the root of the file system in which CRIU 4.2 or newer is installed, mostly `/`.
    pub criu: PathBuf,
}

/// How functions reach the outside by address translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NatOptions {
    /// Whether they may reach private networks: RFC 1918 and RFC 6598, such as the host's own.
    pub private: bool,
}

/// The directories of the host that sandboxes may be shown. Any other is refused, whoever asks.
#[derive(Debug, Clone, Default)]
pub struct Trees {
    /// Absolute paths without links: every directory beneath one of these may be shown.
    pub beneath: Vec<PathBuf>,
    /// Absolute paths without links: each of these may be shown.
    pub folders: Vec<PathBuf>,
}

impl Options {
    /// Options for namespaces, with the default port of the platform, 4566, no folder for `/tmp`, for a server that keeps
    /// its user and shows nothing of the host.
    #[must_use]
    pub fn new(instance: impl Into<String>) -> Self {
        Self {
            instance: instance.into(),
            isolation: Isolation::Namespaces,
            platform_port: 4566,
            scratch: None,
            nat: None,
            server: None,
            trees: Trees::default(),
            snapshots: None,
        }
    }
}

/// A launcher that has been started and told what it is for, and is not connected yet. Dropping it ends the launcher.
#[derive(Debug)]
pub struct Spawned {
    process: Child,
    channel: OwnedFd,
    platform_port: u16,
}

/// The launcher; clones speak to the same one. Dropping the last one ends it, with all its sandboxes.
#[derive(Debug, Clone)]
pub struct Launcher {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) platform_port: u16,
    pub(crate) next_job: Arc<AtomicU64>,
    host: Arc<Host>,
}

/// What the actor is asked.
#[derive(Debug)]
pub(crate) enum Request {
    Launch { launch: Launch, fds: [OwnedFd; 3], launched: Answer<Launched>, gone: oneshot::Sender<Gone> },
    Assign { assign: Assign, done: Answer<()> },
    SetCpu { id: String, millis: Option<u32>, done: Answer<()> },
    Kill { id: String },
    Unpack { order: Unpack, fds: [OwnedFd; 3], done: oneshot::Sender<UnpackEnd> },
    StopUnpack { id: u64 },
    Snapshot { order: Snapshot, done: Answer<Image> },
    Restore { order: Restore, done: Answer<()> },
    Forget { snapshot: String },
}

type Answer<T> = oneshot::Sender<Result<T, Failure>>;

/// The open counters of a sandbox that runs.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) peak: Option<OwnedFd>,
    pub(crate) oom: Option<OwnedFd>,
    pub(crate) freezer: Option<(Freezer, OwnedFd)>,
}

/// How a sandbox ended and what it had used.
#[derive(Debug)]
pub(crate) struct Gone {
    pub(crate) reason: String,
    pub(crate) memory_peak: Option<u64>,
    pub(crate) oom_kills: u64,
    /// See [`FromLauncher::Gone`].
    pub(crate) left: bool,
}

impl Launcher {
    /// Starts the launcher and sweeps up what a killed one of the same host has left.
    ///
    /// # Errors
    /// When it cannot be started or understood. That sandboxes, or their networks, cannot be made here is no error yet:
    /// see [`Launcher::host`].
    pub async fn start(options: Options) -> Result<Self, Error> {
        Self::spawn(options)?.connect().await
    }

    /// Starts the process, with the rights and the user of the caller. Needs no runtime.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(options: Options) -> Result<Spawned, Error> {
        Self::spawn_with(options, None)
    }

    /// The same with a channel on which [`declare`] will name further folders that may be shown.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn_with(options: Options, declarations: Option<OwnedFd>) -> Result<Spawned, Error> {
        if options.platform_port == crate::RUNTIME_API_PORT {
            return Err(Error::Port(options.platform_port));
        }
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=64).contains(&options.instance.len()) || !options.instance.bytes().all(valid) {
            return Err(Error::Instance(options.instance));
        }
        let purpose = match options.isolation {
            Isolation::Namespaces => Purpose::Serve,
            Isolation::Process => Purpose::Bare,
        };
        spawn(options, purpose, declarations)
    }

    /// What the host offers to sandboxes.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Resolves when the launcher has ended, or cannot be understood any more, and all its sandboxes with it. It is
    /// not started again: who waits for this ends, too, and the next start sweeps up.
    pub async fn ended(&self) {
        self.requests.closed().await;
    }
}

/// Finds out what the host offers, without a server: for `lambent doctor`.
///
/// # Errors
/// When the launcher cannot be started or understood.
pub async fn probe() -> Result<Host, Error> {
    let Greeted { process, channel, host, .. } =
        spawn(Options::new("probe"), Purpose::Probe, None)?.greet().await?;
    drop(channel);
    reap(process).await;
    Ok(host)
}

/// Names further folders that sandboxes may be shown: once, over a channel of [`declarations`], by a process that still
/// has the rights with which the server was started.
///
/// # Errors
/// When the launcher has ended.
pub fn declare(channel: impl AsFd, folders: Vec<PathBuf>) -> Result<(), Error> {
    let folders = folders.into_iter().map(Raw::from).collect();
    Ok(protocol::send(channel, &protocol::Declaration { folders }, &[])?)
}

/// A channel for [`declare`]: the end for it, and the one for [`Launcher::spawn_with`].
///
/// # Errors
/// When the system has no socket to give.
pub fn declarations() -> Result<(OwnedFd, OwnedFd), Error> {
    blocking_pair().map_err(Error::Start)
}

fn spawn(options: Options, purpose: Purpose, declarations: Option<OwnedFd>) -> Result<Spawned, Error> {
    let Options { instance, platform_port, scratch, nat, server, trees, snapshots, .. } = options;
    let (channel, theirs) = blocking_pair().map_err(Error::Start)?;
    let process = Command::new(programs::launcher_program().map_err(Error::Start)?.path())
        .arg0("lambent-launcher")
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .spawn()
        .map_err(Error::Start)?;
    let trees = protocol::Trees {
        beneath: trees.beneath.into_iter().map(Raw::from).collect(),
        folders: trees.folders.into_iter().map(Raw::from).collect(),
    };
    let lowest_port = platform_port.min(crate::RUNTIME_API_PORT);
    let nat = nat.map(|NatOptions { private }| Nat { private, lowest_port });
    let scratch = scratch.map(Raw::from);
    let snapshots = snapshots.map(|SnapshotOptions { folder, criu }| protocol::Snapshots {
        folder: folder.into(),
        criu: criu.into(),
    });
    let hello =
        ToLauncher::Hello { version: VERSION, instance, purpose, scratch, nat, server, trees, snapshots };
    let init = programs::init_program().map_err(Error::Start)?;
    let unpack = programs::unpack_program().map_err(Error::Start)?;
    let fds: Vec<_> =
        [init.as_fd(), unpack.as_fd()].into_iter().chain(declarations.as_ref().map(AsFd::as_fd)).collect();
    // It waits in the socket until the launcher reads it.
    protocol::send(&channel, &hello, &fds)?;
    Ok(Spawned { process, channel, platform_port })
}

/// The launcher's process with its channel, what it says of the host, and the sockets of the resolver where it has any.
struct Greeted {
    process: Child,
    channel: Channel,
    host: Host,
    sockets: Vec<OwnedFd>,
}

impl Spawned {
    /// Waits until the launcher is ready.
    ///
    /// # Errors
    /// When it has ended or cannot be understood.
    pub async fn connect(self) -> Result<Launcher, Error> {
        let platform_port = self.platform_port;
        let Greeted { process, channel, host, sockets } = self.greet().await?;
        let resolver = resolver::Resolver::new(sockets).map_err(Error::Resources)?;
        let (requests, queue) = mpsc::channel(WAITING_REQUESTS);
        let mut helpers = JoinSet::new();
        if let Some(resolver) = resolver {
            helpers.spawn(resolver.run());
        }
        let (sandboxes, jobs) = (HashMap::new(), HashMap::new());
        let actor = Actor { channel, queue, sandboxes, jobs, _helpers: helpers };
        // Its owners are the handles: it ends when the last of them is gone, or the process is.
        drop(tokio::spawn(actor.run(process)));
        Ok(Launcher { requests, platform_port, next_job: Arc::default(), host: Arc::new(host) })
    }

    async fn greet(self) -> Result<Greeted, Error> {
        let Self { process, channel, .. } = self;
        let channel = Channel::new(channel).map_err(Error::Start)?;
        match channel.receive::<FromLauncher>().await? {
            Some((FromLauncher::Hello { version: VERSION, host }, sockets)) => {
                Ok(Greeted { process, channel, host: *host, sockets })
            }
            Some((FromLauncher::Hello { version, .. }, _)) => Err(protocol::Error::Version(version).into()),
            Some((other, _)) => Err(unexpected(&other, "the launcher's hello")),
            None => {
                reap(process).await;
                Err(Error::LauncherEnded)
            }
        }
    }
}

/// Waits for a launcher that is about to end, off the threads of the runtime.
async fn reap(mut process: Child) {
    // Both errors mean that there is nothing to wait for: no such child, or a runtime that shuts down.
    let _ = tokio::task::spawn_blocking(move || process.wait()).await;
}

fn unexpected(got: &impl std::fmt::Debug, expected: &'static str) -> Error {
    protocol::Error::Unexpected { got: format!("{got:?}"), expected }.into()
}

/// Who waits for what of one sandbox.
struct Waiting {
    launched: Option<Answer<Launched>>,
    gone: oneshot::Sender<Gone>,
    assigned: Option<Answer<()>>,
    snapshotted: Option<Answer<Image>>,
    restored: Option<Answer<()>>,
    /// The launcher answers in order.
    cpu: VecDeque<Answer<()>>,
}

struct Actor {
    channel: Channel,
    queue: mpsc::Receiver<Request>,
    sandboxes: HashMap<String, Waiting>,
    /// They end with the actor.
    _helpers: JoinSet<()>,
    /// Who waits for the end of which unpack program.
    jobs: HashMap<u64, oneshot::Sender<UnpackEnd>>,
}

impl Actor {
    async fn run(mut self, process: Child) {
        // The one message under way; the queue is not read meanwhile, so its bound is the bound.
        let mut outgoing: Option<(Vec<u8>, Vec<OwnedFd>)> = None;
        loop {
            let fds: Vec<_> = outgoing.iter().flat_map(|(_, fds)| fds).map(AsFd::as_fd).collect();
            let datagram = outgoing.as_ref().map_or(&[][..], |(datagram, _)| datagram);
            tokio::select! {
                // Reading goes on while a message waits to be sent: the launcher may be waiting for us likewise.
                received = self.channel.receive::<FromLauncher>() => match received {
                    Ok(Some((message, fds))) => self.deliver(message, fds),
                    // The launcher has ended, or says what this version does not know: all is over either way.
                    Ok(None) | Err(_) => break,
                },
                sent = self.channel.send(datagram, &fds), if outgoing.is_some() => match sent {
                    Ok(()) => outgoing = None,
                    Err(_) => break,
                },
                request = self.queue.recv(), if outgoing.is_none() => match request {
                    Some(request) => outgoing = self.accept(request),
                    None => break,
                },
            }
        }
        // In this order: the closed channel ends the launcher, its end ends the sandboxes, and only then do their
        // watchers learn of it.
        // The helpers end with the rest of this.
        let Self { channel, queue, sandboxes, jobs, .. } = self;
        drop((channel, queue));
        reap(process).await;
        drop((sandboxes, jobs));
    }

    /// Notes who waits for the answer, and gives the message to be sent.
    fn accept(&mut self, request: Request) -> Option<(Vec<u8>, Vec<OwnedFd>)> {
        let (message, fds) = match request {
            Request::Launch { launch, fds, launched, gone } => {
                if self.sandboxes.contains_key(&launch.id) {
                    let reason = format!("there is already a sandbox {}", launch.id);
                    // Whoever asked may have gone.
                    let _ = launched.send(Err(Failure::Refused { reason }));
                    return None;
                }
                let waiting = Waiting {
                    launched: Some(launched),
                    gone,
                    assigned: None,
                    snapshotted: None,
                    restored: None,
                    cpu: VecDeque::new(),
                };
                self.sandboxes.insert(launch.id.clone(), waiting);
                (ToLauncher::Launch(launch), fds.into())
            }
            Request::Assign { assign, done } => match self.sandboxes.get_mut(&assign.id) {
                Some(waiting) => {
                    waiting.assigned = Some(done);
                    (ToLauncher::Assign(assign), Vec::new())
                }
                // Dropping `done` tells that the sandbox is gone.
                None => return None,
            },
            Request::SetCpu { id, millis, done } => match self.sandboxes.get_mut(&id) {
                Some(waiting) => {
                    waiting.cpu.push_back(done);
                    (ToLauncher::SetCpu { id, millis }, Vec::new())
                }
                // Dropping `done` tells that the sandbox is gone.
                None => return None,
            },
            Request::Kill { id } => (ToLauncher::Kill { id }, Vec::new()),
            Request::Unpack { order, fds, done } => {
                self.jobs.insert(order.id, done);
                (ToLauncher::Unpack(order), fds.into())
            }
            Request::StopUnpack { id } => (ToLauncher::StopUnpack { id }, Vec::new()),
            // As above: dropping `done` tells that the sandbox is gone.
            Request::Snapshot { order, done } => {
                self.sandboxes.get_mut(&order.id)?.snapshotted = Some(done);
                (ToLauncher::Snapshot(order), Vec::new())
            }
            Request::Restore { order, done } => {
                self.sandboxes.get_mut(&order.id)?.restored = Some(done);
                (ToLauncher::Restore(order), Vec::new())
            }
            Request::Forget { snapshot } => (ToLauncher::Forget { snapshot }, Vec::new()),
        };
        let datagram = protocol::encode(&message).expect("paths and numbers are far below the limit");
        Some((datagram, fds))
    }

    fn deliver(&mut self, message: FromLauncher, fds: Vec<OwnedFd>) {
        // Nobody may be waiting any more for any of these answers, hence the ignored results.
        match message {
            FromLauncher::Launched { id, counters } => {
                let waiting = self.sandboxes.get_mut(&id).and_then(|waiting| waiting.launched.take());
                let _ = waiting.map(|answer| answer.send(Ok(open_counters(counters, fds))));
            }
            FromLauncher::LaunchFailed { id, failure } => {
                let waiting = self.sandboxes.remove(&id).and_then(|waiting| waiting.launched);
                let _ = waiting.map(|answer| answer.send(Err(failure)));
            }
            FromLauncher::Assigned { id, failure } => {
                let waiting = self.sandboxes.get_mut(&id).and_then(|waiting| waiting.assigned.take());
                let _ = waiting.map(|answer| answer.send(failure.map_or(Ok(()), Err)));
            }
            FromLauncher::CpuSet { id, failure } => {
                let waiting = self.sandboxes.get_mut(&id).and_then(|waiting| waiting.cpu.pop_front());
                let _ = waiting.map(|answer| answer.send(failure.map_or(Ok(()), Err)));
            }
            FromLauncher::Gone { id, reason, memory_peak, oom_kills, left } => {
                let waiting = self.sandboxes.remove(&id);
                let _ =
                    waiting.map(|waiting| waiting.gone.send(Gone { reason, memory_peak, oom_kills, left }));
            }
            FromLauncher::Snapshotted { id, taken } => {
                let waiting = self.sandboxes.get_mut(&id).and_then(|waiting| waiting.snapshotted.take());
                let _ = waiting.map(|answer| answer.send(taken));
            }
            FromLauncher::Restored { id, failure } => {
                let waiting = self.sandboxes.get_mut(&id).and_then(|waiting| waiting.restored.take());
                let _ = waiting.map(|answer| answer.send(failure.map_or(Ok(()), Err)));
            }
            FromLauncher::Unpacked { id, end } => {
                let _ = self.jobs.remove(&id).map(|done| done.send(end));
            }
            // A second hello says nothing new.
            FromLauncher::Hello { .. } => {}
        }
    }
}

fn open_counters(counters: Counters, fds: Vec<OwnedFd>) -> Launched {
    let mut fds = fds.into_iter();
    let peak = if counters.peak { fds.next() } else { None };
    let oom = if counters.oom { fds.next() } else { None };
    let freezer = counters.freezer.zip(fds.next());
    Launched { peak, oom, freezer }
}

#[cfg(test)]
mod tests;
