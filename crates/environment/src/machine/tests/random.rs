//! Random sequences of everything that can happen, against a model of what must hold whatever happens.
//!
//! The model knows the states of AWS's pages alone: who lives, who has registered, who waits at `/next`, which invocation
//! is out. It plays the sandbox, the pool and a runtime and extensions that do as they like.

use std::collections::BTreeMap;

use lambent_model::{Entropy, ExtensionId};

use super::*;

/// xorshift64*: the same sequence from the same seed on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }
}

struct Bytes16(u64);

impl Entropy for Bytes16 {
    fn fill(&self, buffer: &mut [u8]) {
        for (byte, source) in buffer.iter_mut().zip(self.0.to_be_bytes().into_iter().cycle()) {
            *byte = source;
        }
    }
}

#[derive(Default)]
struct Model {
    /// The runtime's process lives.
    runtime: bool,
    /// Slots whose processes live.
    slots: Vec<u8>,
    /// Everybody who has registered in this generation: whether it is at work, and its slot.
    members: BTreeMap<ExtensionId, (bool, Option<u8>)>,
    /// The invocation that the pool has handed over and that has not been answered.
    out: Option<Arc<Invocation>>,
    /// Whether the pool may hand one over.
    available: bool,
    frozen: bool,
    killed: bool,
    retired: bool,
    resetting: bool,
    deadline: Option<Instant>,
    delivered: u32,
    answered: u32,
    shutdowns: u32,
}

struct Game {
    dice: Dice,
    machine: Machine,
    model: Model,
    now: Instant,
    ids: u64,
    history: Vec<String>,
}

