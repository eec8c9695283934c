//! Connections out of a sandbox.

use std::future::Future as _;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use lambent_sandbox_protocol::Ends;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// An address inside a sandbox on which the server accepts connections.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    listener: tokio::net::TcpListener,
}

impl Endpoint {
    pub(crate) fn new(address: SocketAddr, listener: OwnedFd) -> io::Result<Self> {
        let listener = TcpListener::from(listener);
        listener.set_nonblocking(true)?;
        Ok(Self { address, listener: tokio::net::TcpListener::from_std(listener)? })
    }

    /// The address as it is seen inside.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts the next connection. May be dropped and called again without losing one.
    ///
    /// # Errors
    /// When the server has no descriptor left, for example. The endpoint stays usable.
    pub async fn accept(&mut self) -> io::Result<Connection> {
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    // Events and responses are single small writes whose latency counts.
                    stream.set_nodelay(true)?;
                    return Ok(Connection { stream, ends: Ends { from, to: self.address }, stalled: None });
                }
                // The function hung up before it was its turn.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A peer that reads nothing for this long is cut off: what is written for it lies in the server's memory.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// One connection out of a sandbox. A socket today; a stream of a multiplexed channel in a microVM.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    ends: Ends,
    /// Runs while the peer does not read.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    /// Its ends, as they are seen inside.
    #[must_use]
    pub fn ends(&self) -> Ends {
        self.ends
    }

    /// Bounds how long a write makes no progress.
    fn bounded(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timer = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL_TIMEOUT)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.bounded(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
