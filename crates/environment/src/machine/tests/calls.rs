//! Random sequences of calls of the Runtime and Extensions APIs: what each is answered, and who is told what, is foretold by
//! a model of AWS's pages ("Using the Lambda Extensions API to create extensions", "Using the Lambda runtime API").

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

struct Number(u64);

impl Entropy for Number {
    fn fill(&self, buffer: &mut [u8]) {
        for (byte, source) in buffer.iter_mut().zip(self.0.to_be_bytes().into_iter().cycle()) {
            *byte = source;
        }
    }
}

/// The extension files of the layer.
const FILES: [&str; 2] = ["e0", "e1"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Whether the runtime has asked for its first event.
    Init {
        ready: bool,
    },
    Idle,
    /// The runtime has the invocation of this number.
    Running(u8),
    /// It has answered; whether it has asked for the next event.
    Answered {
        back: bool,
    },
}

#[derive(Debug, Clone)]
struct Extension {
    name: String,
    events: Events,
    /// As AWS names it: Registered, Ready, Running.
    state: &'static str,
}

struct Model {
    phase: Phase,
    extensions: BTreeMap<ExtensionId, Extension>,
    /// Given to the environment, and not yet to the runtime.
    waiting: Option<u8>,
    over: bool,
}

/// Who is to be told of an invocation: the runtime, and those extensions.
type Told = Option<(u8, Vec<ExtensionId>)>;

impl Model {
    fn has(&self, name: &str) -> bool {
        self.extensions.values().any(|extension| extension.name == name)
    }

    fn runtime_lives(&self) -> bool {
        FILES.iter().all(|file| self.has(file))
    }

    /// The caller is known by the name it gives, and its process's file decides what it may have.
    fn register(&self, name: &str, events: Events) -> Result<(), Refusal> {
        let Phase::Init { ready } = self.phase else { return Err(Refusal::RegistrationClosed) };
        let is_file = FILES.contains(&name);
        match self.extensions.values().find(|extension| extension.name == name) {
            Some(known) if is_file => Err(Refusal::State { from: known.state, to: "Registered" }),
            Some(_) => Err(Refusal::NameTaken),
            None if is_file => Ok(()),
            None if events.shutdown => Err(Refusal::ShutdownOfInternal),
            None if ready => Err(Refusal::RegistrationClosed),
            // Files count from the beginning.
            None => {
                let internal =
                    self.extensions.values().filter(|known| !FILES.contains(&&*known.name)).count();
                if internal + FILES.len() < 10 { Ok(()) } else { Err(Refusal::TooMany) }
            }
        }
    }

    fn next(&mut self, identifier: ExtensionId) -> Result<(), Refusal> {
        let known = self.extensions.get_mut(&identifier).ok_or(Refusal::Unknown)?;
        match known.state {
            "Registered" | "Ready" | "Running" => known.state = "Ready",
            from => return Err(Refusal::State { from, to: "Ready" }),
        }
        Ok(())
    }

    fn fail(&mut self, identifier: ExtensionId, init: bool) -> Result<(), Refusal> {
        let to = if init { "InitError" } else { "ExitError" };
        let known = self.extensions.get_mut(&identifier).ok_or(Refusal::Unknown)?;
        match known.state {
            "Registered" => {}
            "Ready" | "Running" if !init => {}
            from => return Err(Refusal::State { from, to }),
        }
        // Its end, and with it the environment's, is about to follow.
        self.over = true;
        Ok(())
    }

    fn report(&mut self, number: u8) -> Verdicted {
        match self.phase {
            Phase::Init { .. } => Verdicted::InvalidState("Started"),
            Phase::Running(running) if running == number => {
                self.phase = Phase::Answered { back: false };
                Verdicted::Accepted
            }
            _ => Verdicted::InvalidRequestId,
        }
    }

    /// What follows from a change: an invocation begins when runtime and extensions are all at their `/next`.
    fn settle(&mut self) -> Told {
        let all_ready = self.extensions.values().all(|extension| extension.state == "Ready");
        let busy = self.extensions.values().any(|extension| extension.state == "Running");
        match self.phase {
            Phase::Init { ready: true } if all_ready => self.phase = Phase::Idle,
            Phase::Answered { back: true } if !busy => self.phase = Phase::Idle,
            _ => {}
        }
        if self.phase != Phase::Idle {
            return None;
        }
        let number = self.waiting.take()?;
        self.phase = Phase::Running(number);
        let wanting =
            self.extensions.iter_mut().filter(|(_, known)| known.events.invoke && known.state == "Ready");
        let told = wanting.map(|(identifier, known)| {
            known.state = "Running";
            *identifier
        });
        Some((number, told.collect()))
    }
}

struct Game {
    dice: Dice,
    machine: Machine,
    model: Model,
    now: Instant,
    seed: u64,
    born: u64,
    history: Vec<String>,
    invocations: u32,
    refused: u32,
}

impl Game {
    fn new(seed: u64) -> Self {
        let settings = Settings {
            timeout: Duration::from_secs(900),
            memory: MemorySize(128),
            initialization: Initialization::OnDemand,
            restores: false,
            extensions: FILES.map(str::to_owned).to_vec(),
        };
        let phase = Phase::Init { ready: false };
        let model = Model { phase, extensions: BTreeMap::new(), waiting: Some(0), over: false };
        let dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (machine, now, history) = (Machine::new(settings), Instant::now(), Vec::new());
        Self { dice, machine, model, now, seed, born: 0, history, invocations: 0, refused: 0 }
    }

