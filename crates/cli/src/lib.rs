//! The command line.

mod args;
pub mod client;
mod exit;
pub mod package;
mod render;
mod terminal;
#[cfg(test)]
mod testing;

pub use args::{
    AuthArg, Cli, ClientCommand, Command, DeployArgs, GlobalArgs, InvokeArgs, IsolationArg, LogsArgs,
    NetworkArg, UpArgs, parse, parse_from,
};
pub use exit::ExitCode;
pub use package::Family;
pub use render::{Check, DoctorReport, RuntimeEntry, Status, render_doctor, render_runtimes};
pub use terminal::{Captured, ColorChoice, Style, Terminal};
