//! The task that owns an environment from the sandbox's launch to its end: connections, deaths, deadlines, chores.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lambent_model::{Completed, EnvironmentId, Invocation, Origin, Segment, TakeResponse, Work};
use lambent_sandbox_client::{
    Control, Datagrams, Error as SandboxError, Event as SandboxEvent, Foretell, Sandbox, Snapshot,
    Snapshotting, Spec,
};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::api::{self, Credentials, Metadata, Requests, zone};
use crate::core::{Chore, Shared};
use crate::initialization::ON_DEMAND;
use crate::pipes::{Pipes, readable};
use crate::snapshot::{ASKED_AGAIN, NoSnapshot, Taken};
use crate::steady::steady;
use crate::{Function, Guest, Initialization, Notify, Placement, Secrets, Status, World, telemetry};

/// "File descriptors and processes/threads: 1,024 each" (Lambda quotas).
const PIDS: u32 = 1024;
/// Connections at once, of the runtime and to the platform each: a runtime makes one or two, a hostile one waits for
/// its turn. Counted apart: a function that keeps many connections to AWS services open must not keep its own runtime
/// out.
const CONNECTIONS: usize = 32;

/// A function traces some subsegments for each call that it makes; 12,800 a second are not dropped.
const SEGMENTS_IN_A_ROW: u32 = 64;

/// From the wish for a sandbox to its readiness. A host on which a thousand launches wait for each other takes a few
/// seconds; one that takes longer than this hangs, and so would the caller.
const LAUNCH_TIMEOUT: Duration = Duration::from_secs(60);

/// An order to the sandbox is taken within a millisecond; the task, which keeps the deadlines, waits for it.
const ORDER_TIMEOUT: Duration = Duration::from_secs(30);

/// A snapshot is written as fast as the disk takes it, and the launcher gives CRIU a minute.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(90);

/// "The X-Ray daemon receives segments of up to 64 KB"; a datagram is no larger.
const SEGMENT_LIMIT: usize = 64 * 1024;

/// Between two batches of segments of a function that sends nothing else.
const SEGMENTS_PAUSE: Duration = Duration::from_millis(5);

/// A way to reach an environment. The environment outlives its handles.
#[derive(Clone)]
pub struct Handle {
    id: EnvironmentId,
    shared: Arc<Shared>,
}

impl Handle {
    /// Names the environment.
    #[must_use]
    pub fn id(&self) -> EnvironmentId {
        self.id
    }

    /// Hands over one invocation at once; the future waits for its end. `taker` is for a caller who takes the response
    /// as it is made; one that comes whole is in the outcome all the same. Dropping it does not cancel the invocation,
    /// as on AWS.
    ///
    /// # Errors
    /// The future gives the invocation back when the environment ended or is not ready soon; the function has not
    /// seen it then.
    pub fn invoke(
        &self,
        invocation: Arc<Invocation>,
        taker: Option<Arc<dyn TakeResponse>>,
    ) -> impl Future<Output = Result<Completed, Arc<Invocation>>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        self.shared.invoke(Arc::clone(&invocation), taker, reply);
        async move { answer.await.unwrap_or(Err(invocation)) }
    }

    /// What came of the snapshot that the environment was for.
    pub(crate) fn taken(&self) -> Option<Taken> {
        self.shared.take_taken()
    }

    /// Lets a running invocation finish, then ends the environment. May be called under a lock that the
    /// environment's [`Notify`] takes.
    pub fn retire(&self) {
        self.shared.retire();
    }
}

