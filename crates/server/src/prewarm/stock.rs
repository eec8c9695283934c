//! The sandboxes that wait, who takes them, and the task that makes new ones.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lambent_environment::{SandboxFuture, Sandboxes};
use lambent_invoker::Starts;
use lambent_model::{Entropy, EnvironmentId};
use lambent_runtimes::Catalogue;
use lambent_sandbox_client::{
    Error, Foretell, Isolation, Kind, Launcher, Network, Sandbox, Snapshotting, Spec, Waiting,
};
use tokio::sync::Notify;

use super::kinds::usual_kinds;
use super::policy::{self, Demand, Level, Prewarm, Step};
use crate::memory::HostMemory;

/// As for every environment.
const PIDS: u32 = 1024;
/// Where environments that have grown leave less of the host's memory than this, beside its reserve, nothing waits.
const LEAST_MEMORY: u64 = 64 * 1024 * 1024;
/// What a function's first invocation takes, once its environment is initialised: until then its caller waits, and a
/// sandbox that is made would take a processor from it.
const FIRST_INVOCATION: Duration = Duration::from_millis(10);
/// How often what waits is looked at when nothing happens.
const LOOK: Duration = Duration::from_secs(10);
/// After a sandbox of a kind could not be made, or ended by itself, no other is made for so long; and none at all after the
/// host's memory was short.
const PAUSE: Duration = Duration::from_secs(60);

/// See the module's text. Clones are the same stock.
#[derive(Clone)]
pub(crate) struct Stock {
    inner: Arc<Inner>,
}

struct Inner {
    launcher: Launcher,
    network: Network,
    setting: Prewarm,
    entropy: Arc<dyn Entropy>,
    room: usize,
    memory: HostMemory,
    /// Few: one for each runtime in use and, of Node.js, for each size of memory.
    shelves: Mutex<Vec<Shelf>>,
    /// Until when nothing is made, for the memory is wanted by functions.
    short_until: Mutex<Option<Instant>>,
    /// Sandboxes that somebody waits for.
    launching: AtomicUsize,
    /// Wakes the task: something was taken or is wanted.
    wake: Notify,
}

/// The sandboxes of one kind.
struct Shelf {
    kind: Kind,
    waiting: Vec<Waiting>,
    demand: Demand,
    paused_until: Option<Instant>,
}

