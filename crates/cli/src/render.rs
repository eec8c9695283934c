//! Pages made of what the server crate found out on the host: `doctor` and `runtimes`; and plain tables.

mod doctor;
mod runtimes;
mod table;

pub use doctor::{Check, DoctorReport, Status, render_doctor};
pub use runtimes::{AddedLibrary, RuntimeEntry, render_added, render_runtimes};
pub(crate) use table::Table;

use std::io;

use serde::Serialize;

use crate::{ExitCode, Terminal};

/// Writes `value` as JSON with a final newline.
pub(crate) fn json(terminal: &Terminal, value: &impl Serialize) -> io::Result<()> {
    let text =
        serde_json::to_string_pretty(value).expect("our own types have string keys and no failing parts");
    terminal.line(&text)
}

/// The exit code after output was written: a reader that went away (`| head`) has what it wanted.
pub(crate) fn written(terminal: &Terminal, result: io::Result<()>, code: ExitCode) -> ExitCode {
    match result {
        Ok(()) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
        Err(error) => {
            terminal.say(&format!("error: cannot write to standard output: {error}"));
            ExitCode::Failed
        }
    }
}