/// Creates an environment; the returned future is its whole life and is spawned by the caller, who owns the task.
pub fn spawn(
    world: Arc<World>,
    function: Arc<Function>,
    id: EnvironmentId,
    initialization: Initialization,
    notify: Notify,
) -> (Handle, impl Future<Output = ()> + Send) {
    let initialization = match initialization {
        Initialization::OnDemand if function.snap_start => Initialization::SnapStart,
        other => other,
    };
    let (snapshot, snapshots) = match initialization {
        Initialization::Snapshot => (None, Snapshotting::Take),
        _ => match function.plan.snapshot() {
            Some(snapshot) => (Some(snapshot), Snapshotting::Restore),
            None => (None, Snapshotting::No),
        },
    };
    let shared = Shared::new(
        Arc::clone(&world),
        Arc::clone(&function),
        id,
        initialization,
        snapshot,
        Arc::clone(&notify),
    );
    // Here, so that it is part of the invocation that needs the environment; the life goes on without that.
    let launching = tracing::info_span!(target: "lambent::request", "launch", environment = %id);
    let farewell = Farewell { id, notify, shared: Arc::clone(&shared) };
    let life = async move {
        let shared = &farewell.shared;
        let spec = Spec {
            id,
            isolation: world.isolation,
            network: world.network,
            mounts: function.plan.mounts(),
            memory: function.memory.bytes(),
            tmp: function.tmp,
            pids: PIDS,
            snapshots,
        };
        let began = Instant::now();
        // One that was made in advance was made for neither.
        let kind = if snapshots == Snapshotting::No { function.plan.kind() } else { None };
        let secrets = function.plan.secrets().unwrap_or_else(|| Secrets::new(&*world.entropy));
        let site = Site { log_stream: shared.log_stream(), initialization, secrets };
        let sandbox = world.sandboxes.sandbox(spec, kind, foretell(&function, &site));
        let launched = tokio::time::timeout(LAUNCH_TIMEOUT, sandbox).instrument(launching).await;
        let work = if let Ok(Ok(_)) = launched { Work::Launch } else { Work::FailedLaunch };
        world.metrics.work(work, began.elapsed());
        let problem = match launched {
            Ok(Ok(sandbox)) => {
                return Task { world: &world, function: &function, shared }.live(sandbox, site).await;
            }
            Ok(Err(error)) => error.to_string(),
            // Dropping the launch has it undone.
            Err(_elapsed) => format!(
                "it was not ready after {} seconds; the host is overloaded, or the launcher hangs, which a restart ends",
                LAUNCH_TIMEOUT.as_secs()
            ),
        };
        tracing::warn!(function = %function.arn, version = %function.version, %problem, "no execution environment was made");
        shared.launch_failed(&format!("the execution environment could not be made: {problem}"));
    };
    (Handle { id, shared }, life)
}

/// What an environment's programs are told of it that does not depend on its sandbox.
#[derive(Clone)]
struct Site {
    log_stream: String,
    initialization: Initialization,
    secrets: Secrets,
}

impl Site {
    fn placement(&self, sandbox: &Sandbox) -> Placement {
        Placement {
            credentials_token: self.secrets.credentials_token.clone(),
            metadata_token: self.secrets.metadata_token.clone(),
            runtime_api: sandbox.runtime_api.address(),
            platform: sandbox.platform.address(),
            xray_daemon: sandbox.xray.address(),
            log_stream: self.log_stream.clone(),
            initialization: self.initialization,
        }
    }
}

/// What waits in a sandbox can be told at once what it is for, unless extensions have to be there first. A program that
/// cannot be started is left to when it is to be.
fn foretell(function: &Arc<Function>, site: &Site) -> Box<Foretell> {
    let (function, site) = (Arc::clone(function), site.clone());
    Box::new(move |sandbox| {
        let is_first = function.extensions.is_empty();
        is_first.then(|| function.plan.program(&site.placement(sandbox)).ok())?
    })
}

/// Initialises a function in an environment of its own and takes a snapshot of it, which is the environment's end.
///
/// # Errors
/// [`NoSnapshot`].
pub async fn take_snapshot(
    world: Arc<World>,
    function: Arc<Function>,
    id: EnvironmentId,
    notify: Notify,
) -> Result<Snapshot, NoSnapshot> {
    let (handle, life) = spawn(world, function, id, Initialization::Snapshot, notify);
    life.await;
    handle.taken().unwrap_or(Err(NoSnapshot::Ended))
}

/// Ends what is left and says [`Status::Ended`], however the environment's task ends: a pool that never heard of it
/// would count the environment as busy for ever, and its caller would wait as long.
struct Farewell {
    id: EnvironmentId,
    notify: Notify,
    shared: Arc<Shared>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.shared.bury("the server ended it");
        (self.notify)(self.id, Status::Ended);
    }
}

struct Task<'a> {
    world: &'a World,
    function: &'a Arc<Function>,
    shared: &'a Arc<Shared>,
}

