//! Lanes and retries under a virtual clock: random arrivals, slow, failing and throttled handlers, lost notices and crashes,
//! with what must hold looked at after every step. `cargo xtask prove simulation` takes millions of them.
//!
//! Most steps are taken on a model of the queue. Some are taken on the store itself beside it, with the power cut in the
//! middle of commits: both have to say the same to every question, so that the model is shown to be one of the store.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod kept;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kept::{Change, Message, Real, Stored, content};
use lambent_fabric::events::retry::{self, Attempted, Next};
use lambent_fabric::events::{State, TimeScale};
use lambent_fabric::lanes::{Bounds, LONGEST_PAUSE, Lanes, Order, Pace};
use lambent_model::{EventPolicy, Timestamp};

/// Each run begins with these: they found defects that were put into lanes and store to try this test. A seed that finds one
/// of its own is added.
const FOUND: [u64; 2] = [1, 32_608_097_824];

/// Steps of one seed, after which everything has to come to its end.
const STEPS: u64 = 3_000;

const BOUNDS: Bounds = Bounds { slots: 12, bytes: 400, first: 2 };
const LARGEST: u64 = 120;
/// A body holds at least its message's number.
const SMALLEST: u64 = 8;

/// Of so many steps one is taken on the store, too: with its syncs it takes some hundred times as long.
const ON_THE_STORE: u64 = 100;

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
    stored: Stored,
    /// The store, where it is asked, too.
    real: Option<Real>,
    numbers: u64,
    /// Messages whose commit was answered, or is found after a crash all the same.
    accepted: u64,
    crashes: u64,
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
    fn new(seed: u64, real: Option<Real>) -> Self {
        Self {
            seed,
            chance: Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            now: Timestamp::from_millis(1_000_000),
            stored: Stored::new(),
            real,
            numbers: 0,
            accepted: 0,
            crashes: 0,
            lanes: Lanes::new(BOUNDS, LONGEST_PAUSE),
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
        if self.stored.len() <= 60 {
            let index = self.chance.pick(4);
            let message = self.message(queue(index));
            let number = self.number();
            self.commit(Change::Accept { number, message });
            self.accepted += 1;
        }
    }

    fn message(&mut self, queue: Arc<str>) -> Message {
        let bytes = usize::try_from(SMALLEST + self.chance.below(LARGEST - SMALLEST)).unwrap();
        Message { queue, due: self.now, bytes, state: State::default(), accepted: self.now, leased: false }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Makes a change that is answered. Whoever listens is told.
    fn commit(&mut self, change: Change) {
        let heard = self.real.as_mut().map(|real| real.commit(&change));
        let due = change.apply(&mut self.stored);
        if let Some(heard) = heard {
            assert_eq!(heard, Vec::from_iter(due.clone()), "seed {}: what is told", self.seed);
        }
        self.notes.extend(due);
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
        let waiting = kept::waiting(&self.stored);
        if let Some(real) = &self.real {
            assert_eq!(real.waiting(), waiting, "seed {}: what waits", self.seed);
        }
        for (queue, due) in waiting {
            self.lanes.arrived(&queue, due);
        }
    }

    /// The store is read, and what is found leased.
    fn read(&mut self) {
        if self.takings.is_empty() {
            return;
        }
        let order = self.takings.swap_remove(self.chance.pick(self.takings.len()));
        let limits = (order.count, order.bytes);
        let taken = kept::take(&mut self.stored, &order.queue, self.now, limits);
        if let Some(real) = &mut self.real {
            assert_eq!(real.take(&order.queue, self.now, limits), taken, "seed {}: what is taken", self.seed);
        }
        let bytes = taken.messages.iter().map(|(_, _, bytes, _)| bytes).sum();
        let messages = taken.messages.into_iter().map(|(number, ..)| number).collect();
        self.readings.push(Reading {
            queue: order.queue,
            ordered: order.count,
            messages,
            bytes,
            next: taken.next,
        });
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
        let attempted = self.handler(number);
        let (queue, bytes) = (Arc::clone(&self.stored[&number].queue), self.stored[&number].bytes);
        let change = self.outcome(number, attempted);
        self.end(&change);
        self.commit(change);
        let pace = if attempted == Attempted::Deferred { Pace::Refused } else { Pace::Made };
        self.lanes.ended(&queue, bytes, pace, self.now);
    }

    fn handler(&mut self, number: u64) -> Attempted {
        match (self.stored[&number].queue.as_bytes().last(), self.chance.below(10)) {
            (Some(b'1'), 0..7) => Attempted::Failed,
            (Some(b'2'), 0..8) => Attempted::Deferred,
            (Some(b'3'), 0..2) => Attempted::Failed,
            (Some(b'3'), 2..4) => Attempted::Deferred,
            _ => Attempted::Succeeded,
        }
    }

    /// What is committed of an attempt. Of an event that is given up a message goes to the first queue, as to a destination.
    fn outcome(&mut self, number: u64, attempted: Attempted) -> Change {
        let Message { accepted, state: before, .. } = self.stored[&number];
        match retry::after(attempted, before, &policy(), accepted, self.now, TimeScale(1.0)) {
            Next::Again { due, state } => {
                assert!(due > self.now && state.failed <= 2, "seed {}", self.seed);
                assert_eq!(state.failed - before.failed, u32::from(attempted == Attempted::Failed));
                Change::Postpone { number, due, state }
            }
            Next::Done => Change::Finish { number, follows: None },
            Next::GiveUp(_) => {
                let message = self.message(queue(0));
                Change::Finish { number, follows: Some((self.number(), message)) }
            }
        }
    }

    /// Takes note of an end.
    fn end(&mut self, change: &Change) {
        if let Change::Finish { number, follows } = change {
            assert!(self.ended.insert(*number), "seed {}: {number} ended twice", self.seed);
            self.accepted += u64::from(follows.is_some());
        }
    }

    fn pass_time(&mut self) {
        let by = match self.chance.below(4) {
            0 => self.lanes.wake(self.now).map_or(0, |wake| wake.micros() - self.now.micros()),
            1 => i64::try_from(self.chance.below(30_000_000)).unwrap(),
            _ => i64::try_from(self.chance.below(2_000)).unwrap(),
        };
        self.now = Timestamp::from_micros(self.now.micros() + by);
    }

    /// What is stored stays, everything else goes. Of what was being committed all is there, or nothing.
    fn crash(&mut self) {
        if self.chance.below(4) > 0 {
            return;
        }
        self.crashes += 1;
        let during = self.begun();
        let mut whole = self.stored.clone();
        if let Some(change) = during.clone() {
            change.apply(&mut whole);
        }
        let is_whole = match &mut self.real {
            Some(real) => {
                real.crash(during.as_ref(), |bound| self.chance.below(bound));
                let found = real.content();
                let is_whole = found == content(&whole);
                assert!(is_whole || found == content(&self.stored), "seed {}: a commit is torn", self.seed);
                is_whole
            }
            None => self.chance.below(2) == 0,
        };
        if let Some(change) = during.filter(|_| is_whole) {
            self.accepted += u64::from(matches!(change, Change::Accept { .. }));
            self.end(&change);
            self.stored = whole;
        }
        self.lanes = Lanes::new(BOUNDS, LONGEST_PAUSE);
        self.takings.clear();
        self.readings.clear();
        self.attempts.clear();
        self.stored.values_mut().for_each(|message| message.leased = false);
        self.look_everywhere();
    }

    /// What is being committed when the power is cut: nothing, an event, or the end of an attempt.
    fn begun(&mut self) -> Option<Change> {
        match self.chance.below(3) {
            0 => None,
            1 if !self.attempts.is_empty() => {
                let number = self.attempts[self.chance.pick(self.attempts.len())];
                let attempted = self.handler(number);
                Some(self.outcome(number, attempted))
            }
            _ => {
                let index = self.chance.pick(4);
                let message = self.message(queue(index));
                Some(Change::Accept { number: self.number(), message })
            }
        }
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
            // A queue that was refused waits for a moment, whatever is due in it.
            let latest = message.due.max(self.now.plus(LONGEST_PAUSE));
            let woken = self.lanes.wake(self.now).is_some_and(|wake| wake <= latest);
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
        assert_eq!(self.ended.len() as u64, self.accepted, "seed {}", self.seed);
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Goes through so many steps, from one seed to the next. How many messages ended, in how many attempts, over how many
/// crashes.
fn campaign(steps: u64, real: impl Fn() -> Option<Real>) -> (u64, u64, u64) {
    let start = number("LAMBENT_TEST_SEED", u64::from(std::process::id()) * 1_000_003);
    println!("seed {start}");
    let seeds = FOUND.into_iter().chain((0..).map(|n| start.wrapping_add(n)));
    let mut sums = (0, 0, 0);
    for seed in seeds.take(usize::try_from(steps / STEPS).unwrap().max(FOUND.len() + 1)) {
        let mut world = World::new(seed, real());
        for _ in 0..STEPS {
            world.step(true);
        }
        world.drain();
        sums = (sums.0 + world.accepted, sums.1 + world.attempted, sums.2 + world.crashes);
    }
    sums
}

/// Of the run of all tests; `cargo xtask prove simulation` has its own.
const SAMPLE: u64 = 200_000;

#[test]
fn whatever_happens_every_message_ends_once_and_no_bound_is_broken() {
    let (ended, attempts, crashes) = campaign(number("LAMBENT_TEST_STEPS", SAMPLE), || None);
    println!("{ended} messages ended in {attempts} attempts over {crashes} crashes");
    assert!(attempts > ended);
}

#[test]
fn the_store_does_the_same_as_the_model_at_every_step_and_through_every_cut_of_the_power() {
    let steps = number("LAMBENT_TEST_STEPS", SAMPLE) / ON_THE_STORE;
    let (ended, attempts, crashes) = campaign(steps, || Some(Real::new()));
    println!("{ended} messages of the store ended in {attempts} attempts over {crashes} cuts of the power");
    assert!(attempts > ended && crashes > 0);
}
