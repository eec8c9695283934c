//! Lanes and retries under a virtual clock: random arrivals, slow, failing and throttled handlers, lost notices and crashes,
//! with what must hold looked at after every step. `cargo xtask prove simulation` takes millions of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use lambent_fabric::events::retry::{self, Attempted, Next};
use lambent_fabric::events::{State, TimeScale};
use lambent_fabric::lanes::{Bounds, Lanes, Order, Pace};
use lambent_model::{EventPolicy, Timestamp};

/// Each run begins with these: they found the defects that were put into the lanes to try this test. A seed that finds one
/// of its own is added.
const FOUND: [u64; 2] = [1, 7];

/// Steps of one seed, after which everything has to come to its end.
const STEPS: u64 = 3_000;

const BOUNDS: Bounds = Bounds { slots: 12, bytes: 400, first: 2 };
const LARGEST: u64 = 120;

/// A small generator (Marsaglia, "Xorshift RNGs"): the same numbers on each machine.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn pick(&mut self, of: usize) -> usize {
        usize::try_from(self.below(of as u64)).unwrap()
    }
}

struct Message {
    queue: Arc<str>,
    due: Timestamp,
    bytes: usize,
    state: State,
    accepted: Timestamp,
    leased: bool,
}

struct Reading {
    queue: Arc<str>,
    ordered: usize,
    messages: Vec<u64>,
    bytes: usize,
    next: Option<Timestamp>,
}

/// The queue as the store keeps it, and the dispatcher's doings around the real lanes.
struct World {
    seed: u64,
    chance: Chance,
    now: Timestamp,
    stored: BTreeMap<u64, Message>,
    numbers: u64,
    lanes: Lanes,
    /// Arrivals that are committed and not yet heard of.
    notes: Vec<(Arc<str>, Timestamp)>,
    /// Ordered and not yet read.
    takings: Vec<Order>,
    /// Read, and not yet told: what was committed meanwhile is not in it.
    readings: Vec<Reading>,
    attempts: Vec<u64>,
    ended: BTreeSet<u64>,
    attempted: u64,
}

/// The first queue works, the second fails often, the third is throttled often.
fn queue(index: usize) -> Arc<str> {
    format!("event/{index}").into()
}

