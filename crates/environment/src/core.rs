//! The machine and everything its effects act upon, behind one lock.
//!
//! Events are applied where they happen: an invocation in its caller's task, a runtime's call in its connection's
//! task, deaths and deadlines in the environment's own. Handing each to the environment's task instead would cost two
//! more task switches a side, more than all else that the platform does for an invocation. The lock is held for
//! microseconds, never across an await; whatever has to wait (orders to the sandbox) is left as a chore for the
//! environment's task, which alone awaits.
//!
//! Lock order: pool after core (an effect may tell the pool). So the pool calls nothing here that takes this lock
//! while it holds its own; see [`Shared::retire`].

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use bytes::Bytes;
use lambent_model::{Completed, EnvironmentId, Failure, Invocation, Origin, Outcome, Report};
use lambent_sandbox_client::{Control, Event as SandboxEvent, Exit, Program};
use tokio::sync::{Notify as Wake, oneshot};

use crate::api::{Delivery, Environment};
use crate::freezer::{AFTER, Freezable};
use crate::log::Log;
use crate::machine::{Effect, Event, Machine, Reported, Settings, Start, Verdicted};
use crate::pipes::Pipes;
use crate::record::Record;
use crate::{Function, Notify, Placement, StartError, Status, World};

/// With this status end the loader that misses a shared library, and shells that miss a command.
const STATUS_NOT_FOUND: i32 = 127;

/// The answer to an invocation, or the invocation itself when the environment could not take it.
pub(crate) type Answer = Result<Completed, Arc<Invocation>>;

/// What only the environment's task does, because it has to wait for the sandbox.
pub(crate) enum Chore {
    Start(Program),
    Reset,
    Throttle(bool),
}

/// The sandbox's parts that effects act upon.
struct Grip {
    control: Control,
    placement: Placement,
    pipes: Pipes,
}

pub(crate) struct Core {
    world: Arc<World>,
    function: Arc<Function>,
    id: EnvironmentId,
    notify: Notify,
    machine: Machine,
    log: Log,
    sandbox: Option<Grip>,
    /// Who waits for the invocation that the machine has.
    caller: Option<oneshot::Sender<Answer>>,
    /// Whether that caller asked for the log's tail.
    tail_wanted: bool,
    /// Runtime connections that wait at `/next`.
    pollers: Vec<oneshot::Sender<Delivery>>,
    deadline: Option<Instant>,
    /// When the task's timer goes off, as far as it knows.
    armed: Option<Instant>,
    /// In order. Few: each is followed by an event of the sandbox before the machine orders the next.
    chores: Vec<Chore>,
    oom_kills_seen: u64,
    /// Itself, for the freezer's queue.
    shared: Weak<Shared>,
    /// Whether it is in that queue, which it is at most once.
    freeze_queued: bool,
}

/// An environment as its task, its connections and its handles share it.
pub(crate) struct Shared {
    core: Mutex<Core>,
    /// Wakes the task: there are chores, an earlier deadline, or a wish to end.
    pub(crate) wake: Wake,
    retire: AtomicBool,
}

