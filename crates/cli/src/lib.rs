//! The command line.

mod args;
mod exit;
pub mod package;
mod render;
mod terminal;

pub use args::{
    AuthArg, Cli, ClientCommand, Command, DeployArgs, GlobalArgs, InvokeArgs, IsolationArg, LogsArgs,
    NetworkArg, UpArgs, parse, parse_from,
};
pub use exit::ExitCode;
pub use package::Family;
pub use render::{Check, DoctorReport, RuntimeEntry, Status, render_doctor, render_runtimes};
pub use terminal::{Captured, ColorChoice, Style, Terminal};
