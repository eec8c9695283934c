//! Making a sandbox, and the task that watches it until it is gone.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lambent_sandbox_protocol::{
    self as protocol, Confinement, FromInit, InitHello, Launch, Layout, MountPoint, Reach, ToInit, Tree,
    VERSION,
};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::channel::Channel;
use crate::control::{Control, Order, Shared};
use crate::datagrams::Datagrams;
use crate::endpoint::Endpoint;
use crate::launcher::{Gone, Launcher, Request};
use crate::usage::Meter;
use crate::{Error, Event, Exit, Isolation, Mount, Network, Output, RUNTIME_API_PORT, Spec, XRAY_PORT};

/// Each order has at most two events as its answer, few orders are under way at once, and ten extensions may end
/// together; whoever does not read them makes the watcher wait, nobody else.
const UNREAD_EVENTS: usize = 32;

/// Orders wait only while init is busy killing; the next one's sender waits then.
const WAITING_ORDERS: usize = 8;

/// Longer than the launcher waits for the dying before it gives them up, so that its word comes first.
const DEATH_TIMEOUT: Duration = Duration::from_secs(60);

/// A sandbox that runs, still without a program.
#[derive(Debug)]
pub struct Sandbox {
    /// Where the function reaches its Runtime API.
    pub runtime_api: Endpoint,
    /// Where the function reaches the platform.
    pub platform: Endpoint,
    /// What the function writes. The pipes end when the sandbox does.
    pub output: Output,
    /// Where the function sends segments for X-Ray.
    pub xray: Datagrams,
    /// Steers the sandbox. When the last clone is dropped, the sandbox is killed.
    pub control: Control,
    /// What happens in it; the last event is `Gone`, exactly once.
    pub events: mpsc::Receiver<Event>,
    /// Whether a program waits in it that knows already what it is for, and goes on with [`Control::go_on`].
    pub told: bool,
}

impl Launcher {
    /// Makes a sandbox. Dropping the future half-way leaves nothing behind.
    ///
    /// # Errors
    /// [`Error::Setup`] when the host cannot or may not make it; the text names the step and what to do.
    pub async fn launch(&self, spec: Spec) -> Result<Sandbox, Error> {
        self.make(&spec, false).await
    }

    /// Makes a sandbox; an open one may still be shown more.
    pub(crate) async fn make(&self, spec: &Spec, open: bool) -> Result<Sandbox, Error> {
        let launch = describe(spec, open, self.platform_port)?;
        let id = launch.id.clone();
        let (channel, theirs) = Channel::pair().map_err(Error::Resources)?;
        let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|error| Error::Resources(error.into()));
        let ((stdio, stdio_writer), (telemetry, telemetry_writer)) = (pipe()?, pipe()?);
        // The hello waits in the socket until init reads it: one turn less to wait for.
        let hello = protocol::encode(&ToInit::Hello(init_hello(spec, self.platform_port)))?;
        channel.send(&hello, &[]).await.map_err(Error::Resources)?;

        let (launched, answer) = oneshot::channel();
        let (gone_sender, mut gone) = oneshot::channel();
        let fds = [theirs, stdio_writer, telemetry_writer];
        let request = Request::Launch { launch, fds, launched, gone: gone_sender };
        self.requests.send(request).await.map_err(|_| Error::LauncherEnded)?;
        let unfinished = Unfinished { id: Some(id.clone()), launcher: self.requests.downgrade() };
        let counters = answer.await.map_err(|_| Error::LauncherEnded)??;
        let (runtime_api, platform, xray) = ready(&channel, &mut gone).await?;

        let (events_sender, events) = mpsc::channel(UNREAD_EVENTS);
        let (orders_sender, orders) = mpsc::channel(WAITING_ORDERS);
        let shared = Arc::new(Shared {
            kill: Notify::new(),
            running: AtomicBool::new(false),
            client: Mutex::new(None),
            sockets: Mutex::default(),
            meter: Meter::new(counters),
        });
        let last_word =
            events_sender.clone().reserve_owned().await.expect("the receiver is in this function");
        let launcher = self.requests.downgrade();
        let control = Control::new(id.clone(), orders_sender, launcher.clone(), Arc::clone(&shared));
        let watcher = Watcher { id, channel, gone, orders, events: events_sender, launcher, shared };
        // Its owners are the handles and the launcher: it ends when the sandbox has.
        drop(tokio::spawn(watcher.run(last_word)));
        unfinished.forget();
        let output = Output { stdio, telemetry };
        Ok(Sandbox { runtime_api, platform, xray, output, control, events, told: false })
    }
}

/// Has a sandbox killed that nobody waits for any more: its init may hang and not see that its channel is closed.
struct Unfinished {
    id: Option<String>,
    launcher: mpsc::WeakSender<Request>,
}

impl Unfinished {
    fn forget(mut self) {
        self.id = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let (Some(id), Some(launcher)) = (self.id.take(), self.launcher.upgrade()) {
            // With a full queue the launcher has more to do than it can; init sees the closed channel, unless it hangs.
            let _ = launcher.try_send(Request::Kill { id });
        }
    }
}

