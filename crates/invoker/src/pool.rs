//! The environments of one version of a function.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lambent_environment::{Handle, Status};
use lambent_model::EnvironmentId;

/// What an environment is doing, as far as its pool knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Busy,
    Free {
        since: Instant,
    },
    /// Alive, but not to be given an invocation until it says so.
    Away,
}

#[derive(Default)]
struct Members {
    all: HashMap<EnvironmentId, (Handle, Use)>,
    /// The free ones, the last freed at the end.
    free: Vec<EnvironmentId>,
    retired: bool,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Pool {
    members: Mutex<Members>,
}

impl Pool {
    fn members(&self) -> MutexGuard<'_, Members> {
        // Nothing panics while holding the lock, and the map stays whole between statements.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the environment that was freed last.
    pub(crate) fn take(&self) -> Option<Handle> {
        let members = &mut *self.members();
        while let Some(id) = members.free.pop() {
            if let Some((handle, used)) = members.all.get_mut(&id) {
                *used = Use::Busy;
                return Some(handle.clone());
            }
        }
        None
    }

    /// Adds a new environment, busy with its first invocation. A retired pool lets it do that one and no more.
    pub(crate) fn add(&self, handle: Handle) {
        let mut members = self.members();
        if members.retired {
            handle.retire();
        }
        members.all.insert(handle.id(), (handle, Use::Busy));
    }

    /// Takes note of what an environment says; true when it is no longer busy with an invocation.
    pub(crate) fn note(&self, id: EnvironmentId, status: Status, now: Instant) -> bool {
        let members = &mut *self.members();
        let Some((handle, used)) = members.all.get_mut(&id) else { return false };
        let was_busy = *used == Use::Busy;
        match status {
            Status::Available if members.retired => handle.retire(),
            Status::Available => {
                *used = Use::Free { since: now };
                members.free.push(id);
            }
            Status::Lingering => *used = Use::Away,
            Status::Ended => {
                members.all.remove(&id);
                members.free.retain(|free| *free != id);
            }
        }
        was_busy
    }

    /// Ends what has been free for `idle` and longer.
    pub(crate) fn retire_idle(&self, idle: Duration, now: Instant) {
        let members = &mut *self.members();
        let Members { all, free, .. } = members;
        free.retain(|id| match all.get(id) {
            Some((handle, Use::Free { since })) if now.duration_since(*since) >= idle => {
                handle.retire();
                false
            }
            _ => true,
        });
    }

    /// Takes no more invocations; what is free ends now, what is busy after its invocation.
    pub(crate) fn retire(&self) {
        let mut members = self.members();
        members.retired = true;
        members.free.clear();
        for (handle, _) in members.all.values() {
            handle.retire();
        }
    }

    /// How many environments live.
    pub(crate) fn len(&self) -> usize {
        self.members().all.len()
    }
}
