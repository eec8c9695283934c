//! Between those who log and the one who writes: a queue that never makes anyone wait.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::store::Store;
use lambent_model::{LogRecord, LogSink, LogStream, Origin, Timestamp};

/// How much may wait for the writer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Records. The writer does more than 100,000 a second even in a debug build, so that this is half a second
    /// behind.
    pub(super) records: usize,
    /// Bytes of the records. As much again may be in the batch that is being written.
    pub(super) bytes: usize,
    /// What of both is kept for the platform's own records, in eighths: `START` and `REPORT` lines are few, and
    /// are what is looked for when something floods the log.
    pub(super) reserve_eighths: usize,
    /// How many streams' losses are told apart. Losses beyond are in the total alone.
    pub(super) streams: usize,
}

impl Limits {
    pub(super) const DEFAULT: Self =
        Self { records: 65_536, bytes: 16 * 1024 * 1024, reserve_eighths: 1, streams: 4_096 };
}

/// How long the first record of a batch waits for company. It saves a wake-up and a transaction per record, which on a
/// small machine come out of the functions' own time. Nobody sees it: whoever reads logs hurries the writer first.
const LINGER: Duration = Duration::from_millis(100);

/// What was lost of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// When the first of them was written.
    pub(super) since: Timestamp,
}

/// Something that the writer does for a client, between two batches. Callers bound how many there are.
pub(super) type Command = Box<dyn FnOnce(&mut Store) + Send>;

/// What the writer writes at once.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) records: Vec<LogRecord>,
    /// To be run after the records are written.
    pub(super) commands: Vec<Command>,
    pub(super) dropped: Vec<(Arc<LogStream>, Dropped)>,
    /// All writes up to this one are in this batch or in one before.
    pub(super) up_to: u64,
}

/// A queue with three shares, so that a function that floods the log costs its neighbours nothing:
///
/// - half is for all; past it, a log group is refused what it writes while it holds an eighth of the queue,
/// - what is kept back for the platform is refused to functions.
pub(super) struct Queue {
    limits: Limits,
    /// Turns a log group into its key in [`State::groups`].
    hasher: RandomState,
    state: Mutex<State>,
    wake: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct State {
    records: Vec<LogRecord>,
    commands: Vec<Command>,
    bytes: usize,
    /// What of `bytes` and of the records is from functions of each log group, by the group's hash. Two groups
    /// with one hash would share their part, which is as good.
    groups: HashMap<u64, Held>,
    dropped: HashMap<Arc<LogStream>, Dropped>,
    /// Counts writes, dropped ones too.
    sequence: u64,
    hurry: bool,
    closed: bool,
}

#[derive(Default, Clone, Copy)]
struct Held {
    records: usize,
    bytes: usize,
}

impl State {
    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.dropped.is_empty() && self.commands.is_empty()
    }
}

