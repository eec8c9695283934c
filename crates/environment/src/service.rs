//! The task that owns an environment: feeds the machine, carries out its effects.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lambent_model::{
    Bytes as ByteCount, Clock, EnvironmentId, FunctionArn, LogRecord, LogSink, LogStream, MemorySize, Origin,
    Timestamp,
};
use lambent_sandbox_client::{
    Connection, Control, Error as SandboxError, Event as SandboxEvent, Isolation, Launcher, Mount, Network,
    Program, Sandbox, Spec,
};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::Logging;
use crate::api::{self, Ask, Delivery};
use crate::machine::{Effect, Event, Machine, Settings, Start, Verdicted};
use crate::output::{Frame, Frames, Lines};
use crate::record::{Record, Subject};
use lambent_model::{Completed, Invocation, Outcome, Report};

/// "File descriptors and processes/threads: 1,024 each" (Lambda quotas).
const PIDS: u32 = 1024;
/// An environment holds one invocation, the wish to end it and nothing else.
const COMMANDS: usize = 4;
/// Runtime API calls in flight: a runtime makes one or two, a hostile one waits for its turn.
const CALLS: usize = 16;
/// Connections at once, of the runtime and to the platform each, for the same reason. Counted apart: a function that
/// keeps many connections to AWS services open must not keep its own runtime out.
const CONNECTIONS: usize = 32;
/// `X-Amz-Log-Result`: "the last 4 KB of the execution log".
const TAIL: usize = 4096;
/// What one event may drain from a pipe before others get their turn.
const DRAIN: usize = 256 * 1024;

/// Serves a connection that a function opened to the platform's endpoint; the caller is the function's role.
pub type ServePlatform =
    Arc<dyn Fn(Connection, Arc<Function>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What all environments of a server share.
pub struct World {
    /// Makes sandboxes.
    pub launcher: Launcher,
    /// How they are kept apart.
    pub isolation: Isolation,
    /// What their network reaches.
    pub network: Network,
    /// Wall clock for logs and deadlines.
    pub clock: Arc<dyn Clock>,
    /// Where log records go.
    pub logs: Arc<dyn LogSink>,
    /// CPUs of the host, in thousandths: a share above it needs no throttle. `None` where shares cannot be kept.
    pub cpu_millis: Option<u32>,
    /// Serves the platform's endpoint inside.
    pub platform: ServePlatform,
}

/// Where an environment ended up, which decides what its programs are told.
#[derive(Debug, Clone)]
pub struct Placement {
    /// `AWS_LAMBDA_RUNTIME_API`.
    pub runtime_api: SocketAddr,
    /// The platform's endpoint as seen from inside.
    pub platform: SocketAddr,
    /// `AWS_LAMBDA_LOG_STREAM_NAME`.
    pub log_stream: String,
}

/// Why the function's runtime cannot be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartError {
    /// `errorType` for the caller.
    pub error_type: String,
    /// What happened and what to do.
    pub message: String,
}

/// How to run a function's runtime; composed outside, because interpreters and variables are no business of the
/// environment.
pub trait Plan: Send + Sync {
    /// The read-only directories of the function.
    fn mounts(&self) -> Vec<Mount>;
    /// The runtime's command line and environment variables.
    ///
    /// # Errors
    /// When the host lacks what the function needs, or the package holds no entry point.
    fn program(&self, placement: &Placement) -> Result<Program, StartError>;
}

/// One version of a function, as an environment needs it. Immutable: an update makes a new one.
pub struct Function {
    /// Unqualified ARN.
    pub arn: FunctionArn,
    /// `$LATEST` or a number.
    pub version: String,
    /// Execution role.
    pub role: String,
    /// Time limit of an invocation.
    pub timeout: Duration,
    /// Memory, and with it CPU.
    pub memory: MemorySize,
    /// Size of `/tmp`.
    pub tmp: ByteCount,
    /// For `INIT_START`, such as `python:3.12.v1`.
    pub runtime_version: String,
    /// For `INIT_START`.
    pub runtime_version_arn: String,
    /// The log group.
    pub log_group: String,
    /// How platform records are written.
    pub logging: Logging,
    /// Mounts, command and variables.
    pub plan: Box<dyn Plan>,
}

/// What an environment tells its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It can take an invocation.
    Available,
    /// It cannot take one until it says [`Status::Available`] again.
    Lingering,
    /// It is gone for good.
    Ended,
}

/// Takes a status. Called from the environment's task: it must not block.
pub type Notify = Arc<dyn Fn(EnvironmentId, Status) + Send + Sync>;

