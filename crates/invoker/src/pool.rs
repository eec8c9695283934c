//! The environments of one version of a function.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lambent_environment::{Handle, Status};
use lambent_model::EnvironmentId;
use tokio::sync::Notify;

use crate::provisioned::Census;
use crate::room::Idle;

/// What an environment is doing, as far as its pool knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Not initialised yet, ahead of any invocation.
    Starting {
        launched: bool,
    },
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
    /// Has it end after what it is doing. Called under the pool's lock.
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
    /// Whom alone it serves, of a function with tenant isolation.
    tenant: Option<Arc<str>>,
    /// Whether it has been told to end.
    told: bool,
}

impl<M: Member> Resident<M> {
    fn new(handle: M, used: Use, born: Instant) -> Self {
        Self { handle, used, born, holds: 0, tenant: None, told: false }
    }

    fn retire(&mut self) {
        self.told = true;
        self.handle.retire();
    }
}

/// What a status of an environment means to the pool's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Noted {
    /// It is no longer busy with an invocation.
    pub(crate) freed: bool,
    /// It was started ahead of invocations, and this is what came of that.
    pub(crate) ahead: Option<Ahead>,
}

/// What came of a start ahead of invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// It is initialised.
    Ready,
    /// It could not be initialised; `launched` is whether the function had anything to do with that.
    Failed { launched: bool },
}

/// What an environment that is started ahead of invocations is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be taken like any other that is free.
    Invocations,
    /// To be taken when there is no other, and replaced then.
    Stock,
}

