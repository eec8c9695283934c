//! `cargo xtask prove simulation`: the queue's lanes and retries under a virtual clock, with crashes, for millions of steps.
//! A run of all tests does a few of them, by the same test.

/// Runs the test of the fabric with so many steps: `[STEPS]`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let steps = match arguments {
        [] => "20000000",
        [steps] => steps.as_str(),
        _ => return Err("usage: cargo xtask prove simulation [STEPS]".to_owned()),
    };
    steps.parse::<u64>().map_err(|_| format!("{steps:?} is no number"))?;
    let mut command = crate::cargo();
    command.args(["test", "-p", "lambent-fabric", "--test", "simulation", "--", "--nocapture"]);
    command.env("LAMBENT_TEST_STEPS", steps);
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err("a promise was broken, see the seed above".to_owned()) }
}
