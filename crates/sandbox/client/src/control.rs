//! The handle by which a sandbox is steered.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lambent_model::Bytes;
use lambent_sandbox_protocol::{self as protocol, Assignment, Freezer, Raw, Start, ToInit};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::launcher::Request;
use crate::usage::Meter;
use crate::{Error, Program, Usage};

/// Steers one sandbox. Clones steer the same one; when the last is dropped the sandbox is killed.
#[derive(Debug, Clone)]
pub struct Control {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: String,
    orders: mpsc::Sender<Order>,
    launcher: mpsc::WeakSender<Request>,
    shared: Arc<Shared>,
}

/// What handle and watcher have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) kill: Notify,
    /// Whether a program has been started whose end is not known yet. After the sandbox's end it stays unset, so
    /// that a start then fails for the right reason.
    pub(crate) running: AtomicBool,
    /// A program that runs already and waits to be told what it is for, until it has been.
    pub(crate) client: Mutex<Option<UnixStream>>,
    /// Who waits for a socket of init's, in the order asked: as many as there are orders under way at most.
    pub(crate) sockets: Mutex<VecDeque<oneshot::Sender<io::Result<OwnedFd>>>>,
    pub(crate) meter: Meter,
}

/// One message for init, and who wants to know that it is on its way.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) datagram: Vec<u8>,
    /// What goes along with it.
    pub(crate) channel: Option<OwnedFd>,
    /// Who waits for the socket that init answers it with.
    pub(crate) socket: Option<oneshot::Sender<io::Result<OwnedFd>>>,
    pub(crate) sent: oneshot::Sender<()>,
}

impl Shared {
    /// Hands over the socket that init has made, or its error.
    pub(crate) fn made(&self, errno: Option<i32>, fds: Vec<OwnedFd>) {
        let wanted = self.sockets.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let socket = fds.into_iter().next().ok_or_else(|| {
            errno.map_or_else(|| io::Error::other("init sent no socket"), io::Error::from_raw_os_error)
        });
        if let Some(wanted) = wanted {
            // Nobody waits for it any more: it is closed.
            let _ = wanted.send(socket);
        }
    }
}

impl Control {
    pub(crate) fn new(
        id: String,
        orders: mpsc::Sender<Order>,
        launcher: mpsc::WeakSender<Request>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { inner: Arc::new(Inner { id, orders, launcher, shared }) }
    }

    /// Asks for the program to be started. Whether that succeeded is told by the events: `StartFailed` at once, or
    /// `Exited` when it ends. In a sandbox in which such a program has been started in advance, that one goes on with
    /// this environment and working directory, unless it has been told others ([`crate::Sandbox::told`]); a later start is
    /// from the beginning.
    ///
    /// # Errors
    /// [`Error::AlreadyRunning`], [`Error::Channel`] when arguments and environment are too large to be sent,
    /// [`Error::Gone`].
    pub async fn start(&self, program: Program) -> Result<(), Error> {
        let client = self.inner.shared.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        match client {
            Some(mut client) => {
                tell(&mut client, program).await?;
                go(client).await
            }
            None => self.start_with(program, None).await,
        }
    }

    /// Lets the program go on that has been told ahead what it is for. Nothing happens where none has.
    ///
    /// # Errors
    /// [`Error::Resources`].
    pub async fn go_on(&self) -> Result<(), Error> {
        let client = self.inner.shared.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        match client {
            Some(client) => go(client).await,
            None => Ok(()),
        }
    }

