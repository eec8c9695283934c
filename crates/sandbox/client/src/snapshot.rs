//! Snapshots of the program of a sandbox, and bringing them to life in others.
//!
//! ```text
//! Control::start ─▶ the program, until it waits ─▶ Control::snapshot ─▶ Snapshot ─▶ Control::restore, in as many other
//!                                                                                 sandboxes as there are to be
//! ```
//!
//! What is brought to life has the memory, the numbers and the open files of the one that was taken, the output pipes of its
//! new sandbox, and what it had in `/tmp`. Its connections are closed, but for one that is made anew where it waits for an answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use lambent_model::Bytes;
use lambent_sandbox_protocol::{self as protocol, Ends, Restore, ToInit};
use tokio::sync::{mpsc, oneshot};

use crate::control::gone;
use crate::launcher::Request;
use crate::{Control, Error};

/// A snapshot. Clones are the same one; with the last its files go.
#[derive(Debug, Clone)]
pub struct Snapshot(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    name: String,
    pid: i32,
    bytes: Bytes,
    launcher: mpsc::WeakSender<Request>,
}

impl Snapshot {
    /// What its files hold.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.0.bytes
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(launcher) = self.launcher.upgrade() {
            // With a full queue the files stay until the next start: nobody can wait here.
            let _ = launcher.try_send(Request::Forget { snapshot: std::mem::take(&mut self.name) });
        }
    }
}

impl Control {
    /// Takes a snapshot of the program, which stays stopped: the sandbox is of use for nothing else. It has to have been made
    /// for [`crate::Snapshotting::Take`]. `asking` is the connection on which it waits for an answer, which it will have
    /// after [`Control::restore`].
    ///
    /// # Errors
    /// [`Error::Setup`] where it cannot be taken, such as beside further processes; [`Error::Gone`].
    pub async fn snapshot(&self, asking: Option<Ends>) -> Result<Snapshot, Error> {
        let launcher = self.launcher().upgrade().ok_or(Error::LauncherEnded)?;
        let (id, name) = (self.id().to_owned(), self.id().to_owned());
        let (done, answer) = oneshot::channel();
        let order = protocol::Snapshot { id, snapshot: name.clone(), asking };
        launcher.send(Request::Snapshot { order, done }).await.map_err(|_| Error::LauncherEnded)?;
        drop(launcher);
        let image = answer.await.map_err(|_| gone())?.map_err(Error::Setup)?;
        let launcher = self.launcher().clone();
        Ok(Snapshot(Arc::new(Kept { name, pid: image.pid, bytes: Bytes(image.bytes), launcher })))
    }

    /// Brings a snapshot to life in this sandbox, as the program that [`Control::start`] would have started. The sandbox has
    /// to have been made for [`crate::Snapshotting::Restore`]. `request` is asked in the program's name where it waits for an
    /// answer.
    ///
    /// # Errors
    /// [`Error::AlreadyRunning`]; [`Error::Setup`] where it fails, after which the sandbox is of no use; [`Error::Gone`].
    pub async fn restore(&self, snapshot: &Snapshot, request: &str) -> Result<(), Error> {
        let running = self.running();
        if running.swap(true, Ordering::AcqRel) {
            return Err(Error::AlreadyRunning);
        }
        // Before there is such a process: should it end at once, init knows what to say.
        self.order(protocol::encode(&ToInit::Expect { pid: snapshot.0.pid })?, None).await?;
        let launcher = self.launcher().upgrade().ok_or(Error::LauncherEnded)?;
        let (done, answer) = oneshot::channel();
        let order = Restore {
            id: self.id().to_owned(),
            snapshot: snapshot.0.name.clone(),
            request: request.to_owned(),
        };
        launcher.send(Request::Restore { order, done }).await.map_err(|_| Error::LauncherEnded)?;
        drop(launcher);
        answer.await.map_err(|_| gone())?.map_err(Error::Setup)
    }
}
