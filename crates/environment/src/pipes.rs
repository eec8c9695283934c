//! The pipes that a function writes to.

use std::io;
use std::sync::Arc;

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
}

impl Pipes {
    pub(crate) fn new(output: Output) -> io::Result<Self> {
        let receiver = |fd| pipe::Receiver::from_owned_fd(fd).map(|receiver| Some(Arc::new(receiver)));
        Ok(Self { stdio: receiver(output.stdio)?, telemetry: receiver(output.telemetry)? })
    }

    /// Waits until there is something to read, or one has been closed.
    pub(crate) async fn readable(&self) {
        async fn one(pipe: Option<&Arc<pipe::Receiver>>) {
            match pipe {
                // An error shows again at the read that follows.
                Some(pipe) => drop(pipe.readable().await),
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = one(self.stdio.as_ref()) => {}
            () = one(self.telemetry.as_ref()) => {}
        }
    }

    /// Reads what is there, within a limit; true when there is more. What a function wrote before it reported a
    /// result is there by then, so its lines come before `END`.
    pub(crate) fn drain(&mut self, log: &mut Log) -> bool {
        let more = read(&mut self.telemetry, &mut |bytes| log.telemetry(bytes));
        read(&mut self.stdio, &mut |bytes| log.stdio(bytes)) || more
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
