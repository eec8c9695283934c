//! Environments that are kept initialised: those of one configuration of provisioned concurrency, and of which versions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lambent_environment::{Handle, Initialization};
use lambent_lambda::{Alias, Pointed};
use lambent_model::{EnvironmentId, Provisioning};

use crate::pool::{Ahead, Member, Pool, Purpose};
use crate::provisioned::{Attempts, Census, Steps, decide, told};

/// How long a stock is kept for a version that nobody invokes: as long as sandboxes are that wait for functions.
const STOCKED_FOR: Duration = Duration::from_secs(30 * 60);

/// So many environments of one version, all the time.
pub(crate) struct Standing<M = Handle> {
    /// Of provisioned concurrency its own, of a stock that of the version.
    pub(crate) pool: Arc<Pool<M>>,
    pub(crate) purpose: Purpose,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    wanted: u32,
    /// When what is in stock was last asked for.
    wanted_at: Option<Instant>,
    attempts: Attempts,
}

impl<M: Member> Standing<M> {
    /// Of provisioned concurrency, in a pool of its own. Environments take invocations until they are so old, by when
    /// another has long taken their place.
    pub(crate) fn provisioned(lifetime: Duration) -> Self {
        let (pool, state) = (Arc::new(Pool::new(lifetime)), Mutex::default());
        Self { pool, purpose: Purpose::Invocations, state }
    }

    /// Of a version's own pool: one environment for an invocation that finds no other, for a while after `wanted_at` and
    /// after each invocation.
    pub(crate) fn stock(pool: Arc<Pool<M>>, wanted_at: Option<Instant>) -> Self {
        let state = State { wanted: 0, wanted_at, attempts: Attempts::default() };
        Self { pool, purpose: Purpose::Stock, state: Mutex::new(state) }
    }

    /// An invocation of what is kept in stock has found its environment; true when there is one to be started now.
    pub(crate) fn touch(&self, now: Instant) -> bool {
        self.state().wanted_at = Some(now);
        self.pool.stocked(Duration::MAX, now) == Census::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two statements that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on so many.
    pub(crate) fn want(&self, wanted: u32) {
        let mut state = self.state();
        if state.wanted != wanted {
            state.wanted = wanted;
            state.attempts.begin();
        }
    }

    fn census(&self, old: Duration, now: Instant) -> Census {
        match self.purpose {
            Purpose::Invocations => self.pool.census(old, now),
            Purpose::Stock => self.pool.stocked(old, now),
        }
    }

    /// What is to be done now, and, where nothing may be started yet, when it may.
    pub(crate) fn steps(&self, old: Duration, now: Instant) -> (Steps, Option<Instant>) {
        let census = self.census(old, now);
        let mut state = self.state();
        if self.purpose == Purpose::Stock {
            let is_wanted = state.wanted_at.is_some_and(|at| now.duration_since(at) < STOCKED_FOR);
            state.wanted = u32::from(is_wanted);
        }
        let wanted = state.wanted;
        state.attempts.see(wanted, census.ready);
        let wait = state.attempts.wait(now);
        (decide(wanted, census, wait.is_none()), wait)
    }

    /// Takes note of what came of a start.
    pub(crate) fn started(&self, ahead: Ahead, now: Instant) {
        let mut state = self.state();
        match ahead {
            Ahead::Ready => state.attempts.succeeded(),
            Ahead::Failed { launched } => state.attempts.failed(launched, now),
        }
    }

    /// The machine has no memory for another, while some environments are being started, or none. When to try again.
    pub(crate) fn full(&self, starting: bool, now: Instant) -> Instant {
        let mut state = self.state();
        state.attempts.full(starting, now);
        state.attempts.wait(now).unwrap_or(now)
    }

    /// How its environments are initialised.
    pub(crate) fn initialization(&self) -> Initialization {
        match self.purpose {
            Purpose::Invocations => Initialization::ProvisionedConcurrency,
            Purpose::Stock => Initialization::Stock,
        }
    }

    fn is_ready(&self) -> bool {
        self.census(Duration::MAX, Instant::now()).ready >= self.state().wanted
    }

    fn has_any_ready(&self) -> bool {
        self.census(Duration::MAX, Instant::now()).ready > 0
    }

    /// Gives back an environment that was taken and not used.
    pub(crate) fn give_back(&self, id: EnvironmentId) {
        self.pool.give_back(id, Instant::now());
    }

    /// Ends what is kept.
    pub(crate) fn end(&self) {
        match self.purpose {
            Purpose::Invocations => self.pool.retire(),
            Purpose::Stock => self.pool.end_stock(),
        }
    }
}

/// One configuration of provisioned concurrency, of a version or an alias.
#[derive(Default)]
pub(crate) struct Configured {
    requested: u32,
    /// By version.
    parts: BTreeMap<u64, Arc<Standing>>,
    /// How many of each there are to be, where an alias is on its way to other versions: of those that it points to.
    targets: Vec<(u64, u32)>,
    /// An alias as it was before it was moved. It stays in use until what is provisioned for the other version is ready,
    /// as on AWS, which shows that by weights of the alias meanwhile.
    previous: Option<Alias>,
}

impl Configured {
    /// The alias as invocations find it, where that is not as it is.
    pub(crate) fn previous(&self) -> Option<&Alias> {
        self.previous.as_ref()
    }

