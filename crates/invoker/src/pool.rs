//! The environments of one version of a function.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lambent_environment::{Handle, Status};
use lambent_model::EnvironmentId;
use tokio::sync::Notify;

use crate::room::Idle;

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

/// What a pool needs of an environment.
pub(crate) trait Member: Clone {
    /// Names it.
    fn id(&self) -> EnvironmentId;
    /// Has it end after what it is doing.
    fn retire(&self);
}

impl Member for Handle {
    fn id(&self) -> EnvironmentId {
        self.id()
    }

    fn retire(&self) {
        self.retire();
    }
}

struct Resident<M> {
    handle: M,
    used: Use,
    born: Instant,
    /// Its peak of memory in bytes, as far as it has been measured.
    holds: u64,
}

struct Members<M> {
    all: HashMap<EnvironmentId, Resident<M>>,
    /// The free ones, the last freed at the end.
    free: Vec<EnvironmentId>,
    retired: bool,
}

/// See the module's text.
pub(crate) struct Pool<M = Handle> {
    members: Mutex<Members<M>>,
    /// One has become free.
    freed: Notify,
    /// From its start to the last invocation that an environment is given.
    lifetime: Duration,
}

impl<M: Member> Pool<M> {
    /// An empty pool, whose environments take no more invocations once they are `lifetime` old.
    pub(crate) fn new(lifetime: Duration) -> Self {
        let members = Members { all: HashMap::new(), free: Vec::new(), retired: false };
        Self { members: Mutex::new(members), freed: Notify::new(), lifetime }
    }

    fn members(&self) -> MutexGuard<'_, Members<M>> {
        // Nothing panics while holding the lock, and the map stays whole between statements.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the environment that was freed last.
    pub(crate) fn take(&self) -> Option<M> {
        let members = &mut *self.members();
        while let Some(id) = members.free.pop() {
            if let Some(resident) = members.all.get_mut(&id) {
                resident.used = Use::Busy;
                return Some(resident.handle.clone());
            }
        }
        None
    }

    /// Waits until one has become free, and takes it.
    pub(crate) async fn freed(&self) -> M {
        loop {
            let freed = self.freed.notified();
            if let Some(member) = self.take() {
                return member;
            }
            freed.await;
        }
    }

    /// How many environments there are: busy, free, and away, which is between the two.
    pub(crate) fn states(&self) -> [usize; 3] {
        let mut states = [0; 3];
        for resident in self.members().all.values() {
            states[match resident.used {
                Use::Busy => 0,
                Use::Free { .. } => 1,
                Use::Away => 2,
            }] += 1;
        }
        states
    }

    /// Adds a new environment, busy with its first invocation. A retired pool lets it do that one and no more: it is
    /// told to end when it says that it is available. Told earlier, it would end before the invocation reached it.
    pub(crate) fn add(&self, handle: M, now: Instant) {
        self.members().all.insert(handle.id(), Resident { handle, used: Use::Busy, born: now, holds: 0 });
    }

    /// Takes note of what an environment says; true when it is no longer busy with an invocation.
    pub(crate) fn note(&self, id: EnvironmentId, status: Status, now: Instant) -> bool {
        let members = &mut *self.members();
        let Some(resident) = members.all.get_mut(&id) else { return false };
        let was_busy = resident.used == Use::Busy;
        match status {
            Status::Available if members.retired || now.duration_since(resident.born) >= self.lifetime => {
                // Its end must not count it off a second time.
                resident.used = Use::Away;
                resident.handle.retire();
            }
            Status::Available => {
                resident.used = Use::Free { since: now };
                members.free.push(id);
                self.freed.notify_one();
            }
            Status::Initialised => return false,
            Status::Lingering => resident.used = Use::Away,
            Status::Ended => {
                members.all.remove(&id);
                members.free.retain(|free| *free != id);
            }
        }
        was_busy
    }

    /// Takes note of what an environment holds.
    pub(crate) fn measured(&self, id: EnvironmentId, holds: u64) {
        if let Some(resident) = self.members().all.get_mut(&id) {
            resident.holds = holds;
        }
    }

    /// The free ones.
    pub(crate) fn idle(&self) -> Vec<Idle> {
        let members = self.members();
        let idle = |id: &EnvironmentId| match members.all.get(id)? {
            Resident { used: Use::Free { since }, holds, .. } => {
                Some(Idle { id: *id, since: *since, bytes: *holds })
            }
            _ => None,
        };
        members.free.iter().filter_map(idle).collect()
    }

