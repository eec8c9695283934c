//! Pools, shares and room together, under a clock of the test's and events by chance: whatever the order, limits hold,
//! nobody is refused what there is, and no environment is lost.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lambent_environment::Status;
use lambent_model::{EnvironmentId, InvokeError, MemorySize};

use crate::place::{Others, Place, Refused, place};
use crate::pool::{Member, Pool};
use crate::room::{Estimate, Idle, Room};
use crate::share::{Account, Share};

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
    pool: Rc<Pool<Fake>>,
    doing: Doing,
}

/// What a pool holds of it.
#[derive(Clone)]
struct Fake {
    id: EnvironmentId,
    /// Those that were told to end.
    told: Rc<RefCell<BTreeSet<EnvironmentId>>>,
}

impl Member for Fake {
    fn id(&self) -> EnvironmentId {
        self.id
    }

    fn retire(&self) {
        self.told.borrow_mut().insert(self.id);
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
    pools: Vec<Rc<Pool<Fake>>>,
    room: Room,
    real: BTreeMap<EnvironmentId, Real>,
    told: Rc<RefCell<BTreeSet<EnvironmentId>>>,
    born: u64,
    refused: BTreeMap<&'static str, u32>,
}

impl Others for World {
    fn idle(&self) -> Vec<Idle> {
        self.pools.iter().flat_map(|pool| pool.idle()).collect()
    }

    fn end(&self, idle: &Idle) -> bool {
        self.pools.iter().any(|pool| pool.end_idle(idle.id))
    }
}

fn pool() -> Rc<Pool<Fake>> {
    Rc::new(Pool::new(Duration::from_secs(300)))
}

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
            room: Room::default(),
            real: BTreeMap::new(),
            told: Rc::default(),
            born: 0,
            refused: BTreeMap::new(),
        }
    }

    /// Memory of all that has been initialised.
    fn used(&self) -> u64 {
        let taken = self.real.values().filter(|real| real.doing != Doing::Starting);
        taken.map(|real| TAKES[real.function] << 20).sum()
    }

    fn busy(&self, function: usize) -> u32 {
        let busy = |real: &&Real| {
            real.function == function && matches!(real.doing, Doing::Starting | Doing::Running)
        };
        u32::try_from(self.real.values().filter(busy).count()).unwrap()
    }

    fn invoke(&mut self, function: usize) {
        let busy: Vec<u32> = (0..FUNCTIONS).map(|function| self.busy(function)).collect();
        let unreserved: u32 = (0..FUNCTIONS).filter(|f| self.reserved[*f].is_none()).map(|f| busy[f]).sum();
        let left = LIMIT.saturating_sub(self.reserved.iter().flatten().sum());
        let full = match self.reserved[function] {
            Some(reserved) => busy[function] >= reserved,
            None => unreserved >= left,
        };
        match self.shares[function].admit(self.now) {
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
        let placed = place(&**pool, share, estimate, &mut room, Some(available), self, self.now);
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
                let pool = Rc::clone(&self.pools[function]);
                pool.add(Fake { id, told: Rc::clone(&self.told) }, self.now);
                self.real.insert(id, Real { function, pool, doing: Doing::Starting });
            }
            Err(refused) => {
                let Refused::Full { available, need } = &refused else { panic!("{refused:?}") };
                let idle: u64 = self.idle().iter().map(|idle| idle.bytes).sum();
                let has = available + idle + self.room.returned();
                assert!(has < self.room.promised() + need, "refused although there is room");
                *self.refused.entry("full").or_default() += 1;
                self.shares[function].release();
            }
        }
    }

    fn say(&mut self, id: EnvironmentId, status: Status) {
        let real = self.real.get_mut(&id).expect("it lives");
        if real.pool.note(id, status, self.now) {
            self.shares[real.function].release();
        }
        match status {
            Status::Initialised => {
                real.doing = Doing::Running;
                self.room.initialised(id);
            }
            Status::Available => real.doing = Doing::Free,
            Status::Lingering => real.doing = Doing::Lingering,
            Status::Ended => {
                self.room.ended(id);
                self.real.remove(&id);
                self.told.borrow_mut().remove(&id);
            }
        }
    }

    /// Those that were told to end do so once they have nothing to do.
    fn end_told(&mut self) {
        let told = self.told.borrow().clone();
        for id in told {
            let busy = |real: &Real| matches!(real.doing, Doing::Starting | Doing::Running);
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
        match self.chance.below(40) {
            0..=15 => self.invoke(function),
            16..=21 => {
                if let Some(id) = self.doing(&[Doing::Starting]) {
                    // What ends for others has ended by the time they are initialised.
                    self.end_told();
                    self.say(id, Status::Initialised);
                    assert!(self.used() <= HOST, "more than the host has");
                }
            }
            22..=31 => {
                if let Some(id) = self.doing(&[Doing::Running, Doing::Lingering]) {
                    let function = self.real[&id].function;
                    self.say(id, Status::Available);
                    self.estimates[function].learn(TAKES[function]);
                    self.pools[function].measured(id, TAKES[function] << 20);
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
                self.shares[function].reserve(reserved);
            }
            38 => {
                // An update of the function: what runs finishes in the old pool.
                self.pools[function].retire();
                self.pools[function] = pool();
            }
            _ => self.now += Duration::from_secs(self.chance.below(60).try_into().unwrap()),
        }
        for function in 0..FUNCTIONS {
            assert_eq!(self.shares[function].running(), self.busy(function), "counted once each");
        }
    }

    fn finish(mut self) -> BTreeMap<&'static str, u32> {
        while let Some(id) = self.doing(&[Doing::Starting]) {
            self.say(id, Status::Initialised);
        }
        while let Some(id) = self.doing(&[Doing::Running, Doing::Lingering]) {
            self.say(id, Status::Available);
        }
        self.pools.iter().for_each(|pool| pool.retire());
        self.end_told();
        assert!(self.real.is_empty(), "every environment hears that it is to end");
        assert!(self.pools.iter().all(|pool| pool.len() == 0));
        assert!(self.shares.iter().all(|share| share.running() == 0));
        assert_eq!((self.room.promised(), self.room.returned()), (0, 0));
        (0..FUNCTIONS).for_each(|function| self.shares[function].reserve(None));
        let fresh = crate::share::tests::share(&self.account);
        let later = self.now + Duration::from_secs(10);
        assert!((0..LIMIT).all(|_| fresh.admit(later).is_ok()), "all of the account is free again");
        self.refused
    }
}

#[test]
fn whatever_happens_limits_hold_and_nothing_is_lost() {
    let mut refused = BTreeMap::<_, u32>::new();
    for seed in 1..=40 {
        let mut world = World::new(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        (0..STEPS).for_each(|_| world.step());
        for (reason, times) in world.finish() {
            *refused.entry(reason).or_default() += times;
        }
    }
    // Otherwise these paths were not tried.
    for reason in
        ["full", "ConcurrentInvocationLimitExceeded", "ReservedFunctionConcurrentInvocationLimitExceeded"]
    {
        assert!(refused.get(reason).is_some_and(|times| *times > 100), "{refused:?}");
    }
}
