//! `cargo xtask tidy`: rules that no compiler holds. Fast, builds nothing.
//!
//! Each rule is a module that reads the tree and returns its faults; this file runs them all, so that one run shows
//! everything there is to do.

use std::path::{Path, PathBuf};
use std::process::Command;

mod code;
mod edges;
mod lints;
mod sites;
mod size;
mod unsafety;
mod words;

/// One file of the repository, as far as the rules read it.
pub(crate) struct Source {
    /// Path from the repository's root.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

impl Source {
    /// Whether somebody typed it in Rust; what `codegen` wrote follows other rules.
    fn is_handwritten_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
            && !self.path.contains("/generated/")
    }
}

/// Checks every rule.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    if !arguments.is_empty() {
        return Err("usage: cargo xtask tidy".to_owned());
    }
    let faults = faults()?;
    if faults.is_empty() {
        println!("tidy: no faults");
        return Ok(());
    }
    Err(format!("tidy: {} fault(s)\n  {}", faults.len(), faults.join("\n  ")))
}

/// Every fault of the tree, one line each.
fn faults() -> Result<Vec<String>, String> {
    let packages = edges::packages()?;
    let sources = sources()?;
    let rust: Vec<&Source> = sources.iter().filter(|source| source.is_handwritten_rust()).collect();
    let mut faults = edges::check(&packages, edges::TABLE);
    faults.extend(lints::check(&packages)?);
    faults.extend(unsafety::check(&rust));
    faults.extend(sites::check(&rust));
    faults.extend(size::check(&rust, size::RATCHET));
    faults.extend(words::check(&sources));
    Ok(faults)
}

/// The text files of the working tree: tracked ones, and new ones that would be.
fn sources() -> Result<Vec<Source>, String> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git")
        .args(arguments)
        .current_dir(crate::root())
        .output()
        .map_err(|error| format!("cannot run git, which knows the files to check: {error}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("git ls-files ended with {}: {}", output.status, stderr.trim()));
    }
    let paths = String::from_utf8(output.stdout).map_err(|error| format!("a path is not UTF-8: {error}"))?;
    let mut sources = Vec::new();
    for path in paths.split('\0').filter(|path| !path.is_empty()) {
        let full: PathBuf = crate::root().join(path);
        // Deleted and not yet committed, or a link to elsewhere: nothing to read.
        if !full.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            continue;
        }
        let bytes = std::fs::read(&full).map_err(|error| format!("cannot read {path}: {error}"))?;
        // What is not text, such as an image, has no lines to check.
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    Ok(sources)
}
