//! When environments are frozen: not on the path of any caller, and not while one is likely to come back at once.
//!
//! To freeze and to thaw costs tens of microseconds each, which is much beside an invocation of two hundred. So an
//! environment that has become idle is put into a queue, and one thread of its own, which sleeps between the times that
//! are due, freezes those that still are idle then. A caller that comes back sooner finds the environment as it left it,
//! and a stream of invocations wakes the thread about once per [`AFTER`], not once each.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// How long an environment is idle before it is frozen: what a client takes to come back with its next invocation. To be
/// frozen a process has to run, and once more to go on: on a busy host a caller who came back every two milliseconds waited
/// twice as long with a delay of one (docs/adr/0011).
pub(crate) const AFTER: Duration = Duration::from_millis(5);

/// How long the thread sleeps at least: whose time comes meanwhile is looked at together. With dozens of environments that
/// are invoked thousands of times a second it would otherwise wake for each by itself, to find that most run again.
const GRAIN: Duration = Duration::from_millis(2);

/// What is in the queue.
pub(crate) trait Freezable: Send + Sync {
    /// The moment has come.
    fn freeze_due(&self);
}

/// The thread that freezes idle environments. It ends when this is dropped.
#[derive(Debug)]
pub struct IdleFreezer {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
}

#[derive(Default)]
struct Queue {
    /// In the order of the times, as far as that matters: all wait equally long, and who was asked for too early, is put
    /// at the end again. At most one for each environment.
    due: VecDeque<(Instant, Weak<dyn Freezable>)>,
    closed: bool,
}

impl IdleFreezer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), filled: Condvar::new() });
        let worker = Arc::clone(&shared);
        // Not joined: the last to let go of it may be this thread itself, by the last handle of an environment.
        drop(thread::Builder::new().name("freezer".into()).spawn(move || worker.run())?);
        Ok(Self { shared })
    }

    /// Has it told, no sooner than `at`.
    pub(crate) fn queue(&self, at: Instant, who: Weak<dyn Freezable>) {
        let mut queue = self.shared.lock();
        queue.due.push_back((at, who));
        // Otherwise the thread is awake, or sleeps until it is to look anyway.
        if queue.due.len() == 1 {
            drop(queue);
            self.shared.filled.notify_one();
        }
    }
}

impl Drop for IdleFreezer {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.filled.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while it is held.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut queue = self.lock();
        while !queue.closed {
            let Some((at, _)) = queue.due.front() else {
                queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let wait = at.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                drop(queue);
                thread::sleep(wait.max(GRAIN));
                queue = self.lock();
                continue;
            }
            let due = queue.due.pop_front();
            drop(queue);
            // The lock is free meanwhile: who is told may queue again.
            if let Some(who) = due.and_then(|(_, who)| who.upgrade()) {
                who.freeze_due();
            }
            queue = self.lock();
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("waiting", &self.lock().due.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    struct Told(mpsc::Sender<Instant>);

    impl Freezable for Told {
        fn freeze_due(&self) {
            self.0.send(Instant::now()).unwrap();
        }
    }

    #[test]
    fn who_waits_is_told_in_time_and_who_is_gone_is_not_missed() {
        let freezer = IdleFreezer::start().unwrap();
        let (sender, told) = mpsc::channel();
        let who: Arc<dyn Freezable> = Arc::new(Told(sender));
        for _ in 0..2 {
            let at = Instant::now() + AFTER;
            freezer.queue(at, Weak::<Told>::new());
            freezer.queue(at, Arc::downgrade(&who));
            assert!(told.recv().unwrap() >= at);
        }
        let shared = Arc::downgrade(&freezer.shared);
        drop(freezer);
        while shared.strong_count() > 0 {
            thread::yield_now();
        }
    }
}