fn policy() -> EventPolicy {
    EventPolicy {
        retries: 2,
        max_age: Duration::from_secs(600),
        switched_off: false,
        on_success: None,
        on_failure: None,
        dead_letters: None,
        role: String::new(),
    }
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            chance: Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            now: Timestamp::from_millis(1_000_000),
            stored: BTreeMap::new(),
            numbers: 0,
            lanes: Lanes::new(BOUNDS),
            notes: Vec::new(),
            takings: Vec::new(),
            readings: Vec::new(),
            attempts: Vec::new(),
            ended: BTreeSet::new(),
            attempted: 0,
        }
    }

    fn step(&mut self, accepting: bool) {
        match self.chance.below(if accepting { 100 } else { 90 }) {
            0..20 => self.hear(),
            20..33 => self.read(),
            33..45 => self.tell(),
            45..75 => self.end_attempt(),
            75..88 => self.pass_time(),
            88 => self.look_everywhere(),
            89 if accepting => self.crash(),
            89 => {}
            _ => self.accept(),
        }
        while let Some(order) = self.lanes.next(self.now) {
            assert!(order.count > 0, "seed {}: an order takes something", self.seed);
            self.takings.push(order);
        }
        self.check();
    }

    fn accept(&mut self) {
        if self.stored.len() > 60 {
            return;
        }
        let (queue, bytes) =
            (queue(self.chance.pick(4)), 1 + self.chance.pick(usize::try_from(LARGEST).unwrap()));
        self.numbers += 1;
        let (due, state, accepted) = (self.now, State::default(), self.now);
        self.notes.push((Arc::clone(&queue), due));
        self.stored.insert(self.numbers, Message { queue, due, bytes, state, accepted, leased: false });
    }

    fn hear(&mut self) {
        if !self.notes.is_empty() {
            let (queue, due) = self.notes.remove(0);
            self.lanes.arrived(&queue, due);
        }
    }

    /// A listener that lags hears of all queues that have messages, leased ones included.
    fn look_everywhere(&mut self) {
        self.notes.clear();
        let mut first: BTreeMap<Arc<str>, Timestamp> = BTreeMap::new();
        for message in self.stored.values() {
            let due = first.entry(Arc::clone(&message.queue)).or_insert(message.due);
            *due = (*due).min(message.due);
        }
        for (queue, due) in first {
            self.lanes.arrived(&queue, due);
        }
    }

    /// The store is read, and what is found leased.
    fn read(&mut self) {
        if self.takings.is_empty() {
            return;
        }
        let order = self.takings.swap_remove(self.chance.pick(self.takings.len()));
        let (mut messages, mut bytes, mut next) = (Vec::new(), 0, None);
        let mut free: Vec<(Timestamp, u64)> = self
            .stored
            .iter()
            .filter(|(_, message)| message.queue == order.queue && !message.leased)
            .map(|(number, message)| (message.due, *number))
            .collect();
        free.sort_unstable();
        for (due, number) in free {
            if due > self.now || messages.len() >= order.count || bytes >= order.bytes {
                next = Some(due);
                break;
            }
            let message = self.stored.get_mut(&number).unwrap();
            message.leased = true;
            bytes += message.bytes;
            messages.push(number);
        }
        self.readings.push(Reading { queue: order.queue, ordered: order.count, messages, bytes, next });
    }

    /// A reading comes back, and its attempts begin.
    fn tell(&mut self) {
        if self.readings.is_empty() {
            return;
        }
        let reading = self.readings.swap_remove(self.chance.pick(self.readings.len()));
        self.attempted += reading.messages.len() as u64;
        self.lanes.taken(&reading.queue, reading.messages.len(), reading.bytes, reading.next);
        self.attempts.extend(reading.messages);
    }

    fn end_attempt(&mut self) {
        if self.attempts.is_empty() {
            return;
        }
        let number = self.attempts.swap_remove(self.chance.pick(self.attempts.len()));
        let message = self.stored.get_mut(&number).unwrap();
        let attempted = match (message.queue.as_bytes().last(), self.chance.below(10)) {
            (Some(b'1'), 0..7) => Attempted::Failed,
            (Some(b'2'), 0..8) => Attempted::Deferred,
            (Some(b'3'), 0..2) => Attempted::Failed,
            (Some(b'3'), 2..4) => Attempted::Deferred,
            _ => Attempted::Succeeded,
        };
        let pace = if attempted == Attempted::Deferred { Pace::Refused } else { Pace::Made };
        let (queue, bytes, before) = (Arc::clone(&message.queue), message.bytes, message.state);
        match retry::after(attempted, before, &policy(), message.accepted, self.now, TimeScale(1.0)) {
            Next::Again { due, state } => {
                assert!(due > self.now && state.failed <= 2, "seed {}", self.seed);
                assert_eq!(state.failed - before.failed, u32::from(attempted == Attempted::Failed));
                (message.due, message.state, message.leased) = (due, state, false);
                self.notes.push((Arc::clone(&queue), due));
            }
            Next::Done | Next::GiveUp(_) => {
                self.stored.remove(&number);
                assert!(self.ended.insert(number), "seed {}: {number} ended twice", self.seed);
            }
        }
        self.lanes.ended(&queue, bytes, pace);
    }

    fn pass_time(&mut self) {
        let by = match self.chance.below(4) {
            0 => self.lanes.wake(self.now).map_or(0, |wake| wake.micros() - self.now.micros()),
            1 => i64::try_from(self.chance.below(30_000_000)).unwrap(),
            _ => i64::try_from(self.chance.below(2_000)).unwrap(),
        };
        self.now = Timestamp::from_micros(self.now.micros() + by);
    }

    /// What is stored stays, everything else goes.
    fn crash(&mut self) {
        if self.chance.below(4) > 0 {
            return;
        }
        self.lanes = Lanes::new(BOUNDS);
        self.takings.clear();
        self.readings.clear();
        self.attempts.clear();
        self.stored.values_mut().for_each(|message| message.leased = false);
        self.look_everywhere();
    }

    fn check(&self) {
        let seed = self.seed;
        let ordered: usize = self.takings.iter().map(|order| order.count).sum::<usize>()
            + self.readings.iter().map(|reading| reading.ordered).sum::<usize>();
        let under_way = ordered + self.attempts.len();
        assert_eq!(self.lanes.under_way(), under_way, "seed {seed}: attempts are counted");
        assert!(under_way <= BOUNDS.slots, "seed {seed}: {under_way} are too many");
        let unique: BTreeSet<&u64> = self.attempts.iter().collect();
        assert_eq!(unique.len(), self.attempts.len(), "seed {seed}: a message has one attempt at a time");
        let bytes: usize = self.attempts.iter().map(|number| self.stored[number].bytes).sum();
        let most = BOUNDS.bytes + BOUNDS.slots * usize::try_from(LARGEST).unwrap();
        assert!(bytes <= most, "seed {seed}: {bytes} bytes are too many");
        self.check_nothing_forgotten(ordered, bytes);
    }

    /// What is stored and in nobody's hands is known to be due: a forgotten queue would wait for ever.
    fn check_nothing_forgotten(&self, ordered: usize, bytes: usize) {
        let full = self.lanes.under_way() >= BOUNDS.slots || bytes >= BOUNDS.bytes || ordered > 0;
        if full || !self.notes.is_empty() {
            return;
        }
        for message in self.stored.values().filter(|message| !message.leased) {
            let busy = self.attempts.iter().any(|number| self.stored[number].queue == message.queue);
            let woken = self.lanes.wake(self.now).is_some_and(|wake| wake <= message.due);
            assert!(busy || woken, "seed {}: a message of {} is forgotten", self.seed, message.queue);
        }
    }

    /// Nothing more comes: all that was accepted ends.
    fn drain(&mut self) {
        for _ in 0..STEPS * 200 {
            if self.stored.is_empty() {
                break;
            }
            self.step(false);
        }
        assert!(self.stored.is_empty(), "seed {}: {} are left", self.seed, self.stored.len());
        assert_eq!(self.ended.len() as u64, self.numbers, "seed {}", self.seed);
    }
}

#[test]
fn whatever_happens_every_message_ends_once_and_no_bound_is_broken() {
    let steps: u64 = std::env::var("LAMBENT_TEST_STEPS").map_or(200_000, |steps| steps.parse().unwrap());
    let start: u64 = std::env::var("LAMBENT_TEST_SEED")
        .map_or_else(|_| u64::from(std::process::id()) * 1_000_003, |seed| seed.parse().unwrap());
    println!("seed {start}");
    let seeds = FOUND.into_iter().chain((0..).map(|n| start.wrapping_add(n)));
    let (mut done, mut attempted) = (0, 0);
    for seed in seeds.take(usize::try_from(steps / STEPS).unwrap().max(FOUND.len())) {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step(true);
        }
        world.drain();
        done += world.numbers;
        attempted += world.attempted;
    }
    println!("{done} messages ended in {attempted} attempts");
    assert!(attempted > done);
}