/// The answer to an invocation, or the invocation itself when the environment could not take it.
type Answer = Result<Completed, Arc<Invocation>>;

enum Command {
    Invoke(Arc<Invocation>, oneshot::Sender<Answer>),
    Retire,
}

/// A way to reach an environment. The environment outlives its handles.
#[derive(Clone)]
pub struct Handle {
    id: EnvironmentId,
    commands: mpsc::Sender<Command>,
}

impl Handle {
    /// Names the environment.
    #[must_use]
    pub fn id(&self) -> EnvironmentId {
        self.id
    }

    /// Hands over one invocation at once; the future waits for its end. Dropping it does not cancel the invocation,
    /// as on AWS.
    ///
    /// # Errors
    /// The future gives the invocation back when the environment ended or is not ready soon; the function has not
    /// seen it then.
    pub fn invoke(
        &self,
        invocation: Arc<Invocation>,
    ) -> impl Future<Output = Result<Completed, Arc<Invocation>>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        // Full or closed: the command is dropped, and with it `reply`, which the future sees.
        let _not_taken = self.commands.try_send(Command::Invoke(Arc::clone(&invocation), reply));
        async move { answer.await.unwrap_or(Err(invocation)) }
    }

    /// Lets a running invocation finish, then ends the environment.
    pub fn retire(&self) {
        // Full: an invocation and earlier wishes to retire are queued; closed: it has ended. Both need no second.
        let _queued_or_ended = self.commands.try_send(Command::Retire);
    }
}

/// Creates an environment; the returned future is its whole life and is spawned by the caller, who owns the task.
pub fn spawn(
    world: Arc<World>,
    function: Arc<Function>,
    id: EnvironmentId,
    notify: Notify,
) -> (Handle, impl Future<Output = ()> + Send) {
    let (commands, received) = mpsc::channel(COMMANDS);
    let farewell = Farewell { id, notify };
    let task = async move {
        let log = Log::new(&world, &function, id);
        run(&world, &function, id, &farewell.notify, received, log).await;
    };
    (Handle { id, commands }, task)
}

/// Says [`Status::Ended`] however the environment's task ends: a pool that never heard of it would count the
/// environment as busy for ever.
struct Farewell {
    id: EnvironmentId,
    notify: Notify,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        (self.notify)(self.id, Status::Ended);
    }
}

async fn run(
    world: &Arc<World>,
    function: &Arc<Function>,
    id: EnvironmentId,
    notify: &Notify,
    commands: mpsc::Receiver<Command>,
    log: Log,
) {
    let machine = Machine::new(Settings { timeout: function.timeout, memory: function.memory });
    let spec = Spec {
        id,
        isolation: world.isolation,
        network: world.network,
        mounts: function.plan.mounts(),
        memory: function.memory.bytes(),
        tmp: function.tmp,
        pids: PIDS,
    };
    let mut task = Task {
        world: Arc::clone(world),
        function: Arc::clone(function),
        id,
        notify: Arc::clone(notify),
        machine,
        log,
        caller: None,
        tail_wanted: false,
        pollers: Vec::new(),
        reply: None,
        deadline: None,
        sandbox: None,
        oom_kills_seen: 0,
    };
    match world.launcher.launch(spec).await {
        Ok(sandbox) => task.live(sandbox, commands).await,
        Err(error) => task.stillborn(&error.to_string(), commands).await,
    }
}

/// The sandbox's parts that effects act upon.
struct Grip {
    control: Control,
    placement: Placement,
}

struct Task {
    world: Arc<World>,
    function: Arc<Function>,
    id: EnvironmentId,
    notify: Notify,
    machine: Machine,
    log: Log,
    /// Who waits for the invocation that the machine has.
    caller: Option<oneshot::Sender<Answer>>,
    /// Whether that caller asked for the log's tail.
    tail_wanted: bool,
    /// Runtime connections that wait at `/next`.
    pollers: Vec<oneshot::Sender<Delivery>>,
    /// The runtime's call that the machine is judging.
    reply: Option<oneshot::Sender<Verdicted>>,
    deadline: Option<Instant>,
    sandbox: Option<Grip>,
    oom_kills_seen: u64,
}

impl Task {
    /// The sandbox could not be made: everyone who comes is told why, and the environment ends.
    async fn stillborn(&mut self, reason: &str, mut commands: mpsc::Receiver<Command>) {
        commands.close();
        while let Some(command) = commands.recv().await {
            if let Command::Invoke(_, caller) = command {
                let outcome =
                    Outcome::Platform(format!("the execution environment could not be made: {reason}"));
                let completed = Completed { outcome, report: None, log_tail: None };
                // A caller that has gone away needs no answer.
                let _gone = caller.send(Ok(completed));
            }
        }
    }