impl Shared {
    pub(crate) fn new(
        world: Arc<World>,
        function: Arc<Function>,
        id: EnvironmentId,
        notify: Notify,
    ) -> Arc<Self> {
        let settings = Settings { timeout: function.timeout, memory: function.memory };
        let core = |shared: &Weak<Self>| Core {
            machine: Machine::new(settings),
            log: Log::new(&world, &function, id),
            world,
            function,
            id,
            notify,
            sandbox: None,
            caller: None,
            tail_wanted: false,
            pollers: Vec::new(),
            deadline: None,
            armed: None,
            chores: Vec::new(),
            oom_kills_seen: 0,
            shared: Weak::clone(shared),
            freeze_queued: false,
        };
        Arc::new_cyclic(|shared| Self {
            core: Mutex::new(core(shared)),
            wake: Wake::new(),
            retire: AtomicBool::new(false),
        })
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        // A panic in here would be a defect of the machine; the environment ends by its sandbox's end all the same.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies one event and wakes the task if that left it something to do. `event` runs under the lock, before.
    fn apply(&self, event: impl FnOnce(&mut Core) -> Option<Event>) -> Option<Verdicted> {
        let mut core = self.core();
        let verdict = event(&mut core).and_then(|event| core.apply(event));
        // Only an earlier deadline needs the task: a timer that goes off too early is set again. So a stream of
        // invocations wakes it once per timeout, not once each.
        let earlier = match (core.deadline, core.armed) {
            (Some(deadline), Some(armed)) => deadline < armed,
            (deadline, _) => deadline.is_some(),
        };
        let busy = earlier || !core.chores.is_empty();
        drop(core);
        if busy {
            self.wake.notify_one();
        }
        verdict
    }

    /// Hands over an invocation; the answer comes through `caller`.
    pub(crate) fn invoke(&self, invocation: Arc<Invocation>, caller: oneshot::Sender<Answer>) {
        self.apply(|core| {
            core.drain();
            core.tail_wanted = invocation.tail;
            core.caller = Some(caller);
            Some(Event::Invoke(invocation))
        });
    }

    /// Has the environment end after what it is doing. Takes no lock: the pool calls it under its own.
    pub(crate) fn retire(&self) {
        self.retire.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

impl Environment for Shared {
    fn next(&self, poller: oneshot::Sender<Delivery>) {
        self.apply(|core| {
            core.drain();
            core.pollers.retain(|poller| !poller.is_closed());
            core.pollers.push(poller);
            Some(Event::Next)
        });
    }

    fn report(&self, request_id: String, reported: Reported) -> Verdicted {
        let verdict = self.apply(|core| {
            core.flush();
            Some(Event::Report { request_id, reported })
        });
        verdict.expect("the machine judges every report")
    }

    fn init_error(&self, failure: Failure) -> Verdicted {
        let verdict = self.apply(|core| {
            core.flush();
            Some(Event::InitError { failure })
        });
        verdict.expect("the machine judges every report")
    }
}

/// The freezer's side. The lock is held while the kernel takes the write: an invocation that comes meanwhile finds the
/// environment either idle or frozen.
impl Freezable for Shared {
    fn freeze_due(&self) {
        self.apply(|core| {
            core.freeze_queued = false;
            Some(Event::FreezeDue)
        });
    }
}

/// The side of the environment's task.
impl Shared {
    pub(crate) fn launched(&self, control: Control, placement: Placement, pipes: Pipes) {
        self.apply(|core| {
            let freeze_after = control.freezer().map(|_| AFTER);
            core.sandbox = Some(Grip { control, placement, pipes });
            Some(Event::Launched { freeze_after })
        });
    }

    /// One of the runtime's connections has ended.
    pub(crate) fn disconnected(&self) {
        self.apply(|_| Some(Event::Disconnected));
    }

    pub(crate) fn log_stream(&self) -> String {
        self.core().log.stream.stream.clone()
    }

    pub(crate) fn pipes(&self) -> Option<Pipes> {
        self.core().sandbox.as_ref().map(|grip| grip.pipes.clone())
    }

    pub(crate) fn drain(&self) {
        self.core().drain();
    }

    /// Whether the function writes more than is kept of it.
    pub(crate) fn is_flooded(&self) -> bool {
        self.core().log.is_flooded()
    }

    pub(crate) fn sandbox_event(&self, event: SandboxEvent) {
        self.apply(|core| {
            if event == SandboxEvent::Reset {
                core.pollers.clear();
                core.finish_output();
            } else {
                core.flush();
            }
            if let SandboxEvent::Gone { reason } = &event
                && !core.machine.has_ended()
            {
                // Nobody asked for it.
                core.note_end(reason);
            }
            Some(core.translate(event))
        });
    }

    /// What there is to do, and until when to sleep: the timer counts as armed from here on.
    pub(crate) fn take_work(&self) -> (Vec<Chore>, Option<Instant>) {
        let mut core = self.core();
        core.armed = core.deadline;
        (std::mem::take(&mut core.chores), core.deadline)
    }

    /// Applies the wish to end, if there is one, and the deadline, if it has passed.
    pub(crate) fn look_around(&self, now: Instant) {
        if self.retire.swap(false, Ordering::AcqRel) {
            self.apply(|_| Some(Event::Retire));
        }
        self.apply(|core| {
            // Looked at under the lock: a moment later it may be the next invocation's.
            core.deadline.take_if(|deadline| *deadline <= now)?;
            core.flush();
            Some(Event::Deadline)
        });
    }

    /// A failure of the platform that leaves nothing to save; the sandbox's `Gone` follows.
    pub(crate) fn fail(&self, reason: &str) {
        self.core().fail(reason);
    }

    /// There is no sandbox, and who waits for one is told why; so is the function's log.
    pub(crate) fn launch_failed(&self, reason: &str) {
        self.core().note_end(reason);
        self.bury(reason);
    }

    /// The environment is over, whatever its state: nobody who waits is left waiting.
    pub(crate) fn bury(&self, reason: &str) {
        self.apply(|_| Some(Event::Gone { reason: reason.to_owned() }));
        let mut core = self.core();
        core.caller = None;
        core.pollers.clear();
        core.chores.clear();
        if let Some(grip) = core.sandbox.take() {
            // Under version 1 what was frozen and killed dies only now; a launcher that was killed thaws nothing. It
            // fails where the sandbox is gone, as it mostly is.
            let _gone = grip.control.thaw();
        }
    }
}

impl Core {
    fn apply(&mut self, event: Event) -> Option<Verdicted> {
        let mut verdict = None;
        let mut event = Some(event);
        // Starting the runtime may fail on the spot, which is the next event.
        while let Some(current) = event.take() {
            let used = self.memory_used_mb(&current);
            for effect in self.machine.apply(current, Instant::now(), used) {
                match effect {
                    Effect::Reply(judged) => verdict = Some(judged),
                    Effect::StartRuntime => event = self.start_runtime(),
                    effect => self.carry_out(effect),
                }
            }
        }
        verdict
    }

    /// The peak in MB, read only for events that may end in a REPORT.
    fn memory_used_mb(&self, event: &Event) -> Option<u64> {
        match event {
            Event::Next
            | Event::Invoke(_)
            | Event::Launched { .. }
            | Event::Retire
            | Event::FreezeDue
            | Event::Disconnected => None,
            _ => {
                let peak = self.sandbox.as_ref()?.control.memory_peak()?;
                Some(peak.0.div_ceil(1024 * 1024))
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Deliver(invocation, deadline) => self.deliver(&invocation, deadline),
            Effect::Answer(outcome, report) => self.answer(outcome, report),
            Effect::Decline(invocation) => {
                if let Some(caller) = self.caller.take() {
                    let _gone = caller.send(Err(invocation));
                }
                (self.notify)(self.id, Status::Lingering);
            }
            Effect::Log(record) => self.log_platform(&record),
            Effect::Note(text) => self.log.write(self.world.clock.now(), Origin::Platform, text),
            Effect::Initialised => (self.notify)(self.id, Status::Initialised),
            Effect::Deadline(deadline) => self.deadline = deadline,
            Effect::Available => (self.notify)(self.id, Status::Available),
            Effect::Throttle(on) => self.chores.push(Chore::Throttle(on)),
            Effect::Reset => self.chores.push(Chore::Reset),
            Effect::Kill => {
                if let Some(grip) = &self.sandbox {
                    grip.control.kill();
                }
            }
            Effect::FreezeAt(at) => self.freeze_at(at),
            Effect::Freeze => self.freeze(),
            Effect::Thaw => self.thaw(),
            Effect::Reply(_) | Effect::StartRuntime => unreachable!("`apply` carries these out"),
        }
    }

    fn freeze_at(&mut self, at: Instant) {
        if !self.freeze_queued {
            self.freeze_queued = true;
            self.world.freezer.queue(at, self.shared.clone());
        }
    }

    fn freeze(&mut self) {
        self.drain();
        let Some(grip) = &self.sandbox else { return };
        if let Err(error) = grip.control.freeze() {
            self.fail(&format!("it could not be frozen: {error}"));
        }
    }

    fn thaw(&mut self) {
        let Some(grip) = &self.sandbox else { return };
        if let Err(error) = grip.control.thaw() {
            self.fail(&format!("it could not be thawed: {error}"));
        }
    }

    fn start_runtime(&mut self) -> Option<Event> {
        let grip = self.sandbox.as_ref()?;
        match self.function.plan.program(&grip.placement) {
            Ok(program) => {
                self.chores.push(Chore::Start(program));
                None
            }
            Err(StartError { error_type, message }) => {
                self.advise(&message);
                Some(Event::StartFailed { failure: Start { error_type, message } })
            }
        }
    }

    fn deliver(&mut self, invocation: &Arc<Invocation>, deadline: Instant) {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let deadline_ms = self.world.clock.now().plus(remaining).millis();
        // Nobody polling (the connection broke): the runtime asks again and is given the same event.
        while let Some(poller) = self.pollers.pop() {
            if poller.send(Delivery { invocation: Arc::clone(invocation), deadline_ms }).is_ok() {
                return;
            }
        }
    }

    fn answer(&mut self, outcome: Outcome, report: Option<Report>) {
        let log_tail = self.log.tail.take().map(Bytes::from);
        if let Some(caller) = self.caller.take() {
            // Nobody waits any more: the invocation ran all the same.
            let _gone = caller.send(Ok(Completed { outcome, report, log_tail }));
        }
    }

    fn log_platform(&mut self, record: &Record) {
        let at = self.world.clock.now();
        if let Record::Start { .. } = record {
            self.log.tail = self.tail_wanted.then(Vec::new);
        }
        if let Some(line) = record.render(self.function.logging, &self.log.subject, at) {
            self.log.write(at, Origin::Platform, line);
        }
    }

    fn note_end(&mut self, reason: &str) {
        self.log.write(self.world.clock.now(), Origin::Platform, format!("environment ended: {reason}"));
    }

    fn fail(&mut self, reason: &str) {
        self.note_end(reason);
        if let Some(grip) = &self.sandbox {
            grip.control.kill();
        }
    }

    /// Takes over what the function has written so far.
    fn drain(&mut self) {
        if let Some(grip) = &mut self.sandbox {
            grip.pipes.drain(&mut self.log);
        }
    }

    /// The same, and an unfinished line with it: what it belongs to ends here.
    fn flush(&mut self) {
        self.drain();
        self.log.flush_stdio();
    }

    /// The same, to the last byte, when nobody is left to write more.
    fn finish_output(&mut self) {
        if let Some(grip) = &mut self.sandbox {
            grip.pipes.finish(&mut self.log);
        }
        self.log.flush_stdio();
    }

    fn translate(&mut self, event: SandboxEvent) -> Event {
        match event {
            SandboxEvent::StartFailed { errno } => Event::StartFailed { failure: self.start_failure(errno) },
            SandboxEvent::Exited(exit) => {
                if exit == Exit::Code(STATUS_NOT_FOUND) {
                    self.write_advice(
                        "the runtime ended with status 127: a shared library or a command that it needs is missing, \
                         as the lines before say; put libraries into the folder lib of the package or of a layer, or \
                         link statically",
                    );
                }
                let kills = self.sandbox.as_ref().map_or(0, |grip| grip.control.usage().oom_kills);
                let out_of_memory = kills > self.oom_kills_seen;
                self.oom_kills_seen = kills;
                Event::Exited { exit, out_of_memory }
            }
            SandboxEvent::Reset => Event::Reset,
            SandboxEvent::Gone { reason } => Event::Gone { reason },
        }
    }

    /// A line for who reads the log: the caller's error has AWS's words, which do not say what to do.
    fn advise(&mut self, text: &str) {
        self.write_advice(&format!("the runtime cannot be started: {text}"));
    }

    fn write_advice(&mut self, line: &str) {
        self.log.write(self.world.clock.now(), Origin::Platform, line.to_owned());
    }

    /// AWS words a failing `execve` as Go does.
    fn start_failure(&mut self, errno: i32) -> Start {
        let text = std::io::Error::from_raw_os_error(errno).to_string().to_lowercase();
        let text = text.split(" (os error").next().unwrap_or_default();
        let file = self.sandbox.as_ref().and_then(|grip| self.function.plan.program(&grip.placement).ok());
        let file = file.and_then(|program| program.argv.first().map(PathBuf::from)).unwrap_or_default();
        if let Some(remedy) = self.function.plan.remedy(&file, errno) {
            self.advise(&remedy);
        }
        Start {
            error_type: "Runtime.InvalidEntrypoint".into(),
            message: format!("fork/exec {}: {text}", file.display()),
        }
    }
}
