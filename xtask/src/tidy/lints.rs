//! Every package takes the workspace's lints; the sandbox's programs may put theirs in their place.

use super::edges::Package;

/// Every package without lints.
pub(crate) fn check(packages: &[Package]) -> Result<Vec<String>, String> {
    let mut faults = Vec::new();
    for package in packages {
        let manifest = std::fs::read_to_string(&package.manifest)
            .map_err(|error| format!("cannot read {}: {error}", package.manifest))?;
        if !takes_lints(&manifest, package.manifest.contains("/crates/sandbox/")) {
            faults.push(format!("{}: add `[lints]` with `workspace = true`", package.manifest));
        }
    }
    Ok(faults)
}

fn takes_lints(manifest: &str, sandbox: bool) -> bool {
    let has = |section: &str, setting: &str| {
        let inside = manifest.lines().skip_while(|line| line.trim() != section).skip(1);
        inside.take_while(|line| !line.starts_with('[')).any(|line| line.trim() == setting)
    };
    has("[lints]", "workspace = true") || (sandbox && has("[lints.rust]", "unsafe_code = \"deny\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_lints_are_for_the_sandbox() {
        let own = "[lints.rust]\nunsafe_code = \"deny\"\n";
        assert!(takes_lints("[lints]\nworkspace = true\n\n[dependencies]\n", false));
        assert!(takes_lints(own, true));
        assert!(!takes_lints(own, false));
        assert!(!takes_lints("[lints]\n\n[package]\nworkspace = true\n", true));
    }
}