    async fn live(&mut self, sandbox: Sandbox, mut commands: mpsc::Receiver<Command>) {
        let Sandbox { mut runtime_api, mut platform, output, control, mut events } = sandbox;
        let placement = Placement {
            runtime_api: runtime_api.address(),
            platform: platform.address(),
            log_stream: self.log.stream.stream.clone(),
        };
        self.sandbox = Some(Grip { control, placement });
        let (Ok(stdio), Ok(telemetry)) =
            (pipe::Receiver::from_owned_fd(output.stdio), pipe::Receiver::from_owned_fd(output.telemetry))
        else {
            return self.stillborn("its output pipes cannot be read", commands).await;
        };
        let mut pipes = Pipes { stdio: Some(stdio), telemetry: Some(telemetry) };
        let (asks, mut asked) = mpsc::channel(CALLS);
        let requests = api::Requests::new(asks);
        // Every connection ends with the environment: dropping the set aborts what is left.
        let (mut connections, mut platform_connections) = (JoinSet::new(), JoinSet::new());

        self.apply(Event::Launched).await;
        loop {
            let room = connections.len() < CONNECTIONS;
            let platform_room = platform_connections.len() < CONNECTIONS;
            // Biased: an ended sandbox first; then the deadline and the pool's wishes, which a runtime that floods its
            // API must not be able to put off; output comes last since each event drains it anyway.
            tokio::select! { biased;
                event = events.recv() => {
                    pipes.drain(&mut self.log);
                    match event {
                        Some(SandboxEvent::Gone { reason }) => {
                            pipes.flush(&mut self.log);
                            return self.apply(Event::Gone { reason }).await;
                        }
                        None => return self.apply(Event::Gone { reason: "its launcher is gone".into() }).await,
                        Some(event) => {
                            if event == SandboxEvent::Reset {
                                pipes.finish(&mut self.log);
                            }
                            let event = self.translate(event);
                            pipes.flush(&mut self.log);
                            self.apply(event).await;
                        }
                    }
                }
                () = sleep_until(self.deadline) => {
                    self.deadline = None;
                    pipes.drain(&mut self.log);
                    pipes.flush(&mut self.log);
                    self.apply(Event::Deadline).await;
                }
                Some(command) = commands.recv() => {
                    pipes.drain(&mut self.log);
                    match command {
                        Command::Invoke(invocation, caller) => {
                            self.caller = Some(caller);
                            self.tail_wanted = invocation.tail;
                            self.apply(Event::Invoke(invocation)).await;
                        }
                        Command::Retire => self.apply(Event::Retire).await,
                    }
                }
                Some(ask) = asked.recv() => {
                    pipes.drain(&mut self.log);
                    if !matches!(ask, Ask::Next(_)) {
                        pipes.flush(&mut self.log);
                    }
                    self.ask(ask).await;
                }
                Some(_ended) = connections.join_next() => {}
                Some(_ended) = platform_connections.join_next() => {}
                accepted = runtime_api.accept(), if room => match accepted {
                    Ok(connection) => { connections.spawn(api::serve(connection, requests.clone())); }
                    Err(error) => self.end(&format!("its Runtime API socket failed: {error}")),
                },
                accepted = platform.accept(), if platform_room => match accepted {
                    Ok(connection) => {
                        platform_connections.spawn((self.world.platform)(connection, Arc::clone(&self.function)));
                    }
                    Err(error) => self.end(&format!("its platform socket failed: {error}")),
                },
                () = pipes.readable() => { pipes.drain(&mut self.log); }
            }
        }
    }

    /// A failure of the platform that leaves nothing to save; the sandbox's `Gone` follows.
    fn end(&mut self, reason: &str) {
        self.log.write(self.world.clock.now(), Origin::Platform, format!("environment ended: {reason}"));
        if let Some(grip) = &self.sandbox {
            grip.control.kill();
        }
    }

    /// Ends the environment when an order to the sandbox failed. One that is gone says so itself, with the reason.
    fn check(&mut self, ordered: Result<(), SandboxError>, what: &str) {
        match ordered {
            Ok(()) | Err(SandboxError::Gone(_)) => {}
            Err(error) => self.end(&format!("{what}: {error}")),
        }
    }

