//! One execution environment: a sandbox, the runtime in it, and the Runtime API they speak over.
//!
//! ```text
//!             ┌────────────────────────── one task (service.rs) ──────────────────────────┐
//!  Handle ──▶ │ events ──▶ Machine::apply (machine.rs, pure) ──▶ effects ──▶ sandbox, caller │ ──▶ LogSink
//!             └──────▲──────────────────────▲───────────────────────▲─────────────────────┘
//!              Runtime API connections   output pipes          sandbox events
//! ```
//!
//! The machine decides, the task acts. Everybody else holds a [`Handle`]. An environment serves one invocation at a
//! time; when its sandbox is gone it reports [`Status::Ended`] and never comes back.

mod api;
mod machine;
mod output;
mod record;
mod service;

pub use record::{LogFormat, Logging, SystemLogLevel};
pub use service::{
    Function, Handle, Notify, Placement, Plan, ServePlatform, StartError, Status, World, spawn,
};
