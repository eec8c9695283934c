//! An environment as others see it: who brings an event takes the lock and applies it.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use lambent_model::{EnvironmentId, ExtensionId, Failure, Invocation, ResponseHead, TakeResponse};
use lambent_sandbox_client::{Control, Ends, Event as SandboxEvent, Snapshot};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{Notify as Wake, oneshot};

use super::extensions::Desk;
use super::{Answer, Chore, Core, Grip};
use crate::api::{Begun, Delivery, Environment, ExtensionEvent, Extensions, Registered, Restoring};
use crate::freezer::{AFTER, Freezable};
use crate::log::Log;
use crate::machine::{Event, Events, Machine, Refusal, Reported, Settings, Verdicted};
use crate::pipes::Pipes;
use crate::snapshot::{NoSnapshot, Taken};
use crate::telemetry::{Subscription, SubscriptionError};
use crate::{Function, Initialization, Notify, Placement, Status, World};

/// To a runtime that answers anew while its first answer streams.
const SECOND_RESPONSE: Verdicted = Verdicted::InvalidState("InvocationResponse");

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
        initialization: Initialization,
        snapshot: Option<Snapshot>,
        notify: Notify,
    ) -> Arc<Self> {
        let settings = Settings {
            timeout: function.timeout,
            memory: function.memory,
            initialization,
            restores: snapshot.is_some(),
            extensions: function.extensions.clone(),
        };
        let core = |shared: &Weak<Self>| Core {
            machine: Machine::new(settings),
            log: Log::new(&world, &function, id, initialization),
            world,
            function,
            id,
            notify,
            sandbox: None,
            caller: None,
            tail_wanted: false,
            taker: None,
            streaming: false,
            thaw: None,
            pollers: Vec::new(),
            desk: Desk::default(),
            deadline: None,
            armed: None,
            chores: Vec::new(),
            oom_kills_seen: 0,
            snapshot: snapshot.clone(),
            taken: None,
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
        self.with(|core| event(core).and_then(|event| core.apply(event)))
    }

    /// Does something to the core and wakes the task if that left it something to do.
    fn with<T>(&self, act: impl FnOnce(&mut Core) -> T) -> T {
        let mut core = self.core();
        let done = act(&mut core);
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
        done
    }

    /// Hands over an invocation; the answer comes through `caller`.
    pub(crate) fn invoke(
        &self,
        invocation: Arc<Invocation>,
        taker: Option<Arc<dyn TakeResponse>>,
        caller: oneshot::Sender<Answer>,
    ) {
        self.apply(|core| {
            core.drain();
            core.tail_wanted = invocation.tail;
            core.caller = Some(caller);
            (core.taker, core.streaming) = (taker, false);
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

    fn begin(&self, request_id: &str, content_type: Option<&str>) -> Begun {
        let mut core = self.core();
        // Whatever is no answer to this invocation is judged by the machine, once it is whole.
        if !core.machine.runs(request_id) {
            return Begun::Collecting;
        }
        if core.streaming {
            return Begun::Refused(SECOND_RESPONSE);
        }
        let Some(taker) = core.taker.clone() else { return Begun::Collecting };
        core.streaming = true;
        taker.begin(ResponseHead {
            executed_version: core.function.version.clone(),
            content_type: content_type.map(str::to_owned),
        });
        Begun::Streaming(taker)
    }

    fn report(&self, request_id: String, reported: Reported, sending: Duration) -> Verdicted {
        let mut is_second = false;
        let verdict = self.apply(|core| {
            // The caller has the beginning of another one.
            is_second = core.streaming && matches!(reported, Reported::Success(_));
            if is_second {
                return None;
            }
            core.flush();
            Some(Event::Report { request_id, reported, sending })
        });
        if is_second {
            return SECOND_RESPONSE;
        }
        verdict.expect("the machine judges every report")
    }

    fn restore_next(&self, asking: Option<Ends>) -> Restoring {
        self.with(|core| match core.log.initialization() {
            Initialization::Snapshot => {
                core.flush_unheard();
                core.apply(Event::SnapshotDue { asking });
                Restoring::Later
            }
            other if other.is_snap_start() => Restoring::Now,
            _ => Restoring::Refused,
        })
    }

    fn restore_error(&self, failure: Failure) -> Verdicted {
        if !self.core().log.initialization().is_snap_start() {
            return Verdicted::InvalidState(self.core().machine.state_name());
        }
        let verdict = self.apply(|core| {
            core.flush_unheard();
            Some(Event::RestoreError { failure })
        });
        verdict.expect("the machine judges every report")
    }

    fn init_error(&self, failure: Failure) -> Verdicted {
        let verdict = self.apply(|core| {
            core.flush_unheard();
            if let Some(advice) = core.function.plan.advice(&failure.body) {
                core.write_advice(&advice);
            }
            Some(Event::InitError { failure })
        });
        verdict.expect("the machine judges every report")
    }
}

impl Extensions for Shared {
    fn register(&self, name: String, events: Events) -> Result<Registered, Refusal> {
        self.with(|core| core.register(name, events))
    }

    fn next(&self, id: ExtensionId, poller: oneshot::Sender<ExtensionEvent>) -> Result<(), Refusal> {
        self.with(|core| {
            core.drain();
            core.extension_next(id, poller)
        })
    }

    fn error(&self, id: ExtensionId, init: bool, error_type: String) -> Result<(), Refusal> {
        self.with(|core| core.extension_error(id, init, error_type))
    }

    fn subscribe(&self, id: ExtensionId, subscription: Subscription) -> Result<(), SubscriptionError> {
        self.with(|core| core.subscribe(id, subscription))
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
    pub(crate) fn launched(&self, control: Control, placement: Placement, pipes: Pipes, told: bool) {
        self.apply(|core| {
            let freeze_after = control.freezer().map(|_| AFTER);
            core.sandbox = Some(Grip { control, placement, pipes, told });
            (core.notify)(core.id, Status::Launched);
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

    /// The pipes that are watched; `None` once the environment is over.
    pub(crate) fn watched(&self) -> Option<Vec<Arc<Receiver>>> {
        self.core().sandbox.as_ref().map(|grip| grip.pipes.watched())
    }

    /// Where an extension that was started writes.
    pub(crate) fn extension_output(&self, slot: u8, output: OwnedFd) {
        self.core().extension_output(slot, output);
    }

    /// Takes over what the function has written so far. Answers how long nobody needs to look again; `None` where the
    /// pipes are watched.
    pub(crate) fn look_at_output(&self) -> Option<Duration> {
        self.core().look_at_output()
    }

    pub(crate) fn sandbox_event(&self, event: SandboxEvent) {
        self.apply(|core| {
            if event == SandboxEvent::Reset {
                core.pollers.clear();
                core.desk.clear();
                core.finish_output();
                core.log.end_subscriptions();
            } else {
                core.flush_unheard();
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
            core.flush_unheard();
            Some(Event::Deadline)
        });
    }

    /// What came of the snapshot. The machine has ended, and nothing of the sandbox is needed.
    pub(crate) fn snapshot_taken(&self, taken: Result<Snapshot, String>) {
        let mut core = self.core();
        core.taken = Some(taken.map_err(NoSnapshot::Engine));
        if let Some(grip) = &core.sandbox {
            grip.control.kill();
        }
    }

    /// The same, for who has waited for the environment's end.
    pub(crate) fn take_taken(&self) -> Option<Taken> {
        self.core().taken.take()
    }

    /// A failure of the platform that leaves nothing to save; the sandbox's `Gone` follows.
    pub(crate) fn fail(&self, reason: &str) {
        self.core().fail(reason);
    }

    /// Its snapshot was not brought to life.
    pub(crate) fn not_restored(&self) {
        self.apply(|_| Some(Event::NotRestored));
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
        (core.caller, core.taker) = (None, None);
        core.pollers.clear();
        core.desk.clear();
        core.chores.clear();
        if let Some(grip) = core.sandbox.take() {
            // Under version 1 what was frozen and killed dies only now; a launcher that was killed thaws nothing. It
            // fails where the sandbox is gone, as it mostly is.
            let _gone = grip.control.thaw();
        }
    }
}
