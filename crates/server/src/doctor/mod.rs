//! What this machine offers, what is missing, and what to do about it.
//!
//! What can be tried is tried: beside the launcher's word on the host (`host.rs`) stands what a sandbox that was made for
//! it has kept (`trial.rs`).

use std::path::Path;

mod host;
mod interpreters;
mod machine;
mod network;
mod snapshots;
mod trial;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All is there.
    Ok,
    /// It works, with less.
    Warning,
    /// It does not work.
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub name: String,
    /// How it went.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do, unless all is well.
    pub remedy: Option<String>,
}

impl Check {
    fn new(name: &str, status: Status, found: impl Into<String>, remedy: Option<&str>) -> Self {
        Self { name: name.into(), status, found: found.into(), remedy: remedy.map(Into::into) }
    }
}

/// Looks at everything a server with this data folder and this setting of `snapshots` would use.
pub async fn examine(data_dir: &Path, snapshots: Option<&str>) -> Vec<Check> {
    let mut checks = vec![machine::kernel()];
    match lambent_sandbox_client::probe().await {
        Ok(found) => {
            checks.extend(host::sandbox(&found));
            if found.namespaces_error.is_none() {
                checks.extend(trial::run(&found).await);
            }
        }
        Err(error) => checks.push(Check::new(
            "sandbox",
            Status::Missing,
            error.to_string(),
            Some(
                "the launcher could not be started; a hardened kernel may forbid programs in memory (memfd)",
            ),
        )),
    }
    checks.push(machine::descriptors());
    checks.push(machine::prewarm());
    checks.push(snapshots::examine(snapshots).await);
    checks.push(machine::data_folder(data_dir));
    checks.push(machine::authority(data_dir));
    checks.push(interpreters::runtimes(data_dir));
    checks
}
