//! The queue as the store keeps it, twice: a model in a map, which is fast, and the store itself, which is what it models.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use lambent_fabric::events::State;
use lambent_model::Timestamp;
use lambent_store::queue::{Arrivals, Lease, Place};
use lambent_store::{Store, Write};

/// What is in the store of one message, beside its number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) queue: Arc<str>,
    pub(crate) due: Timestamp,
    pub(crate) bytes: usize,
    pub(crate) state: State,
    pub(crate) accepted: Timestamp,
    pub(crate) leased: bool,
}

/// All messages by their numbers, which grow.
pub(crate) type Stored = BTreeMap<u64, Message>;

/// A queue, and when something in it is due.
pub(crate) type Due = (Arc<str>, Timestamp);

/// What is committed together.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Accept {
        number: u64,
        message: Message,
    },
    Postpone {
        number: u64,
        due: Timestamp,
        state: State,
    },
    /// With the message that follows from it, if one does.
    Finish {
        number: u64,
        follows: Option<(u64, Message)>,
    },
}

impl Change {
    /// Makes it in the model, and returns what a listener hears of.
    pub(crate) fn apply(self, stored: &mut Stored) -> Option<Due> {
        let accept = |stored: &mut Stored, number, message: Message| {
            let due = (Arc::clone(&message.queue), message.due);
            assert!(stored.insert(number, message).is_none(), "numbers are given once");
            Some(due)
        };
        match self {
            Self::Accept { number, message } => accept(stored, number, message),
            Self::Postpone { number, due, state } => {
                let message = stored.get_mut(&number).unwrap();
                (message.due, message.state, message.leased) = (due, state, false);
                Some((Arc::clone(&message.queue), due))
            }
            Self::Finish { number, follows } => {
                stored.remove(&number).unwrap();
                follows.and_then(|(number, message)| accept(stored, number, message))
            }
        }
    }
}

/// What a reading finds.
#[derive(Debug, PartialEq)]
pub(crate) struct Taken {
    pub(crate) messages: Vec<(u64, Timestamp, usize, State)>,
    pub(crate) next: Option<Timestamp>,
}

/// The model's reading: in the order of due times, then of arrival.
pub(crate) fn take(
    stored: &mut Stored,
    queue: &str,
    now: Timestamp,
    (count, bytes): (usize, usize),
) -> Taken {
    let mut free: Vec<(Timestamp, u64)> = stored
        .iter()
        .filter(|(_, message)| &*message.queue == queue && !message.leased)
        .map(|(number, message)| (message.due, *number))
        .collect();
    free.sort_unstable();
    let (mut taken, mut sum) = (Taken { messages: Vec::new(), next: None }, 0);
    for (due, number) in free {
        if due > now || taken.messages.len() >= count || sum >= bytes {
            taken.next = Some(due);
            break;
        }
        let message = stored.get_mut(&number).unwrap();
        message.leased = true;
        sum += message.bytes;
        taken.messages.push((number, due, message.bytes, message.state));
    }
    taken
}

/// The model's word on which queues have messages, leased ones included.
pub(crate) fn waiting(stored: &Stored) -> Vec<Due> {
    let mut first: BTreeMap<Arc<str>, Timestamp> = BTreeMap::new();
    for message in stored.values() {
        let due = first.entry(Arc::clone(&message.queue)).or_insert(message.due);
        *due = (*due).min(message.due);
    }
    first.into_iter().collect()
}

/// What lies in each queue, in its order: when due, the number, bytes.
pub(crate) type Content = BTreeMap<Arc<str>, Vec<(Timestamp, u64, usize)>>;

/// What the model has.
pub(crate) fn content(stored: &Stored) -> Content {
    let mut content = Content::new();
    for (number, message) in stored {
        content.entry(Arc::clone(&message.queue)).or_default().push((message.due, *number, message.bytes));
    }
    content.values_mut().for_each(|messages| messages.sort_unstable());
    content
}

/// The store, whose power can be cut.
pub(crate) struct Real {
    runtime: tokio::runtime::Runtime,
    home: tempfile::TempDir,
    /// How often it was opened.
    opened: u32,
    store: Store,
    arrivals: Arrivals,
    leases: BTreeMap<u64, Lease>,
}

