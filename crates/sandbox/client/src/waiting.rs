//! Sandboxes that are made before anybody knows for which function: a cold start then needs neither a sandbox nor, where
//! a client of ours waits in it, an interpreter.
//!
//! ```text
//! Launcher::prepare ──▶ Waiting ──assign──▶ Sandbox ──Control::start──▶ the client goes on, or init starts the program
//!      sandbox, interpreter      code, memory            environment
//! ```
//!
//! A client that waits learns what it is for on a socket of its own ([`lambent_sandbox_protocol::ASSIGNMENT_FD`]): it
//! writes one byte when it is ready and reads one document in a line, ahead of which comes a space as soon as a function has
//! been chosen: it wakes up while the document is made. With the environment it does what it can while the launcher works,
//! and an empty line says that the function's folders are there. A channel that ends without it is of a sandbox that nobody
//! wants any more. It is the platform's own code, and still believed no more than one byte.

use std::time::Duration;

use lambent_model::Bytes;
use lambent_sandbox_protocol::{ASSIGNMENT_FD, Assign};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use crate::launcher::{Launcher, Request};
use crate::sandbox::{Sandbox, tree};
use crate::{Error, Mount, Program, Spec};

/// Where a client finds the number of the descriptor on which it is to wait. It is gone from the environment that the
/// function sees.
const ASSIGNMENT_VARIABLE: &str = "_LAMBENT_ASSIGNMENT_FD";

/// Fills the environment that the client is started with, so that the function's own fits in its place: `/proc/PID/environ`
/// shows these bytes of memory, which a process can overwrite, but not move without a right.
const ROOM_VARIABLE: &str = "_LAMBENT_ROOM";

/// Four KB of the function's own variables (Lambda quotas), and more than as much again for those of the platform.
const ROOM: usize = 12 * 1024;

/// An interpreter takes 50 ms to start on an idle machine. What is made in advance yields to everything else, though.
const READY_TIMEOUT: Duration = Duration::from_secs(120);

/// What a function's program will be in a sandbox; `None` where that is not known before it is to be started.
pub type Foretell = dyn Fn(&Sandbox) -> Option<Program> + Send + Sync;

/// A sandbox that waits for a function. Dropping it ends it.
#[derive(Debug)]
pub struct Waiting {
    sandbox: Sandbox,
    requests: mpsc::WeakSender<Request>,
}

impl Launcher {
    /// Makes a sandbox in advance, with less of the host's CPUs than others get, and starts a program in it, if one is
    /// named, which has to be a client of ours that knows how to wait. Resolves when it does. Dropping the future
    /// half-way leaves nothing behind.
    ///
    /// `spec.mounts` is what is shown from the start; `spec.memory` is the limit until [`Waiting::assign`].
    ///
    /// # Errors
    /// As [`Launcher::launch`]; [`Error::NotReady`] when the program does not come to wait.
    pub async fn prepare(&self, spec: Spec, program: Option<Program>) -> Result<Waiting, Error> {
        let mut sandbox = self.make(&spec, true).await?;
        if let Some(program) = program {
            let ready = tokio::time::timeout(READY_TIMEOUT, start(&mut sandbox, program)).await;
            let client = ready.map_err(|_elapsed| Error::NotReady("it took too long".to_owned()))??;
            sandbox.control.wait_for_assignment(client);
        }
        Ok(Waiting { sandbox, requests: self.requests.downgrade() })
    }
}

/// Starts a client and waits until it says that it waits.
async fn start(sandbox: &mut Sandbox, mut program: Program) -> Result<UnixStream, Error> {
    let (mut ours, theirs) = UnixStream::pair().map_err(Error::Resources)?;
    let theirs = theirs.into_std().map_err(Error::Resources)?;
    // Clients in interpreters that know no event loop yet read it as a file.
    theirs.set_nonblocking(false).map_err(Error::Resources)?;
    let address = sandbox.runtime_api.address().to_string();
    program.env.push((ASSIGNMENT_VARIABLE.into(), ASSIGNMENT_FD.to_string().into()));
    program.env.push(("AWS_LAMBDA_RUNTIME_API".into(), address.into()));
    program.env.push((ROOM_VARIABLE.into(), "0".repeat(ROOM).into()));
    sandbox.control.start_with(program, Some(theirs.into())).await?;
    let mut byte = [0];
    tokio::select! {
        // An end that init reports says more than that of the channel.
        biased;
        event = sandbox.events.recv() => Err(Error::NotReady(format!("{event:?}"))),
        read = ours.read(&mut byte) => match read {
            Ok(1) => Ok(ours),
            Ok(_) => Err(Error::NotReady("it closed the channel on which it was to wait".to_owned())),
            Err(error) => Err(Error::Resources(error)),
        },
    }
}

impl Waiting {
    /// Gives the sandbox to a function: shows `mounts` in it and sets its limit of memory. The program is started, or
    /// told what it is for, by [`crate::Control::start`] as in any other sandbox. Where `foretell` knows the program, one
    /// that waits is told at once, and goes on by [`crate::Control::go_on`].
    ///
    /// # Errors
    /// [`Error::Setup`] when the launcher cannot or may not; [`Error::Gone`] when the sandbox or the program in it has
    /// ended meanwhile. The sandbox is ended then.
    pub async fn assign(
        self,
        mounts: &[Mount],
        memory: Bytes,
        foretell: &Foretell,
    ) -> Result<Sandbox, Error> {
        let Self { mut sandbox, requests } = self;
        if let Ok(event) = sandbox.events.try_recv() {
            return Err(Error::Gone(format!("what waited in it has ended: {event:?}")));
        }
        // First, for the program takes the longest from here on.
        if sandbox.control.call_client()
            && let Some(program) = foretell(&sandbox)
        {
            sandbox.control.tell_client(program).await?;
            sandbox.told = true;
        }
        let id = sandbox.control.id().to_owned();
        let trees = mounts.iter().map(tree).collect::<Result<_, _>>()?;
        let (done, answer) = oneshot::channel();
        let request = Request::Assign { assign: Assign { id, trees, memory: memory.0 }, done };
        let launcher = requests.upgrade().ok_or(Error::LauncherEnded)?;
        launcher.send(request).await.map_err(|_| Error::LauncherEnded)?;
        drop(launcher);
        let gone = |_| Error::Gone("it ended while it was given away".to_owned());
        answer.await.map_err(gone)?.map_err(Error::Setup)?;
        Ok(sandbox)
    }

    /// Whether it cannot be given to anybody any more: the sandbox, or what waits in it, has ended.
    pub fn has_ended(&mut self) -> bool {
        // Nothing else happens in a sandbox that waits.
        !matches!(self.sandbox.events.try_recv(), Err(mpsc::error::TryRecvError::Empty))
    }
}
