//! The protocol's channel as tokio sees it.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use lambent_sandbox_protocol as protocol;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Both ends of a channel, which block: for the time before there is a runtime.
pub(crate) fn blocking_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Our end of a channel.
#[derive(Debug)]
pub(crate) struct Channel {
    /// Of tokio's wrapper only the readiness is used: what is read and written are whole datagrams.
    socket: UnixStream,
}

impl Channel {
    /// Our end, and the end to be passed on, which blocks.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = blocking_pair()?;
        Ok((Self::new(ours)?, theirs))
    }

    /// The end of a [`blocking_pair`] that stays here.
    pub(crate) fn new(ours: OwnedFd) -> io::Result<Self> {
        let ours = std::os::unix::net::UnixStream::from(ours);
        ours.set_nonblocking(true)?;
        Ok(Self { socket: UnixStream::from_std(ours)? })
    }

    /// Receives one message; `None` when the peer is gone. May be dropped without losing one.
    pub(crate) async fn receive<M: serde::de::DeserializeOwned>(
        &self,
    ) -> Result<Option<(M, Vec<OwnedFd>)>, protocol::Error> {
        self.socket
            .async_io(Interest::READABLE, || match protocol::receive(&self.socket) {
                // Tells tokio to wait on; any other error is the answer.
                Err(protocol::Error::Io(error)) => Err(error),
                other => Ok(other),
            })
            .await?
    }

    /// Sends one datagram, whole. Dropped before its end it has sent nothing.
    pub(crate) async fn send(&self, datagram: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.socket.async_io(Interest::WRITABLE, || protocol::send_encoded(&self.socket, datagram, fds)).await
    }
}
