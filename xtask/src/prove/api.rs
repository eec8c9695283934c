//! `cargo xtask prove api`: every bound of every parameter, and a crash at every moment of every commit. A run of all tests
//! tries a sample of them, by the same tests.

use std::process::Command;

/// Runs the tests of the conformance suite with all their cases.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    if !arguments.is_empty() {
        return Err("usage: cargo xtask prove api".to_owned());
    }
    let xtask = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let mut command = Command::new(xtask);
    command.args(["test", "--only", "conformance", "constraints or crashes"]).current_dir(crate::root());
    command.env("LAMBENT_TEST_ALL", "1");
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err("the proof has found something, see above".to_owned()) }
}
