//! Finds the pool, admits, invokes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use lambent_environment::{Function, Handle, Notify, Status, World};
use lambent_lambda as lambda;
use lambent_model::{
    AccountId, Entropy, EnvironmentId, FunctionArn, Invocation, Invoke, InvokeCheckFuture, InvokeError,
    InvokeFuture, Invoked, Qualifier, Region, Target,
};
use tokio::task::JoinSet;

use crate::pool::Pool;

/// Turns a stored function into what an environment runs: finds its code, its interpreter, its variables.
pub type Compose = Box<dyn Fn(&FunctionArn, &lambda::Function) -> Function + Send + Sync>;

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

/// One function as the invoker knows it.
struct Entry {
    record: lambda::Function,
    function: Arc<Function>,
    pool: Arc<Pool>,
    /// Shared by the functions of an account and region.
    running: Arc<AtomicU32>,
}

struct Inner {
    world: Arc<World>,
    entropy: Arc<dyn Entropy>,
    compose: Compose,
    options: Options,
    functions: RwLock<HashMap<FunctionArn, Arc<Entry>>>,
    running: Mutex<HashMap<(AccountId, Region), Arc<AtomicU32>>>,
    environments: Mutex<JoinSet<()>>,
    closed: AtomicBool,
}

/// See the crate's text. Cheap to clone.
#[derive(Clone)]
pub struct Invoker {
    inner: Arc<Inner>,
}

