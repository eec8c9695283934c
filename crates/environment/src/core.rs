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

use std::sync::{Arc, Weak};
use std::time::Instant;

use lambent_model::{Completed, EnvironmentId, Invocation, Measure, Origin, Qualifier, TakeResponse};
use lambent_sandbox_client::{Control, Ends, Program, Snapshot};
use tokio::sync::oneshot;

use crate::api::Delivery as RuntimeEvent;
use crate::log::Log;
use crate::machine::{Effect, Event, Machine, Verdicted};
use crate::pipes::Pipes;
use crate::record::Record;
use crate::snapshot::Taken;
use crate::thaw::Thaw;
use crate::{Function, Notify, Placement, Status, World};

mod effects;
mod extensions;
mod output;
mod shared;

use crate::telemetry::Delivery;
use extensions::Desk;
pub(crate) use shared::Shared;

/// The answer to an invocation, or the invocation itself when the environment could not take it.
pub(crate) type Answer = Result<Completed, Arc<Invocation>>;

/// What only the environment's task does, because it has to wait for the sandbox.
pub(crate) enum Chore {
    Start(Program),
    /// Let it go on that has been told what it is.
    GoOn,
    /// Bring a snapshot to life in its place.
    Restore(Snapshot),
    /// Take one, and end.
    TakeSnapshot {
        asking: Option<Ends>,
    },
    StartExtension(u8, Program),
    Terminate,
    KillProgram(Option<u8>),
    /// Bring what a subscriber is told to where it wants it.
    Deliver(Delivery),
    Reset,
    Throttle(bool),
}

/// The sandbox's parts that effects act upon.
struct Grip {
    control: Control,
    placement: Placement,
    pipes: Pipes,
    /// Whether what waits in it has been told already what the first runtime is.
    told: bool,
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
    /// Who takes the response as it is made, if that is what the caller asked for.
    taker: Option<Arc<dyn TakeResponse>>,
    /// Whether that has begun.
    streaming: bool,
    /// To go with an event, or to be dropped when all effects have been carried out.
    thaw: Option<Thaw>,
    /// Runtime connections that wait at `/next`.
    pollers: Vec<oneshot::Sender<RuntimeEvent>>,
    desk: Desk,
    deadline: Option<Instant>,
    /// When the task's timer goes off, as far as it knows.
    armed: Option<Instant>,
    /// In order. Few: each is followed by an event of the sandbox before the machine orders the next.
    chores: Vec<Chore>,
    oom_kills_seen: u64,
    /// What the runtime comes from, instead of its first start.
    snapshot: Option<Snapshot>,
    /// What came of the snapshot that the environment is for.
    taken: Option<Taken>,
    /// Itself, for the freezer's queue.
    shared: Weak<Shared>,
    /// Whether it is in that queue, which it is at most once.
    freeze_queued: bool,
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
                    Effect::StartExtensions => event = self.start_extensions(),
                    effect => self.carry_out(effect),
                }
            }
        }
        self.thaw = None;
        verdict
    }

    /// The peak in MB, read only for events that may end in a REPORT.
    fn memory_used_mb(&self, event: &Event) -> Option<u64> {
        match event {
            Event::Next
            | Event::Invoke(_)
            | Event::SnapshotDue { .. }
            | Event::Launched { .. }
            | Event::Retire
            | Event::FreezeDue
            | Event::Register { .. }
            | Event::ExtensionNext { .. }
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
                self.taker = None;
                if let Some(caller) = self.caller.take() {
                    let _gone = caller.send(Err(invocation));
                }
                (self.notify)(self.id, Status::Lingering);
            }
            Effect::Log(record) => self.log_platform(&record),
            Effect::Note(text) => self.log.write(self.world.clock.now(), Origin::Platform, text),
            Effect::InvokeExtension(id, invocation, deadline) => {
                self.invoke_extension(id, &invocation, deadline);
            }
            Effect::ShutDownExtension(id, reason, deadline) => self.shut_down_extension(id, reason, deadline),
            Effect::TerminateRuntime => self.chores.push(Chore::Terminate),
            Effect::KillProgram(slot) => self.chores.push(Chore::KillProgram(slot)),
            Effect::Initialised => {
                self.log.close_subscriptions();
                (self.notify)(self.id, Status::Initialised);
            }
            Effect::Deadline(deadline) => self.deadline = deadline,
            Effect::TakeSnapshot { asking } => self.chores.push(Chore::TakeSnapshot { asking }),
            Effect::NoSnapshot(why) => self.taken = Some(Err(why)),
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
            Effect::Thaw => self.thaw = self.sandbox.as_ref().map(|grip| Thaw::new(&grip.control)),
            Effect::Reply(_) | Effect::StartRuntime | Effect::StartExtensions => {
                unreachable!("`apply` carries these out")
            }
        }
    }

    fn log_platform(&mut self, record: &Record) {
        let at = self.world.clock.now();
        if let Record::Start { .. } = record {
            self.log.begin_tail(self.tail_wanted);
        }
        if let Record::Report { invocation, extensions: Some(took), .. } = record {
            // Here, since it is known only after the caller has been answered.
            let qualifier = invocation.invoked_arn.split(':').nth(7).map(Qualifier::parse);
            let metrics = self.world.metrics.function(&self.function.arn);
            let series = metrics.resource(qualifier.as_ref(), &self.function.version);
            series.measure(Measure::PostRuntimeExtensionsDuration, *took);
        }
        self.log.platform(at, record);
        if let Record::InitStart { .. } = record {
            self.log.begin_tail(!self.log.initialization().is_ahead());
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
}
