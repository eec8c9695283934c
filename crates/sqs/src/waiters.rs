//! Receives that wait for something to come. They are woken by what arrives, one at a time, and one of them by the time at
//! which something is due; while nothing happens they cost nothing.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lambent_model::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Those of one queue, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Waiters {
    arrived: Notify,
    /// When the one that looks after the clock comes back.
    alarm: Mutex<Option<Timestamp>>,
    waiting: AtomicUsize,
    /// At most so many messages are hidden; nobody has counted yet at first, so it may be any number.
    pub(crate) hidden: AtomicU64,
    /// Whose turn it is to count them.
    pub(crate) counting: tokio::sync::Mutex<()>,
}

impl Default for Waiters {
    fn default() -> Self {
        Self {
            arrived: Notify::new(),
            alarm: Mutex::new(None),
            waiting: AtomicUsize::new(0),
            hidden: AtomicU64::new(u64::MAX),
            counting: tokio::sync::Mutex::new(()),
        }
    }
}

impl Waiters {
    /// Something can be received: one looks, or the next that comes.
    pub(crate) fn wake_one(&self) {
        self.arrived.notify_one();
    }

    /// Whoever has looked leaves, and something is due later: somebody else has to look after the clock.
    pub(crate) fn wake_another(&self) {
        if self.waiting.load(Ordering::Acquire) > 0 {
            self.wake_one();
        }
    }

    /// The queue has changed or is gone: all look.
    pub(crate) fn wake_all(&self) {
        self.arrived.notify_waiters();
        self.arrived.notify_one();
    }

    /// Waits until it is worth looking, `due` is reached, or the time is over.
    pub(crate) async fn wait(&self, now: Timestamp, due: Option<Timestamp>, until: Instant) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let _counted = Counted(&self.waiting);
        let mut alarm = due.and_then(|due| self.take_alarm(due));
        let until = match &alarm {
            Some(alarm) => until.min(Instant::now() + between(now, alarm.at)),
            None => until,
        };
        // One that is dropped while it is being woken hands the waking on (tokio: `Notify`).
        tokio::select! {
            () = self.arrived.notified() => {}
            () = tokio::time::sleep_until(until) => {}
        }
        if let Some(alarm) = &mut alarm {
            alarm.looks = true;
        }
    }

    /// The task of looking at a time, unless somebody else has it for an earlier one.
    fn take_alarm(&self, at: Timestamp) -> Option<Alarm<'_>> {
        let mut alarm = self.lock();
        if alarm.is_some_and(|other| other <= at) {
            return None;
        }
        *alarm = Some(at);
        Some(Alarm { waiters: self, at, looks: false })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Timestamp>> {
        // A time is whole, whoever panicked.
        self.alarm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn between(now: Timestamp, then: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(then.micros() - now.micros()).unwrap_or(0))
}

struct Counted<'w>(&'w AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Whoever has it looks at its time; when it goes away instead, another takes over.
struct Alarm<'w> {
    waiters: &'w Waiters,
    at: Timestamp,
    /// It has waited to the end, and looks now.
    looks: bool,
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        let mut alarm = self.waiters.lock();
        let is_own = *alarm == Some(self.at);
        if is_own {
            *alarm = None;
        }
        drop(alarm);
        if is_own && !self.looks {
            self.waiters.wake_another();
        }
    }
}

/// A look that is cut short, its client gone: what woke it is another's to look after.
pub(crate) struct Look<'w> {
    pub(crate) waiters: &'w Waiters,
    pub(crate) done: bool,
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.waiters.wake_another();
        }
    }
}
