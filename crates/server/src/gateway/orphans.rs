//! Calls that go on when their caller is gone.
//!
//! hyper drops the future of a request when its connection breaks. A call that has begun must not end there, half done:
//! a function that was created would never be settled, an invocation that its environment declined would never be tried
//! in another, and nobody would have counted it. On AWS, too, hanging up cancels nothing.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinSet;

/// What a call is, as far as it is known here.
type Call<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Owns the calls whose callers are gone. There are no more of them than there are places for calls under way, one of
/// which each of them keeps.
#[derive(Default)]
pub(crate) struct Orphans {
    /// `None` once the server ends.
    calls: Mutex<Option<JoinSet<()>>>,
}

impl Orphans {
    /// For a server that runs.
    pub(crate) fn new() -> Self {
        Self { calls: Mutex::new(Some(JoinSet::new())) }
    }

    fn calls(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A future of the call that may be dropped; `noticed` is called then.
    pub(crate) fn keep<T: Send + 'static>(
        self: &Arc<Self>,
        call: impl Future<Output = T> + Send + 'static,
        noticed: impl Fn() + Send + Unpin,
    ) -> impl Future<Output = T> + Send {
        Kept { call: Some(Box::pin(call)), orphans: Arc::clone(self), noticed }
    }

    fn adopt<T: Send + 'static>(&self, call: Call<T>) {
        let mut calls = self.calls();
        // Without a runtime, or at the end of the server, there is nobody to carry it on.
        let (Some(calls), Ok(runtime)) = (&mut *calls, tokio::runtime::Handle::try_current()) else { return };
        while calls.try_join_next().is_some() {}
        calls.spawn_on(async move { drop(call.await) }, &runtime);
    }

    /// Waits for what is under way for so long, then ends it; takes no more.
    pub(crate) async fn end(&self, patience: Duration) {
        let Some(mut calls) = self.calls().take() else { return };
        let ended =
            tokio::time::timeout(patience, async { while calls.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            calls.shutdown().await;
        }
    }
}

/// See [`Orphans::keep`].
struct Kept<T: Send + 'static, N: Fn() + Send + Unpin> {
    call: Option<Call<T>>,
    orphans: Arc<Orphans>,
    noticed: N,
}

impl<T: Send + 'static, N: Fn() + Send + Unpin> Future for Kept<T, N> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let call = self.call.as_mut().expect("nobody polls a future that is ready");
        let polled = call.as_mut().poll(context);
        if polled.is_ready() {
            self.call = None;
        }
        polled
    }
}

impl<T: Send + 'static, N: Fn() + Send + Unpin> Drop for Kept<T, N> {
    fn drop(&mut self) {
        // A call that panicked is not polled again.
        if let Some(call) = self.call.take()
            && !std::thread::panicking()
        {
            (self.noticed)();
            self.orphans.adopt(call);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_call_goes_on_without_its_caller() {
        let (orphans, noticed) = (Arc::new(Orphans::new()), AtomicU32::new(0));
        let (go, gone) = oneshot::channel::<()>();
        let (done, was_done) = oneshot::channel::<()>();
        let call = orphans.keep(
            async move {
                gone.await.unwrap();
                done.send(()).unwrap();
            },
            || {
                noticed.fetch_add(1, Ordering::Relaxed);
            },
        );
        let mut call = Box::pin(call);
        let pending =
            std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_pending())).await;
        assert!(pending);
        drop(call);
        assert_eq!(noticed.load(Ordering::Relaxed), 1);
        go.send(()).unwrap();
        was_done.await.unwrap();
        orphans.end(Duration::from_secs(60)).await;
    }

    #[tokio::test]
    async fn a_call_that_ended_leaves_nothing_and_none_outlives_the_server() {
        let orphans = Arc::new(Orphans::new());
        assert_eq!(orphans.keep(async { 7 }, || panic!("its caller is there")).await, 7);
        let hanging = orphans.keep(std::future::pending::<()>(), || ());
        drop(hanging);
        orphans.end(Duration::ZERO).await;
        drop(orphans.keep(std::future::pending::<()>(), || ()));
        assert!(orphans.calls().is_none());
    }
}
