//! One execution environment: a sandbox, the runtime and the extensions in it, and the APIs that they speak over.
//!
//! ```text
//! Handle ── invoke ──▶ ┌ Shared (core.rs, one lock) ───────────────────────────────────────┐
//! connection ── next, ▶│ event ──▶ Machine::apply (machine.rs, pure) ──▶ effects: deliver, │ ──▶ LogSink, pool
//!   (api.rs)   report  │                                  answer, log, deadline, chores   │
//! sandbox, timer ────▶ └───────────────────────────────────┬─────────────────────────────┘
//!                            task (service.rs) ◀── wake ────┘  orders to the sandbox, which have to be awaited
//! ```
//!
//! The machine decides; who brings an event carries its effects out, but for what has to wait, which the environment's
//! task does. Everybody else holds a [`Handle`]. An environment serves one invocation at a time; when its sandbox is
//! gone it reports [`Status::Ended`] and never comes back.

mod api;
mod core;
mod flood;
mod freezer;
mod function;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod heads;
mod initialization;
mod level;
mod log;
mod machine;
mod output;
mod pipes;
mod record;
mod service;
mod snapshot;
mod steady;
mod telemetry;
mod thaw;

pub use api::StreamRate;
pub use freezer::IdleFreezer;
pub use function::{
    Function, Guest, Notify, Placement, Plan, SandboxFuture, Sandboxes, Secrets, ServePlatform, SessionKeys,
    StartError, Status, World,
};
pub use initialization::Initialization;
pub use level::ApplicationLogLevel;
pub use record::{LogFormat, Logging, SystemLogLevel};
pub use service::{Handle, spawn, take_snapshot};
pub use snapshot::NoSnapshot;
pub use steady::steady;
