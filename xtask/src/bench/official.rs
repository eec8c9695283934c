//! AWS's own clients, pinned, each installed once below the benchmark's folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::prepare::{Place, output, succeed};

/// `awslambdaric` on PyPI.
pub(crate) const PYTHON: &str = "4.2.2";
/// `aws-lambda-ric` on npm, the last version for Node.js 20.
pub(crate) const NODEJS: &str = "3.3.0";

/// A virtual environment of the interpreter with the client. Returns its `python`.
pub(crate) fn python(place: &Place, interpreter: &Path) -> anyhow::Result<PathBuf> {
    let version = output(Command::new(interpreter).arg("--version"))?;
    let version = version.trim().replace("Python ", "");
    let folder = place.bench.join(format!("python-{version}-{PYTHON}"));
    let python = folder.join("bin/python");
    once(&folder, || {
        succeed(Command::new(interpreter).args(["-m", "venv"]).arg(&folder))?;
        let client = format!("awslambdaric=={PYTHON}");
        succeed(Command::new(&python).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            &client,
        ]))
    })?;
    Ok(python)
}

/// The client's script for `node`, with its native part built for this interpreter.
pub(crate) fn nodejs(place: &Place, interpreter: &Path) -> anyhow::Result<PathBuf> {
    let version = output(Command::new(interpreter).arg("--version"))?;
    let folder = place.bench.join(format!("nodejs-{}-{NODEJS}", version.trim()));
    let package = folder.join("node_modules/aws-lambda-ric");
    once(&folder, || {
        let path = path_with(interpreter)?;
        let client = format!("aws-lambda-ric@{NODEJS}");
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"])
            .arg(&folder);
        succeed(npm.arg(client).env("PATH", &path))?;
        let script = place.sources.join("official/build-node-client.sh");
        succeed(Command::new(script).arg(&package).env("PATH", &path))
    })?;
    Ok(package.join("bin/index.mjs"))
}

/// Fills a folder unless it has been filled to the end before.
fn once(folder: &Path, fill: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let complete = folder.join(".complete");
    if complete.exists() {
        return Ok(());
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fill()?;
    std::fs::write(&complete, "").with_context(|| format!("cannot write {}", complete.display()))
}

/// The search path with the interpreter's folder in front, so that npm and node-gyp run on it.
fn path_with(interpreter: &Path) -> anyhow::Result<std::ffi::OsString> {
    let own = interpreter.parent().map(Path::to_owned);
    let others = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(own.into_iter().chain(std::env::split_paths(&others))).context("PATH")
}
