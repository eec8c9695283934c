//! `cargo xtask prove events`: asynchronous invocations under a server that is killed again and again. A run of all tests
//! does a little of it, by the same test.

use std::process::Command;

/// Runs the test of the conformance suite with so many kills, functions and events: `[KILLS [FUNCTIONS [EVENTS]]]`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let usage = "usage: cargo xtask prove events [KILLS [FUNCTIONS [EVENTS]]]";
    let mut numbers = [100_u32, 50, 125_000];
    if arguments.len() > numbers.len() {
        return Err(usage.to_owned());
    }
    for (number, argument) in numbers.iter_mut().zip(arguments) {
        *number = argument.parse().map_err(|_| format!("{argument:?} is no number; {usage}"))?;
    }
    let [kills, functions, events] = numbers.map(|number| number.to_string());
    let xtask = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let mut command = Command::new(xtask);
    command.args(["test", "--only", "conformance", "survive_kills"]).current_dir(crate::root());
    command.env("LAMBENT_TEST_KILLS", kills).env("LAMBENT_TEST_EVENT_FUNCTIONS", functions);
    command.env("LAMBENT_TEST_EVENTS", events);
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err("an accepted event was lost, see above".to_owned()) }
}
