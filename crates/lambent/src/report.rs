//! `lambent doctor` and `lambent runtimes`: the server's findings in the command line's tables.

use std::path::{Path, PathBuf};

use lambent_cli::{Check, DoctorReport, ExitCode, RuntimeEntry, Terminal};
use lambent_runtimes::sdk::Library;
use lambent_runtimes::{Catalogue, Missing, Search, Status};
use lambent_server::doctor;

/// `$XDG_DATA_HOME/lambent`, or its default (XDG Base Directory Specification).
pub(crate) fn default_data_dir() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base =
        variable("XDG_DATA_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/share")))?;
    Some(base.join("lambent"))
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
    let found = terminal.waiting("looking at this machine", doctor::examine(&dir)).await;
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

pub(crate) fn runtimes(terminal: &Terminal) -> ExitCode {
    let catalogue = match catalogue(&data_dir()) {
        Ok(catalogue) => catalogue,
        Err(error) => {
            terminal.error(&error);
            return ExitCode::Failed;
        }
    };
    let entries: Vec<RuntimeEntry> = catalogue.entries().into_iter().map(entry).collect();
    lambent_cli::render_runtimes(&entries, terminal)
}

fn entry(entry: lambent_runtimes::Entry) -> RuntimeEntry {
    let name = entry.info.id;
    let family = name.trim_end_matches(|c: char| !c.is_ascii_alphabetic());
    let family = family.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or(name);
    let (interpreter, version, note) = match entry.status {
        Status::Ready { interpreter, version, library } => {
            (Some(interpreter.display().to_string()), Some(version), library_note(name, library))
        }
        Status::SelfContained => (None, None, "needs nothing: the package brings its own bootstrap".into()),
        Status::Missing(missing) => (None, None, note(missing)),
    };
    RuntimeEntry { id: name.into(), family: family.into(), interpreter, version, note }
}

/// What `lambent runtimes add` has brought or could bring.
fn library_note(runtime: &str, library: Library) -> String {
    match library {
        Library::None => String::new(),
        Library::Present(what) => format!("with {what}"),
        Library::Absent { name, required: true } => {
            format!("needs {name}: lambent runtimes add {runtime}")
        }
        Library::Absent { name, required: false } => {
            format!("without {name}: lambent runtimes add {runtime}")
        }
    }
}

/// The error without what the row says already.
fn note(missing: Missing) -> String {
    match missing {
        Missing::NotSupported(_) => "not supported yet".into(),
        Missing::Interpreter { refused, remedy, .. } if refused.is_empty() => {
            format!("not found; {}", remedy.trim_end_matches(','))
        }
        Missing::Interpreter { refused, remedy, .. } => {
            format!("not usable{refused}; {}", remedy.trim_end_matches(','))
        }
        Missing::Unknown(_) | Missing::Client { .. } => missing.to_string(),
    }
}
