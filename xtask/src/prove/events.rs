//! `cargo xtask prove events`: asynchronous invocations under a server that is killed again and again. A run of all tests
//! does a little of it, by the same test.

use std::process::Command;

/// Runs the test of the conformance suite with so many kills, over so many functions: `[KILLS [FUNCTIONS]]`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let (kills, functions) = match arguments {
        [] => ("100", "50"),
        [kills] => (kills.as_str(), "50"),
        [kills, functions] => (kills.as_str(), functions.as_str()),
        _ => return Err("usage: cargo xtask prove events [KILLS [FUNCTIONS]]".to_owned()),
    };
    for number in [kills, functions] {
        number.parse::<u32>().map_err(|_| format!("{number:?} is no number"))?;
    }
    let xtask = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let mut command = Command::new(xtask);
    command.args(["test", "--only", "conformance", "survive_kills"]).current_dir(crate::root());
    command.env("LAMBENT_TEST_KILLS", kills).env("LAMBENT_TEST_EVENT_FUNCTIONS", functions);
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err("an accepted event was lost, see above".to_owned()) }
}
