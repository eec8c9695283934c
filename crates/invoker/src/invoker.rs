//! Finds the pool, admits, invokes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use lambent_environment::{Function, Handle, Initialization, Notify as StatusNotify, Status, World};
use lambent_lambda as lambda;
use lambent_model::{
    Bytes, Entropy, EnvironmentId, EventPolicyFuture, FunctionArn, Invocation, Invoke, InvokeCheckFuture,
    InvokeError, InvokeFuture, Invoked, Provisioning, ProvisioningFuture, Qualifier, ResourcePolicyFuture,
    Scope, TakeResponse, Target, trace,
};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::known::{Entry, Known, Resolved};
use crate::measure::{self, Ran};
use crate::place::{Others, Place, Refused, place};
use crate::room::{Idle, Room};
use crate::share::{Account, Concurrency, Share};
use crate::standing::Standing;
use crate::starts::{Starts, Turn};

/// Turns a stored function into what an environment runs: finds its code, its interpreter, its variables.
pub type Compose = Box<dyn Fn(&FunctionArn, &lambda::Function) -> Function + Send + Sync>;

/// How much memory the host can still give to environments, beyond what it keeps for itself; `None` where that cannot
/// be found out. Asked for each environment that is started, with what it and those that are still starting need: who is
/// asked may let go of what is nobody's, and counts that.
pub type Available = Box<dyn Fn(Bytes) -> Option<Bytes> + Send + Sync>;

/// How often an operator is told that the machine is full.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// How the invoker behaves.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// An environment that had no invocation for so long is ended.
    pub idle: Duration,
    /// An environment takes no more invocations once it is so old. AWS ends them every few hours (Developer Guide,
    /// "Understanding the Lambda execution environment lifecycle"), before their credentials expire.
    pub lifetime: Duration,
    /// Invocations at once in one account and region (Lambda quotas: 1,000).
    pub concurrency: u32,
}

/// A record that the invoker has heard of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Heard {
    /// A function's `$LATEST`.
    Latest(FunctionArn),
    /// A version.
    Version(FunctionArn, u64),
    /// An alias.
    Alias(FunctionArn, String),
}

pub(crate) struct Inner {
    world: Arc<World>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) compose: Compose,
    pub(crate) available: Available,
    pub(crate) options: Options,
    pub(crate) starts: Arc<Starts>,
    /// Taken before a pool's lock, never under one, nor under an environment's.
    room: Mutex<Room>,
    told_full: Mutex<Option<Instant>>,
    pub(crate) functions: RwLock<HashMap<FunctionArn, Known>>,
    accounts: Mutex<HashMap<Scope, Arc<Account>>>,
    environments: Mutex<JoinSet<()>>,
    pub(crate) closed: AtomicBool,
    /// There may be something to start or to end of what is kept initialised.
    pub(crate) kept: Notify,
}

/// See the crate's text. Cheap to clone.
#[derive(Clone)]
pub struct Invoker {
    pub(crate) inner: Arc<Inner>,
}

impl Invoker {
    /// An invoker without functions.
    #[must_use]
    pub fn new(
        world: Arc<World>,
        entropy: Arc<dyn Entropy>,
        compose: Compose,
        available: Available,
        options: Options,
    ) -> Self {
        let inner = Inner {
            world,
            entropy,
            compose,
            available,
            options,
            starts: Starts::here(),
            room: Mutex::default(),
            told_full: Mutex::default(),
            functions: RwLock::default(),
            accounts: Mutex::default(),
            environments: Mutex::default(),
            closed: AtomicBool::new(false),
            kept: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes note of a new record of a function's `$LATEST`, or of its end.
    ///
    /// While an update is in progress the old code and settings stay in use (Developer Guide, "Lambda function
    /// states"); tags and revisions do not touch the environments.
    pub fn apply(&self, arn: &FunctionArn, record: Option<lambda::Function>) {
        self.inner.note(arn, None, record);
    }

    /// Has environments that there are take no more invocations: the files that they began with may have changed.
    pub fn renew(&self, arn: &FunctionArn) {
        self.inner.change(arn, Known::renew);
    }

    /// Takes note of a new record of a version, or of its end.
    pub fn apply_version(&self, arn: &FunctionArn, number: u64, record: Option<lambda::Function>) {
        self.inner.note(arn, Some(number), record);
    }

    /// Takes note of a record that was there when the server started, of `$LATEST` or of a version: what it runs is
    /// composed when it is first invoked.
    pub fn load(&self, arn: &FunctionArn, number: Option<u64>, record: lambda::Function) {
        self.inner.load(arn, number, record);
    }

    /// Takes note of a new record of an alias, or of its end.
    pub fn apply_alias(&self, arn: &FunctionArn, name: &str, alias: Option<lambda::Alias>) {
        self.inner.change(arn, |known| known.apply_alias(name, alias));
    }

    /// Ends environments that have been idle for too long, until `stop` resolves. Run it as a task.
    pub async fn tend(&self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        // A quarter of the period: an idle environment outlives its time by that at most.
        let mut ticks = tokio::time::interval((self.inner.options.idle / 4).max(Duration::from_millis(10)));
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = ticks.tick() => {}
            }
            let now = Instant::now();
            let functions = self.inner.functions.read().unwrap_or_else(PoisonError::into_inner);
            for pool in functions.values().flat_map(Known::entries).filter_map(|entry| entry.pool_if_any()) {
                pool.retire_idle(self.inner.options.idle, now);
            }
        }
    }

