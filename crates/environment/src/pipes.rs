//! The pipes that a function writes to.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::Poll;

use lambent_sandbox_client::Output;
use tokio::net::unix::pipe;

use crate::log::Log;

/// What one event may drain from a pipe before others get their turn.
const DRAIN: usize = 256 * 1024;

/// The read ends; `None` once closed. Clones are the same pipes: one waits, another reads.
#[derive(Clone)]
pub(crate) struct Pipes {
    stdio: Option<Arc<pipe::Receiver>>,
    telemetry: Option<Arc<pipe::Receiver>>,
    /// Standard output and error of each extension, by its slot: ten at most.
    extensions: Vec<(u8, Option<Arc<pipe::Receiver>>)>,
}

impl Pipes {
    pub(crate) fn new(output: Output) -> io::Result<Self> {
        let receiver = |fd| pipe::Receiver::from_owned_fd(fd).map(|receiver| Some(Arc::new(receiver)));
        Ok(Self {
            stdio: receiver(output.stdio)?,
            telemetry: receiver(output.telemetry)?,
            extensions: Vec::new(),
        })
    }

    /// Waits until there is something to read, or one has been closed.
    pub(crate) async fn readable(&self) {
        let extensions = self.extensions.iter().map(|(_, pipe)| pipe);
        std::future::poll_fn(|context| {
            let mut pipes = [&self.stdio, &self.telemetry].into_iter().chain(extensions.clone()).flatten();
            // An error shows again at the read that follows.
            let ready = pipes.any(|pipe| pipe.poll_read_ready(context).is_ready());
            if ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Reads from an extension's pipe as well.
    pub(crate) fn add(&mut self, slot: u8, output: OwnedFd) -> io::Result<()> {
        let receiver = pipe::Receiver::from_owned_fd(output)?;
        self.extensions.push((slot, Some(Arc::new(receiver))));
        Ok(())
    }

    /// Reads what is there, within a limit; true when there is more. What a function wrote before it reported a
    /// result is there by then, so its lines come before `END`.
    pub(crate) fn drain(&mut self, log: &mut Log) -> bool {
        let mut more = read(&mut self.telemetry, &mut |bytes| log.telemetry(bytes));
        more |= read(&mut self.stdio, &mut |bytes| log.stdio(bytes));
        for (slot, pipe) in &mut self.extensions {
            more |= read(pipe, &mut |bytes| log.extension(*slot, bytes));
        }
        if self.extensions.iter().any(|(_, pipe)| pipe.is_none()) {
            self.extensions.retain(|(_, pipe)| pipe.is_some());
        }
        more
    }

    /// Takes all that dead writers have left, so that none of it is mixed with what the next ones write.
    pub(crate) fn finish(&mut self, log: &mut Log) {
        while self.drain(log) {}
        log.flush_telemetry();
    }
}

/// True when the limit ended it.
fn read(pipe: &mut Option<Arc<pipe::Receiver>>, take: &mut impl FnMut(&[u8])) -> bool {
    let Some(receiver) = pipe else { return false };
    let mut buffer = [0; 16 * 1024];
    let mut total = 0;
    while total < DRAIN {
        match receiver.try_read(&mut buffer) {
            Ok(length @ 1..) => {
                take(&buffer[..length]);
                total += length;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
            Ok(0) | Err(_) => {
                *pipe = None;
                return false;
            }
        }
    }
    true
}
