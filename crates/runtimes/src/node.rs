//! What Node.js is told beside its script, as AWS's own start script tells it.

use std::ffi::OsString;

use lambent_model::MemorySize;

use crate::probe::Version;

/// Features that Node.js has on by default and Lambda off, and the versions that know the option (AWS Lambda Developer
/// Guide, "Building Lambda functions with Node.js"). A function turns one on by naming it in `NODE_OPTIONS`.
const EXPERIMENTAL: [(&str, &[(u32, u32)]); 2] =
    [("experimental-require-module", &[(20, 17), (22, 0)]), ("experimental-detect-module", &[(22, 0)])];

/// The words for a function of this size, with what its `NODE_OPTIONS` say respected; the script stays the last.
///
/// Node.js does not see the memory limit of its cgroup in a sandbox without `/sys`, so it is told: a tenth of the
/// memory for new objects, unless the function's options set either limit.
pub(crate) fn argv(base: &[OsString], version: Version, memory: MemorySize, own: &str) -> Vec<OsString> {
    let own = own.replace('_', "-");
    let mut words = Vec::new();
    if !["--max-semi-space-size", "--max-old-space-size"].iter().any(|name| own.contains(name)) {
        let new_space = memory.0 / 10;
        words.push(format!("--max-semi-space-size={}", new_space / 2));
        words.push(format!("--max-old-space-size={}", memory.0 - new_space));
    }
    for (feature, since) in EXPERIMENTAL {
        let is_known = since.iter().any(|&(major, minor)| version.0 == major && version.1 >= minor);
        // Both the wish for it and a refusal of the function's own.
        if is_known && !own.contains(feature) {
            words.push(format!("--no-{feature}"));
        }
    }
    let mut argv = base.to_vec();
    let before_script = argv.len().saturating_sub(1);
    argv.splice(before_script..before_script, words.into_iter().map(OsString::from));
    argv
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv_of((major, minor): (u32, u32), own: &str) -> String {
        let version = Version(major, minor, 0);
        let argv = argv(&["node".into(), "script".into()], version, MemorySize(128), own);
        argv.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn features_that_lambda_turns_off_are_off_where_node_knows_them() {
        let limits = "--max-semi-space-size=6 --max-old-space-size=116";
        let require = "--no-experimental-require-module";
        let detect = "--no-experimental-detect-module";
        for (version, own, expected) in [
            ((18, 20), "", format!("node {limits} script")),
            ((20, 11), "", format!("node {limits} script")),
            ((20, 20), "", format!("node {limits} {require} script")),
            ((22, 23), "", format!("node {limits} {require} {detect} script")),
            ((22, 23), "--experimental-require-module", format!("node {limits} {detect} script")),
            ((22, 23), "--no-experimental-detect-module", format!("node {limits} {require} script")),
            ((22, 23), "--max_old_space_size=64", format!("node {require} {detect} script")),
            ((24, 1), "", format!("node {limits} script")),
        ] {
            assert_eq!(argv_of(version, own), expected, "{version:?} {own}");
        }
    }
}
