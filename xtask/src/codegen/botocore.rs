//! Where the models come from: a pinned botocore in a virtual environment of xtask's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::allow::Service;

/// The release whose models the checked-in files were generated from.
pub(crate) const VERSION: &str = "1.44.5";

const PRINT_VERSION: &str = "import botocore; print(botocore.__version__)";

const PRINT_MODEL: &str = "
import gzip, os, sys, botocore
path = os.path.join(os.path.dirname(botocore.__file__), 'data', sys.argv[1], sys.argv[2], 'service-2.json.gz')
with gzip.open(path) as model:
    sys.stdout.buffer.write(model.read())
";

/// The interpreter of the virtual environment, which is made and filled where it is missing or holds another release.
pub(crate) fn python() -> Result<PathBuf, String> {
    let venv = crate::target_directory().join("xtask-venv");
    let python = venv.join("bin/python");
    if installed(&python).as_deref() == Some(VERSION) {
        return Ok(python);
    }
    succeed(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let package = format!("botocore=={VERSION}");
    succeed(Command::new(&python).args(["-m", "pip", "install", "--quiet", &package]))?;
    match installed(&python) {
        Some(version) if version == VERSION => Ok(python),
        found => Err(format!("{} holds botocore {found:?} instead of {VERSION}; remove it", venv.display())),
    }
}

/// The decompressed model of one service.
pub(crate) fn service_model(python: &Path, service: &Service) -> Result<Vec<u8>, String> {
    let arguments = ["-c", PRINT_MODEL, service.folder, service.version];
    succeed(Command::new(python).args(arguments))
}

/// The release that is installed; `None` where there is no usable environment yet, which `python` then makes.
fn installed(python: &Path) -> Option<String> {
    let output = Command::new(python).args(["-c", PRINT_VERSION]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn succeed(command: &mut Command) -> Result<Vec<u8>, String> {
    let output = command.output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} ended with {}: {}", output.status, stderr.trim()))
}
