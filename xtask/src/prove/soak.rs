//! `cargo xtask prove soak`: 2,000 environments made and destroyed, as root and as an ordinary user. A run of all tests
//! makes a small sample of them, by the same test.

use std::process::Command;

/// What the milestone asks for.
const ENVIRONMENTS: &str = "2000";

/// Runs the test of the conformance suite with that many: `[ENVIRONMENTS]`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let environments = match arguments {
        [] => ENVIRONMENTS,
        [number] => number.as_str(),
        _ => return Err("usage: cargo xtask prove soak [ENVIRONMENTS]".to_owned()),
    };
    environments.parse::<u32>().map_err(|_| format!("{environments:?} is no number of environments"))?;
    let xtask = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let mut command = Command::new(xtask);
    command.args(["test", "--only", "conformance", "soak"]).current_dir(crate::root());
    command.env("LAMBENT_SOAK_ENVIRONMENTS", environments);
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err("the soak has found something, see above".to_owned()) }
}
