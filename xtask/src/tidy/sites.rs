//! Every commit of a change has a name, at which a debug build can be made to die: the calls in `crates/control` against
//! the list in its `sites.rs`.

use std::collections::BTreeSet;

use super::Source;

/// What commits, or hands on to what commits. Each takes the name first.
const CALLS: [&str; 7] = [
    "functions::save(",
    "functions::replace(",
    "functions::change(",
    "functions::delete(",
    "functions::save_reservation(",
    "resources::commit(",
    "commit_at(",
];
const FOLDER: &str = "crates/control/src/";
const LIST: &str = "crates/control/src/sites.rs";

/// Every commit without a name, every name without a commit.
pub(crate) fn check(sources: &[&Source]) -> Vec<String> {
    let listed: BTreeSet<String> = sources
        .iter()
        .filter(|source| source.path == LIST)
        .flat_map(|source| source.text.lines())
        .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\",").map(str::to_owned))
        .collect();
    let mut used = BTreeSet::new();
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with(FOLDER)) {
        faults.extend(names(source, &mut used));
    }
    faults.extend(
        used.difference(&listed).map(|name| format!("{LIST}: add \"{name}\", at which is committed")),
    );
    faults.extend(listed.difference(&used).map(|name| format!("{LIST}: nothing commits at \"{name}\"")));
    faults
}

fn names(source: &Source, used: &mut BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    // Tests commit what they please.
    let code = source.text.split("#[cfg(test)]").next().unwrap_or_default();
    // A commit without a name at all.
    for (at, _) in code.match_indices("store.commit(") {
        faults.push(fault(source, at, "store.commit"));
    }
    for call in CALLS {
        for (at, _) in code.match_indices(call) {
            let first = code[at + call.len()..].trim_start();
            match first.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
                Some((name, _)) => drop(used.insert(name.to_owned())),
                // Handed on by a function that has been given it, or the definition of one.
                None if first.starts_with("site") => {}
                None => faults.push(fault(source, at, call.trim_end_matches('('))),
            }
        }
    }
    faults
}

fn fault(source: &Source, at: usize, call: &str) -> String {
    let line = source.text[..at].matches('\n').count() + 1;
    format!("{}:{line}: {call} commits without a name: give it one, and add it to {LIST}", source.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(code: &str, list: &str) -> Vec<String> {
        let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
        let sources = [source("crates/control/src/a.rs", code), source(LIST, list)];
        check(&sources.iter().collect::<Vec<_>>())
    }

    #[test]
    fn names_and_commits_belong_together() {
        assert_eq!(faults("functions::save(\n    \"a\", store)", "    \"a\",\n"), Vec::<String>::new());
        assert_eq!(faults("resources::commit(site, store)", ""), Vec::<String>::new());
        for (code, list, says) in [
            ("functions::save(store)", "", "commits without a name"),
            ("store.commit(writes)", "", "commits without a name"),
            ("resources::commit(\"a\", store)", "", "add \"a\""),
            ("", "    \"b\",\n", "nothing commits at \"b\""),
        ] {
            let found = faults(code, list);
            assert!(found.len() == 1 && found[0].contains(says), "{code}: {found:?}");
        }
    }
}
