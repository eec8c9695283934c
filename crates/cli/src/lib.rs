//! The command line: arguments, output, and a client of the running server.
//!
//! ```text
//! binary ─ parse ─▶ Cli ┬ Up ───────────────▶ the server crate, then [`demo`] over a [`Client`]
//!                       ├ Doctor, Runtimes ─▶ the server crate finds out, [`render_doctor`] and [`render_runtimes`] show
//!                       ├ Completions ──────▶ [`completions`]
//!                       └ Client(command) ──▶ [`run`]: deploy, invoke, logs, functions
//! ```
//!
//! What talks to the server does so through the public AWS API and `/_lambent/health`, never through its files: all
//! of it works as well against a server on another machine.

mod args;
pub mod client;
mod commands;
mod completions;
mod demo;
mod exit;
pub mod package;
mod render;
mod terminal;
#[cfg(test)]
mod testing;

pub use args::{
    AuthArg, Cli, ClientCommand, Command, DeployArgs, GlobalArgs, InvokeArgs, IsolationArg, LogsArgs,
    NetworkArg, PrivateNetworksArg, RuntimesArgs, RuntimesCommand, UpArgs, parse, parse_from,
};
pub use client::Client;
pub use commands::{DefaultRuntime, Error, run};
pub use completions::completions;
pub use demo::{DemoFunction, DemoSummary, demo};
pub use exit::ExitCode;
pub use package::Family;
pub use render::{
    AddedLibrary, Check, DoctorReport, RuntimeEntry, Status, render_added, render_doctor, render_runtimes,
};
pub use terminal::{Captured, ColorChoice, Style, Terminal};
