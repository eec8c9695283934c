//! Having a zip unpacked, by a program that the launcher starts.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lambent_sandbox_protocol::{Failure, Unpack, UnpackEnd};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use crate::launcher::Request;
use crate::{Error, Launcher};

/// The program bounds its own processor time to 60 s; this bounds waiting for the disk and for a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// The answer is one short line; more is a program gone wrong.
const MOST_ANSWER: u64 = 16 * 1024;

/// What has become of a zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// What the program said, 16 KiB at most.
    pub answer: Vec<u8>,
    /// The exit code, or the signal that ended it.
    pub end: Result<i32, i32>,
}

impl Launcher {
    /// Runs the unpack program: `zip` is a file that is open for reading alone, `directory` an empty one of this process's
    /// user, which belongs to nobody but the program until it has ended. Two at a time.
    ///
    /// # Errors
    /// [`Error::Setup`] when it could not be started or was ended after five minutes, [`Error::LauncherEnded`].
    pub async fn unpack(
        &self,
        zip: OwnedFd,
        directory: OwnedFd,
        bytes: u64,
        entries: u32,
    ) -> Result<Unpacked, Error> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| Error::Resources(e.into()))?;
        rustix::io::ioctl_fionbio(&reader, true).map_err(|e| Error::Resources(e.into()))?;
        let reader = pipe::Receiver::from_owned_fd(reader).map_err(Error::Resources)?;
        let id = self.next_job.fetch_add(1, Ordering::Relaxed);
        let (done, ended) = oneshot::channel();
        let request =
            Request::Unpack { order: Unpack { id, bytes, entries }, fds: [zip, directory, writer], done };
        self.requests.send(request).await.map_err(|_| Error::LauncherEnded)?;
        // The pipe ends with the program, and with a launcher that does not start it.
        let failure = match tokio::time::timeout(PATIENCE, read(reader)).await {
            Ok(Ok(answer)) => return finish(answer, ended.await),
            Ok(Err(error)) => format!("the unpack program's answer cannot be read: {error}"),
            Err(_late) => format!("the unpack program has not answered within {PATIENCE:?}"),
        };
        self.requests.send(Request::StopUnpack { id }).await.map_err(|_| Error::LauncherEnded)?;
        // Only then the directory is this process's again.
        ended.await.map_err(|_| Error::LauncherEnded)?;
        Err(Failure::Refused { reason: failure }.into())
    }
}

async fn read(pipe: pipe::Receiver) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    pipe.take(MOST_ANSWER + 1).read_to_end(&mut answer).await?;
    if answer.len() as u64 > MOST_ANSWER {
        return Err(io::Error::other("it is too long"));
    }
    Ok(answer)
}

fn finish(answer: Vec<u8>, end: Result<UnpackEnd, oneshot::error::RecvError>) -> Result<Unpacked, Error> {
    match end.map_err(|_| Error::LauncherEnded)? {
        UnpackEnd::Code(code) => Ok(Unpacked { answer, end: Ok(code) }),
        UnpackEnd::Signal(signal) => Ok(Unpacked { answer, end: Err(signal) }),
        UnpackEnd::Failed(failure) => Err(failure.into()),
    }
}
