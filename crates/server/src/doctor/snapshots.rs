//! Whether snapshots of initialised functions can be taken here, for SnapStart: one is taken, and brought to life, as the server
//! would. CRIU's own `criu check` passes where that fails.

use std::path::PathBuf;

use lambent_sandbox_client::{Launcher, Options, SnapshotOptions, Snapshotting};

use super::trial::{Subject, TIMEOUT, spec};
use super::{Check, Status};
use crate::config::parse_snapshots;

/// What versions with SnapStart do without it.
const MEANWHILE: &str = "versions with SnapStart have OptimizationStatus Off: one environment of each that is in use is initialised ahead";

/// What was found.
#[derive(Debug)]
enum Found {
    /// There is nothing that would take them, and why.
    None(String),
    /// There is, and it fails.
    Fails(String),
    Works,
}

/// Tries it with the server's setting.
pub(super) async fn examine(setting: Option<&str>) -> Check {
    let found = match parse_snapshots(setting) {
        Err(error) => Found::Fails(error),
        Ok(None) => Found::None("the setting snapshots is off".into()),
        Ok(Some(criu)) => tried(criu).await,
    };
    judge(found)
}

async fn tried(criu: PathBuf) -> Found {
    let folder = std::env::temp_dir().join(format!("lambent-doctor-snapshots-{}", std::process::id()));
    let found = match tokio::time::timeout(TIMEOUT, trial(criu, folder.clone())).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => Found::Fails(error),
        Err(_elapsed) => Found::Fails(format!("it was not done after {} seconds", TIMEOUT.as_secs())),
    };
    // It may never have been made.
    let _none_there = std::fs::remove_dir_all(folder);
    found
}

async fn trial(criu: PathBuf, folder: PathBuf) -> Result<Found, String> {
    let instance = format!("doctor-snapshots-{}", std::process::id());
    let snapshots = Some(SnapshotOptions { folder, criu });
    let options = Options { snapshots, ..Options::new(instance) };
    let text = |error: lambent_sandbox_client::Error| error.to_string();
    let launcher = Launcher::start(options).await.map_err(text)?;
    if let Some(reason) = &launcher.host().snapshots_error {
        return Ok(Found::None(reason.clone()));
    }
    let mut first = Subject::new(launcher.launch(spec(Snapshotting::Take)).await.map_err(text)?)?;
    first.begin("echo begun; exec sleep 60").await?;
    let snapshot = first.control().snapshot(None).await.map_err(text)?;
    let second = launcher.launch(spec(Snapshotting::Restore)).await.map_err(text)?;
    second.control.restore(&snapshot, "").await.map_err(text)?;
    Ok(Found::Works)
}

fn judge(found: Found) -> Check {
    let (status, text, remedy) = match found {
        // Functions work without, as they are.
        Found::None(reason) => (Status::Ok, format!("{reason}; {MEANWHILE}"), None),
        Found::Fails(error) => (
            Status::Warning,
            format!("{error}; {MEANWHILE}"),
            Some("see the error; without CRIU, or with --snapshots off, nothing is tried"),
        ),
        Found::Works => {
            let text = "a program was photographed and brought to life: versions with SnapStart start from snapshots";
            (Status::Ok, text.into(), None)
        }
    };
    Check::new("snapshots", status, text, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_versions_do_without_it() {
        let off = judge(Found::None("there is no criu below /".into()));
        assert_eq!(off.status, Status::Ok);
        let fails = judge(Found::Fails("criu failed".into()));
        assert_eq!(fails.status, Status::Warning);
        for check in [off, fails] {
            assert!(check.found.contains("OptimizationStatus Off"), "{}", check.found);
        }
        assert!(!judge(Found::Works).found.contains("Off"));
    }
}
