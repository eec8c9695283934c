//! Datagrams out of a sandbox.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// An address inside a sandbox on which the server receives datagrams.
#[derive(Debug)]
pub struct Datagrams {
    address: SocketAddr,
    socket: tokio::net::UdpSocket,
}

impl Datagrams {
    pub(crate) fn new(address: SocketAddr, socket: OwnedFd) -> io::Result<Self> {
        let socket = std::net::UdpSocket::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Self { address, socket: tokio::net::UdpSocket::from_std(socket)? })
    }

    /// The address as it is seen inside.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Receives the next datagram, cut to the buffer's size. May be dropped and called again without losing one.
    ///
    /// # Errors
    /// What the kernel says; the socket stays usable.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.recv(buffer).await
    }
}
