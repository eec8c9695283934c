//! What can go wrong between the server and a sandbox.

use lambent_sandbox_protocol as protocol;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The launcher could not be started.
    #[error("the sandbox launcher could not be started")]
    Start(#[source] std::io::Error),
    /// The launcher, or what it needs, is not there any more; no sandbox can be made until the server restarts.
    #[error("the sandbox launcher has ended; restart the server and see its log for why")]
    LauncherEnded,
    /// A socket or pipe for a sandbox could not be made.
    #[error("the sockets and pipes of a sandbox could not be made")]
    Resources(#[source] std::io::Error),
    /// The launcher could not make the sandbox, or may not: its text says what to do.
    #[error(transparent)]
    Setup(#[from] protocol::Failure),
    /// The launcher or init could not be understood, or a message is too large (a program with its environment).
    #[error("talking to the sandbox failed")]
    Channel(#[from] protocol::Error),
    /// A mount's target is none of the places for mounts.
    #[error(
        "{0} is not a place for a mount: it has to be /var/task, /opt, /var/lang, /var/runtime or one of its two folders"
    )]
    MountPoint(&'static str),
    /// A wish that a sandbox without isolation cannot fulfil.
    #[error("a sandbox without isolation {0}")]
    NotIsolated(&'static str),
    /// The platform's port is not to be had inside.
    #[error("port {0} cannot be the platform's, it is the runtime API's; choose another with --listen")]
    Port(u16),
    /// The instance's name cannot be part of a cgroup's.
    #[error("the instance {0:?} has to be 1 to 64 letters, digits, hyphens or underscores")]
    Instance(String),
    /// A program that was to wait for a function does not.
    #[error("a program that was started in advance does not wait: {0}")]
    NotReady(String),
    /// A program runs already.
    #[error("a program runs in this sandbox already; wait for its end or reset the sandbox")]
    AlreadyRunning,
    /// The sandbox has ended.
    #[error("the sandbox is gone: {0}")]
    Gone(String),
}