    /// Tells the program that waits what it is for; it goes on later.
    pub(crate) async fn tell_client(&self, program: Program) -> Result<(), Error> {
        let client = self.inner.shared.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut client) = client {
            tell(&mut client, program).await?;
            self.wait_for_assignment(client);
        }
        Ok(())
    }

    /// Asks init for it; with a channel the program is to wait there.
    pub(crate) async fn start_with(&self, program: Program, channel: Option<OwnedFd>) -> Result<(), Error> {
        let datagram = protocol::encode(&ToInit::Start(start_message(program)))?;
        let running = &self.inner.shared.running;
        if running.swap(true, Ordering::AcqRel) {
            return Err(Error::AlreadyRunning);
        }
        self.order(datagram, channel).await.inspect_err(|_| running.store(false, Ordering::Release))
    }

    /// Keeps the channel on which the program waits.
    pub(crate) fn wait_for_assignment(&self, client: UnixStream) {
        *self.inner.shared.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client);
    }

    /// Wakes the program that waits, if one does, ahead of the document that says for what. Answers whether there is one.
    pub(crate) fn call_client(&self) -> bool {
        let client = self.inner.shared.client.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(client) = &*client else { return false };
        // JSON may begin with a space. A program that has ended shows as an event, and one that is not called wakes up
        // by the document.
        let _ = client.try_write(b" ");
        true
    }

    /// Asks for an extension to be started in a slot that is free, and answers the read end of its standard output and
    /// error. How that went is told by the events: `ExtensionStartFailed` at once, or `ExtensionExited` when it ends.
    ///
    /// # Errors
    /// [`Error::Channel`] when arguments and environment are too large to be sent, [`Error::Resources`], [`Error::Gone`].
    pub async fn start_extension(&self, slot: u8, program: Program) -> Result<OwnedFd, Error> {
        let start = ToInit::StartExtension { slot, start: start_message(program) };
        let datagram = protocol::encode(&start)?;
        let (reader, writer) =
            pipe_with(PipeFlags::CLOEXEC).map_err(|error| Error::Resources(error.into()))?;
        self.order(datagram, Some(writer)).await?;
        Ok(reader)
    }

    /// Sends SIGKILL to the program, or to the extension in a slot, with its process group, if it runs.
    pub async fn kill_program(&self, slot: Option<u8>) {
        let datagram = protocol::encode(&ToInit::KillProgram { slot }).expect("it is a word and a number");
        // The only error is that the sandbox is gone.
        let _ = self.order(datagram, None).await;
    }

    /// A TCP socket in the sandbox's network that is not connected yet, and never blocks. It takes as long as init does,
    /// which is for ever while the sandbox is frozen.
    ///
    /// # Errors
    /// [`Error::Resources`] when there is none, [`Error::Gone`].
    pub async fn socket(&self) -> Result<OwnedFd, Error> {
        let (sender, socket) = oneshot::channel();
        let datagram = protocol::encode(&ToInit::Socket)?;
        self.order_with(datagram, None, Some(sender)).await?;
        socket.await.map_err(|_| gone())?.map_err(Error::Resources)
    }

    pub(crate) fn launcher(&self) -> &mpsc::WeakSender<Request> {
        &self.inner.launcher
    }

    pub(crate) fn running(&self) -> &AtomicBool {
        &self.inner.shared.running
    }

    /// Names the sandbox to the launcher.
    pub(crate) fn id(&self) -> &str {
        &self.inner.id
    }

    /// Asks for every process of the sandbox to be killed; `/tmp` keeps its content. A running program is reported
    /// by `Exited`, and then `Reset` tells that all are gone.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub async fn reset(&self) -> Result<(), Error> {
        self.order(protocol::encode(&ToInit::Reset)?, None).await
    }

    /// Sends SIGTERM to the program and its process group, if it runs. Nothing is told when the sandbox is gone: so is the program.
    pub async fn terminate(&self) {
        let datagram = protocol::encode(&ToInit::Terminate).expect("it is a single word");
        // The only error is that the sandbox is gone.
        let _ = self.order(datagram, None).await;
    }

    /// Kills the whole sandbox at once. The event `Gone` follows.
    pub fn kill(&self) {
        self.inner.shared.kill.notify_one();
    }

    /// What the sandbox has used since it was made; stays readable after its end.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.inner.shared.meter.read()
    }

    /// The peak of memory in [`Control::usage`], for a third of its price.
    #[must_use]
    pub fn memory_peak(&self) -> Option<Bytes> {
        self.inner.shared.meter.memory_peak()
    }

    /// How the sandbox can be frozen; `None` where it cannot.
    #[must_use]
    pub fn freezer(&self) -> Option<Freezer> {
        self.inner.shared.meter.freezer()
    }

    /// Stops every process of the sandbox, init too, until [`Control::thaw`]: until then it takes no CPU and answers
    /// nothing, orders neither. [`Control::kill`] ends it all the same. Under [`Freezer::V2`] the kernel is not done
    /// when this returns. Nothing happens without a freezer.
    ///
    /// # Errors
    /// What the kernel says, which is `ENODEV` once the sandbox is gone.
    pub fn freeze(&self) -> io::Result<()> {
        self.inner.shared.meter.freeze(true)
    }

    /// Lets the processes go on. Nothing happens without a freezer.
    ///
    /// # Errors
    /// As [`Control::freeze`].
    pub fn thaw(&self) -> io::Result<()> {
        self.inner.shared.meter.freeze(false)
    }

    /// Sets the share of CPU in thousandths of one CPU; `None` is no limit, as at the start.
    ///
    /// # Errors
    /// [`Error::Setup`] where the host has no such limit or the share is 0, [`Error::Gone`].
    pub async fn set_cpu(&self, millis: Option<u32>) -> Result<(), Error> {
        let (done, answer) = oneshot::channel();
        let request = Request::SetCpu { id: self.inner.id.clone(), millis, done };
        let launcher = self.inner.launcher.upgrade().ok_or(Error::LauncherEnded)?;
        launcher.send(request).await.map_err(|_| Error::LauncherEnded)?;
        // Not held while waiting: the launcher ends with its last handle, whoever waits here.
        drop(launcher);
        Ok(answer.await.map_err(|_| gone())??)
    }

    pub(crate) async fn order(&self, datagram: Vec<u8>, channel: Option<OwnedFd>) -> Result<(), Error> {
        self.order_with(datagram, channel, None).await
    }

    async fn order_with(
        &self,
        datagram: Vec<u8>,
        channel: Option<OwnedFd>,
        socket: Option<oneshot::Sender<io::Result<OwnedFd>>>,
    ) -> Result<(), Error> {
        let (sent, done) = oneshot::channel();
        self.inner.orders.send(Order { datagram, channel, socket, sent }).await.map_err(|_| gone())?;
        done.await.map_err(|_| gone())
    }
}

fn start_message(program: Program) -> Start {
    Start {
        argv: program.argv.into_iter().map(Raw::from).collect(),
        env: raw(program.env),
        cwd: program.cwd.into(),
    }
}

fn raw(env: Vec<(OsString, OsString)>) -> Vec<(Raw, Raw)> {
    env.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// Tells a program that waits what it is for.
async fn tell(client: &mut UnixStream, program: Program) -> Result<(), Error> {
    let assignment = Assignment { env: raw(program.env), cwd: program.cwd.into() };
    let mut document = protocol::encode(&assignment)?;
    document.push(b'\n');
    write(client, &document).await
}

/// Has it go on.
async fn go(mut client: UnixStream) -> Result<(), Error> {
    write(&mut client, b"\n").await
}

/// A program that does not take it is not understood by its end either, for it is about to come: its event is `Exited`.
async fn write(client: &mut UnixStream, bytes: &[u8]) -> Result<(), Error> {
    // Far less than the socket holds, so a program that does not read is not waited for. One that has ended shows as a
    // broken pipe here, and as an event.
    match client.write_all(bytes).await {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::Resources(error)),
        _ => Ok(()),
    }
}

pub(crate) fn gone() -> Error {
    Error::Gone("the event Gone says why".to_owned())
}
