//! Queries that run or have run: a few at once, each in the background, until their results are fetched or pushed out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lambent_model::Scope;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// Queries that read at once: each keeps a processor busy, and calls have readers of their own.
const READING: usize = 2;
/// Queries of an account and region that are not over (CloudWatch Logs User Guide, "CloudWatch Logs quotas").
const ONGOING: usize = 30;
/// Queries that are remembered, and bytes of their results; the oldest go first.
const KEPT: usize = 1_000;
const KEPT_BYTES: usize = 64 * 1024 * 1024;

/// The rows of a result, each by its columns.
pub(super) type Rows = Vec<Vec<(String, String)>>;

/// A query from its start on.
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) scope: Scope,
    pub(super) text: String,
    pub(super) groups: Vec<String>,
    pub(super) created_ms: i64,
    /// Asks the query to end.
    pub(super) cancelled: AtomicBool,
    pub(super) scanned_events: AtomicU64,
    pub(super) scanned_bytes: AtomicU64,
    pub(super) matched_events: AtomicU64,
    state: Mutex<State>,
}

/// Where a query stands.
#[derive(Clone)]
pub(super) enum State {
    Scheduled,
    Running,
    /// How long it took, in milliseconds.
    Complete(Arc<Rows>, i64),
    Failed(i64),
    Cancelled(i64),
    Timeout(i64),
}

impl State {
    pub(super) fn is_over(&self) -> bool {
        !matches!(self, Self::Scheduled | Self::Running)
    }

    fn bytes(&self) -> usize {
        let Self::Complete(rows, _) = self else { return 0 };
        rows.iter().flatten().map(|(name, value)| name.len() + value.len() + 48).sum()
    }
}

impl Entry {
    pub(super) fn new(id: String, scope: Scope, text: String, groups: Vec<String>, created_ms: i64) -> Self {
        Self {
            id,
            scope,
            text,
            groups,
            created_ms,
            cancelled: AtomicBool::new(false),
            scanned_events: AtomicU64::new(0),
            scanned_bytes: AtomicU64::new(0),
            matched_events: AtomicU64::new(0),
            state: Mutex::new(State::Scheduled),
        }
    }

    pub(super) fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes on to another state; what is over stays as it is.
    pub(super) fn set(&self, state: State) {
        let mut current = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !current.is_over() {
            *current = state;
        }
    }
}

/// All queries, the oldest first.
pub(super) struct Queries {
    list: Mutex<VecDeque<Arc<Entry>>>,
    reading: Arc<Semaphore>,
    tasks: Mutex<JoinSet<()>>,
}

impl Queries {
    pub(super) fn new() -> Self {
        Self {
            list: Mutex::default(),
            reading: Arc::new(Semaphore::new(READING)),
            tasks: Mutex::new(JoinSet::new()),
        }
    }

    fn list(&self) -> MutexGuard<'_, VecDeque<Arc<Entry>>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a query in and starts its task; `None` when the account has too many that are not over.
    pub(super) fn start<F>(&self, entry: &Arc<Entry>, task: F) -> Option<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut list = self.list();
        let ongoing = list.iter().filter(|other| other.scope == entry.scope && !other.state().is_over());
        if ongoing.count() >= ONGOING {
            return None;
        }
        list.push_back(Arc::clone(entry));
        trim(&mut list);
        drop(list);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended are taken out, so that the set is as large as what runs.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
        Some(())
    }

    /// Forgets what is more than is kept.
    pub(super) fn trim(&self) {
        trim(&mut self.list());
    }

    /// Waits for a turn to read.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.reading).acquire_owned().await.ok()
    }

    /// A query of this account and region.
    pub(super) fn find(&self, scope: &Scope, id: &str) -> Option<Arc<Entry>> {
        self.list().iter().find(|entry| entry.id == id && entry.scope == *scope).cloned()
    }

    /// The queries of an account and region, the newest first.
    pub(super) fn all(&self, scope: &Scope) -> Vec<Arc<Entry>> {
        self.list().iter().rev().filter(|entry| entry.scope == *scope).cloned().collect()
    }

    /// Ends all.
    pub(super) fn close(&self) {
        self.reading.close();
        self.list().iter().for_each(|entry| entry.cancelled.store(true, Ordering::Relaxed));
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

/// Forgets the oldest that are over, down to what is kept.
fn trim(list: &mut VecDeque<Arc<Entry>>) {
    let mut bytes: usize = list.iter().map(|entry| entry.state().bytes()).sum();
    while list.len() > KEPT || bytes > KEPT_BYTES {
        let Some(oldest) = list.iter().position(|entry| entry.state().is_over()) else { return };
        if let Some(entry) = list.remove(oldest) {
            bytes -= entry.state().bytes();
        }
    }
}
