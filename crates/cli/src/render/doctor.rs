//! `lambent doctor`: what was found, and what to do about what was not.

use serde::Serialize;

use super::{json, written};
use crate::ExitCode;
use crate::terminal::{Style, Terminal};

/// What the server crate found out about the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoctorReport {
    /// The checks in the order in which they are shown.
    pub checks: Vec<Check>,
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at: "user namespaces", "python3.13".
    pub name: String,
    /// Whether it will do.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do about it, if anything can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Whether what was found will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Works, with less.
    Warning,
    /// Something will not work.
    Missing,
}

/// Writes the report. Ends with [`ExitCode::Failed`] when something is missing, so that a script can ask.
#[must_use]
pub fn render_doctor(report: &DoctorReport, terminal: &Terminal) -> ExitCode {
    let missing = report.checks.iter().any(|check| check.status == Status::Missing);
    let code = if missing { ExitCode::Failed } else { ExitCode::Ok };
    let result = if terminal.json {
        json(terminal, report)
    } else {
        lines(report, terminal).iter().try_for_each(|line| terminal.line(line))
    };
    written(terminal, result, code)
}

fn lines(report: &DoctorReport, terminal: &Terminal) -> Vec<String> {
    let width = report.checks.iter().map(|check| check.name.chars().count()).max().unwrap_or_default();
    let mut lines = Vec::new();
    for Check { name, status, found, remedy } in &report.checks {
        // Words, not signs alone: colour and shape must not be the only carriers of meaning.
        let (style, word) = match status {
            Status::Ok => (Style::Good, "ok     "),
            Status::Warning => (Style::Warning, "warning"),
            Status::Missing => (Style::Bad, "missing"),
        };
        let found = terminal.quote(found);
        lines.push(format!("{}  {name:<width$}  {found}", terminal.paint(style, word)).trim_end().to_owned());
        if let Some(remedy) = remedy {
            lines.push(format!(
                "{:9}{:width$}  {}",
                "",
                "",
                terminal.paint(Style::Dim, &format!("→ {remedy}"))
            ));
        }
    }
    let count = |status| report.checks.iter().filter(|check| check.status == status).count();
    let (warnings, missing) = (count(Status::Warning), count(Status::Missing));
    lines.push(String::new());
    lines.push(match (missing, warnings) {
        (0, 0) => "all is well: start the server with \"lambent up\"".to_owned(),
        (0, _) => format!("ready, with {warnings} warning{}", plural(warnings)),
        (_, 0) => format!("{missing} missing"),
        (_, _) => format!("{missing} missing, {warnings} warning{}", plural(warnings)),
    });
    lines
}

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> DoctorReport {
        let check = |name: &str, status, found: &str, remedy: Option<&str>| Check {
            name: name.to_owned(),
            status,
            found: found.to_owned(),
            remedy: remedy.map(str::to_owned),
        };
        DoctorReport {
            checks: vec![
                check("user namespaces", Status::Ok, "allowed", None),
                check(
                    "cgroup",
                    Status::Warning,
                    "v2, no delegation",
                    Some("run the server as a systemd service"),
                ),
                check("python3.13", Status::Missing, "", Some("install python3.13")),
            ],
        }
    }

    #[test]
    fn page_says_what_to_do() {
        let (terminal, out, _) = Terminal::captured(false);
        assert_eq!(render_doctor(&report(), &terminal), ExitCode::Failed);
        let expected = "\
ok       user namespaces  allowed
warning  cgroup           v2, no delegation
                          → run the server as a systemd service
missing  python3.13
                          → install python3.13

1 missing, 1 warning
";
        assert_eq!(out.text(), expected);
    }

    #[test]
    fn warnings_alone_do_not_fail() {
        let mut report = report();
        report.checks.pop();
        let (terminal, out, _) = Terminal::captured(false);
        assert_eq!(render_doctor(&report, &terminal), ExitCode::Ok);
        assert!(out.text().ends_with("\nready, with 1 warning\n"), "{}", out.text());
    }

    #[test]
    fn json_is_the_report_itself() {
        let (terminal, out, _) = Terminal::captured(true);
        assert_eq!(render_doctor(&report(), &terminal), ExitCode::Failed);
        let value: serde_json::Value = serde_json::from_str(&out.text()).unwrap();
        assert_eq!(value["checks"][1]["status"], "warning");
        assert_eq!(value["checks"][2]["remedy"], "install python3.13");
    }
}