    /// Makes one call; its answer and who is told of an invocation have to be as foretold.
    fn call(&mut self, event: Event, expected: Option<Verdicted>) {
        self.history.push(format!("{event:?} in {:?}", self.model.phase));
        let told = if self.model.over { None } else { self.model.settle() };
        let (mut reply, mut delivered, mut extensions) = (None, None, Vec::new());
        // A runtime that asks again while it has an invocation is given the same.
        let again = matches!(event, Event::Next);
        for effect in self.machine.apply(event, self.now, None) {
            match effect {
                Effect::Reply(verdict) => reply = Some(verdict),
                Effect::Deliver(invocation, _) => delivered = Some(invocation.request_id.to_string()),
                Effect::InvokeExtension(identifier, ..) => extensions.push(identifier),
                _ => {}
            }
        }
        self.refused += u32::from(reply.as_ref().is_some_and(|reply| *reply != Verdicted::Accepted));
        assert_eq!(reply, expected, "the answer");
        if self.model.over {
            return;
        }
        match told {
            Some((number, wanting)) => {
                self.invocations += 1;
                extensions.sort_unstable();
                assert_eq!((delivered, extensions), (Some(id(number)), wanting), "who is told");
            }
            None => {
                let running = match self.model.phase {
                    Phase::Running(number) if again => Some(id(number)),
                    _ => None,
                };
                assert_eq!((delivered, extensions), (running, Vec::new()), "nobody else is told");
            }
        }
    }

    fn somebody(&mut self) -> ExtensionId {
        let known: Vec<ExtensionId> = self.model.extensions.keys().copied().collect();
        let at = usize::try_from(self.dice.roll(known.len() as u64 + 1)).unwrap();
        known.get(at).copied().unwrap_or_else(|| ExtensionId::random(&Number(u64::MAX - self.seed)))
    }

    fn register(&mut self) {
        let names = ["e0", "e1", "i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7", "i8", "i9"];
        let name = names[usize::try_from(self.dice.roll(names.len() as u64)).unwrap()].to_owned();
        let events = Events { invoke: self.dice.roll(3) > 0, shutdown: self.dice.roll(4) == 0 };
        self.born += 1;
        let identifier = ExtensionId::random(&Number((self.seed << 16) + self.born));
        let expected = self.model.register(&name, events);
        if expected.is_ok() {
            let known = Extension { name: name.clone(), events, state: "Registered" };
            self.model.extensions.insert(identifier, known);
        }
        let verdict = expected.map_or_else(Verdicted::Refused, |()| Verdicted::Accepted);
        self.call(Event::Register { name, events, identifier }, Some(verdict));
    }

    fn step(&mut self) {
        match self.dice.roll(40) {
            0..=7 => self.register(),
            8..=19 => {
                let identifier = self.somebody();
                let expected = self.model.next(identifier);
                let verdict = expected.map_or_else(Verdicted::Refused, |()| Verdicted::Accepted);
                self.call(Event::ExtensionNext { identifier }, Some(verdict));
            }
            20..=27 if self.model.runtime_lives() => {
                match &mut self.model.phase {
                    Phase::Init { ready } => *ready = true,
                    Phase::Answered { back } => *back = true,
                    _ => {}
                }
                self.call(Event::Next, None);
            }
            28..=33 if self.model.runtime_lives() => {
                let number = match self.model.phase {
                    Phase::Running(number) if self.dice.roll(3) > 0 => number,
                    _ => 99,
                };
                let expected = self.model.report(number);
                self.call(success(number), Some(expected));
            }
            34..=37 if self.model.phase == Phase::Idle => {
                let number = u8::try_from(self.dice.roll(90)).unwrap();
                self.model.waiting = Some(number);
                self.call(Event::Invoke(invocation(number)), None);
            }
            38 if self.dice.roll(20) == 0 => {
                let (identifier, init) = (self.somebody(), self.dice.roll(2) == 0);
                let expected = self.model.fail(identifier, init);
                let verdict = expected.map_or_else(Verdicted::Refused, |()| Verdicted::Accepted);
                let error_type = "Extension.Sorry".to_owned();
                self.call(Event::ExtensionError { identifier, init, error_type }, Some(verdict));
            }
            39 if self.dice.roll(20) == 0 && self.model.runtime_lives() => {
                let expected = match self.model.phase {
                    Phase::Init { .. } => {
                        self.model.over = true;
                        Verdicted::Accepted
                    }
                    Phase::Idle => Verdicted::InvalidState("Ready"),
                    Phase::Running(_) => Verdicted::InvalidState("Running"),
                    Phase::Answered { .. } => Verdicted::InvalidState("ResponseSent"),
                };
                self.call(init_error(), Some(expected));
            }
            _ => {}
        }
    }

    fn play(&mut self) {
        self.machine.apply(Event::Invoke(invocation(0)), self.now, None);
        self.machine.apply(Event::Launched { freeze_after: None }, self.now, None);
        for _ in 0..400 {
            self.step();
            if self.model.over {
                break;
            }
        }
    }
}

#[test]
fn every_call_is_answered_as_the_model_foretells() {
    let (mut invocations, mut refused) = (0, 0);
    for seed in 1..=1000 {
        let mut game = Game::new(seed);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| game.play()));
        let tail = game.history.len().saturating_sub(30);
        assert!(result.is_ok(), "seed {seed}:\n{}", game.history[tail..].join("\n"));
        invocations += game.invocations;
        refused += game.refused;
    }
    // It got somewhere.
    assert!(invocations > 3_000 && refused > 50_000, "{invocations} {refused}");
}
