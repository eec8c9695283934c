//! `lambent runtimes`: what this machine can run, and what was added to it.

use std::path::Path;
use std::time::SystemTime;

use lambent_cli::{ExitCode, RuntimeEntry, RuntimesArgs, RuntimesCommand, Terminal};
use lambent_runtimes::add::Added;
use lambent_runtimes::sdk::Library;
use lambent_runtimes::{Missing, Status, add};

use crate::report;

pub(crate) fn run(arguments: &RuntimesArgs, terminal: &Terminal) -> ExitCode {
    let data_dir = arguments.data_dir.clone().unwrap_or_else(report::data_dir);
    let done = match &arguments.command {
        None => list(&data_dir, terminal),
        Some(RuntimesCommand::Add { id, from }) => add(&data_dir, id, from.as_deref(), terminal),
    };
    done.unwrap_or_else(|error| {
        terminal.error(error.as_ref());
        ExitCode::Failed
    })
}

fn list(data_dir: &Path, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let today = lambent_runtimes::date(SystemTime::now());
    let entries = report::catalogue(data_dir)?.entries();
    let entries: Vec<RuntimeEntry> = entries.into_iter().map(|found| entry(found, &today)).collect();
    Ok(lambent_cli::render_runtimes(&entries, terminal))
}

fn add(data_dir: &Path, id: &str, from: Option<&Path>, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let catalogue = report::catalogue(data_dir)?;
    if !terminal.json {
        terminal.say(&format!("adding what {id} lacks to {}", catalogue.runtimes_folder().display()));
    }
    let added = add::add(&catalogue, id, from)?;
    Ok(lambent_cli::render_added(&shown(id, &added), terminal))
}

fn shown(id: &str, added: &Added) -> lambent_cli::AddedLibrary {
    lambent_cli::AddedLibrary {
        runtime: id.to_owned(),
        what: added.what.clone(),
        folder: added.folder.display().to_string(),
        was_there: added.was_there,
    }
}

fn entry(entry: lambent_runtimes::Entry, today: &str) -> RuntimeEntry {
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
    let notes = [note, entry.info.deprecation(today).unwrap_or_default()];
    let note = notes.into_iter().filter(|note| !note.is_empty()).collect::<Vec<_>>().join("; ");
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
