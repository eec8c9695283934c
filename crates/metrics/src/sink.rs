//! All series of a server.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use lambent_model::{FunctionArn, FunctionMetrics, Levels, MappingMetrics, MetricSink, Scope, Work};

use crate::function::{Account, Function, Places};
use crate::histogram::{Counter, Histogram, LATENCY};
use crate::mapping::Mapping;

/// How many series there may be. A series takes about a kilobyte once it has times.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Resources of all functions together; those beyond are counted with their function as a whole.
    pub resources: usize,
    /// Resources of one function: versions and aliases that were invoked.
    pub resources_of_a_function: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { resources: 20_000, resources_of_a_function: 200 }
    }
}

/// See the package's text.
#[derive(Debug)]
pub struct Metrics {
    places: Arc<Places>,
    /// Looked at when a function comes, goes or is shown, not when it is invoked.
    functions: Mutex<HashMap<FunctionArn, Weak<Function>>>,
    accounts: Mutex<HashMap<Scope, Arc<Account>>>,
    /// In the order of their ids, which differ everywhere.
    mappings: Mutex<BTreeMap<String, Weak<Mapping>>>,
    work: [Histogram; Work::ALL.len()],
}

impl Metrics {
    /// Empty ones.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let places = Places {
            in_all: limits.resources,
            of_a_function: limits.resources_of_a_function,
            taken: std::sync::atomic::AtomicUsize::new(0),
            refused: Counter::default(),
        };
        Self {
            places: Arc::new(places),
            functions: Mutex::default(),
            accounts: Mutex::default(),
            mappings: Mutex::default(),
            work: std::array::from_fn(|_| Histogram::new(LATENCY)),
        }
    }

    /// The functions that somebody knows, in the order of their ARNs.
    pub(crate) fn functions(&self) -> Vec<Arc<Function>> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        functions.retain(|_, function| function.strong_count() > 0);
        let mut live: Vec<_> = functions.values().filter_map(Weak::upgrade).collect();
        drop(functions);
        live.sort_by_cached_key(|function| function.arn.to_string());
        live
    }

    pub(crate) fn accounts(&self) -> Vec<Arc<Account>> {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = accounts.values().cloned().collect();
        drop(accounts);
        all.sort_by_cached_key(|account| {
            (account.scope.account.to_string(), account.scope.region.to_string())
        });
        all
    }

    /// The event source mappings that somebody knows.
    pub(crate) fn mappings(&self) -> Vec<Arc<Mapping>> {
        let mut mappings = self.mappings.lock().unwrap_or_else(PoisonError::into_inner);
        mappings.retain(|_, mapping| mapping.strong_count() > 0);
        mappings.values().filter_map(Weak::upgrade).collect()
    }

    /// How long work of the platform took.
    #[must_use]
    pub fn times_of(&self, work: Work) -> &Histogram {
        &self.work[work as usize]
    }

    pub(crate) fn refused(&self) -> u64 {
        self.places.refused.get()
    }

    fn account_of(&self, scope: &Scope) -> Arc<Account> {
        // An account is there once it has had a function; there are fewer of them than functions were ever created.
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.entry(scope.clone()).or_insert_with(|| {
            Arc::new(Account {
                scope: scope.clone(),
                levels: crate::series::Heights::default(),
                past: crate::series::Sums::default(),
            })
        });
        Arc::clone(account)
    }
}

impl MetricSink for Metrics {
    fn function(&self, arn: &FunctionArn) -> Arc<dyn FunctionMetrics> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        // A function that was deleted and is there again goes on where invocations under way still hold its series.
        if let Some(known) = functions.get(arn).and_then(Weak::upgrade) {
            return known;
        }
        let account = self.account_of(&arn.scope);
        let function = Arc::new(Function::new(arn.clone(), account, Arc::clone(&self.places)));
        functions.insert(arn.clone(), Arc::downgrade(&function));
        // Doubling: what is gone is looked for as often as the map has grown, so that it holds no more than what lives.
        if functions.len() == functions.capacity() {
            functions.retain(|_, function| function.strong_count() > 0);
        }
        function
    }

    fn account(&self, scope: &Scope) -> Arc<dyn Levels> {
        self.account_of(scope)
    }

    fn mapping(&self, scope: &Scope, id: &str) -> Arc<dyn MappingMetrics> {
        let mapping = Arc::new(Mapping::new(scope.clone(), id.to_owned()));
        let mut mappings = self.mappings.lock().unwrap_or_else(PoisonError::into_inner);
        mappings.retain(|_, mapping| mapping.strong_count() > 0);
        mappings.insert(id.to_owned(), Arc::downgrade(&mapping));
        mapping
    }

    fn work(&self, work: Work, took: Duration) {
        self.work[work as usize].record(took);
    }
}

#[cfg(test)]
mod tests;
