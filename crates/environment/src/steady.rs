//! A connection that wakes itself goes on at once.
//!
//! hyper hands the body of a request to whoever answers it through a channel, and wakes the connection for each step of
//! that. Both are the same task here, so that it wakes itself while it runs. A runtime with several threads takes that for
//! work that another one could do, wakes that one, and the two of them race for it: several times for each invocation,
//! which costs more than all else that a connection does.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// How often in a row it goes on: after that the others have their turn. A request takes three or four.
const MOST: usize = 16;

/// Not polled at the moment: who wakes it wakes its task.
const RESTS: u8 = 0;
const RUNS: u8 = 1;
/// Has been woken while it ran.
const AGAIN: u8 = 2;

/// Drives a future to its end, and polls it again when it has been woken while it was polled.
///
/// # Panics
/// Never by itself; a panic of the future passes through.
pub async fn steady<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let inner = Arc::new(Inner { state: AtomicU8::new(RESTS), task: Mutex::new(None) });
    let waker = Waker::from(Arc::clone(&inner));
    std::future::poll_fn(move |context| inner.poll(future.as_mut(), &waker, context)).await
}

struct Inner {
    state: AtomicU8,
    /// The task's own.
    task: Mutex<Option<Waker>>,
}

impl Inner {
    fn poll<F: Future>(
        &self,
        mut future: Pin<&mut F>,
        waker: &Waker,
        context: &mut Context<'_>,
    ) -> Poll<F::Output> {
        self.remember(context.waker());
        for _ in 0..MOST {
            self.state.store(RUNS, Ordering::Release);
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(waker)) {
                return Poll::Ready(output);
            }
            let rests = self.state.compare_exchange(RUNS, RESTS, Ordering::AcqRel, Ordering::Acquire);
            if rests.is_ok() {
                return Poll::Pending;
            }
        }
        self.state.store(RESTS, Ordering::Release);
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn remember(&self, waker: &Waker) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *task {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }
}

impl Wake for Inner {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let noted = self.state.compare_exchange(RUNS, AGAIN, Ordering::AcqRel, Ordering::Acquire);
        if noted == Err(RESTS) {
            let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(task) = &*task {
                task.wake_by_ref();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Polls once, and says how often the task was woken by then.
    fn poll_once<T>(future: Pin<&mut impl Future<Output = T>>, count: &Arc<Count>) -> (bool, usize) {
        let waker = Waker::from(Arc::clone(count));
        let ready = future.poll(&mut Context::from_waker(&waker)).is_ready();
        (ready, count.0.load(Ordering::Relaxed))
    }

    #[test]
    fn what_wakes_itself_goes_on_without_its_task_being_woken() {
        let mut left = 5;
        let wakes_itself = std::future::poll_fn(move |context| {
            left -= 1;
            context.waker().wake_by_ref();
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        assert_eq!(poll_once(pin!(steady(wakes_itself)), &Arc::default()), (true, 0));
    }

    #[test]
    fn what_wakes_itself_for_ever_lets_others_have_their_turn() {
        let restless = std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert_eq!(poll_once(pin!(steady(restless)), &Arc::default()), (false, 1));
    }

    #[test]
    fn who_wakes_it_from_outside_wakes_its_task() {
        let outside = Arc::new(Mutex::new(None));
        let inside = Arc::clone(&outside);
        let waits = std::future::poll_fn(move |context| {
            let woken = inside.lock().unwrap().replace(context.waker().clone()).is_some();
            if woken { Poll::Ready(()) } else { Poll::Pending }
        });
        let (mut future, count) = (pin!(steady(waits)), Arc::<Count>::default());
        assert_eq!(poll_once(future.as_mut(), &count), (false, 0));
        outside.lock().unwrap().as_ref().unwrap().wake_by_ref();
        assert_eq!(poll_once(future.as_mut(), &count), (true, 1));
    }
}
