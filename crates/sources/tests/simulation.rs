//! A group of pollers against a model of a queue under a virtual clock: calls that are lost, functions that fail, throttles,
//! crashes. The seed says everything; a failure names it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use lambent_fabric::batch::BatchId;
use lambent_lambda::{Mapping, MappingSettings};
use lambent_model::{FunctionArn, Scope, Target, Timestamp};
use lambent_sources::Trouble;
use lambent_sources::sqs::{Attempt, Effect, Event, Group, Message, Settings};

const VISIBILITY: Duration = Duration::from_secs(30);
const MESSAGES: u32 = 120;
const GROUPS: u32 = 7;

/// Xorshift: the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.roll(most) + 1)
    }
}

/// A message as the queue has it.
struct Kept {
    group: Option<String>,
    visible: Timestamp,
    receives: u32,
}

#[derive(Default)]
struct Queue {
    messages: BTreeMap<u32, Kept>,
}

impl Queue {
    fn receive(&mut self, most: usize, now: Timestamp) -> Vec<Message> {
        let hidden = self.messages.values().filter(|kept| kept.visible > now);
        let locked: HashSet<String> = hidden.filter_map(|kept| kept.group.clone()).collect();
        let mut received = Vec::new();
        for (id, kept) in &mut self.messages {
            let is_locked = kept.group.as_ref().is_some_and(|group| locked.contains(group));
            if received.len() == most || kept.visible > now || is_locked {
                continue;
            }
            kept.receives += 1;
            kept.visible = now.plus(VISIBILITY);
            received.push(Message {
                id: id.to_string(),
                handle: format!("{id}/{}", kept.receives),
                group: kept.group.as_deref().map(Arc::from),
                trace: None,
                until: kept.visible,
                record: format!(r#"{{"messageId":"{id}","body":"{}"}}"#, id % 10),
            });
        }
        received
    }

    /// By the handle of its last receive alone.
    fn delete(&mut self, message: &Message) {
        let id = id(message);
        let last = self.messages.get(&id).map(|kept| format!("{id}/{}", kept.receives));
        if last.as_ref() == Some(&message.handle) {
            self.messages.remove(&id);
        }
    }
}

fn id(message: &Message) -> u32 {
    message.id.parse().unwrap()
}

/// What is to happen to the group, or to the world.
enum Happens {
    Event(Event),
    Receive(usize),
    Ended(BatchId, Vec<Arc<Message>>),
    Delete(Vec<Arc<Message>>),
}

struct World {
    seed: u64,
    dice: Dice,
    now: Timestamp,
    queue: Queue,
    group: Group,
    settings: Settings,
    agenda: BinaryHeap<Reverse<(Timestamp, u64)>>,
    happens: HashMap<u64, Happens>,
    scheduled: u64,
    running: HashMap<u64, Vec<Arc<Message>>>,
    succeeded: HashSet<u32>,
    /// By message group, what has succeeded, in the order of first successes.
    order: HashMap<String, Vec<u32>>,
    most_at_once: usize,
    crashes: u32,
}

impl World {
    fn new(seed: u64, fifo: bool, given: MappingSettings) -> Self {
        let scope = Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() };
        let target = Target { function: FunctionArn { scope, name: "f".into() }, qualifier: None };
        let name = if fifo { "q.fifo" } else { "q" };
        let source = format!("arn:aws:sqs:us-east-1:000000000000:{name}");
        let (at, function) = (Timestamp::from_millis(0), target.function.to_string());
        let mapping = Mapping::create("id".into(), Some(source), function, given, at).unwrap();
        let settings = Settings::of(&mapping, target);
        let kept =
            |id: u32| (id, Kept { group: fifo.then(|| (id % GROUPS).to_string()), visible: at, receives: 0 });
        Self {
            seed,
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            now: at,
            queue: Queue { messages: (0..MESSAGES).map(kept).collect() },
            group: Group::new(settings.clone(), 1.0),
            settings,
            agenda: BinaryHeap::new(),
            happens: HashMap::new(),
            scheduled: 0,
            running: HashMap::new(),
            succeeded: HashSet::new(),
            order: HashMap::new(),
            most_at_once: 0,
            crashes: 0,
        }
    }

    fn schedule(&mut self, after: Duration, happens: Happens) -> u64 {
        self.scheduled += 1;
        self.agenda.push(Reverse((self.now.plus(after), self.scheduled)));
        self.happens.insert(self.scheduled, happens);
        self.scheduled
    }

    fn tell(&mut self, event: Event) {
        for effect in self.group.apply(event, self.now) {
            match effect {
                Effect::Receive { most, wait } => {
                    // A call that waits comes back when there is something, or when its time is over.
                    let after = self.dice.millis(if wait.is_zero() { 20 } else { 500 });
                    self.schedule(after, Happens::Receive(most));
                }
                Effect::Invoke(id, messages) => self.invoke(id, &messages),
                Effect::Delete(messages) => {
                    let after = self.dice.millis(50);
                    self.schedule(after, Happens::Delete(messages));
                }
                Effect::Count(..) => {}
                Effect::GiveUp(code) => panic!("seed {}: gave up for {code}", self.seed),
            }
        }
    }

    fn invoke(&mut self, batch: BatchId, messages: &[Arc<Message>]) {
        let seed = self.seed;
        if self.settings.fifo {
            let groups: HashSet<_> = messages.iter().map(|message| message.group.clone()).collect();
            let twice = self.running.values().flatten().any(|other| groups.contains(&other.group));
            assert!(!twice, "seed {seed}: two batches of one message group");
        }
        assert!(messages.len() <= self.settings.batch, "seed {seed}: {} messages", messages.len());
        let after = self.dice.millis(3000);
        let place = self.schedule(after, Happens::Ended(batch, messages.to_vec()));
        self.running.insert(place, messages.to_vec());
        self.most_at_once = self.most_at_once.max(self.running.len());
    }

