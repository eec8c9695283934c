//! What an environment is made from and for: the world around it, its function, who hears of it.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use lambent_model::{
    Bytes, Clock, Entropy, EnvironmentId, FunctionArn, LogSink, MemorySize, MetricSink, Timestamp, TraceSink,
};
use lambent_sandbox_client::{
    Connection, Error as SandboxError, Foretell, Isolation, Kind, Mount, Network, Program, Sandbox, Snapshot,
    Spec,
};
use tokio::sync::Semaphore;

use crate::{IdleFreezer, Initialization, Logging, StreamRate};

/// Who calls the platform from inside an environment.
#[derive(Clone)]
pub struct Guest {
    /// The caller is its role.
    pub function: Arc<Function>,
    /// How many KiB of requests' bodies the environment may have the server hold, over all its connections.
    pub bodies: Arc<Semaphore>,
}

impl Guest {
    /// Four events of the largest size at once, or hundreds of usual ones. Without it each of an environment's
    /// connections could fill the server's memory with one.
    pub const BODIES_KIB: u32 = 25 * 1024;
}

/// Serves a connection that a function opened to the platform's endpoint.
pub type ServePlatform =
    Arc<dyn Fn(Connection, Guest) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A sandbox, or why there is none. Dropping the future half-way leaves nothing behind.
pub type SandboxFuture = Pin<Box<dyn Future<Output = Result<Sandbox, SandboxError>> + Send>>;

/// Where sandboxes come from.
pub trait Sandboxes: Send + Sync {
    /// A sandbox for a function: made for it, or one that was made in advance, if there is one of this kind. Either way
    /// it shows what `spec` says and has its limits; what was started in it in advance goes on with its first program,
    /// which it may have been told already.
    fn sandbox(&self, spec: Spec, kind: Option<Kind>, foretell: Box<Foretell>) -> SandboxFuture;
}

/// What all environments of a server share.
pub struct World {
    /// Makes sandboxes.
    pub sandboxes: Arc<dyn Sandboxes>,
    /// How they are kept apart.
    pub isolation: Isolation,
    /// What their network reaches.
    pub network: Network,
    /// Freezes those that are idle.
    pub freezer: IdleFreezer,
    /// Wall clock for logs and deadlines.
    pub clock: Arc<dyn Clock>,
    /// Where log records go.
    pub logs: Arc<dyn LogSink>,
    /// Makes the identifiers of extensions.
    pub entropy: Arc<dyn Entropy>,
    /// Where segments for X-Ray go.
    pub traces: Arc<dyn TraceSink>,
    /// Where measurements go.
    pub metrics: Arc<dyn MetricSink>,
    /// CPUs of the host, in thousandths: a share above it needs no throttle. `None` where shares cannot be kept.
    pub cpu_millis: Option<u32>,
    /// Serves the platform's endpoint inside.
    pub platform: ServePlatform,
    /// How fast responses are streamed; `None` for as fast as caller and function can.
    pub stream_rate: Option<StreamRate>,
}

/// Where an environment ended up, which decides what its programs are told.
#[derive(Debug, Clone)]
pub struct Placement {
    /// `AWS_LAMBDA_RUNTIME_API`.
    pub runtime_api: SocketAddr,
    /// `AWS_LAMBDA_METADATA_TOKEN`. The metadata's address is the Runtime API's.
    pub metadata_token: String,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN`, where the function's credentials are fetched. Their address is the Runtime
    /// API's as well.
    pub credentials_token: String,
    /// `AWS_XRAY_DAEMON_ADDRESS`.
    pub xray_daemon: SocketAddr,
    /// The platform's endpoint as seen from inside.
    pub platform: SocketAddr,
    /// `AWS_LAMBDA_LOG_STREAM_NAME`.
    pub log_stream: String,
    /// `AWS_LAMBDA_INITIALIZATION_TYPE`.
    pub initialization: Initialization,
}

/// What is told to an environment by its variables, and known to nobody else.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// See [`Placement::metadata_token`].
    pub metadata_token: String,
    /// See [`Placement::credentials_token`].
    pub credentials_token: String,
}

impl Secrets {
    /// Those of one environment.
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let token = || {
            let mut token = [0; 32];
            entropy.fill(&mut token);
            token.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        Self { metadata_token: token(), credentials_token: token() }
    }
}

/// Why the function's runtime cannot be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartError {
    /// `errorType` for the caller.
    pub error_type: String,
    /// What happened and what to do.
    pub message: String,
}

/// Keys of a session of a function's role.
pub struct SessionKeys {
    /// The access key's id.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: String,
    /// The session's token.
    pub session_token: String,
    /// When they end.
    pub expires: Timestamp,
}

/// How to run a function's runtime; composed outside, because interpreters and variables are no business of the
/// environment.
pub trait Plan: Send + Sync {
    /// The read-only directories of the function.
    fn mounts(&self) -> Vec<Mount>;
    /// What of its sandbox can have been made before the function was known; `None` if nothing.
    fn kind(&self) -> Option<Kind>;
    /// The runtime's command line and environment variables.
    ///
    /// # Errors
    /// When the host lacks what the function needs, or the package holds no entry point.
    fn program(&self, placement: &Placement) -> Result<Program, StartError>;
    /// The command line and environment variables of an external extension, a file in `/opt/extensions`.
    ///
    /// # Errors
    /// As [`Plan::program`].
    fn extension(&self, name: &str, placement: &Placement) -> Result<Program, StartError>;
    /// What a runtime of this function can be brought to life from, if there is anything.
    fn snapshot(&self) -> Option<Snapshot> {
        None
    }
    /// Bringing its snapshot to life has failed, and why: it is not to be tried again.
    fn snapshot_failed(&self, _why: &str) {}
    /// The secrets of environments, which the variables in a snapshot name: those of all that come from the same one.
    fn secrets(&self) -> Option<Secrets> {
        None
    }
    /// New credentials of the function's role, where its programs fetch them instead of finding them in their variables.
    fn credentials(&self) -> Option<SessionKeys> {
        None
    }
    /// What to do about a program that the kernel would not start, for the function's log; `None` if nothing better
    /// is known than the error itself. `file` is the program as the function sees it, `errno` that of `execve`.
    fn remedy(&self, file: &Path, errno: i32) -> Option<String>;
    /// The same for an initialisation that the runtime says has failed; `error` is its own report of that.
    fn advice(&self, _error: &[u8]) -> Option<String> {
        None
    }
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
    pub tmp: Bytes,
    /// The handler, for extensions.
    pub handler: String,
    /// The names of the files in `/opt/extensions`, each an external extension, sorted.
    pub extensions: Vec<String>,
    /// For `INIT_START`, such as `python:3.12.v1`.
    pub runtime_version: String,
    /// For `INIT_START`.
    pub runtime_version_arn: String,
    /// The log group.
    pub log_group: String,
    /// Whether it is a version with SnapStart.
    pub snap_start: bool,
    /// How platform records are written.
    pub logging: Logging,
    /// Mounts, command and variables.
    pub plan: Box<dyn Plan>,
}

/// What an environment tells its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its sandbox stands, and the runtime in it is being started.
    Launched,
    /// Its runtime is initialised, and has taken the memory for that. Nothing else changes.
    Initialised,
    /// It can take an invocation.
    Available,
    /// It cannot take one until it says [`Status::Available`] again.
    Lingering,
    /// It is gone for good.
    Ended,
}

/// Takes a status. Called from the environment's task: it must not block.
pub type Notify = Arc<dyn Fn(EnvironmentId, Status) + Send + Sync>;
