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

    /// Waits until there is a datagram. Whoever has a buffer only from then on holds none for a sandbox that sends nothing.
    ///
    /// # Errors
    /// What the kernel says; the socket stays usable.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Receives the next datagram, cut to the buffer's size; an error of the kind `WouldBlock` where there is none after
    /// all, and [`Datagrams::readable`] waits again.
    ///
    /// # Errors
    /// What the kernel says; the socket stays usable.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.try_recv(buffer)
    }
}