    /// Takes no more invocations, lets running ones finish until `deadline`, then kills what is left.
    pub async fn shutdown(&self, deadline: Duration) {
        self.inner.closed.store(true, Ordering::Release);
        let retire = |known: &Known| known.pools().for_each(|pool| pool.retire());
        self.inner.functions.read().unwrap_or_else(PoisonError::into_inner).values().for_each(retire);
        let environments = &self.inner.environments;
        let mut set = std::mem::take(&mut *environments.lock().unwrap_or_else(PoisonError::into_inner));
        let drained =
            tokio::time::timeout(deadline, async { while set.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            // Dropping an environment kills its sandbox.
            set.shutdown().await;
        }
    }

    /// Every record the invoker has heard of and not heard the end of.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        let mut heard = Vec::new();
        for (arn, known) in &*self.inner.functions.read().unwrap_or_else(PoisonError::into_inner) {
            heard.push(Heard::Latest(arn.clone()));
            heard.extend(known.versions().map(|number| Heard::Version(arn.clone(), number)));
            heard.extend(known.aliases().map(|name| Heard::Alias(arn.clone(), name.clone())));
        }
        heard
    }

    /// The provisioned concurrency of every version and alias that has some, in the order of their ARNs.
    #[must_use]
    pub fn provisioned(&self) -> Vec<(FunctionArn, Qualifier, Provisioning)> {
        let (functions, now) =
            (self.inner.functions.read().unwrap_or_else(PoisonError::into_inner), Instant::now());
        let of = |(arn, known): (&FunctionArn, &Known)| {
            let told = known.provisioned(now);
            told.map(|(qualifier, told)| (arn.clone(), qualifier.clone(), told)).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = functions.iter().flat_map(of).collect();
        drop(functions);
        all.sort_by_cached_key(|(arn, qualifier, _)| format!("{arn}:{qualifier}"));
        all
    }

    /// Which environments are being started.
    #[must_use]
    pub fn starts(&self) -> Arc<Starts> {
        Arc::clone(&self.inner.starts)
    }

    /// How many environments live, those included that finish what they do for a function that was updated or deleted.
    #[must_use]
    pub fn environments(&self) -> usize {
        let mut environments = self.inner.environments.lock().unwrap_or_else(PoisonError::into_inner);
        while environments.try_join_next().is_some() {}
        environments.len()
    }

    /// How many environments of the functions and versions that there are now are busy with an invocation, free, and
    /// away, which is on the way from one to the other or to their end.
    #[must_use]
    pub fn states(&self) -> [(&'static str, usize); 3] {
        let functions = self.inner.functions.read().unwrap_or_else(PoisonError::into_inner);
        let mut sums = [0; 3];
        for pool in functions.values().flat_map(Known::pools) {
            let states = pool.states();
            sums.iter_mut().zip(states).for_each(|(sum, state)| *sum += state);
        }
        [("busy", sums[0]), ("free", sums[1]), ("away", sums[2])]
    }
}

impl Inner {
    /// Takes note of a record that was there when the server started: what it runs is composed when it is wanted.
    fn load(&self, arn: &FunctionArn, number: Option<u64>, record: lambda::Function) {
        let compose = |record: &lambda::Function| (self.compose)(arn, record);
        self.change(arn, |known| known.apply(number, Some(record), None, compose));
    }

    fn note(&self, arn: &FunctionArn, number: Option<u64>, record: Option<lambda::Function>) {
        let compose = |record: &lambda::Function| (self.compose)(arn, record);
        // Before the lock that every invocation passes: composing opens the package. Were the record to change in
        // between by another call of this, it would be composed when it is wanted.
        let needed = record.as_ref().filter(|record| {
            let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
            functions.get(arn).is_none_or(|known| known.needs_composing(number, record))
        });
        let composed = needed.map(compose);
        self.change(arn, |known| known.apply(number, record, composed, compose));
    }

    pub(crate) fn change(&self, arn: &FunctionArn, change: impl FnOnce(&mut Known)) {
        let mut functions = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        let known = functions.entry(arn.clone()).or_insert_with(|| {
            let share = Share::of(self.account(arn), self.world.metrics.function(arn));
            Known::new(Arc::new(share), self.options.lifetime)
        });
        change(known);
        if known.is_empty() {
            functions.remove(arn);
        } else if known.standing().next().is_some() {
            self.kept.notify_one();
        }
    }

    fn account(&self, arn: &FunctionArn) -> Arc<Account> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.entry(arn.scope.clone()).or_insert_with(|| {
            Arc::new(Account::new(self.options.concurrency, self.world.metrics.account(&arn.scope)))
        });
        Arc::clone(account)
    }

    /// From 0.0 up to and without 1.0, in steps that a double holds exactly.
    fn random(&self) -> f64 {
        let mut bytes = [0; 4];
        self.entropy.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / 4_294_967_296.0
    }

    fn find(&self, target: &Target) -> Result<(Arc<Entry>, Option<Arc<Standing>>), InvokeError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(InvokeError::ShuttingDown);
        }
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        let known = functions.get(&target.function).ok_or(InvokeError::NotFound)?;
        let Resolved { entry, standing } =
            known.resolve(target.qualifier.as_ref(), || self.random()).ok_or(InvokeError::NotFound)?;
        match entry.record.state {
            lambda::State::Active => Ok((Arc::clone(entry), standing.cloned())),
            state @ (lambda::State::Pending | lambda::State::Failed) => {
                Err(InvokeError::NotReady { state: state.as_str() })
            }
        }
    }

    async fn invoke(
        self: Arc<Self>,
        target: Target,
        mut invocation: Arc<Invocation>,
        taker: Option<Arc<dyn TakeResponse>>,
    ) -> Result<Invoked, InvokeError> {
        self.continue_trace(&target, &mut invocation)?;
        // When this began, if it has to wait for a new environment.
        let mut cold = None;
        let (entry, ran, completed) = loop {
            // Anew each time: an environment also declines because its function was updated or deleted.
            let (entry, standing) = self.find(&target)?;
            entry.check_tenant(invocation.tenant_id.as_deref())?;
            let now = Instant::now();
            let refused = |error: &InvokeError| measure::refused(&*entry.series(&target), error);
            let found = self
                .admit(&target, &entry, standing.as_deref(), invocation.tenant_id.as_deref(), now)
                .await
                .inspect_err(refused)?;
            let Placed { handle, is_new, ran } = found;
            if is_new {
                // The time from the first try on is what its caller waits.
                cold.get_or_insert(now);
            }
            match handle.invoke(invocation, taker.clone()).await {
                Ok(completed) => {
                    if let Some(peak) = completed.report.and_then(|report| report.max_memory_used_mb) {
                        entry.estimate().learn(peak);
                        entry.pool().measured(handle.id(), Bytes::mib(peak).0);
                    }
                    break (entry, ran, completed);
                }
                // The environment ended or lingers; the function has not seen the event. Each round uses up a free
                // environment or makes a new one, so this comes to an end.
                Err(declined) => invocation = declined,
            }
        };
        let waited = cold.map(|began| began.elapsed());
        measure::ended(&*entry.series(&target), &completed, ran, waited);
        measure::complete_span(&entry.version, &completed, waited.is_some());
        Ok(Invoked { executed_version: entry.version.clone(), completed })
    }

    /// Counts one more busy environment, which its `Status` messages count off again, and finds it: one that is kept
    /// initialised for what was invoked, or any other of the version, or a new one.
    async fn admit(
        self: &Arc<Self>,
        target: &Target,
        entry: &Arc<Entry>,
        standing: Option<&Standing>,
        tenant: Option<&str>,
        now: Instant,
    ) -> Result<Placed, InvokeError> {
        if let Some(standing) = standing
            && let Some(handle) = standing.pool.take(None)
        {
            entry
                .share
                .admit(Concurrency::Provisioned, now)
                .inspect_err(|_| standing.give_back(handle.id()))?;
            return Ok(Placed { handle, is_new: false, ran: Ran::Provisioned });
        }
        entry.share.admit(Concurrency::OnDemand, now)?;
        let function = entry.function(|record| (self.compose)(&target.function, record));
        let placed = self.place(entry, function, tenant).await;
        let (handle, is_new) = placed.inspect_err(|_| entry.share.release(Concurrency::OnDemand))?;
        if entry.stock.as_ref().is_some_and(|stock| stock.touch(now)) {
            self.kept.notify_one();
        }
        let ran = if standing.is_some() { Ran::SpilledOver } else { Ran::OnDemand };
        Ok(Placed { handle, is_new, ran })
    }

    /// Makes the invocation the next of its chain, unless that is a loop.
    fn continue_trace(&self, target: &Target, invocation: &mut Arc<Invocation>) -> Result<(), InvokeError> {
        match trace::step(&invocation.trace_id, &target.function) {
            Ok(trace_id) => Arc::make_mut(invocation).trace_id = trace_id,
            Err(recursive) => {
                let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
                let Some(known) = functions.get(&target.function) else { return Err(InvokeError::NotFound) };
                if !known.may_recurse() {
                    known.stopped_a_loop();
                    return Err(recursive.into());
                }
            }
        }
        Ok(())
    }

    /// A free environment, or a new one where limits and memory allow; which of the two.
    async fn place(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        function: &Arc<Function>,
        tenant: Option<&str>,
    ) -> Result<(Handle, bool), InvokeError> {
        // Nearly always, and without the lock that all starts share.
        if let Some(handle) = entry.pool().take(tenant) {
            return Ok((handle, false));
        }
        let turn = tokio::select! {
            biased;
            // Of a burst's first ones, ready before it is this one's turn.
            handle = entry.pool().freed(tenant) => return Ok((handle, false)),
            turn = self.starts.turn() => turn,
        };
        if self.closed.load(Ordering::Acquire) {
            return Err(InvokeError::ShuttingDown);
        }
        self.place_now(entry, function, tenant, turn)
    }

    /// How many environments, busy or idle, a function with tenant isolation has at most ("2,500 for every 1,000
    /// concurrent executions", Developer Guide, "Troubleshooting tenant isolation"). AWS throttles who wants one more; here
    /// the one that has been idle for longest ends for it, and one is idle, since no more than 1,000 are busy.
    fn most_of_tenants(&self) -> usize {
        usize::try_from(self.options.concurrency).unwrap_or(usize::MAX).saturating_mul(5) / 2
    }

    fn place_now(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        function: &Arc<Function>,
        tenant: Option<&str>,
        turn: Turn,
    ) -> Result<(Handle, bool), InvokeError> {
        let (pool, share, estimate) = (entry.pool(), &entry.share, entry.estimate());
        let wanted = self.room().promised().saturating_add(estimate.bytes());
        let available = (self.available)(Bytes(wanted)).map(|available| available.0);
        let mut room = self.room();
        match place((pool, tenant), share, estimate, &mut room, available, &**self, Instant::now()) {
            Ok(Place::Free(handle)) => Ok((handle, false)),
            Ok(Place::New(need)) => {
                let id = EnvironmentId::random(&*self.entropy);
                room.promise(id, need);
                drop(room);
                if tenant.is_some() {
                    pool.keep_below(self.most_of_tenants());
                }
                Ok((self.start(entry, function, tenant, id, turn), true))
            }
            Err(refused) => {
                drop(room);
                self.tell(&refused);
                Err(refused.error())
            }
        }
    }

    pub(crate) fn room(&self) -> MutexGuard<'_, Room> {
        // Nothing panics between two statements that belong together.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The operator's word on a full machine, now and then: callers are told that they are throttled, not why.
    pub(crate) fn tell(&self, refused: &Refused) {
        let Refused::Full { available, need } = refused else { return };
        let mut told = self.told_full.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            *told = Some(Instant::now());
            tracing::warn!(
                available_mb = available >> 20,
                needed_mb = need >> 20,
                "the machine's memory is full, and invocations that need a new environment are throttled; what is kept \
                 in reserve and promised is not available"
            );
        }
    }

    fn start(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        function: &Arc<Function>,
        tenant: Option<&str>,
        id: EnvironmentId,
        turn: Turn,
    ) -> Handle {
        let (pool, share) = (Arc::clone(entry.pool()), Arc::clone(&entry.share));
        let turn = Mutex::new(Some(turn));
        // Not the invoker itself, which owns the environments' tasks.
        let invoker = Arc::downgrade(self);
        let notify: StatusNotify = Arc::new(move |id: EnvironmentId, status: Status| {
            if matches!(status, Status::Initialised | Status::Ended) {
                drop(turn.lock().unwrap_or_else(PoisonError::into_inner).take());
            }
            if pool.note(id, status, Instant::now()).freed {
                share.release(Concurrency::OnDemand);
            }
            if let Some(invoker) = invoker.upgrade() {
                invoker.noted(id, status);
            }
        });
        let tenant = tenant.map(Arc::from);
        let add = |handle| entry.pool().add(handle, tenant, Instant::now());
        self.spawn(function, id, Initialization::OnDemand, notify, add)
    }

    /// What an environment's status means to the machine's memory.
    pub(crate) fn noted(&self, id: EnvironmentId, status: Status) {
        match status {
            Status::Initialised => self.room().initialised(id),
            Status::Ended => self.room().ended(id),
            _ => {}
        }
    }

    /// Spawns an environment that `add` has put into its pool.
    pub(crate) fn spawn(
        &self,
        function: &Arc<Function>,
        id: EnvironmentId,
        initialization: Initialization,
        notify: StatusNotify,
        add: impl FnOnce(Handle),
    ) -> Handle {
        let (world, function) = (Arc::clone(&self.world), Arc::clone(function));
        let (handle, life) = lambent_environment::spawn(world, function, id, initialization, notify);
        add(handle.clone());
        let mut environments = self.environments.lock().unwrap_or_else(PoisonError::into_inner);
        // Reap the ended ones here, so that the set holds no more than what has lived since the last start.
        while environments.try_join_next().is_some() {}
        environments.spawn(life);
        handle
    }
}