struct Members<M> {
    all: HashMap<EnvironmentId, Resident<M>>,
    /// The free ones, the last freed at the end.
    free: Vec<EnvironmentId>,
    /// What is in stock: those started for that and not taken yet.
    stock: Vec<EnvironmentId>,
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
        let members = Members { all: HashMap::new(), free: Vec::new(), stock: Vec::new(), retired: false };
        Self { members: Mutex::new(members), freed: Notify::new(), lifetime }
    }

    fn members(&self) -> MutexGuard<'_, Members<M>> {
        // Nothing panics while holding the lock, and the map stays whole between statements.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the environment of this tenant, or of none, that was freed last, or else one in stock.
    pub(crate) fn take(&self, tenant: Option<&str>) -> Option<M> {
        let Members { all, free, stock, .. } = &mut *self.members();
        let is_free = |id: &EnvironmentId| {
            all.get(id).is_some_and(|resident| matches!(resident.used, Use::Free { .. }))
        };
        let last = match tenant {
            None => free.pop(),
            // There may be thousands of others', but each of them is idle: the last are the busiest.
            Some(tenant) => {
                let is_theirs = |id: &EnvironmentId| {
                    all.get(id).is_some_and(|resident| resident.tenant.as_deref() == Some(tenant))
                };
                free.iter().rposition(is_theirs).map(|place| free.remove(place))
            }
        };
        let id = match last {
            Some(id) => id,
            None => stock.remove(stock.iter().position(is_free)?),
        };
        let resident = all.get_mut(&id).expect("what is free or in stock is there");
        resident.used = Use::Busy;
        Some(resident.handle.clone())
    }

    /// Waits until one has become free, and takes it.
    pub(crate) async fn freed(&self, tenant: Option<&str>) -> M {
        loop {
            let freed = self.freed.notified();
            if let Some(member) = self.take(tenant) {
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
                Use::Starting { .. } | Use::Away => 2,
            }] += 1;
        }
        states
    }

    /// Adds a new environment, busy with its first invocation. A retired pool lets it do that one and no more: it is
    /// told to end when it says that it is available. Told earlier, it would end before the invocation reached it.
    pub(crate) fn add(&self, handle: M, tenant: Option<Arc<str>>, now: Instant) {
        let resident = Resident { tenant, ..Resident::new(handle.clone(), Use::Busy, now) };
        self.members().all.insert(handle.id(), resident);
    }

    /// Ends the one that has been free for longest where there are `most` already.
    pub(crate) fn keep_below(&self, most: usize) {
        let oldest = {
            let members = self.members();
            // In the order in which they were freed.
            members.free.first().copied().filter(|_| members.all.len() >= most)
        };
        if let Some(id) = oldest {
            self.end_idle(id);
        }
    }

    /// Adds a new environment that is started ahead of invocations, and is free when it says that it is available. One
    /// that is added to a retired pool ends at once.
    pub(crate) fn add_ahead(&self, handle: M, purpose: Purpose, now: Instant) {
        let members = &mut *self.members();
        let id = handle.id();
        let mut resident = Resident::new(handle, Use::Starting { launched: false }, now);
        if members.retired {
            resident.retire();
        }
        members.all.insert(id, resident);
        if purpose == Purpose::Stock {
            members.stock.push(id);
        }
    }

    /// Gives back one that was taken and not used.
    pub(crate) fn give_back(&self, id: EnvironmentId, now: Instant) {
        self.note(id, Status::Available, now);
    }

    /// What there is of environments that are kept ready. Those that were told to end are no longer among them; `old`
    /// is from when on one is to be replaced.
    pub(crate) fn census(&self, old: Duration, now: Instant) -> Census {
        let mut census = Census::default();
        for resident in self.members().all.values().filter(|resident| !resident.told) {
            match resident.used {
                Use::Starting { .. } => census.starting += 1,
                used => {
                    census.ready += 1;
                    census.busy += u32::from(used == Use::Busy);
                    census.old += u32::from(now.duration_since(resident.born) >= old);
                }
            }
        }
        census
    }

    /// The same of the stock.
    pub(crate) fn stocked(&self, old: Duration, now: Instant) -> Census {
        let members = self.members();
        let mut census = Census::default();
        for resident in members.stock.iter().filter_map(|id| members.all.get(id)) {
            match resident.used {
                Use::Starting { .. } => census.starting += 1,
                _ => {
                    census.ready += 1;
                    census.old += u32::from(now.duration_since(resident.born) >= old);
                }
            }
        }
        census
    }

    /// Ends so many that are starting, the youngest first, and so many that are ready: the oldest first, and of those
    /// born at once the free ones.
    pub(crate) fn end(&self, starting: u32, ready: u32) {
        let Members { all, free, .. } = &mut *self.members();
        let mut alive: Vec<_> = all.iter_mut().filter(|(_, resident)| !resident.told).collect();
        alive.sort_unstable_by_key(|(_, resident)| (resident.born, resident.used == Use::Busy));
        let is_starting = |resident: &Resident<M>| matches!(resident.used, Use::Starting { .. });
        let mut end = |resident: &mut Resident<M>, id: &EnvironmentId| {
            free.retain(|free| free != id);
            resident.retire();
        };
        let (mut starting, mut ready) = (starting, ready);
        for (id, resident) in alive.iter_mut().rev().filter(|(_, resident)| is_starting(resident)) {
            if starting == 0 {
                break;
            }
            starting -= 1;
            end(resident, id);
        }
        for (id, resident) in alive.iter_mut().filter(|(_, resident)| !is_starting(resident)) {
            if ready == 0 {
                break;
            }
            ready -= 1;
            end(resident, id);
        }
    }

    /// Ends all there are, after what they are doing; those that are added later stay.
    pub(crate) fn renew(&self) {
        self.end_stock();
        let Members { all, free, .. } = &mut *self.members();
        free.clear();
        all.values_mut().filter(|resident| !resident.told).for_each(Resident::retire);
    }

    /// Ends the whole stock.
    pub(crate) fn end_stock(&self) {
        let Members { all, stock, .. } = &mut *self.members();
        stock.drain(..).for_each(|id| {
            if let Some(resident) = all.get_mut(&id) {
                resident.retire();
            }
        });
    }

    /// Takes note of what an environment says.
    pub(crate) fn note(&self, id: EnvironmentId, status: Status, now: Instant) -> Noted {
        let members = &mut *self.members();
        let Some(resident) = members.all.get_mut(&id) else { return Noted::default() };
        let before = resident.used;
        let mut noted = Noted { freed: before == Use::Busy, ahead: None };
        match status {
            Status::Launched => {
                if let Use::Starting { launched } = &mut resident.used {
                    *launched = true;
                }
                return Noted::default();
            }
            Status::Available if resident.told => resident.used = Use::Away,
            Status::Available if members.retired || now.duration_since(resident.born) >= self.lifetime => {
                // Its end must not count it off a second time.
                resident.used = Use::Away;
                resident.retire();
            }
            Status::Available => {
                resident.used = Use::Free { since: now };
                // What is in stock has its own list.
                if !members.stock.contains(&id) {
                    members.free.push(id);
                }
                if let Use::Starting { .. } = before {
                    noted.ahead = Some(Ahead::Ready);
                }
                match resident.tenant {
                    None => self.freed.notify_one(),
                    // Who waits may be of other tenants: all look.
                    Some(_) => self.freed.notify_waiters(),
                }
            }
            Status::Initialised => return Noted::default(),
            Status::Lingering => resident.used = Use::Away,
            Status::Ended => {
                if let (Use::Starting { launched }, false) = (before, resident.told) {
                    noted.ahead = Some(Ahead::Failed { launched });
                }
                members.all.remove(&id);
                members.free.retain(|free| *free != id);
                members.stock.retain(|stock| *stock != id);
            }
        }
        noted
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
            resident.retire();
        }
        true
    }

    /// Ends what has been free for `idle` and longer, and what is free and old.
    pub(crate) fn retire_idle(&self, idle: Duration, now: Instant) {
        let members = &mut *self.members();
        let Members { all, free, .. } = members;
        free.retain(|id| {
            let Some(resident) = all.get_mut(id) else { return false };
            let Use::Free { since } = resident.used else { return true };
            let stays = now.duration_since(since) < idle && now.duration_since(resident.born) < self.lifetime;
            if !stays {
                resident.retire();
            }
            stays
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
        members.stock.clear();
        members.all.values_mut().for_each(Resident::retire);
    }
}

#[cfg(test)]
mod tests;
