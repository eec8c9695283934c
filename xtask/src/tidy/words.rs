//! Paths of one machine and sources that not everybody reaches have no place in the repository.

use super::Source;

/// The one registry of each package manager that its lock file may name.
const REGISTRIES: &[(&str, &str, &str)] = &[
    ("Cargo.lock", "source = ", "registry+https://github.com/rust-lang/crates.io-index"),
    ("package-lock.json", "\"resolved\": ", "https://registry.npmjs.org/"),
];

/// Options that send a package manager elsewhere.
const REDIRECTIONS: &[&str] = &["--index-url", "--extra-index-url", "--find-links", "replace-with"];

/// Every mention.
pub(crate) fn check(sources: &[Source]) -> Vec<String> {
    sources.iter().flat_map(check_file).collect()
}

fn check_file(source: &Source) -> Vec<String> {
    // This file spells out what it looks for.
    if source.path.starts_with("xtask/src/tidy/words") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        if let Some(problem) = problem(&source.path, line) {
            faults.push(format!("{}:{}: {problem}: {}", source.path, index + 1, line.trim()));
        }
    }
    faults
}

fn problem(path: &str, line: &str) -> Option<&'static str> {
    if mentions(line, "/work/") || mentions(line, "/root/.") {
        return Some("a path of one machine");
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let foreign = |(file, key, registry): &(&str, &str, &str)| {
        let value = line.trim().strip_prefix(key).map(|value| value.trim_start_matches('"'));
        name == *file && value.is_some_and(|value| !value.starts_with(registry))
    };
    if REGISTRIES.iter().any(foreign) {
        return Some("a registry that is not the public one");
    }
    let installs = name.starts_with("requirements") || name == "config.toml" || name.ends_with("npmrc");
    if installs && REDIRECTIONS.iter().any(|option| line.contains(option)) {
        return Some("a registry that is not the public one");
    }
    None
}

/// Whether an absolute path with this beginning is in the line; the same words may be the middle of another path.
fn mentions(line: &str, path: &str) -> bool {
    let part_of_a_path = |c: char| c.is_alphanumeric() || "_-.~}*".contains(c);
    line.match_indices(path).any(|(at, _)| !line[..at].ends_with(part_of_a_path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_paths_and_foreign_registries_are_found() {
        for (path, line, found) in [
            ("a.md", "see /work/notes", true),
            ("a.md", "see /root/.cargo", true),
            ("a.md", "see ~/work/notes and /var/work/x", false),
            ("a.rs", "/root/ holds the unpacked files", false),
            ("Cargo.lock", "source = \"registry+https://github.com/rust-lang/crates.io-index\"", false),
            ("Cargo.lock", "source = \"registry+https://crates.example/index\"", true),
            ("web/package-lock.json", "  \"resolved\": \"https://npm.example/a.tgz\",", true),
            ("tests/requirements.txt", "--index-url https://pypi.example/simple", true),
        ] {
            assert_eq!(problem(path, line).is_some(), found, "{path}: {line}");
        }
    }
}