/// Waits until init has bound its sockets.
async fn ready(
    channel: &Channel,
    gone: &mut oneshot::Receiver<Gone>,
) -> Result<(Endpoint, Endpoint, Datagrams), Error> {
    let received = tokio::select! {
        // A failure that init reports is more telling than its end, so it is read first.
        biased;
        received = channel.receive::<FromInit>() => received?,
        gone = &mut *gone => return Err(gone_error(gone)),
    };
    match received {
        Some((FromInit::Ready { version: VERSION, runtime_api, platform, xray }, fds)) => {
            let [first, second, third] =
                <[OwnedFd; 3]>::try_from(fds).map_err(|fds| protocol::Error::Unexpected {
                    got: format!("{} descriptors", fds.len()),
                    expected: "two listeners and a socket",
                })?;
            let endpoint = |address, fd| Endpoint::new(address, fd).map_err(Error::Resources);
            let datagrams = Datagrams::new(xray, third).map_err(Error::Resources)?;
            Ok((endpoint(runtime_api, first)?, endpoint(platform, second)?, datagrams))
        }
        Some((FromInit::Ready { version, .. }, _)) => Err(protocol::Error::Version(version).into()),
        Some((FromInit::Failed(failure), _)) => Err(failure.into()),
        Some((other, _)) => {
            Err(protocol::Error::Unexpected { got: format!("{other:?}"), expected: "init's hello" }.into())
        }
        None => Err(gone_error(gone.await)),
    }
}

fn gone_error(gone: Result<Gone, oneshot::error::RecvError>) -> Error {
    gone.map_or(Error::LauncherEnded, |gone| Error::Gone(gone.reason))
}

/// What the launcher is to make.
fn describe(spec: &Spec, open: bool, platform_port: u16) -> Result<Launch, Error> {
    let confinement = match (spec.isolation, spec.network) {
        (Isolation::Process, Network::None | Network::Nat) => {
            return Err(Error::NotIsolated("has the host's network; ask for that, or for isolation"));
        }
        (Isolation::Process, Network::Host) if !spec.mounts.is_empty() => {
            return Err(Error::NotIsolated("shows the host's files; it takes no mounts"));
        }
        (Isolation::Process, Network::Host) => Confinement::Process,
        (Isolation::Namespaces, network) => Confinement::Namespaces(Layout {
            reach: reach(network),
            trees: spec.mounts.iter().map(tree).collect::<Result<_, _>>()?,
            tmp: spec.tmp.0,
            lowest_port: platform_port.min(RUNTIME_API_PORT),
            open,
            snapshots: spec.snapshots,
        }),
    };
    Ok(Launch { id: spec.id.to_string(), confinement, memory: spec.memory.0, pids: spec.pids })
}

fn reach(network: Network) -> Reach {
    match network {
        Network::None => Reach::Loopback,
        Network::Nat => Reach::Nat,
        Network::Host => Reach::Host,
    }
}

pub(crate) fn tree(mount: &Mount) -> Result<Tree, Error> {
    let place = MountPoint::ALL.into_iter().find(|place| place.path() == mount.target);
    let target = place.ok_or(Error::MountPoint(mount.target))?;
    Ok(Tree { source: PathBuf::into(mount.source.clone()), target })
}

fn init_hello(spec: &Spec, platform_port: u16) -> InitHello {
    // With a network of its own each sandbox has the same addresses; on the host's every port is someone's.
    let port = |own: u16| if spec.network == Network::Host { 0 } else { own };
    InitHello {
        version: VERSION,
        namespaced: spec.isolation == Isolation::Namespaces,
        runtime_api: ([127, 0, 0, 1], port(RUNTIME_API_PORT)).into(),
        platform: ([127, 0, 0, 1], port(platform_port)).into(),
        xray: ([127, 0, 0, 1], port(XRAY_PORT)).into(),
    }
}

/// Passes orders in and events out.
struct Watcher {
    id: String,
    channel: Channel,
    gone: oneshot::Receiver<Gone>,
    orders: mpsc::Receiver<Order>,
    events: mpsc::Sender<Event>,
    launcher: mpsc::WeakSender<Request>,
    shared: Arc<Shared>,
}

/// Why the watcher has stopped watching.
enum End {
    /// The launcher said so, or has itself ended.
    Gone(Option<Gone>),
    /// Init closed its channel, or the server wants the sandbox gone.
    Kill,
    /// Init said what it may not.
    Violation(String),
}

