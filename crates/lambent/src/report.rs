//! `lambent doctor`: the server's findings in the command line's table.

use std::path::{Path, PathBuf};

use lambent_cli::{Check, DoctorReport, ExitCode, Terminal};
use lambent_runtimes::{Catalogue, Search};
use lambent_server::doctor;

/// Root's own folder: the server's user could not come to one in root's home.
const ROOTS_DATA_DIR: &str = "/var/lib/lambent";

/// `$XDG_DATA_HOME/lambent`, or its default (XDG Base Directory Specification); for root `/var/lib/lambent` in place of
/// the latter (Filesystem Hierarchy Standard).
pub(crate) fn default_data_dir() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(base) = variable("XDG_DATA_HOME") {
        return Some(base.join("lambent"));
    }
    if lambent_server::is_root() {
        return Some(ROOTS_DATA_DIR.into());
    }
    Some(variable("HOME")?.join(".local/share/lambent"))
}

/// Where an earlier version kept root's data by default, if it is there and the folder in use has none yet.
pub(crate) fn earlier_data_dir(in_use: &Path) -> Option<PathBuf> {
    if in_use != Path::new(ROOTS_DATA_DIR) || in_use.join("lambent.db").exists() {
        return None;
    }
    let earlier = PathBuf::from(std::env::var_os("HOME")?).join(".local/share/lambent");
    earlier.join("lambent.db").exists().then_some(earlier)
}

pub(crate) fn data_dir() -> PathBuf {
    let given = std::env::var_os("LAMBENT_DATA_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
    given.or_else(default_data_dir).unwrap_or_else(|| "lambent".into())
}

pub(crate) fn catalogue(data_dir: &Path) -> std::io::Result<Catalogue> {
    Catalogue::discover(data_dir, &Search::from_environment(|name| std::env::var_os(name)))
}

pub(crate) async fn doctor(terminal: &Terminal) -> ExitCode {
    let dir = data_dir();
    let snapshots = std::env::var("LAMBENT_SNAPSHOTS").ok();
    let looked = doctor::examine(&dir, snapshots.as_deref());
    let found = terminal.waiting("looking at this machine", looked).await;
    let checks = found.into_iter().map(|check| Check {
        name: check.name,
        status: match check.status {
            doctor::Status::Ok => lambent_cli::Status::Ok,
            doctor::Status::Warning => lambent_cli::Status::Warning,
            doctor::Status::Missing => lambent_cli::Status::Missing,
        },
        found: check.found,
        remedy: check.remedy,
    });
    lambent_cli::render_doctor(&DoctorReport { checks: checks.collect() }, terminal)
}
