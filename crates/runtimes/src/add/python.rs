//! boto3, as AWS's Python runtimes bring it, by pip.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{AddError, failed, on_path, run};
use crate::sdk::STAMP;

/// Fills `folder` with boto3 and what it needs, compiled for the interpreter: functions cannot write there.
pub(super) fn fetch(python: &Path, minor: u8, folder: &Path, from: Option<&Path>) -> Result<(), AddError> {
    let mut pip = pip(python)?;
    // For exactly this version, whichever Python pip itself runs in; none of it has to be built.
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-compile", "--only-binary=:all:"]);
    pip.arg(format!("--python-version=3.{minor}")).arg("--target").arg(folder);
    if let Some(from) = from {
        pip.args(["--no-index", "--find-links"]).arg(from);
    }
    run("pip", pip.arg("boto3"))?;
    let arguments = ["-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"];
    run("python", Command::new(python).args(arguments).arg(folder))?;
    let stamp = folder.join(STAMP);
    fs::write(&stamp, installed_version(folder)?).map_err(failed("write", &stamp))
}

/// The interpreter's own pip, or any other: it is told for which version it installs.
fn pip(python: &Path) -> Result<Command, AddError> {
    let mut own = Command::new(python);
    own.args(["-m", "pip"]);
    let mut probe = Command::new(python);
    if run("pip", probe.args(["-m", "pip", "--version"])).is_ok() {
        return Ok(own);
    }
    let found = ["pip3", "pip"].into_iter().find_map(on_path);
    found.map(Command::new).ok_or(AddError::NoTool { needed: "pip", what: "boto3".to_owned() })
}

fn installed_version(folder: &Path) -> Result<String, AddError> {
    let entries = fs::read_dir(folder).map_err(failed("read", folder))?;
    let version = entries.flatten().find_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        Some(name.strip_prefix("boto3-")?.strip_suffix(".dist-info")?.to_owned())
    });
    let nothing = || AddError::Tool { tool: "pip".into(), output: "it installed no boto3".into() };
    version.map(|version| format!("boto3 {version}")).ok_or_else(nothing)
}