    fn translate(&mut self, event: SandboxEvent) -> Event {
        match event {
            SandboxEvent::StartFailed { errno } => Event::StartFailed { failure: self.start_failure(errno) },
            SandboxEvent::Exited(exit) => {
                let kills = self.sandbox.as_ref().map_or(0, |grip| grip.control.usage().oom_kills);
                let out_of_memory = kills > self.oom_kills_seen;
                self.oom_kills_seen = kills;
                Event::Exited { exit, out_of_memory }
            }
            SandboxEvent::Reset => Event::Reset,
            SandboxEvent::Gone { reason } => Event::Gone { reason },
        }
    }

    /// AWS words a failing `execve` as Go does.
    fn start_failure(&self, errno: i32) -> Start {
        let text = std::io::Error::from_raw_os_error(errno).to_string().to_lowercase();
        let text = text.split(" (os error").next().unwrap_or_default();
        let file = self.sandbox.as_ref().and_then(|grip| self.function.plan.program(&grip.placement).ok());
        let file = file.and_then(|program| program.argv.first().map(PathBuf::from)).unwrap_or_default();
        Start {
            error_type: "Runtime.InvalidEntrypoint".into(),
            message: format!("fork/exec {}: {text}", file.display()),
        }
    }

    async fn ask(&mut self, ask: Ask) {
        match ask {
            // Whoever asked is gone, perhaps with the last runtime: it must not be taken for the next one's readiness.
            Ask::Next(poller) if poller.is_closed() => {}
            Ask::Next(poller) => {
                self.pollers.retain(|poller| !poller.is_closed());
                self.pollers.push(poller);
                self.apply(Event::Next).await;
            }
            Ask::Report { request_id, reported, reply } => {
                self.reply = Some(reply);
                self.apply(Event::Report { request_id, reported }).await;
            }
            Ask::InitError { failure, reply } => {
                self.reply = Some(reply);
                self.apply(Event::InitError { failure }).await;
            }
        }
    }

    async fn apply(&mut self, event: Event) {
        let mut event = Some(event);
        // Starting the runtime may fail on the spot, which is the next event.
        while let Some(current) = event.take() {
            let used = self.memory_used_mb(&current);
            for effect in self.machine.apply(current, Instant::now(), used) {
                if let Some(next) = self.carry_out(effect).await {
                    event = Some(next);
                }
            }
        }
    }

    /// The peak in MB, read only for events that may end in a REPORT.
    fn memory_used_mb(&self, event: &Event) -> Option<u64> {
        match event {
            Event::Next | Event::Invoke(_) | Event::Launched | Event::Retire => None,
            _ => {
                let peak = self.sandbox.as_ref()?.control.usage().memory_peak?;
                Some(peak.0.div_ceil(1024 * 1024))
            }
        }
    }