    /// Ends one that is free; false when it is not any more.
    pub(crate) fn end_idle(&self, id: EnvironmentId) -> bool {
        let Members { all, free, .. } = &mut *self.members();
        let Some(place) = free.iter().position(|free| *free == id) else { return false };
        free.remove(place);
        if let Some(resident) = all.get_mut(&id) {
            resident.used = Use::Away;
            resident.handle.retire();
        }
        true
    }

    /// Ends what has been free for `idle` and longer, and what is free and old.
    pub(crate) fn retire_idle(&self, idle: Duration, now: Instant) {
        let members = &mut *self.members();
        let Members { all, free, .. } = members;
        free.retain(|id| match all.get(id) {
            Some(Resident { handle, used: Use::Free { since }, born, .. })
                if now.duration_since(*since) >= idle || now.duration_since(*born) >= self.lifetime =>
            {
                handle.retire();
                false
            }
            _ => true,
        });
    }

    /// How many environments there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.members().all.len()
    }

    /// Takes no more invocations; what is free ends now, what is busy after its invocation.
    pub(crate) fn retire(&self) {
        let mut members = self.members();
        members.retired = true;
        members.free.clear();
        for resident in members.all.values() {
            resident.handle.retire();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// An environment that counts how often it was told to end.
    #[derive(Clone)]
    struct Told(EnvironmentId, Arc<AtomicU32>);

    impl Member for Told {
        fn id(&self) -> EnvironmentId {
            self.0
        }

        fn retire(&self) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Told {
        fn new() -> Self {
            Self("00000000-0000-4000-8000-000000000001".parse().unwrap(), Arc::default())
        }

        fn times(&self) -> u32 {
            self.1.load(Ordering::Relaxed)
        }
    }

    const LIFETIME: Duration = Duration::from_secs(3600);

    /// What `Status` messages count off, of the one that admission counted.
    fn counted_off(pool: &Pool<Told>, member: &Told, statuses: &[Status]) -> usize {
        statuses.iter().filter(|status| pool.note(member.0, **status, Instant::now())).count()
    }

    #[test]
    fn busy_environment_is_counted_off_once_however_it_goes_on() {
        use Status::{Available, Ended, Lingering};
        for retired in [false, true] {
            for statuses in
                [&[Ended][..], &[Available, Ended], &[Lingering, Ended], &[Lingering, Available, Ended]]
            {
                let (pool, member) = (Pool::new(LIFETIME), Told::new());
                pool.add(member.clone(), Instant::now());
                if retired {
                    pool.retire();
                }
                assert_eq!(counted_off(&pool, &member, statuses), 1, "retired {retired}: {statuses:?}");
                assert!(pool.members().all.is_empty());
            }
        }
    }

    #[test]
    fn environment_added_to_a_retired_pool_does_one_invocation() {
        let (pool, member) = (Pool::new(LIFETIME), Told::new());
        pool.retire();
        pool.add(member.clone(), Instant::now());
        assert_eq!(member.times(), 0, "its invocation has not reached it yet");
        pool.note(member.0, Status::Available, Instant::now());
        assert_eq!(member.times(), 1);
        assert!(pool.take().is_none());
    }

    #[test]
    fn old_environment_ends_after_its_invocation_or_while_it_is_free() {
        let (pool, member, start) = (Pool::new(LIFETIME), Told::new(), Instant::now());
        pool.add(member.clone(), start);
        pool.note(member.0, Status::Available, start);
        pool.retire_idle(LIFETIME * 2, start + LIFETIME - Duration::from_secs(1));
        assert_eq!(member.times(), 0);
        assert!(pool.take().is_some());
        pool.note(member.0, Status::Available, start + LIFETIME);
        assert_eq!(member.times(), 1);
        assert!(pool.take().is_none());

        let (pool, free) = (Pool::new(LIFETIME), Told::new());
        pool.add(free.clone(), start);
        pool.note(free.0, Status::Available, start);
        pool.retire_idle(LIFETIME * 2, start + LIFETIME);
        assert_eq!(free.times(), 1);
    }

    #[tokio::test]
    async fn who_waits_for_a_free_environment_gets_it() {
        let (pool, member) = (Pool::new(LIFETIME), Told::new());
        pool.add(member.clone(), Instant::now());
        let (waiting, free) =
            (pool.freed(), async { pool.note(member.0, Status::Available, Instant::now()) });
        let (taken, _) = tokio::join!(waiting, free);
        assert_eq!(taken.0, member.0);
        // Freed while nobody waited, and taken by somebody else: the word of it is old.
        pool.note(member.0, Status::Available, Instant::now());
        assert!(pool.take().is_some());
        let waiting = tokio::time::timeout(Duration::from_millis(1), pool.freed());
        assert!(waiting.await.is_err());
    }
}
