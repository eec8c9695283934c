//! Runs a test program: its output goes to the terminal as it comes, and is counted on the way.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::count::Count;

/// Runs a program whose exit code is all there is to know.
pub(crate) fn check(command: &mut Command) -> Result<Count, String> {
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    Ok(Count::check(status.success()))
}

/// How pytest ends where no test has a name that was asked for.
const NO_TESTS: i32 = 5;

/// Runs a program, shows what it writes and adds up what `read` finds in its lines.
pub(crate) fn counted(
    command: &mut Command,
    read: fn(&str) -> Option<Count>,
    may_be_empty: bool,
) -> Result<Count, String> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    let output = BufReader::new(child.stdout.take().expect("stdout was asked for as a pipe"));
    let mut count = Count::default();
    for line in output.split(b'\n') {
        let line = line.map_err(|error| format!("cannot read the output of {command:?}: {error}"))?;
        let line = String::from_utf8_lossy(&line);
        // Tests print what they like; a terminal that is gone is no reason to stop testing.
        let _shown = writeln!(std::io::stdout(), "{line}");
        if let Some(found) = read(&line) {
            count.add(found);
        }
    }
    let status = child.wait().map_err(|error| format!("cannot wait for {command:?}: {error}"))?;
    let found_none = may_be_empty && status.code() == Some(NO_TESTS);
    Ok(count.settled(status.success() || found_none, may_be_empty))
}

/// Runs a program that prepares something; its output is shown when it fails.
pub(crate) fn succeed(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(format!("{command:?} ended with {}:\n{}", output.status, String::from_utf8_lossy(&text).trim()))
}