impl Stock {
    /// An empty stock, to be filled by [`Stock::run`].
    pub(crate) fn new(
        launcher: Launcher,
        isolation: Isolation,
        network: Network,
        setting: Prewarm,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        // Without isolation there are no mounts to be attached later, and so nothing to be prepared.
        let setting = if isolation == Isolation::Process { Prewarm::Off } else { setting };
        let inner = Inner {
            launcher,
            network,
            setting,
            entropy,
            room: room_here(),
            memory: HostMemory::find(),
            shelves: Mutex::default(),
            short_until: Mutex::default(),
            launching: AtomicUsize::new(0),
            wake: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Says that somebody may soon want a sandbox of this kind.
    pub(crate) fn expect(&self, kind: Option<Kind>) {
        let Some(kind) = kind.filter(|_| self.inner.setting != Prewarm::Off) else { return };
        let now = Instant::now();
        self.inner.with_shelf(kind, |shelf| shelf.demand.expected(now));
        self.inner.wake.notify_one();
    }

    /// Says that somebody may try any function, now that it is known what this host can run.
    pub(crate) fn expect_usual(&self, catalogue: Option<&Catalogue>) {
        for kind in catalogue.map(usual_kinds).unwrap_or_default() {
            self.expect(Some(kind));
        }
    }

    /// How many sandboxes wait.
    pub(crate) fn waiting(&self) -> usize {
        self.inner.shelves().iter().map(|shelf| shelf.waiting.len()).sum()
    }

    /// How many are to wait, as far as there is room.
    pub(crate) fn wanted(&self) -> usize {
        let shelves = &mut *self.inner.shelves();
        let levels = self.inner.levels(shelves, Instant::now());
        policy::granted(&levels, self.inner.room)
    }

    /// Ends as many as are taken to give back so many bytes, those first that were wanted longest ago, and makes no others
    /// for a while: what waits for nobody in particular makes room for functions. Returns what is taken to come back.
    pub(crate) fn make_room(&self, bytes: u64) -> u64 {
        if bytes == 0 {
            return 0;
        }
        *self.inner.short_until() = Some(Instant::now() + PAUSE);
        // Dropped outside of the lock, which ends them.
        let ended = self.inner.take_for_good(policy::gives_back(bytes)).len();
        if ended > 0 {
            tracing::info!(ended, "prewarmed sandboxes have made room, for memory is short");
        }
        policy::bytes_of(ended)
    }

    /// Keeps the stock until `stop`, then ends what waits.
    pub(crate) async fn run(self, starts: Arc<Starts>, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = stop => {}
            () = self.keep(&starts) => {}
        }
        self.inner.shelves().clear();
    }

    /// Makes what is missing, one at a time, and ends what is too much. Never while somebody waits for a start: what is
    /// made has the least share of a CPU, but the launcher makes one thing after the other.
    async fn keep(&self, starts: &Starts) {
        loop {
            if starts.are_under_way() {
                starts.quiet().await;
                // Once, so that starts in a row do not keep the stock empty.
                tokio::time::sleep(FIRST_INVOCATION).await;
                starts.quiet().await;
            }
            if let Some(available) = self.inner.memory.available() {
                self.make_room(LEAST_MEMORY.saturating_sub(available.0));
            }
            if self.inner.launching.load(Ordering::Acquire) == 0 {
                match self.inner.next(Instant::now()) {
                    Some(Order::Make(kind)) => {
                        self.inner.make(kind).await;
                        continue;
                    }
                    Some(Order::End(waiting)) => {
                        drop(waiting);
                        continue;
                    }
                    None => {}
                }
            }
            tokio::select! {
                () = self.inner.wake.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

impl Sandboxes for Stock {
    fn sandbox(&self, spec: Spec, kind: Option<Kind>, foretell: Box<Foretell>) -> SandboxFuture {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let kind = kind.filter(|_| inner.setting != Prewarm::Off);
            if let Some(kind) = kind
                && let Some(sandbox) = inner.take(kind, &spec, &*foretell).await
            {
                return Ok(sandbox);
            }
            let _counted = Launching::new(&inner);
            inner.launcher.launch(spec).await
        })
    }
}

/// Counts a launch that somebody waits for, while it lasts.
struct Launching<'a>(&'a Inner);

impl<'a> Launching<'a> {
    fn new(inner: &'a Inner) -> Self {
        inner.launching.fetch_add(1, Ordering::AcqRel);
        Self(inner)
    }
}

impl Drop for Launching<'_> {
    fn drop(&mut self) {
        if self.0.launching.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.wake.notify_one();
        }
    }
}

impl Inner {
    fn shelves(&self) -> MutexGuard<'_, Vec<Shelf>> {
        // Nothing panics while holding the lock, and a shelf is whole between statements.
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_shelf<T>(&self, kind: Kind, action: impl FnOnce(&mut Shelf) -> T) -> T {
        let shelves = &mut *self.shelves();
        let found = shelves.iter().position(|shelf| shelf.kind == kind);
        let index = found.unwrap_or_else(|| {
            // Such as when a library has been added to a runtime: what waits with the old folders waits for nobody.
            let replaced =
                |old: &Kind| kind.program.is_some() && old.program == kind.program && old.tmp == kind.tmp;
            shelves.retain(|shelf| !replaced(&shelf.kind));
            let demand = Demand::new(Instant::now());
            shelves.push(Shelf { kind, waiting: Vec::new(), demand, paused_until: None });
            shelves.len() - 1
        });
        action(&mut shelves[index])
    }

    /// One that waits, given to a function; `None` if there is none, or none that could be given.
    async fn take(&self, kind: Kind, spec: &Spec, foretell: &Foretell) -> Option<Sandbox> {
        let rest: Vec<_> = spec.mounts.iter().filter(|mount| !kind.mounts.contains(mount)).cloned().collect();
        loop {
            let waiting = self.with_shelf(kind.clone(), |shelf| {
                let waiting = shelf.waiting.pop();
                shelf.demand.asked(waiting.is_some(), Instant::now());
                waiting
            });
            self.wake.notify_one();
            match waiting?.assign(&rest, spec.memory, foretell).await {
                Ok(sandbox) => return Some(sandbox),
                // It ended in the meantime, and the next one may not have.
                Err(Error::Gone(_)) => {}
                Err(error) => {
                    tracing::warn!(%error, "a prewarmed sandbox could not be used, and another is made");
                    return None;
                }
            }
        }
    }

