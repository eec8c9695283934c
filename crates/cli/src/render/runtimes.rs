//! `lambent runtimes`: the catalogue and what of it this host can run.

use serde::Serialize;

use super::{Table, json, written};
use crate::{ExitCode, Terminal};

/// One managed runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuntimeEntry {
    /// AWS's identifier: `python3.13`.
    pub id: String,
    /// The language: `python`, `nodejs`.
    pub family: String,
    /// The interpreter's path on this host, when one was found or none is needed.
    pub interpreter: Option<String>,
    /// The interpreter's version.
    pub version: Option<String>,
    /// What there is to know: "deprecated", what to install.
    pub note: String,
}

/// Writes the runtimes in the order given.
#[must_use]
pub fn render_runtimes(entries: &[RuntimeEntry], terminal: &Terminal) -> ExitCode {
    let result = if terminal.json {
        json(terminal, &serde_json::json!({ "runtimes": entries }))
    } else {
        let mut table = Table::new(&["RUNTIME", "VERSION", "INTERPRETER", "NOTE"]);
        for entry in entries {
            let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            table.row(vec![
                entry.id.clone(),
                or_dash(&entry.version),
                or_dash(&entry.interpreter),
                entry.note.clone(),
            ]);
        }
        table.lines(terminal).iter().try_for_each(|line| terminal.line(line))
    };
    written(terminal, result, ExitCode::Ok)
}

/// What `lambent runtimes add` brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddedLibrary {
    /// For which runtime.
    pub runtime: String,
    /// What it is, with its version.
    pub what: String,
    /// Where it is.
    pub folder: String,
    /// Whether it had been there before.
    pub was_there: bool,
}

/// Says what was added.
#[must_use]
pub fn render_added(added: &AddedLibrary, terminal: &Terminal) -> ExitCode {
    let AddedLibrary { runtime, what, folder, was_there } = added;
    let result = if terminal.json {
        json(terminal, added)
    } else if *was_there {
        terminal.line(&format!("{runtime} has {what} already; remove {folder} to fetch it anew"))
    } else {
        terminal.line(&format!("added {what} for {runtime}: {folder}"))
    };
    written(terminal, result, ExitCode::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let entry = |id: &str, found: Option<(&str, &str)>, note: &str| RuntimeEntry {
            id: id.to_owned(),
            family: "python".to_owned(),
            interpreter: found.map(|(path, _)| path.to_owned()),
            version: found.map(|(_, version)| version.to_owned()),
            note: note.to_owned(),
        };
        let entries = [
            entry("python3.13", Some(("/usr/bin/python3.13", "3.13.1")), ""),
            entry("python3.9", None, "install python3.9"),
        ];
        let (terminal, out, _) = Terminal::captured(false);
        assert_eq!(render_runtimes(&entries, &terminal), ExitCode::Ok);
        let expected = "\
RUNTIME     VERSION  INTERPRETER          NOTE
python3.13  3.13.1   /usr/bin/python3.13
python3.9   -        -                    install python3.9
";
        assert_eq!(out.text(), expected);
    }
}
