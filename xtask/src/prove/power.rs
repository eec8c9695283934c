//! `cargo xtask prove power`: the power is cut under the store, thousands of times. A run of all tests does some of it, by
//! the same test.

/// Runs the test of the store with so many cuts: `[RUNS]`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let cuts = match arguments {
        [] => "2000",
        [cuts] => cuts.as_str(),
        _ => return Err("usage: cargo xtask prove power [RUNS]".to_owned()),
    };
    cuts.parse::<u64>().map_err(|_| format!("{cuts:?} is no number"))?;
    let mut command = crate::cargo();
    command.args(["test", "-p", "lambent-store", "--test", "power", "--", "--nocapture"]);
    command.env("LAMBENT_TEST_CUTS", cuts);
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err("the store lost what it had acknowledged, see above".to_owned())
    }
}
