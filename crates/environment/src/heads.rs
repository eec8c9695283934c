//! A time limit for the heads of requests that does not count the time between two requests.
//!
//! hyper's own limit counts from the previous answer on, and a runtime keeps its connection while a handler runs for
//! minutes. Here time counts from the first byte of a head that is not complete yet.
//!
//! The connection also lets go of something once it has written; see [`Requests::hold`].

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A head is sent at once by everybody who means it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// What is known of the requests of one connection.
#[derive(Clone, Default)]
pub(crate) struct Requests(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// How many have begun and ended: odd while one is being answered.
    count: AtomicU64,
    /// What is dropped with the next write, and whether there is something.
    held: Mutex<Option<Box<dyn Send>>>,
    holds: AtomicBool,
}

/// While it lives, a request is being answered.
pub(crate) struct Answering(Requests);

impl Requests {
    /// To be called with each head that has come whole.
    pub(crate) fn answering(&self) -> Answering {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }

    /// Keeps something until the connection has written next, or has tried to, or is gone.
    pub(crate) fn hold(&self, what: impl Send + 'static) {
        let before = self.held().replace(Box::new(what));
        self.0.holds.store(true, Ordering::Release);
        drop(before);
    }

    fn let_go(&self) {
        if self.0.holds.swap(false, Ordering::Acquire) {
            let held = self.held().take();
            drop(held);
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<Box<dyn Send>>> {
        // Nothing is dropped while it is locked.
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.count.fetch_add(1, Ordering::Relaxed);
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
        let count = self.requests.0.count.load(Ordering::Relaxed);
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
        let written = Pin::new(&mut self.connection).poll_write(context, bytes);
        self.requests.let_go();
        written
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
        let written = Pin::new(&mut self.connection).poll_write_vectored(context, slices);
        self.requests.let_go();
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// Counts what is written.
    struct Counted(Arc<AtomicUsize>);

    impl AsyncWrite for Counted {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.0.fetch_add(bytes.len(), Ordering::Relaxed);
            Poll::Ready(Ok(bytes.len()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Notes how much had been written when it was dropped.
    struct Held {
        written: Arc<AtomicUsize>,
        noted: Arc<Mutex<Vec<usize>>>,
    }

    impl Drop for Held {
        fn drop(&mut self) {
            self.noted.lock().unwrap().push(self.written.load(Ordering::Relaxed));
        }
    }

    #[tokio::test]
    async fn what_is_held_is_dropped_after_the_next_write_or_with_the_connection() {
        let (written, noted) = (Arc::default(), Arc::default());
        let requests = Requests::default();
        let mut connection = Heads::new(Counted(Arc::clone(&written)), requests.clone());
        let held = || Held { written: Arc::clone(&written), noted: Arc::clone(&noted) };
        requests.hold(held());
        connection.write_all(b"event").await.unwrap();
        connection.write_all(b"more").await.unwrap();
        assert_eq!(*noted.lock().unwrap(), [5]);
        requests.hold(held());
        drop((connection, requests));
        assert_eq!(*noted.lock().unwrap(), [5, 9]);
    }
}
