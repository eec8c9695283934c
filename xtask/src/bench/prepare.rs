//! Builds what is measured and what measures. Repeated runs find everything in place.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// Where things are.
#[derive(Debug)]
pub(crate) struct Place {
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    /// The benchmark's own folder in it.
    pub(crate) bench: PathBuf,
    /// `benches` in the repository.
    pub(crate) sources: PathBuf,
}

impl Place {
    /// Finds the folders and makes the benchmark's own.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(given) => std::path::absolute(given).context("CARGO_TARGET_DIR")?,
            None => crate::root().join("target"),
        };
        let bench = target.join("bench");
        std::fs::create_dir_all(&bench).with_context(|| format!("cannot make {}", bench.display()))?;
        Ok(Self { target, bench, sources: crate::root().join("benches") })
    }

    /// Where the server's data are during the run. Not among the build's files: functions run as other users, who
    /// may not be able to reach these.
    pub(crate) fn data() -> PathBuf {
        std::env::temp_dir().join(format!("lambent-bench-{}", std::process::id()))
    }
}

/// The data folder, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Data;

impl Drop for Data {
    fn drop(&mut self) {
        // It is in the folder for temporary files; what cannot be removed now is removed with them.
        let _ = std::fs::remove_dir_all(Place::data());
    }
}

/// The programs.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) lambent: PathBuf,
    pub(crate) floor: PathBuf,
    pub(crate) load: PathBuf,
    /// SQLite alone, in batches.
    pub(crate) batches: PathBuf,
    /// The function in Rust, a `bootstrap`.
    pub(crate) rust_echo: PathBuf,
}

/// Builds them.
pub(crate) fn build(place: &Place) -> anyhow::Result<Programs> {
    // Apart from each other: in one build the features that one asks of a dependency are compiled into the other.
    cargo(&["--package", "lambent"], &place.target)?;
    cargo(&["--package", "lambent-bench-floor", "--package", "lambent-bench-load"], &place.target)?;
    cargo(&["--package", "lambent-store", "--example", "batches"], &place.target)?;
    let manifest = place.sources.join("functions/rust-echo/Cargo.toml");
    let manifest = manifest.to_str().context("the repository's path is not UTF-8")?;
    let function = place.bench.join("rust-echo");
    cargo(&["--manifest-path", manifest], &function)?;
    let release = place.target.join("release");
    Ok(Programs {
        lambent: release.join("lambent"),
        floor: release.join("bench-floor"),
        load: release.join("bench-load"),
        batches: release.join("examples/batches"),
        rust_echo: function.join("release/bootstrap"),
    })
}

fn cargo(arguments: &[&str], target: &Path) -> anyhow::Result<()> {
    let mut command = crate::cargo();
    succeed(command.args(["build", "--release", "--locked"]).args(arguments).arg("--target-dir").arg(target))
}

/// Runs a command to its end; its output goes where ours goes, but never into the result.
pub(crate) fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stdin(Stdio::null()).stdout(std::io::stderr()).status();
    let status = status.with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}

/// Runs a command and returns what it prints.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    let problem = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {}: {}", output.status, problem.trim());
    String::from_utf8(output.stdout).with_context(|| format!("{command:?} prints what is not UTF-8"))
}