    async fn carry_out(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::StartRuntime => return self.start_runtime().await,
            Effect::Deliver(invocation, deadline) => self.deliver(&invocation, deadline),
            Effect::Reply(verdict) => {
                if let Some(reply) = self.reply.take() {
                    // A runtime that hung up meanwhile does not need its verdict.
                    let _hung_up = reply.send(verdict);
                }
            }
            Effect::Answer(outcome, report) => self.answer(outcome, report),
            Effect::Decline(invocation) => {
                if let Some(caller) = self.caller.take() {
                    let _gone = caller.send(Err(invocation));
                }
                (self.notify)(self.id, Status::Lingering);
            }
            Effect::Log(record) => self.log_platform(&record),
            Effect::Deadline(deadline) => self.deadline = deadline,
            Effect::Available => (self.notify)(self.id, Status::Available),
            Effect::Throttle(on) => self.throttle(on).await,
            Effect::Reset => {
                let reset = self.sandbox.as_ref()?.control.reset().await;
                self.check(reset, "it could not be reset");
            }
            Effect::Kill => self.sandbox.as_ref()?.control.kill(),
        }
        None
    }

    async fn start_runtime(&mut self) -> Option<Event> {
        let grip = self.sandbox.as_ref()?;
        match self.function.plan.program(&grip.placement) {
            Ok(program) => {
                let started = grip.control.start(program).await;
                self.check(started, "its runtime could not be started");
                None
            }
            Err(StartError { error_type, message }) => {
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

    async fn throttle(&mut self, on: bool) {
        let share = self.function.memory.cpu_millis();
        if self.world.cpu_millis.is_none_or(|all| share >= all) {
            return;
        }
        let Some(grip) = &self.sandbox else { return };
        let set = grip.control.set_cpu(on.then_some(share)).await;
        self.check(set, "its CPU share could not be set");
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// The environment's log stream, and the tail of the running invocation.
struct Log {
    sink: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    stream: Arc<LogStream>,
    subject: Subject,
    lines: Lines,
    frames: Frames,
    tail: Option<Vec<u8>>,
}

impl Log {
    fn new(world: &World, function: &Function, id: EnvironmentId) -> Self {
        let (year, month, day, ..) = world.clock.now().civil();
        let name = &function.arn.name;
        // A group that functions share names the function in its streams.
        let function_name =
            if function.log_group == format!("/aws/lambda/{name}") { "" } else { name.as_str() };
        let stream = LogStream {
            scope: function.arn.scope.clone(),
            group: function.log_group.clone(),
            stream: format!(
                "{year:04}/{month:02}/{day:02}/{function_name}[{}]{}",
                function.version,
                id.simple()
            ),
        };
        Self {
            sink: Arc::clone(&world.logs),
            clock: Arc::clone(&world.clock),
            stream: Arc::new(stream),
            subject: Subject {
                function_name: name.clone(),
                function_version: function.version.clone(),
                runtime_version: function.runtime_version.clone(),
                runtime_version_arn: function.runtime_version_arn.clone(),
            },
            lines: Lines::default(),
            frames: Frames::default(),
            tail: None,
        }
    }

    fn write(&mut self, at: Timestamp, origin: Origin, message: String) {
        if let Some(tail) = &mut self.tail {
            tail.extend_from_slice(message.as_bytes());
            tail.push(b'\n');
            if tail.len() > TAIL {
                tail.drain(..tail.len() - TAIL);
            }
        }
        self.sink.write(LogRecord { stream: Arc::clone(&self.stream), at, origin, message });
    }

    fn stdio(&mut self, bytes: &[u8]) {
        let mut lines = std::mem::take(&mut self.lines);
        let at = self.clock.now();
        lines.feed(bytes, &mut |line| self.write(at, Origin::Function, line));
        self.lines = lines;
    }

    fn telemetry(&mut self, bytes: &[u8]) {
        let mut frames = std::mem::take(&mut self.frames);
        frames.feed(bytes, &mut |frame| self.framed(frame));
        self.frames = frames;
    }

    fn flush_telemetry(&mut self) {
        let mut frames = std::mem::take(&mut self.frames);
        frames.flush(&mut |frame| self.framed(frame));
        self.frames = frames;
    }

    fn framed(&mut self, frame: Frame) {
        // The function's own clock orders its records; one that lies about the future is not believed.
        let now = self.clock.now();
        let at = frame.at.filter(|at| *at <= now).unwrap_or(now);
        self.write(at, Origin::Function, frame.message);
    }
}

/// The pipes that the function writes to; `None` once closed.
struct Pipes {
    stdio: Option<pipe::Receiver>,
    telemetry: Option<pipe::Receiver>,
}

impl Pipes {
    async fn readable(&self) {
        async fn one(pipe: Option<&pipe::Receiver>) {
            match pipe {
                // An error shows again at the read that follows.
                Some(pipe) => drop(pipe.readable().await),
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = one(self.stdio.as_ref()) => {}
            () = one(self.telemetry.as_ref()) => {}
        }
    }

    /// Reads what is there, within a limit; true when there is more. What a function wrote before it reported a result is there by then, so its lines come
    /// before `END`.
    fn drain(&mut self, log: &mut Log) -> bool {
        let more = read(&mut self.telemetry, &mut |bytes| log.telemetry(bytes));
        read(&mut self.stdio, &mut |bytes| log.stdio(bytes)) || more
    }

    /// Takes all that dead writers have left, so that none of it is mixed with what the next ones write.
    fn finish(&mut self, log: &mut Log) {
        while self.drain(log) {}
        log.flush_telemetry();
    }

    fn flush(&mut self, log: &mut Log) {
        let mut lines = std::mem::take(&mut log.lines);
        let at = log.clock.now();
        lines.flush(&mut |line| log.write(at, Origin::Function, line));
        log.lines = lines;
    }
}

/// True when the limit ended it.
fn read(pipe: &mut Option<pipe::Receiver>, take: &mut impl FnMut(&[u8])) -> bool {
    let Some(receiver) = pipe else { return false };
    let mut buffer = [0; 16 * 1024];
    let mut total = 0;
    while total < DRAIN {
        match receiver.try_read(&mut buffer) {
            Ok(length @ 1..) => {
                take(&buffer[..length]);
                total += length;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
            Ok(0) | Err(_) => {
                *pipe = None;
                return false;
            }
        }
    }
    true
}