impl Real {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("0")).unwrap();
        let arrivals = store.arrivals();
        Self { runtime, home, opened: 0, store, arrivals, leases: BTreeMap::new() }
    }

    fn dir(&self) -> PathBuf {
        self.home.path().join(self.opened.to_string())
    }

    fn writes(&mut self, change: &Change) -> Vec<Write> {
        let enqueue = |number: u64, message: &Message| {
            // The number, and as much behind it as it is to be large.
            let mut body = number.to_le_bytes().to_vec();
            body.resize(message.bytes, 0);
            let (queue, state) = (message.queue.to_string(), message.state.encode());
            Write::Enqueue { queue, due: message.due, state, body }
        };
        match change {
            Change::Accept { number, message } => vec![enqueue(*number, message)],
            Change::Postpone { number, due, state } => {
                let lease = self.leases.remove(number).expect("who postpones has taken");
                vec![Write::Postpone { lease, due: *due, state: state.encode() }]
            }
            Change::Finish { number, follows } => {
                let lease = self.leases.remove(number).expect("who finishes has taken");
                let follows = follows.iter().map(|(number, message)| enqueue(*number, message));
                follows.chain([Write::Finish { lease }]).collect()
            }
        }
    }

    /// Commits, and returns what a listener hears of.
    pub(crate) fn commit(&mut self, change: &Change) -> Vec<Due> {
        let writes = self.writes(change);
        self.runtime.block_on(self.store.commit(writes)).unwrap();
        let mut heard = Vec::new();
        let arrivals = &mut self.arrivals;
        self.runtime.block_on(async {
            // Whoever commits is answered after the listeners.
            while let Some(next) = tokio::select! { biased;
                next = arrivals.next() => Some(next.unwrap()),
                () = std::future::ready(()) => None,
            } {
                heard.push((next.queue, next.due));
            }
        });
        heard
    }

    pub(crate) fn take(&mut self, queue: &str, now: Timestamp, (count, bytes): (usize, usize)) -> Taken {
        let taken = self.runtime.block_on(self.store.take(queue, now, count, bytes)).unwrap();
        let mut messages = Vec::new();
        for message in taken.messages {
            let number = number_of(&message.body);
            assert!(self.leases.insert(number, message.lease).is_none(), "{number} is taken twice");
            let state = State::decode(&message.state).expect("states are ours");
            messages.push((number, message.due, message.body.len(), state));
        }
        Taken { messages, next: taken.next }
    }

    pub(crate) fn waiting(&self) -> Vec<Due> {
        let waiting = self.runtime.block_on(self.store.waiting()).unwrap();
        waiting.into_iter().map(|arrival| (arrival.queue, arrival.due)).collect()
    }

    /// What lies in it, without taking it.
    pub(crate) fn content(&self) -> Content {
        let end = Timestamp::from_micros(i64::MAX);
        let read = |queue: &Arc<str>| {
            let first = Place::before(Timestamp::from_micros(0));
            let entries = self.store.entries(queue, first, end, usize::MAX, usize::MAX);
            let entries = self.runtime.block_on(entries).unwrap();
            entries.iter().map(|entry| (entry.place.due, number_of(&entry.body), entry.body.len())).collect()
        };
        self.waiting().into_iter().map(|(queue, _)| (Arc::clone(&queue), read(&queue))).collect()
    }

    /// Cuts the power while something is being committed, and starts again on what is left on the disk: of what the commit
    /// wrote nothing, all, or some. `chance(n)` is a number below n.
    pub(crate) fn crash(&mut self, during: Option<&Change>, mut chance: impl FnMut(u64) -> u64) {
        let before = self.files();
        if let Some(change) = during {
            self.commit(change);
        }
        let after = self.files();
        let [database, log] = if before[0] == after[0] {
            let log = match chance(3) {
                0 => before[1].clone(),
                1 => after[1].clone(),
                _ => mixed(&after[1], &before[1], &mut chance),
            };
            [before[0].clone(), log]
        } else {
            // A checkpoint begins when the log is on the disk, and writes pages in any order.
            [mixed(&after[0], &before[0], &mut chance), after[1].clone()]
        };
        let old = self.dir();
        self.opened += 1;
        std::fs::create_dir(self.dir()).unwrap();
        std::fs::write(self.dir().join(FILES[0]), database).unwrap();
        std::fs::write(self.dir().join(FILES[1]), log).unwrap();
        let store = Store::open(&self.dir()).unwrap();
        self.arrivals = store.arrivals();
        self.leases.clear();
        let old_store = std::mem::replace(&mut self.store, store);
        self.runtime.block_on(old_store.close()).unwrap();
        std::fs::remove_dir_all(old).unwrap();
    }

    /// What is in the files now. Nobody writes: every commit has been answered.
    fn files(&self) -> [Vec<u8>; 2] {
        FILES.map(|name| std::fs::read(self.dir().join(name)).unwrap())
    }
}

/// The database and its write-ahead log. The third file, the log's index, is memory of living processes.
const FILES: [&str; 2] = ["lambent.db", "lambent.db-wal"];

/// What disks write whole.
const SECTOR: usize = 512;

/// A file of which some sectors are as they were before, and of those that were not there some are empty, or cut off.
fn mixed(new: &[u8], old: &[u8], chance: &mut impl FnMut(u64) -> u64) -> Vec<u8> {
    let mut mixed = new.to_vec();
    for (place, sector) in mixed.chunks_mut(SECTOR).enumerate() {
        if chance(2) == 0 {
            let before = old.get(place * SECTOR..).unwrap_or_default();
            let len = before.len().min(sector.len());
            sector[..len].copy_from_slice(&before[..len]);
            sector[len..].fill(0);
        }
    }
    if let Some(grown) = new.len().checked_sub(old.len()).filter(|_| chance(2) == 0) {
        mixed.truncate(old.len() + usize::try_from(chance(grown as u64 + 1)).unwrap());
    }
    mixed
}

fn number_of(body: &[u8]) -> u64 {
    u64::from_le_bytes(*body.first_chunk().expect("a body begins with its number"))
}
