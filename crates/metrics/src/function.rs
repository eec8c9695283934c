//! The series of functions and of accounts.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use lambent_model::{FunctionArn, FunctionMetrics, Level, Levels, Qualifier, Scope, Series};

use crate::histogram::Counter;
use crate::series::{Heights, Sums};

/// What an account and region have of their own.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) scope: Scope,
    pub(crate) levels: Heights,
    /// What functions counted that are gone.
    pub(crate) past: Sums,
}

impl Levels for Account {
    fn set(&self, level: Level, value: u64) {
        self.levels.set(level, value);
    }
}

/// How many series there may be, and how many there are: see [`crate::Limits`].
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) in_all: usize,
    pub(crate) of_a_function: usize,
    pub(crate) taken: std::sync::atomic::AtomicUsize,
    /// How many resources found no place.
    pub(crate) refused: Counter,
}

impl Places {
    fn take(&self) -> bool {
        use std::sync::atomic::Ordering::Relaxed;
        self.taken.fetch_update(Relaxed, Relaxed, |taken| (taken < self.in_all).then_some(taken + 1)).is_ok()
    }

    fn give_back(&self, count: usize) {
        self.taken.fetch_sub(count, std::sync::atomic::Ordering::Relaxed);
    }
}

/// One series and its dimensions beside the function's.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) qualifier: Option<Qualifier>,
    /// Of an alias; the others say it themselves.
    pub(crate) executed_version: Option<String>,
    pub(crate) sums: Arc<Sums>,
}

impl Resource {
    fn is(&self, qualifier: Option<&Qualifier>, executed_version: Option<&str>) -> bool {
        self.qualifier.as_ref() == qualifier && self.executed_version.as_deref() == executed_version
    }
}

/// One function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) arn: FunctionArn,
    pub(crate) levels: Heights,
    pub(crate) account: Arc<Account>,
    places: Arc<Places>,
    /// Few: looked through in the time that a hash would take.
    resources: RwLock<Vec<Resource>>,
    /// Of the resources that found no place, which nearly no function has.
    others: OnceLock<Arc<Sums>>,
}

impl Function {
    pub(crate) fn new(arn: FunctionArn, account: Arc<Account>, places: Arc<Places>) -> Self {
        Self {
            arn,
            levels: Heights::default(),
            account,
            places,
            resources: RwLock::default(),
            others: OnceLock::new(),
        }
    }

    /// As they are now.
    pub(crate) fn resources(&self) -> Vec<Resource> {
        self.resources.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the resources counted that found no place.
    pub(crate) fn others(&self) -> Option<&Arc<Sums>> {
        self.others.get()
    }

    fn add(&self, qualifier: Option<&Qualifier>, executed_version: Option<&str>) -> Arc<Sums> {
        let mut resources = self.resources.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody may have come first.
        if let Some(known) = resources.iter().find(|resource| resource.is(qualifier, executed_version)) {
            return Arc::clone(&known.sums);
        }
        if resources.len() >= self.places.of_a_function || !self.places.take() {
            self.places.refused.add(1);
            return Arc::clone(self.others.get_or_init(Arc::default));
        }
        let sums = Arc::<Sums>::default();
        resources.push(Resource {
            qualifier: qualifier.cloned(),
            executed_version: executed_version.map(str::to_owned),
            sums: Arc::clone(&sums),
        });
        sums
    }
}

impl Levels for Function {
    fn set(&self, level: Level, value: u64) {
        self.levels.set(level, value);
    }
}

impl FunctionMetrics for Function {
    fn resource(&self, qualifier: Option<&Qualifier>, executed_version: &str) -> Arc<dyn Series> {
        let executed_version = matches!(qualifier, Some(Qualifier::Alias(_))).then_some(executed_version);
        let resources = self.resources.read().unwrap_or_else(PoisonError::into_inner);
        let known = resources.iter().find(|resource| resource.is(qualifier, executed_version));
        if let Some(known) = known {
            return Arc::clone(&known.sums) as Arc<dyn Series>;
        }
        drop(resources);
        self.add(qualifier, executed_version)
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let resources = self.resources();
        for resource in &resources {
            self.account.past.absorb(&resource.sums);
        }
        if let Some(others) = self.others() {
            self.account.past.absorb(others);
        }
        self.places.give_back(resources.len());
    }
}