impl Watcher {
    async fn run(mut self, last_word: mpsc::OwnedPermit<Event>) {
        let end = self.watch().await;
        let Self { id, channel, gone, launcher, shared, orders, .. } = self;
        // Orders under way end with an error, and init with its channel if it still runs.
        drop((orders, channel));
        shared.sockets.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // The launcher may see init end with its channel before it sees our wish, hence our own reason.
        let (gone, ours) = match end {
            End::Gone(gone) => (gone, None),
            End::Kill => (kill(id, &launcher, gone).await, Some("it was killed".to_owned())),
            End::Violation(reason) => (kill(id, &launcher, gone).await, Some(reason)),
        };
        if let Some(gone) = &gone {
            shared.meter.finish(gone);
        }
        shared.running.store(false, Ordering::Release);
        // That something is left of it is what nobody must miss.
        let ours = ours.filter(|_| !gone.as_ref().is_some_and(|gone| gone.left));
        let reason = ours.or(gone.map(|gone| gone.reason));
        let reason = reason.unwrap_or_else(|| "the launcher has ended".to_owned());
        last_word.send(Event::Gone { reason });
    }

    async fn watch(&mut self) -> End {
        loop {
            tokio::select! {
                // A kill is obeyed before anything else; an event that init sent before its end is not lost.
                biased;
                () = self.shared.kill.notified() => return End::Kill,
                received = self.channel.receive::<FromInit>() => {
                    let event = match received {
                        Ok(Some((FromInit::Socket { errno }, fds))) => {
                            self.shared.made(errno, fds);
                            continue;
                        }
                        Ok(Some((message, _))) => self.event(message),
                        // Init has ended by itself: the launcher will say how, without being asked to kill.
                        Ok(None) => return End::Gone((&mut self.gone).await.ok()),
                        Err(error) => Err(error.to_string()),
                    };
                    match event {
                        Ok(event) => if let Some(end) = self.publish(event).await { return end },
                        Err(reason) => return End::Violation(reason),
                    }
                }
                gone = &mut self.gone => return End::Gone(gone.ok()),
                order = self.orders.recv() => match order {
                    Some(order) => if let Some(end) = self.pass_on(order).await { return end },
                    // The last handle was dropped.
                    None => return End::Kill,
                },
            }
        }
    }

    fn event(&self, message: FromInit) -> Result<Event, String> {
        let event = match message {
            FromInit::StartFailed { errno } => Event::StartFailed { errno },
            FromInit::ExitedWithCode(code) => Event::Exited(Exit::Code(code)),
            FromInit::ExitedBySignal(signal) => Event::Exited(Exit::Signal(signal)),
            FromInit::Reset => return Ok(Event::Reset),
            FromInit::ExtensionStartFailed { slot, errno } => {
                return Ok(Event::ExtensionStartFailed { slot, errno });
            }
            FromInit::ExtensionExited { slot, code, signal } => {
                let exit = code.map_or_else(|| Exit::Signal(signal.unwrap_or(0)), Exit::Code);
                return Ok(Event::ExtensionExited { slot, exit });
            }
            FromInit::Socket { .. } => unreachable!("`watch` takes these"),
            FromInit::Failed(failure) => return Err(failure.to_string()),
            FromInit::Ready { .. } => return Err("init said twice that it is ready".to_owned()),
        };
        self.shared.running.store(false, Ordering::Release);
        Ok(event)
    }

    async fn publish(&self, event: Event) -> Option<End> {
        tokio::select! {
            biased;
            () = self.shared.kill.notified() => Some(End::Kill),
            // A server that dropped the receiver does not want to know.
            _ = self.events.send(event) => None,
        }
    }

    async fn pass_on(&mut self, order: Order) -> Option<End> {
        if let Some(socket) = order.socket {
            // Here, where orders are in the order in which init reads them.
            let mut sockets = self.shared.sockets.lock().unwrap_or_else(PoisonError::into_inner);
            sockets.push_back(socket);
        }
        let fds: Vec<_> = order.channel.iter().map(AsFd::as_fd).collect();
        let sent = tokio::select! {
            biased;
            () = self.shared.kill.notified() => return Some(End::Kill),
            gone = &mut self.gone => return Some(End::Gone(gone.ok())),
            sent = self.channel.send(&order.datagram, &fds) => sent,
        };
        match sent {
            // Whoever gave the order may not wait for it any more.
            Ok(()) => drop(order.sent.send(())),
            // Init has ended: what it said last is still to be read.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            Err(error) => return Some(End::Violation(format!("init cannot be reached: {error}"))),
        }
        None
    }
}

/// Has the launcher kill the sandbox, and waits until it is gone.
async fn kill(
    id: String,
    launcher: &mpsc::WeakSender<Request>,
    gone: oneshot::Receiver<Gone>,
) -> Option<Gone> {
    // Without a launcher the sandbox is dying already.
    if let Some(requests) = launcher.upgrade() {
        let _ = requests.send(Request::Kill { id }).await;
    }
    match tokio::time::timeout(DEATH_TIMEOUT, gone).await {
        Ok(gone) => gone.ok(),
        Err(_elapsed) => {
            let reason = format!("it was killed and had not ended {} seconds later", DEATH_TIMEOUT.as_secs());
            Some(Gone { reason, memory_peak: None, oom_kills: 0, left: true })
        }
    }
}
