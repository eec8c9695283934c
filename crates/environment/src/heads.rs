//! A time limit for the heads of requests that does not count the time between two requests.
//!
//! hyper's own limit counts from the previous answer on, and a runtime keeps its connection while a handler runs for
//! minutes. Here time counts from the first byte of a head that is not complete yet.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A head is sent at once by everybody who means it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How many requests of one connection have begun and ended: odd while one is being answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requests(Arc<AtomicU64>);

/// While it lives, a request is being answered.
pub(crate) struct Answering(Requests);

impl Requests {
    /// To be called with each head that has come whole.
    pub(crate) fn answering(&self) -> Answering {
        self.0.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection that fails when a head is begun and not finished.
pub(crate) struct Heads<C> {
    connection: C,
    requests: Requests,
    /// The value of `requests` at which a head was begun.
    begun: Option<u64>,
    /// Runs only while the rest of a head is waited for: most come in one piece.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<C> Heads<C> {
    pub(crate) fn new(connection: C, requests: Requests) -> Self {
        Self { connection, requests, begun: None, timer: None }
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Heads<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = self.requests.0.load(Ordering::Relaxed);
        // Its head has come whole, however the request went on.
        if self.begun.is_some_and(|begun| begun != count) {
            self.begun = None;
            self.timer = None;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.connection).poll_read(context, buffer);
        if read.is_ready() {
            let is_between_requests = count.is_multiple_of(2);
            if is_between_requests && buffer.filled().len() > before {
                self.begun.get_or_insert(count);
            }
            return read;
        }
        if self.begun.is_some() {
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(HEAD_TIMEOUT)));
            ready!(timer.as_mut().poll(context));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Heads<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}
