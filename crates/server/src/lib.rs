//! Composition: configuration, listeners, the task tree, shutdown. And the gateway, the one entry for every AWS call.
//!
//! ```text
//! Server
//! ├ listener   accepts connections, TLS or not, a task each ─▶ gateway ─▶ control | logs | health | code downloads
//! ├ feed       store's change feed ─▶ invoker               (control never calls the invoker's pools)
//! ├ settle     accepted changes become effective
//! ├ tend       idle environments end
//! ├ prewarm    sandboxes that wait for functions
//! └ invoker    a task for each environment
//! ```
//! Shutdown goes the other way: stop accepting, drain connections, drain environments, close the store.

mod activation;
mod buses;
mod calls;
mod companions;
mod compose;
mod config;
pub mod discovery;
pub mod doctor;
mod endpoints;
mod entrypoint;
mod feed;
mod folder;
mod gateway;
mod hot;
mod kept;
mod listener;
mod memory;
mod metrics;
mod namespaces;
mod natives;
mod outbox;
mod packages;
mod prepare;
mod prewarm;
mod scaling;
mod secret;
mod server;
mod snapshots;
mod sources;
mod telemetry;
mod tls;
mod topics;
mod traces;
mod unpacker;
mod urls;
mod user;
mod world;

pub use crate::discovery::Runtimes;
pub use config::{Config, ConfigError, Overrides, TlsFiles};
pub use kept::Kept;
pub use lambent_sandbox_client::Isolation;
pub use prepare::Prepared;
pub use prewarm::Prewarm;
pub use server::{RunError, Server, StartError};
pub use telemetry::{LogFormat, OtlpError, Telemetry};
pub use tls::TlsError;
pub use user::{ServiceUser, is_root};