/// Where an admitted invocation runs.
struct Placed {
    handle: Handle,
    is_new: bool,
    ran: Ran,
}

impl Others for Inner {
    fn idle(&self) -> Vec<Idle> {
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        let pools = functions.values().flat_map(Known::entries).filter_map(|entry| entry.pool_if_any());
        pools.flat_map(|pool| pool.idle()).collect()
    }

    fn end(&self, idle: &Idle) -> bool {
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        let mut pools = functions.values().flat_map(Known::entries).filter_map(|entry| entry.pool_if_any());
        pools.any(|pool| pool.end_idle(idle.id))
    }
}

impl Invoke for Invoker {
    fn check(&self, target: &Target, tenant_id: Option<&str>) -> InvokeCheckFuture {
        let found = self.inner.find(target).and_then(|(entry, _)| entry.check_tenant(tenant_id));
        Box::pin(std::future::ready(found))
    }

    fn resource_policy(&self, target: &Target) -> ResourcePolicyFuture {
        let functions = self.inner.functions.read().unwrap_or_else(PoisonError::into_inner);
        let known = functions.get(&target.function);
        let policy = known.and_then(|known| known.policy(target.qualifier.as_ref()));
        let document = policy.filter(|policy| !policy.is_empty()).map(lambda::Policy::document);
        Box::pin(std::future::ready(document))
    }