impl Task<'_> {
    async fn live(&self, sandbox: Sandbox, site: Site) {
        let placement = site.placement(&sandbox);
        let Sandbox { mut runtime_api, mut platform, xray, output, control, mut events, told } = sandbox;
        let shared = self.shared;
        let pipes = match Pipes::new(output) {
            Ok(pipes) => pipes,
            Err(error) => return shared.bury(&format!("its output pipes cannot be read: {error}")),
        };
        let metadata = self.metadata(site.secrets.metadata_token);
        let credentials =
            Credentials { token: site.secrets.credentials_token, function: Arc::clone(self.function) };
        shared.launched(control.clone(), placement, pipes, told);
        let requests = Requests::new(shared.clone(), self.world.stream_rate)
            .with_metadata(metadata)
            .with_credentials(credentials);
        let guest = Guest {
            function: Arc::clone(self.function),
            bodies: Arc::new(Semaphore::new(Guest::BODIES_KIB as usize)),
        };
        // Every connection ends with the environment: dropping the sets aborts what is left.
        let (mut connections, mut platform_connections) = (JoinSet::new(), JoinSet::new());
        let mut deliveries = JoinSet::new();
        let mut rest_until = None;
        let (mut segment, mut segments_in_a_row) = (Vec::new(), 0);
        loop {
            shared.look_around(Instant::now());
            let (chores, deadline) = shared.take_work();
            for chore in chores {
                match chore {
                    // As many as extensions at most.
                    Chore::Deliver(delivery) => {
                        deliveries.spawn(telemetry::deliver(delivery, control.clone()));
                    }
                    chore => self.carry_out(chore, &control).await,
                }
            }
            let room = connections.len() < CONNECTIONS;
            let platform_room = platform_connections.len() < CONNECTIONS;
            let Some(watched) = shared.watched() else { return };
            // Biased: an ended sandbox first; then the deadline and what others left to do, which a function that
            // floods its pipes or its API must not be able to put off.
            tokio::select! { biased;
                event = events.recv() => match event {
                    Some(SandboxEvent::Gone { reason }) => {
                        return shared.sandbox_event(SandboxEvent::Gone { reason });
                    }
                    Some(event) => {
                        if event == SandboxEvent::Reset {
                            // Their processes are dead. What one had sent and nobody had read yet must not be taken
                            // for the next runtime's readiness.
                            connections.shutdown().await;
                            deliveries.shutdown().await;
                        }
                        shared.sandbox_event(event);
                    }
                    None => return shared.bury("its launcher is gone"),
                },
                () = sleep_until(deadline) => {}
                () = shared.wake.notified() => {}
                Some(_ended) = connections.join_next() => shared.disconnected(),
                Some(_ended) = platform_connections.join_next() => {}
                Some(_ended) = deliveries.join_next() => {}
                accepted = runtime_api.accept(), if room => match accepted {
                    Ok(connection) => {
                        let requests = requests.on_connection(connection.ends());
                        connections.spawn(steady(api::serve(connection, requests)));
                    }
                    Err(error) => shared.fail(&format!("its Runtime API socket failed: {error}")),
                },
                accepted = platform.accept(), if platform_room => match accepted {
                    Ok(connection) => {
                        platform_connections.spawn((self.world.platform)(connection, guest.clone()));
                    }
                    Err(error) => shared.fail(&format!("its platform socket failed: {error}")),
                },
                () = look_due(&watched, rest_until) => {
                    // Nobody waits for what is to rest.
                    drop(watched);
                    rest_until = shared.look_at_output().map(|rest| Instant::now() + rest);
                }
                received = receive(&xray, &mut segment, &mut segments_in_a_row) => match received {
                    Ok(length) => self.segment(&segment[..length]),
                    Err(error) => shared.fail(&format!("its X-Ray socket failed: {error}")),
                },
            }
        }
    }

    async fn carry_out(&self, chore: Chore, control: &Control) {
        let what = match chore {
            Chore::Start(_) | Chore::GoOn => "its runtime could not be started",
            Chore::Restore(_) => "its snapshot could not be restored",
            Chore::TakeSnapshot { .. } => "its snapshot could not be taken",
            Chore::StartExtension(..) => "an extension could not be started",
            Chore::Terminate | Chore::KillProgram(_) => "its processes could not be told to end",
            Chore::Deliver(_) => unreachable!("`live` spawns these"),
            Chore::Reset => "it could not be reset",
            Chore::Throttle(_) => "its CPU share could not be set",
        };
        let patience =
            if matches!(chore, Chore::TakeSnapshot { .. }) { SNAPSHOT_TIMEOUT } else { ORDER_TIMEOUT };
        let order = async {
            match chore {
                Chore::Start(program) => control.start(program).await,
                Chore::GoOn => control.go_on().await,
                Chore::Restore(snapshot) => {
                    let restoring = control.restore(&snapshot, ASKED_AGAIN);
                    match tokio::time::timeout(ON_DEMAND, restoring).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => self.not_restored(&error.to_string()),
                        Err(_elapsed) => self.not_restored("it took too long"),
                    }
                    Ok(())
                }
                Chore::TakeSnapshot { asking } => {
                    let taken = control.snapshot(asking).await;
                    self.shared.snapshot_taken(taken.map_err(|error| error.to_string()));
                    Ok(())
                }
                Chore::StartExtension(slot, program) => {
                    let output = control.start_extension(slot, program).await;
                    output.map(|output| self.shared.extension_output(slot, output))
                }
                Chore::Terminate => {
                    control.terminate().await;
                    Ok(())
                }
                Chore::KillProgram(slot) => {
                    control.kill_program(slot).await;
                    Ok(())
                }
                Chore::Deliver(_) => Ok(()),
                Chore::Reset => control.reset().await,
                Chore::Throttle(on) => self.throttle(on, control).await,
            }
        };
        match tokio::time::timeout(patience, order).await {
            // A sandbox that is gone says so itself, with the reason.
            Ok(Ok(()) | Err(SandboxError::Gone(_))) => {}
            Ok(Err(error)) => self.shared.fail(&format!("{what}: {error}")),
            Err(_elapsed) => self
                .shared
                .fail(&format!("{what}: there was no answer within {} seconds", patience.as_secs())),
        }
    }

    /// Whoever waits for it has one that is initialised instead, as have those who come later.
    fn not_restored(&self, why: &str) {
        self.function.plan.snapshot_failed(why);
        self.shared.not_restored();
    }

    fn metadata(&self, token: String) -> Metadata {
        Metadata { token, zone: zone(self.function.arn.scope.region.as_str()) }
    }

    /// Hands on what the function has sent to X-Ray's daemon: a line that says what it is, and the segment (X-Ray
    /// Developer Guide, "Sending segment documents to the X-Ray daemon").
    fn segment(&self, datagram: &[u8]) {
        let Some(end) = datagram.iter().position(|byte| *byte == b'\n') else { return };
        let Ok(document) = std::str::from_utf8(&datagram[end + 1..]) else { return };
        self.world.traces.write(Segment {
            scope: self.function.arn.scope.clone(),
            at: self.world.clock.now(),
            origin: Origin::Function,
            document: document.to_owned(),
        });
    }

    async fn throttle(&self, on: bool, control: &Control) -> Result<(), SandboxError> {
        let share = self.function.memory.cpu_millis();
        if self.world.cpu_millis.is_none_or(|all| share >= all) {
            return Ok(());
        }
        control.set_cpu(on.then_some(share)).await
    }
}

/// Waits until the pipes are to be looked at. A writer may meanwhile wait at a full one; nothing waits for the writer.
async fn look_due(watched: &[Arc<Receiver>], rest_until: Option<Instant>) {
    tokio::select! {
        () = sleep_until(rest_until) => {}
        () = readable(watched) => {}
    }
}

/// Receives a datagram. After some in a row the next is waited for a moment longer, and what comes meanwhile is dropped by
/// the kernel: a function that sends nothing else must not cost the server as much CPU as it has.
/// Most functions send none, so that the buffer is made for the first.
async fn receive(xray: &Datagrams, buffer: &mut Vec<u8>, in_a_row: &mut u32) -> io::Result<usize> {
    if *in_a_row == SEGMENTS_IN_A_ROW {
        tokio::time::sleep(SEGMENTS_PAUSE).await;
        *in_a_row = 0;
    }
    loop {
        xray.readable().await?;
        buffer.resize(SEGMENT_LIMIT, 0);
        match xray.receive(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            received => {
                *in_a_row += 1;
                return received;
            }
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