    pub(crate) fn part(&self, version: u64) -> Option<&Arc<Standing>> {
        self.parts.get(&version)
    }

    pub(crate) fn parts(&self) -> impl Iterator<Item = (u64, &Arc<Standing>)> {
        self.parts.iter().map(|(version, standing)| (*version, standing))
    }

    /// The alias is about to become `next`, from `current`.
    pub(crate) fn moving(&mut self, current: Option<&Alias>, next: Option<&Alias>) {
        let serving = self.previous.take().or_else(|| current.cloned());
        let (Some(serving), Some(next)) = (serving, next) else { return };
        let versions = |alias: &Alias| alias.versions().collect::<Vec<Pointed>>();
        let serves = |of: Pointed| {
            of.number().and_then(|number| self.parts.get(&number)).is_some_and(|part| part.has_any_ready())
        };
        if versions(next).iter().any(|version| !versions(&serving).contains(version))
            && versions(&serving).into_iter().any(serves)
        {
            self.previous = Some(serving);
        }
    }

    /// Whether what the alias was moved to is ready.
    pub(crate) fn has_arrived(&self) -> bool {
        let ready = |(version, _): &(u64, u32)| self.parts.get(version).is_some_and(|part| part.is_ready());
        self.previous.is_some() && self.targets.iter().all(ready)
    }

    /// The alias is in use as it is.
    pub(crate) fn arrive(&mut self) {
        self.previous = None;
    }

    /// Keeps so many environments of these versions, and none of others. `before` are those of the alias as it was.
    pub(crate) fn keep(
        &mut self,
        requested: u32,
        targets: Vec<(u64, u32)>,
        before: Vec<(u64, u32)>,
        lifetime: Duration,
    ) {
        self.requested = requested;
        let also = before.into_iter().filter(|(version, _)| targets.iter().all(|(of, _)| of != version));
        let all: BTreeMap<u64, u32> = targets.iter().copied().chain(also).collect();
        self.parts.retain(|version, part| {
            let stays = all.contains_key(version);
            if !stays {
                part.end();
            }
            stays
        });
        for (version, wanted) in all {
            let part = self.parts.entry(version).or_insert_with(|| Arc::new(Standing::provisioned(lifetime)));
            part.want(wanted);
        }
        self.targets = targets;
    }

    /// Ends the environments of one version, which runs something else from now on, or is gone.
    pub(crate) fn drop_version(&mut self, version: u64) {
        if let Some(part) = self.parts.remove(&version) {
            part.end();
        }
        let is_of = |alias: &Alias| alias.versions().any(|of| of == Pointed::Version(version));
        self.previous.take_if(|alias| is_of(alias));
    }

    /// Ends everything.
    pub(crate) fn end(&self) {
        self.parts.values().for_each(|part| part.end());
    }

    /// What there is.
    pub(crate) fn told(&self, now: Instant) -> Provisioning {
        let states: Vec<_> = self
            .targets
            .iter()
            .map(|(version, wanted)| match self.parts.get(version) {
                Some(part) => (*wanted, part.census(Duration::MAX, now), part.state().attempts.clone()),
                None => (*wanted, Census::default(), Attempts::default()),
            })
            .collect();
        // Those of a version that the alias leaves, too: they serve it until the others are ready.
        let in_use = self.parts.values().map(|part| part.census(Duration::MAX, now).busy).sum();
        told(
            self.requested,
            in_use,
            states.iter().map(|(wanted, census, attempts)| (*wanted, *census, attempts)),
        )
    }
}