    fn event_policy(&self, target: &Target) -> EventPolicyFuture {
        let functions = self.inner.functions.read().unwrap_or_else(PoisonError::into_inner);
        let known = functions.get(&target.function);
        let policy = known.and_then(|known| known.event_policy(target.qualifier.as_ref()));
        Box::pin(std::future::ready(policy))
    }

    fn provisioning(&self, target: &Target) -> ProvisioningFuture {
        let functions = self.inner.functions.read().unwrap_or_else(PoisonError::into_inner);
        let qualifier = target.qualifier.as_ref().unwrap_or(&Qualifier::Latest);
        let known = functions.get(&target.function);
        let told = known.and_then(|known| known.provisioning(qualifier, Instant::now()));
        Box::pin(std::future::ready(told))
    }

    fn invoke(&self, target: Target, invocation: Arc<Invocation>) -> InvokeFuture {
        let span = measure::span(&target, &invocation);
        Box::pin(Arc::clone(&self.inner).invoke(target, invocation, None).instrument(span))
    }

    fn invoke_streaming(
        &self,
        target: Target,
        invocation: Arc<Invocation>,
        taker: Arc<dyn TakeResponse>,
    ) -> InvokeFuture {
        let span = measure::span(&target, &invocation);
        Box::pin(Arc::clone(&self.inner).invoke(target, invocation, Some(taker)).instrument(span))
    }
}
