//! What functions can be run with.

use std::path::Path;

use lambent_runtimes::{Catalogue, Search, Status as RuntimeStatus};

use super::{Check, Status};

/// No host has every version; one of each language that can be run is what a fresh machine needs to begin with.
fn judge_runtimes(ready: &[&str]) -> Check {
    let lacks = |language: &str| !ready.iter().any(|id| id.starts_with(language));
    let remedy = match (lacks("python"), lacks("nodejs")) {
        (false, false) => None,
        (true, false) => Some("no Python is found; `lambent runtimes` says what to install"),
        (false, true) => Some("no Node.js is found; `lambent runtimes` says what to install"),
        (true, true) => Some("neither Python nor Node.js is found; `lambent runtimes` says what to install"),
    };
    let status = if remedy.is_some() { Status::Warning } else { Status::Ok };
    Check::new("runtimes", status, ready.join(" "), remedy)
}

pub(super) fn runtimes(data_dir: &Path) -> Check {
    let search = Search::from_environment(|name| std::env::var_os(name));
    match Catalogue::discover(data_dir, &search) {
        Ok(catalogue) => {
            let entries = catalogue.entries();
            let usable = |status: &RuntimeStatus| !matches!(status, RuntimeStatus::Missing(_));
            let ready: Vec<&str> =
                entries.iter().filter(|entry| usable(&entry.status)).map(|entry| entry.info.id).collect();
            judge_runtimes(&ready)
        }
        Err(error) => Check::new(
            "runtimes",
            Status::Missing,
            error.to_string(),
            Some("the data folder must be writable; choose another with --data-dir"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_without_an_interpreter_is_a_warning() {
        let all = judge_runtimes(&["python3.8", "nodejs20.x", "provided.al2023"]);
        assert_eq!((all.status, all.remedy), (Status::Ok, None));
        let some = judge_runtimes(&["python3.8", "provided.al2023"]);
        assert_eq!(some.status, Status::Warning);
        assert!(some.remedy.is_some_and(|remedy| remedy.contains("Node.js")));
    }
}