    /// What the function makes of a batch; what it has done with each message is noted.
    fn answer(&mut self, messages: &[Arc<Message>]) -> Attempt {
        match self.dice.roll(10) {
            0 => return Attempt::Failed,
            1 => return Attempt::Refused,
            _ => {}
        }
        let (mut failed, mut stopped) = (Vec::new(), HashSet::new());
        for message in messages {
            let group = message.group.as_deref().unwrap_or_default().to_owned();
            // A handler of a FIFO queue gives back what follows the first failure.
            let fails = self.settings.reports && self.dice.roll(8) == 0;
            if fails || (self.settings.fifo && stopped.contains(&group)) {
                stopped.insert(group);
                failed.push(serde_json::json!({"itemIdentifier": message.id}));
            } else if self.succeeded.insert(id(message)) {
                self.order.entry(group).or_default().push(id(message));
            }
        }
        Attempt::Succeeded(serde_json::json!({"batchItemFailures": failed}).to_string().into())
    }

    fn step(&mut self) {
        let next = self.agenda.peek().map(|Reverse((at, _))| *at);
        let wake = self.group.wake(self.now);
        if let Some(wake) = wake.filter(|wake| next.is_none_or(|next| *wake < next)) {
            self.now = wake;
            return self.tell(Event::Woke);
        }
        let Some(Reverse((at, place))) = self.agenda.pop() else {
            panic!(
                "seed {}: nothing happens any more, {} messages left",
                self.seed,
                self.queue.messages.len()
            )
        };
        self.now = at;
        match self.happens.remove(&place).unwrap() {
            Happens::Event(event) => self.tell(event),
            Happens::Receive(most) => {
                let messages = self.queue.receive(most, self.now);
                let lost = self.dice.roll(20) == 0;
                let trouble = || Trouble { code: None, text: String::new() };
                let event = if lost { Event::NotReceived(trouble()) } else { Event::Received(messages) };
                let after = self.dice.millis(10);
                self.schedule(after, Happens::Event(event));
            }
            Happens::Ended(batch, messages) => {
                self.running.remove(&place);
                let attempt = self.answer(&messages);
                self.tell(Event::Ended(batch, attempt));
            }
            Happens::Delete(messages) => self.deleted(&messages),
        }
    }

    fn deleted(&mut self, messages: &[Arc<Message>]) {
        for message in messages {
            let is_done = self.succeeded.contains(&id(message)) || !self.settings.filter.passes(message);
            assert!(is_done, "seed {}: {} is deleted and no function had it", self.seed, message.id);
            if self.dice.roll(15) > 0 {
                self.queue.delete(message);
            }
        }
        self.tell(Event::Deleted(messages.len() as u64));
    }

    /// The server dies, and its functions with it.
    fn crash(&mut self) {
        self.crashes += 1;
        self.agenda.clear();
        self.happens.clear();
        self.running.clear();
        self.group = Group::new(self.settings.clone(), 1.0);
        self.tell(Event::Woke);
    }
}

fn run(seed: u64, fifo: bool, given: MappingSettings) -> World {
    let mut world = World::new(seed, fifo, given);
    world.tell(Event::Woke);
    let mut steps = 0;
    while !world.queue.messages.is_empty() {
        world.step();
        steps += 1;
        assert!(steps < 200_000, "seed {seed}: {} messages are left", world.queue.messages.len());
        if world.crashes < 3 && world.dice.roll(400) == 0 {
            world.crash();
        }
    }
    world.tell(Event::Stop);
    while !world.group.is_over() {
        world.step();
    }
    world
}

fn settings(seed: u64, fifo: bool) -> MappingSettings {
    let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
    let mut count = |most: u64| u32::try_from(dice.roll(most)).unwrap();
    let big = !fifo && count(3) == 0;
    MappingSettings {
        batch_size: Some(if big { 11 + count(60) } else { 1 + count(10) }),
        window_s: Some(if big { 1 + count(5) } else { 0 }),
        concurrency: (count(2) == 0).then(|| 2 + count(4)),
        response_types: (count(2) == 0).then(|| vec!["ReportBatchItemFailures".into()]),
        filters: (!fifo && count(3) == 0).then(|| vec![r#"{"body":["1","2","3"]}"#.into()]),
        ..MappingSettings::default()
    }
}

#[test]
fn every_message_is_processed_and_none_is_deleted_before() {
    for seed in 0..60 {
        let given = settings(seed, false);
        let (most, filtered) = (given.concurrency, given.filters.is_some());
        let world = run(seed, false, given);
        let expected = if filtered { MESSAGES / 10 * 3 } else { MESSAGES };
        assert_eq!(world.succeeded.len(), expected as usize, "seed {seed}");
        if let Some(most) = most {
            assert!(world.most_at_once <= most as usize, "seed {seed}: {} at once", world.most_at_once);
        }
    }
}

#[test]
fn message_groups_keep_their_order() {
    for seed in 1000..1060 {
        let world = run(seed, true, settings(seed, true));
        assert_eq!(world.succeeded.len(), MESSAGES as usize, "seed {seed}");
        for (group, order) in &world.order {
            assert!(order.is_sorted(), "seed {seed}: group {group} was processed as {order:?}");
        }
    }
}