    fn short_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.short_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether functions have wanted the memory of what waits, a while ago at most.
    fn is_short(&self, now: Instant) -> bool {
        self.short_until().is_some_and(|until| now < until)
    }

    fn levels(&self, shelves: &mut [Shelf], now: Instant) -> Vec<Level> {
        let short = self.is_short(now);
        let level = |shelf: &mut Shelf| {
            let level = shelf.level(self.setting, now);
            if short { Level { wanted: level.wanted.min(level.waiting), ..level } } else { level }
        };
        shelves.iter_mut().map(level).collect()
    }

    /// At most so many that wait, those first that were wanted longest ago.
    fn take_for_good(&self, number: usize) -> Vec<Waiting> {
        let shelves = &mut *self.shelves();
        shelves.sort_by_key(|shelf| shelf.demand.wanted_at());
        let mut taken = Vec::new();
        for shelf in shelves.iter_mut() {
            let left = number - taken.len();
            taken.extend(shelf.waiting.drain(shelf.waiting.len().saturating_sub(left)..));
        }
        taken
    }

    fn next(&self, now: Instant) -> Option<Order> {
        let shelves = &mut *self.shelves();
        for shelf in shelves.iter_mut() {
            shelf.look(now);
        }
        shelves.sort_by_key(|shelf| std::cmp::Reverse(shelf.demand.wanted_at()));
        let levels = self.levels(shelves, now);
        let step = policy::next_step(&levels, self.room);
        let order = match step {
            Some(Step::Make(index)) => Some(Order::Make(shelves[index].kind.clone())),
            Some(Step::End(index)) => shelves[index].waiting.pop().map(Order::End),
            None => None,
        };
        // What nobody has wanted for long is forgotten.
        shelves.retain_mut(|shelf| !shelf.waiting.is_empty() || shelf.demand.wanted(Prewarm::Auto, now) > 0);
        order
    }

    async fn make(&self, kind: Kind) {
        let spec = Spec {
            id: EnvironmentId::random(&*self.entropy),
            isolation: Isolation::Namespaces,
            network: self.network,
            mounts: kind.mounts.clone(),
            memory: kind.memory,
            tmp: kind.tmp,
            pids: PIDS,
            snapshots: Snapshotting::No,
        };
        let made = self.launcher.prepare(spec, kind.program.clone()).await;
        let shelves = &mut *self.shelves();
        let Some(shelf) = shelves.iter_mut().find(|shelf| shelf.kind == kind) else { return };
        match made {
            // The memory has been wanted meanwhile.
            Ok(_waiting) if self.is_short(Instant::now()) => {}
            Ok(waiting) => {
                shelf.paused_until = None;
                shelf.waiting.push(waiting);
            }
            Err(error) => {
                tracing::warn!(%error, "no sandbox can be prewarmed, functions start without");
                shelf.paused_until = Some(Instant::now() + PAUSE);
            }
        }
    }
}

/// What the task does next.
enum Order {
    Make(Kind),
    End(Waiting),
}

impl Shelf {
    /// Lets go of what has ended by itself.
    fn look(&mut self, now: Instant) {
        let before = self.waiting.len();
        self.waiting.retain_mut(|waiting| !waiting.has_ended());
        if self.waiting.len() < before {
            // Killed by somebody or for lack of memory: either may go on for a while.
            self.paused_until = Some(now + PAUSE);
        }
        self.paused_until.take_if(|until| *until <= now);
    }

    fn level(&mut self, setting: Prewarm, now: Instant) -> Level {
        let (waiting, wanted) = (self.waiting.len(), self.demand.wanted(setting, now));
        Level { waiting, wanted: if self.paused_until.is_some() { wanted.min(waiting) } else { wanted } }
    }
}

/// How many may wait on this host.
pub(crate) fn room_here() -> usize {
    policy::room(host_memory())
}

/// Bytes of memory of the host; where it does not say, few.
fn host_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