impl Game {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let extensions = (0..dice.roll(3)).map(|n| format!("e{n}")).collect();
        let settings = Settings {
            timeout: Duration::from_secs(3),
            memory: MemorySize(128),
            initialization: Initialization::OnDemand,
            restores: false,
            extensions,
        };
        let (machine, model) = (Machine::new(settings), Model { available: true, ..Model::default() });
        Self { dice, machine, model, now: Instant::now(), ids: seed << 20, history: Vec::new() }
    }

    fn play(&mut self, event: Event) -> bool {
        self.history.push(format!("{event:?}"));
        let mut accepted = true;
        for effect in self.machine.apply(event, self.now, Some(1)) {
            self.history.push(format!("    {effect:?}"));
            accepted &= !matches!(effect, Effect::Reply(verdict) if verdict != Verdicted::Accepted);
            self.obey(effect);
        }
        accepted
    }

    fn obey(&mut self, effect: Effect) {
        let model = &mut self.model;
        match effect {
            Effect::StartExtensions => {
                assert!(
                    model.slots.is_empty() && !model.runtime,
                    "a generation starts on the last one's ruins"
                );
                let count = self.machine.settings.extensions.len();
                model.slots = (0..u8::try_from(count).unwrap()).collect();
            }
            Effect::StartRuntime => {
                assert!(!model.runtime, "two runtimes");
                let registered = model.members.values().filter(|(_, slot)| slot.is_some()).count();
                assert_eq!(registered, self.machine.settings.extensions.len(), "extensions come first");
                model.runtime = true;
            }
            Effect::KillProgram(None) => model.runtime = false,
            Effect::KillProgram(Some(slot)) => model.slots.retain(|living| *living != slot),
            Effect::Reset => model.resetting = true,
            Effect::Kill => model.killed = true,
            Effect::Freeze => {
                assert!(
                    !model.frozen && !model.members.values().any(|(busy, _)| *busy),
                    "somebody is at work"
                );
                model.frozen = true;
            }
            Effect::Thaw => {
                assert!(model.frozen, "it is not frozen");
                model.frozen = false;
            }
            Effect::Deliver(invocation, _) => {
                assert_eq!(Some(&invocation), model.out.as_ref(), "nobody waits for its answer");
                assert!(!model.frozen && model.runtime);
                model.delivered += 1;
            }
            Effect::InvokeExtension(id, ..) => {
                let member = model.members.get_mut(&id).expect("it has registered");
                assert!(!member.0 && !model.frozen, "it is at work");
                member.0 = true;
            }
            Effect::ShutDownExtension(id, ..) => {
                assert!(!model.frozen && model.members.contains_key(&id));
                model.shutdowns += 1;
            }
            Effect::Answer(..) => {
                model.out.take().expect("one answer for each invocation");
                model.answered += 1;
            }
            Effect::Decline(invocation) => {
                assert_eq!(model.out.take(), Some(invocation));
            }
            Effect::Available => {
                assert!(!model.retired, "it is to end");
                model.available = true;
            }
            Effect::Deadline(deadline) => model.deadline = deadline,
            _ => {}
        }
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(self.dice.roll(40));
        if let Some(deadline) = self.model.deadline.filter(|deadline| *deadline <= self.now) {
            // The timer went off when it was due.
            self.model.deadline = None;
            let _ = deadline;
            self.play(Event::Deadline);
            return;
        }
        if self.model.resetting && self.dice.roll(2) == 0 {
            self.model.resetting = false;
            (self.model.runtime, self.model.slots, self.model.members) = (false, Vec::new(), BTreeMap::new());
            self.play(Event::Reset);
            return;
        }
        match self.dice.roll(24) {
            0..=4 if self.model.available && !self.model.retired && self.model.out.is_none() => {
                let given = invocation(u8::try_from(self.dice.roll(100)).unwrap());
                self.model.out = Some(Arc::clone(&given));
                self.model.available = false;
                self.play(Event::Invoke(given));
            }
            5..=8 if self.model.runtime && !self.model.frozen => {
                self.play(Event::Next);
            }
            9..=11 if self.model.runtime && !self.model.frozen => {
                let request_id = self.model.out.as_ref().map(|out| out.request_id.to_string());
                let request_id = request_id.unwrap_or_else(|| id(1));
                let reported = Reported::Success(Bytes::from_static(b"1"));
                self.play(Event::Report { request_id, reported, sending: MS });
            }
            12 | 13 if !self.model.frozen => self.register(),
            14..=18 if !self.model.frozen => self.extension_calls(),
            19 => {
                self.play(Event::FreezeDue);
            }
            20 if self.dice.roll(6) == 0 && self.model.runtime && !self.model.frozen => {
                self.model.runtime = false;
                self.play(crash());
            }
            21 if self.dice.roll(6) == 0 && !self.model.frozen => {
                if let Some(slot) = self.model.slots.pop() {
                    self.play(Event::ExtensionExited { slot, exit: Exit::Code(1) });
                }
            }
            22 if self.dice.roll(40) == 0 => {
                self.model.retired = true;
                self.play(Event::Retire);
            }
            _ => self.now += Duration::from_millis(self.dice.roll(200)),
        }
    }

    fn register(&mut self) {
        self.ids += 1;
        let identifier = ExtensionId::random(&Bytes16(self.ids));
        // A process speaks for its own slot, or somebody in the runtime does.
        let slot = self.model.slots.get(usize::try_from(self.dice.roll(3)).unwrap()).copied();
        if slot.is_none() && !self.model.runtime {
            return;
        }
        let name = slot.map_or_else(|| format!("i{}", self.dice.roll(4)), |slot| format!("e{slot}"));
        let events =
            Events { invoke: self.dice.roll(3) > 0, shutdown: slot.is_some() && self.dice.roll(2) > 0 };
        // Known before it is accepted: the last registration starts the runtime.
        self.model.members.insert(identifier, (false, slot));
        if !self.play(Event::Register { name, events, identifier }) {
            self.model.members.remove(&identifier);
        }
    }

    fn extension_calls(&mut self) {
        let members: Vec<ExtensionId> = self.model.members.keys().copied().collect();
        if members.is_empty() {
            return;
        }
        let identifier = members[usize::try_from(self.dice.roll(members.len() as u64)).unwrap()];
        let (_, slot) = self.model.members[&identifier];
        if slot.is_some_and(|slot| !self.model.slots.contains(&slot)) {
            return;
        }
        if let Some(member) = self.model.members.get_mut(&identifier) {
            member.0 = false;
        }
        self.play(Event::ExtensionNext { identifier });
    }

    fn run(&mut self) -> bool {
        if self.dice.roll(2) == 0 {
            let given = invocation(0);
            (self.model.out, self.model.available) = (Some(Arc::clone(&given)), false);
            self.play(Event::Invoke(given));
        } else {
            // Made in advance: the pool hears when it can have it.
            self.model.available = false;
        }
        self.play(LAUNCHED);
        for _ in 0..600 {
            self.step();
            if self.model.killed {
                break;
            }
        }
        if !self.model.killed {
            self.model.retired = true;
            self.play(Event::Retire);
        }
        // Whatever hangs, it ends within its deadlines.
        for _ in 0..20 {
            if self.model.killed {
                break;
            }
            if std::mem::take(&mut self.model.resetting) {
                (self.model.runtime, self.model.slots, self.model.members) =
                    (false, Vec::new(), BTreeMap::new());
                self.play(Event::Reset);
                continue;
            }
            self.now = self.model.deadline.take().expect("who is not over has a deadline") + MS;
            self.play(Event::Deadline);
        }
        assert!(self.model.killed, "it never ends");
        self.play(Event::Gone { reason: "killed".into() });
        assert!(self.model.out.is_none(), "an invocation was lost");
        self.machine.has_ended()
    }
}

#[test]
fn nothing_that_anybody_does_breaks_a_promise() {
    let (mut answered, mut shutdowns) = (0, 0);
    for seed in 1..=3000 {
        let mut game = Game::new(seed);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| game.run()));
        let tail = game.history.len().saturating_sub(60);
        assert_eq!(result.ok(), Some(true), "seed {seed}:\n{}", game.history[tail..].join("\n"));
        answered += game.model.answered;
        shutdowns += game.model.shutdowns;
    }
    // It got somewhere.
    assert!(answered > 10_000 && shutdowns > 500, "{answered} {shutdowns}");
}