impl Queue {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            hasher: RandomState::new(),
            state: Mutex::default(),
            wake: Condvar::new(),
            dropped: AtomicU64::new(0),
        }
    }

    /// How many records were dropped in all.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Asks the writer not to linger. Answers the number of the last write, see [`Batch::up_to`].
    pub(super) fn hurry(&self) -> u64 {
        let mut state = self.lock();
        // Nothing to hurry for must not make the next record forgo its company.
        state.hurry = !state.is_empty();
        self.wake.notify_one();
        state.sequence
    }

    /// Takes nothing more. Answers the number of the last write.
    pub(super) fn close(&self) -> u64 {
        let mut state = self.lock();
        state.closed = true;
        self.wake.notify_one();
        state.sequence
    }

    /// Hands a command to the writer; gives it back when the queue is closed.
    pub(super) fn command(&self, command: Command) -> Result<(), Command> {
        let mut state = self.lock();
        if state.closed {
            return Err(command);
        }
        state.commands.push(command);
        state.hurry = true;
        self.wake.notify_one();
        Ok(())
    }

    /// Waits for records and takes all there are; nothing when none came within `idle`, and `None` when the queue is
    /// closed and empty.
    pub(super) fn take(&self, idle: Duration) -> Option<Batch> {
        let (mut state, _) = self
            .wake
            .wait_timeout_while(self.lock(), idle, |state| state.is_empty() && !state.closed)
            .unwrap_or_else(PoisonError::into_inner);
        if state.is_empty() {
            return (!state.closed).then(Batch::default);
        }
        (state, _) = self
            .wake
            .wait_timeout_while(state, LINGER, |state| {
                !state.hurry && !state.closed && !self.is_half_full(state)
            })
            .unwrap_or_else(PoisonError::into_inner);
        state.hurry = false;
        state.bytes = 0;
        state.groups.clear();
        Some(Batch {
            records: std::mem::take(&mut state.records),
            commands: std::mem::take(&mut state.commands),
            dropped: state.dropped.drain().collect(),
            up_to: state.sequence,
        })
    }

    /// Counts what was taken and could not be written. It is told with the next batch, together with what came before.
    pub(super) fn lose<'a>(
        &self,
        records: impl Iterator<Item = &'a LogRecord>,
        untold: impl Iterator<Item = (Arc<LogStream>, Dropped)>,
    ) {
        let mut state = self.lock();
        records.for_each(|record| self.drop_record(&mut state, record));
        for (stream, dropped) in untold {
            if state.closed
                || (!state.dropped.contains_key(&stream) && state.dropped.len() >= self.limits.streams)
            {
                continue;
            }
            let none = Dropped { records: 0, bytes: 0, since: dropped.since };
            let lost = state.dropped.entry(stream).or_insert(none);
            lost.records += dropped.records;
            lost.bytes += dropped.bytes;
            lost.since = lost.since.min(dropped.since);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under this lock can leave the state half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_half_full(&self, state: &State) -> bool {
        state.records.len() * 2 >= self.limits.records || state.bytes * 2 >= self.limits.bytes
    }

    /// Takes a record if its share has room; gives it back otherwise.
    fn admit(&self, state: &mut State, record: LogRecord) -> Result<(), LogRecord> {
        let Limits { records, bytes: bytes_max, reserve_eighths, .. } = self.limits;
        // What the record occupies, not what it says: an empty line has a cost, too.
        let bytes = size_of::<LogRecord>() + record.message.capacity();
        let is_platform = record.origin == Origin::Platform;
        let eighths = if is_platform { 8 } else { 8 - reserve_eighths };
        let room =
            state.records.len() < records * eighths / 8 && state.bytes + bytes <= bytes_max * eighths / 8;
        if state.closed || !room {
            return Err(record);
        }
        if !is_platform {
            let is_half_full = self.is_half_full(state);
            let group = self.hasher.hash_one((&record.stream.scope, &record.stream.group));
            let held = state.groups.entry(group).or_default();
            if is_half_full && (held.records * 8 >= records || held.bytes * 8 >= bytes_max) {
                return Err(record);
            }
            held.records += 1;
            held.bytes += bytes;
        }
        state.bytes += bytes;
        state.records.push(record);
        Ok(())
    }

    fn drop_record(&self, state: &mut State, record: &LogRecord) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        let known = state.dropped.contains_key(&record.stream);
        // A closed queue is never written again, so that there is nobody to tell.
        if state.closed || (!known && state.dropped.len() >= self.limits.streams) {
            return;
        }
        let none = Dropped { records: 0, bytes: 0, since: record.at };
        let lost = state.dropped.entry(Arc::clone(&record.stream)).or_insert(none);
        lost.records += 1;
        lost.bytes += record.message.len() as u64;
    }
}

impl LogSink for Queue {
    fn write(&self, record: LogRecord) {
        let mut state = self.lock();
        state.sequence += 1;
        let was_empty = state.is_empty();
        if let Err(record) = self.admit(&mut state, record) {
            self.drop_record(&mut state, &record);
        }
        let is_half_full = self.is_half_full(&state);
        drop(state);
        // The writer sleeps while there is nothing, then for company; between the two nobody needs to be woken.
        if was_empty || is_half_full {
            self.wake.notify_one();
        }
    }
}
