//! Pools, shares and room together, under a clock of the test's and events by chance: whatever the order, limits hold,
//! nobody is refused what there is, and no environment is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lambent_environment::Status;
use lambent_model::{EnvironmentId, InvokeError, MemorySize};

use crate::place::{Others, Place, Refused, make_room, place};
use crate::pool::{Member, Pool, Purpose};
use crate::room::{Estimate, Idle, Room};
use crate::share::{Account, Concurrency, Share};
use crate::standing::Standing;

const LIMIT: u32 = 12;
const FUNCTIONS: usize = 4;
/// What the environments of each function take, in MB; none more than is guessed for an unknown one, so that promises
/// are never too small.
const TAKES: [u64; FUNCTIONS] = [5, 20, 40, 64];
/// Room for some, not for all that the limit allows.
const HOST: u64 = 400 << 20;
const STEPS: u32 = 4_000;

/// xorshift64: the same numbers for the same seed, everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }

    fn of<T: Copy>(&mut self, from: impl IntoIterator<Item = T>) -> Option<T> {
        let all: Vec<T> = from.into_iter().collect();
        if all.is_empty() { None } else { Some(all[self.below(all.len())]) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Starting,
    Running,
    Lingering,
    Free,
}

/// An environment as it really is.
struct Real {
    function: usize,
    pool: Arc<Pool<Fake>>,
    /// What it is kept for, if it was started for that.
    standing: Option<Arc<Standing<Fake>>>,
    doing: Doing,
}

/// What a pool holds of it.
#[derive(Clone)]
struct Fake {
    id: EnvironmentId,
    /// Those that were told to end.
    told: Arc<Mutex<BTreeSet<EnvironmentId>>>,
}

impl Member for Fake {
    fn id(&self) -> EnvironmentId {
        self.id
    }

    fn retire(&self) {
        self.told.lock().unwrap().insert(self.id);
    }
}

struct World {
    chance: Chance,
    now: Instant,
    account: Arc<Account>,
    shares: Vec<Share>,
    reserved: [Option<u32>; FUNCTIONS],
    estimates: Vec<Estimate>,
    /// Of each function the present one.
    pools: Vec<Arc<Pool<Fake>>>,
    /// Of each function what is provisioned, and how many are wanted.
    standing: Vec<(Arc<Standing<Fake>>, u32)>,
    room: Room,
    real: BTreeMap<EnvironmentId, Real>,
    told: Arc<Mutex<BTreeSet<EnvironmentId>>>,
    born: u64,
    refused: BTreeMap<&'static str, u32>,
    /// Invocations on provisioned concurrency.
    provisioned: u32,
}

impl Others for World {
    fn idle(&self) -> Vec<Idle> {
        self.pools.iter().flat_map(|pool| pool.idle()).collect()
    }

    fn end(&self, idle: &Idle) -> bool {
        self.pools.iter().any(|pool| pool.end_idle(idle.id))
    }
}

fn pool() -> Arc<Pool<Fake>> {
    Arc::new(Pool::new(LIFETIME))
}

fn standing() -> (Arc<Standing<Fake>>, u32) {
    (Arc::new(Standing::provisioned(LIFETIME + LIFETIME / 8)), 0)
}

const LIFETIME: Duration = Duration::from_secs(300);

impl World {
    fn new(seed: u64) -> Self {
        let account = crate::share::tests::account(LIMIT);
        Self {
            chance: Chance(seed),
            now: Instant::now(),
            shares: (0..FUNCTIONS).map(|_| crate::share::tests::share(&account)).collect(),
            account,
            reserved: [None; FUNCTIONS],
            estimates: (0..FUNCTIONS).map(|_| Estimate::new(MemorySize(128))).collect(),
            pools: (0..FUNCTIONS).map(|_| pool()).collect(),
            standing: (0..FUNCTIONS).map(|_| standing()).collect(),
            room: Room::default(),
            real: BTreeMap::new(),
            told: Arc::default(),
            born: 0,
            refused: BTreeMap::new(),
            provisioned: 0,
        }
    }

    /// Memory of all that has been initialised.
    fn used(&self) -> u64 {
        let taken = self.real.values().filter(|real| real.doing != Doing::Starting);
        taken.map(|real| TAKES[real.function] << 20).sum()
    }

    fn count(&self, is: impl Fn(&Real) -> bool) -> u32 {
        u32::try_from(self.real.values().filter(|real| is(real)).count()).unwrap()
    }

    /// Those with an invocation that count on demand.
    fn on_demand(&self, function: usize) -> u32 {
        self.count(|real| {
            let busy = matches!(real.doing, Doing::Starting | Doing::Running);
            real.function == function && real.standing.is_none() && busy
        })
    }

    fn busy(&self, function: usize) -> u32 {
        let provisioned = self.count(|real| {
            real.function == function && real.standing.is_some() && real.doing == Doing::Running
        });
        self.on_demand(function) + provisioned
    }

    fn invoke(&mut self, function: usize) {
        if let Some(member) = self.standing[function].0.pool.take(None) {
            if self.shares[function].admit(Concurrency::Provisioned, self.now).is_err() {
                // Requests come too fast.
                return self.standing[function].0.give_back(member.id);
            }
            let real = self.real.get_mut(&member.id).expect("the pool gives away what lives");
            assert_eq!(real.doing, Doing::Free, "one invocation at a time");
            real.doing = Doing::Running;
            self.provisioned += 1;
            return;
        }
        let busy: Vec<u32> = (0..FUNCTIONS).map(|function| self.on_demand(function)).collect();
        let unreserved: u32 = (0..FUNCTIONS).filter(|f| self.reserved[*f].is_none()).map(|f| busy[f]).sum();
        let set_aside = |f: usize| self.reserved[f].unwrap_or(self.standing[f].1);
        let left = LIMIT.saturating_sub((0..FUNCTIONS).map(set_aside).sum());
        let full = match self.reserved[function] {
            Some(reserved) => busy[function] >= reserved.saturating_sub(self.standing[function].1),
            None => unreserved >= left,
        };
        match self.shares[function].admit(Concurrency::OnDemand, self.now) {
            Ok(()) => assert!(!full, "admitted beyond the limit"),
            Err(InvokeError::Throttled { reason }) => {
                assert!(full || reason.contains("RateLimit"), "refused below the limit: {reason}");
                *self.refused.entry(reason).or_default() += 1;
                return;
            }
            Err(other) => panic!("{other}"),
        }
        self.place(function);
    }

    fn place(&mut self, function: usize) {
        let available = HOST.saturating_sub(self.used());
        let free = self.pools[function].idle().len();
        let mut room = std::mem::take(&mut self.room);
        let (pool, share) = (&self.pools[function], &self.shares[function]);
        let estimate = &self.estimates[function];
        let placed = place((&**pool, None), share, estimate, &mut room, Some(available), self, self.now);
        self.room = room;
        match placed {
            Ok(Place::Free(member)) => {
                assert!(free > 0);
                let real = self.real.get_mut(&member.id).expect("the pool gives away what lives");
                assert_eq!(real.doing, Doing::Free, "one invocation at a time");
                real.doing = Doing::Running;
            }
            Ok(Place::New(need)) => {
                assert_eq!(free, 0, "none is started while one is free");
                self.born += 1;
                let id: EnvironmentId =
                    format!("00000000-0000-4000-8000-{:012x}", self.born).parse().expect("it is a UUID");
                self.room.promise(id, need);
                let pool = Arc::clone(&self.pools[function]);
                pool.add(Fake { id, told: Arc::clone(&self.told) }, None, self.now);
                self.real.insert(id, Real { function, pool, standing: None, doing: Doing::Starting });
            }
            Err(refused) => {
                let Refused::Full { available, need } = &refused else { panic!("{refused:?}") };
                let idle: u64 = self.idle().iter().map(|idle| idle.bytes).sum();
                let has = available + idle + self.room.returned();
                assert!(has < self.room.promised() + need, "refused although there is room");
                *self.refused.entry("full").or_default() += 1;
                self.shares[function].release(Concurrency::OnDemand);
            }
        }
    }

    /// Starts and ends what is provisioned, as `keep.rs` does.
    fn keep(&mut self, function: usize) {
        let standing = Arc::clone(&self.standing[function].0);
        standing.pool.retire_idle(Duration::MAX, self.now);
        let (steps, _) = standing.steps(LIFETIME, self.now);
        standing.pool.end(steps.end_starting, steps.end_ready);
        for _ in 0..steps.start {
            let available = HOST.saturating_sub(self.used());
            let mut room = std::mem::take(&mut self.room);
            let estimate = &self.estimates[function];
            let made = make_room(estimate, &mut room, Some(available), self, || Ok(()));
            self.room = room;
            let Ok(need) = made else {
                *self.refused.entry("full for provisioned").or_default() += 1;
                standing.full(self.room.promised() > 0, self.now);
                return;
            };
            self.born += 1;
            let id: EnvironmentId =
                format!("00000000-0000-4000-8000-{:012x}", self.born).parse().expect("it is a UUID");
            self.room.promise(id, need);
            standing.pool.add_ahead(
                Fake { id, told: Arc::clone(&self.told) },
                Purpose::Invocations,
                self.now,
            );
            let (pool, standing) = (Arc::clone(&standing.pool), Some(Arc::clone(&standing)));
            self.real.insert(id, Real { function, pool, standing, doing: Doing::Starting });
        }
    }

    /// Another number of environments is provisioned for a function.
    fn provision(&mut self, function: usize, wanted: u32) {
        self.standing[function].1 = wanted;
        self.standing[function].0.want(wanted);
        self.shares[function].reserve(self.reserved[function], wanted);
    }

    /// Of what is provisioned there is never more than asked for, but for the one that takes the place of an old one.
    fn check_provisioned(&self, function: usize) {
        let (standing, wanted) = &self.standing[function];
        let census = standing.pool.census(LIFETIME, self.now);
        let (all, extra) = (census.starting + census.ready, u32::from(census.old > 0));
        assert!(all <= wanted + extra, "{census:?} of {wanted}");
    }

    fn say(&mut self, id: EnvironmentId, status: Status) {
        let real = self.real.get_mut(&id).expect("it lives");
        let noted = real.pool.note(id, status, self.now);
        if noted.freed {
            self.shares[real.function].release(match real.standing {
                Some(_) => Concurrency::Provisioned,
                None => Concurrency::OnDemand,
            });
        }
        if let (Some(standing), Some(ahead)) = (&real.standing, noted.ahead) {
            standing.started(ahead, self.now);
        }
        match status {
            Status::Launched => {}
            Status::Initialised => {
                real.doing = Doing::Running;
                self.room.initialised(id);
                if real.standing.is_some() {
                    self.say(id, Status::Available);
                }
            }
            Status::Available => real.doing = Doing::Free,
            Status::Lingering => real.doing = Doing::Lingering,
            Status::Ended => {
                self.room.ended(id);
                self.real.remove(&id);
                self.told.lock().unwrap().remove(&id);
            }
        }
    }

    /// Those that were told to end do so once they have nothing to do.
    fn end_told(&mut self) {
        let told = self.told.lock().unwrap().clone();
        for id in told {
            let busy = |real: &Real| match real.doing {
                // Nobody waits for one that is started ahead.
                Doing::Starting => real.standing.is_none(),
                Doing::Running => true,
                Doing::Lingering | Doing::Free => false,
            };
            if self.real.get(&id).is_some_and(|real| !busy(real)) {
                self.say(id, Status::Ended);
            }
        }
    }

    fn doing(&mut self, doing: &[Doing]) -> Option<EnvironmentId> {
        let real = self.real.iter().filter(|(_, real)| doing.contains(&real.doing)).map(|(id, _)| *id);
        self.chance.of(real.collect::<Vec<_>>())
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(self.chance.below(400).try_into().unwrap());
        let function = self.chance.below(FUNCTIONS);
        match self.chance.below(46) {
            0..=15 => self.invoke(function),
            16..=21 => {
                if let Some(id) = self.doing(&[Doing::Starting]) {
                    // What ends for others has ended by the time they are initialised.
                    self.end_told();
                    if self.real.contains_key(&id) {
                        self.say(id, Status::Initialised);
                    }
                    assert!(self.used() <= HOST, "more than the host has");
                }
            }
            22..=31 => {
                if let Some(id) = self.doing(&[Doing::Running, Doing::Lingering]) {
                    let function = self.real[&id].function;
                    self.say(id, Status::Available);
                    self.estimates[function].learn(TAKES[function]);
                    self.real[&id].pool.measured(id, TAKES[function] << 20);
                }
            }
            32 => {
                if let Some(id) = self.doing(&[Doing::Running]) {
                    self.say(id, Status::Lingering);
                }
            }
            33 => {
                if let Some(id) = self.doing(&[Doing::Starting, Doing::Running, Doing::Free]) {
                    self.say(id, Status::Ended);
                }
            }
            34 | 35 => self.end_told(),
            36 => {
                self.pools.iter().for_each(|pool| pool.retire_idle(Duration::from_secs(60), self.now));
            }
            37 => {
                let reserved = [None, Some(0), Some(1), Some(3)][self.chance.below(4)];
                self.reserved[function] = reserved;
                self.shares[function].reserve(reserved, self.standing[function].1);
            }
            38 => {
                // An update of the function: what runs finishes in the old pool.
                self.pools[function].retire();
                self.pools[function] = pool();
            }
            39 => {
                let wanted = u32::try_from(self.chance.below(4)).unwrap();
                // The checks of `PutProvisionedConcurrencyConfig` and `PutFunctionConcurrency` are not part of this.
                self.provision(function, wanted);
                self.keep(function);
            }
            40..=44 => self.keep(function),
            _ => self.now += Duration::from_secs(self.chance.below(60).try_into().unwrap()),
        }
        for function in 0..FUNCTIONS {
            assert_eq!(self.shares[function].running(), self.busy(function), "counted once each");
            self.check_provisioned(function);
        }
    }

    /// Given time, and memory, all that is wanted is there.
    fn restore(&mut self) {
        // Longer than the longest pause after failures, shorter than an environment's life: where memory is short, one that
        // is too old ends before another can take its place.
        for _ in 0..20 {
            if self.has_all() {
                return;
            }
            self.now += Duration::from_secs(70);
            self.pools.iter().for_each(|pool| pool.retire_idle(Duration::ZERO, self.now));
            self.end_told();
            (0..FUNCTIONS).for_each(|function| self.keep(function));
            while let Some(id) = self.doing(&[Doing::Starting]) {
                self.say(id, Status::Initialised);
            }
            while let Some(id) = self.doing(&[Doing::Running, Doing::Lingering]) {
                self.say(id, Status::Available);
            }
        }
        assert!(self.has_all(), "what is wanted is there");
    }

    fn has_all(&self) -> bool {
        let has = |(standing, wanted): &(Arc<Standing<Fake>>, u32)| {
            standing.pool.census(LIFETIME, self.now).ready >= *wanted
        };
        self.standing.iter().all(has)
    }

    fn finish(mut self) -> (BTreeMap<&'static str, u32>, u32) {
        self.restore();
        while let Some(id) = self.doing(&[Doing::Starting]) {
            self.say(id, Status::Initialised);
        }
        while let Some(id) = self.doing(&[Doing::Running, Doing::Lingering]) {
            self.say(id, Status::Available);
        }
        self.pools.iter().for_each(|pool| pool.retire());
        self.standing.iter().for_each(|(standing, _)| standing.end());
        self.end_told();
        assert!(self.real.is_empty(), "every environment hears that it is to end");
        assert!(self.pools.iter().all(|pool| pool.len() == 0));
        assert!(self.shares.iter().all(|share| share.running() == 0));
        assert_eq!((self.room.promised(), self.room.returned()), (0, 0));
        (0..FUNCTIONS).for_each(|function| self.shares[function].reserve(None, 0));
        let fresh = crate::share::tests::share(&self.account);
        let later = self.now + Duration::from_secs(10);
        assert!(
            (0..LIMIT).all(|_| fresh.admit(Concurrency::OnDemand, later).is_ok()),
            "all of the account is free again"
        );
        (self.refused, self.provisioned)
    }
}

#[test]
fn whatever_happens_limits_hold_and_nothing_is_lost() {
    let (mut refused, mut provisioned) = (BTreeMap::<_, u32>::new(), 0);
    for seed in 1..=40 {
        let mut world = World::new(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        (0..STEPS).for_each(|_| world.step());
        let (reasons, on_provisioned) = world.finish();
        for (reason, times) in reasons {
            *refused.entry(reason).or_default() += times;
        }
        provisioned += on_provisioned;
    }
    // Otherwise these paths were not tried.
    assert!(provisioned > 1000, "{provisioned}");
    for reason in [
        "full",
        "full for provisioned",
        "ConcurrentInvocationLimitExceeded",
        "ReservedFunctionConcurrentInvocationLimitExceeded",
    ] {
        assert!(refused.get(reason).is_some_and(|times| *times > 100), "{refused:?}");
    }
}