impl Invoker {
    /// An invoker without functions.
    #[must_use]
    pub fn new(world: Arc<World>, entropy: Arc<dyn Entropy>, compose: Compose, options: Options) -> Self {
        let inner = Inner {
            world,
            entropy,
            compose,
            options,
            functions: RwLock::default(),
            running: Mutex::default(),
            environments: Mutex::default(),
            closed: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes note of a function's new record, or of its end.
    ///
    /// While an update is in progress the old code and settings stay in use (Developer Guide, "Lambda function
    /// states"); tags and revisions do not touch the environments.
    pub fn apply(&self, arn: &FunctionArn, record: Option<lambda::Function>) {
        let mut functions = self.inner.functions.write().unwrap_or_else(PoisonError::into_inner);
        let Some(record) = record else {
            if let Some(entry) = functions.remove(arn) {
                entry.pool.retire();
            }
            return;
        };
        let previous = functions.get(arn);
        let updating = record.last_update == Some(lambda::LastUpdate::InProgress);
        if updating && previous.is_some() {
            return;
        }
        let entry = match previous {
            Some(entry) if same_environment(&entry.record, &record) => Entry {
                record,
                function: Arc::clone(&entry.function),
                pool: Arc::clone(&entry.pool),
                running: Arc::clone(&entry.running),
            },
            previous => {
                if let Some(entry) = previous {
                    entry.pool.retire();
                }
                Entry {
                    function: Arc::new((self.inner.compose)(arn, &record)),
                    pool: Arc::new(Pool::new(self.inner.options.lifetime)),
                    running: self.inner.running(arn),
                    record,
                }
            }
        };
        functions.insert(arn.clone(), Arc::new(entry));
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
            for entry in self.inner.functions.read().unwrap_or_else(PoisonError::into_inner).values() {
                entry.pool.retire_idle(self.inner.options.idle, now);
            }
        }
    }

    /// Takes no more invocations, lets running ones finish until `deadline`, then kills what is left.
    pub async fn shutdown(&self, deadline: Duration) {
        self.inner.closed.store(true, Ordering::Release);
        for entry in self.inner.functions.read().unwrap_or_else(PoisonError::into_inner).values() {
            entry.pool.retire();
        }
        let environments = &self.inner.environments;
        let mut set = std::mem::take(&mut *environments.lock().unwrap_or_else(PoisonError::into_inner));
        let drained =
            tokio::time::timeout(deadline, async { while set.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            // Dropping an environment kills its sandbox.
            set.shutdown().await;
        }
    }

    /// The functions the invoker knows.
    #[must_use]
    pub fn functions(&self) -> Vec<FunctionArn> {
        self.inner.functions.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// How many environments live, those included that finish what they do for a function that was updated or deleted.
    #[must_use]
    pub fn environments(&self) -> usize {
        let mut environments = self.inner.environments.lock().unwrap_or_else(PoisonError::into_inner);
        while environments.try_join_next().is_some() {}
        environments.len()
    }
}

fn same_environment(a: &lambda::Function, b: &lambda::Function) -> bool {
    a.code == b.code && a.settings == b.settings && a.architecture == b.architecture && a.state == b.state
}

impl Inner {
    fn running(&self, arn: &FunctionArn) -> Arc<AtomicU32> {
        let key = (arn.scope.account.clone(), arn.scope.region.clone());
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(running.entry(key).or_default())
    }

    fn find(&self, target: &Target) -> Result<Arc<Entry>, InvokeError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(InvokeError::ShuttingDown);
        }
        if !matches!(target.qualifier, None | Some(Qualifier::Latest)) {
            return Err(InvokeError::NotFound);
        }
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        let entry = functions.get(&target.function).ok_or(InvokeError::NotFound)?;
        match entry.record.state {
            lambda::State::Active => Ok(Arc::clone(entry)),
            state @ lambda::State::Pending => Err(InvokeError::NotReady { state: state.as_str() }),
        }
    }

    async fn invoke(
        self: Arc<Self>,
        target: Target,
        mut invocation: Arc<Invocation>,
    ) -> Result<Invoked, InvokeError> {
        let (entry, completed) = loop {
            // Anew each time: an environment also declines because its function was updated or deleted.
            let entry = self.find(&target)?;
            self.admit(&entry)?;
            let handle = match entry.pool.take() {
                Some(handle) => handle,
                None => self.start(&entry),
            };
            match handle.invoke(invocation).await {
                Ok(completed) => break (entry, completed),
                // The environment ended or lingers; the function has not seen the event. Each round uses up a free
                // environment or makes a new one, so this comes to an end.
                Err(declined) => invocation = declined,
            }
        };
        Ok(Invoked { executed_version: entry.function.version.clone(), completed })
    }

    /// Counts one more busy environment, or refuses. `Status` messages count it off again.
    fn admit(&self, entry: &Entry) -> Result<(), InvokeError> {
        let admitted = entry.running.fetch_update(Ordering::AcqRel, Ordering::Acquire, |running| {
            (running < self.options.concurrency).then_some(running + 1)
        });
        match admitted {
            Ok(_) => Ok(()),
            Err(_) => Err(InvokeError::Throttled { reason: "ConcurrentInvocationLimitExceeded" }),
        }
    }

    fn start(self: &Arc<Self>, entry: &Arc<Entry>) -> Handle {
        let id = EnvironmentId::random(&*self.entropy);
        let (pool, running) = (Arc::clone(&entry.pool), Arc::clone(&entry.running));
        let notify: Notify = Arc::new(move |id: EnvironmentId, status: Status| {
            if pool.note(id, status, Instant::now()) {
                running.fetch_sub(1, Ordering::AcqRel);
            }
        });
        let (handle, life) =
            lambent_environment::spawn(Arc::clone(&self.world), Arc::clone(&entry.function), id, notify);
        entry.pool.add(handle.clone(), Instant::now());
        let mut environments = self.environments.lock().unwrap_or_else(PoisonError::into_inner);
        // Reap the ended ones here, so that the set holds no more than what has lived since the last start.
        while environments.try_join_next().is_some() {}
        environments.spawn(life);
        handle
    }
}

impl Invoke for Invoker {
    fn check(&self, target: &Target) -> InvokeCheckFuture {
        let found = self.inner.find(target).map(|_| ());
        Box::pin(std::future::ready(found))
    }

    fn invoke(&self, target: Target, invocation: Arc<Invocation>) -> InvokeFuture {
        Box::pin(Arc::clone(&self.inner).invoke(target, invocation))
    }
}
