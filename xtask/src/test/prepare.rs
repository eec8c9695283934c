//! Brings what the suites need onto a bare Debian machine: packages of the distribution when root, and a Python
//! environment of our own.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{host, process};

/// One thing that suites need.
#[derive(Clone, Copy)]
pub(crate) struct Tool {
    what: &'static str,
    package: &'static str,
    find: fn() -> Option<PathBuf>,
}

pub(crate) const C_COMPILER: Tool =
    Tool { what: "a C compiler", package: "gcc libc6-dev", find: host::c_compiler };
pub(crate) const PYTHON: Tool =
    Tool { what: "Python with venv", package: "python3 python3-venv", find: host::python };
const AWS: Tool = Tool { what: "the AWS CLI, version 2", package: "awscli", find: host::aws };
const NODE: Tool = Tool { what: "Node.js", package: "nodejs", find: || host::find("node") };
const NPM: Tool = Tool { what: "npm", package: "npm", find: || host::find("npm") };
const GO: Tool = Tool { what: "Go", package: "golang", find: || host::find("go") };
const CPP: Tool = Tool { what: "a C++ compiler", package: "g++", find: || host::find("g++") };
const JDK: Tool = Tool { what: "a JDK", package: "default-jdk-headless", find: || host::find("javac") };
const CURL: Tool = Tool { what: "curl", package: "curl", find: || host::find("curl") };
const ZIP: Tool = Tool { what: "zip", package: "zip", find: || host::find("zip") };

/// 64 MB, and no window.
const BROWSER: Tool = Tool {
    what: "a browser",
    package: "chromium-headless-shell",
    find: || ["chromium-headless-shell", "chromium", "google-chrome"].into_iter().find_map(host::find),
};

/// An emulated machine of the same kind.
pub(crate) const QEMU: Tool =
    Tool { what: "qemu", package: "qemu-system-x86", find: || host::find("qemu-system-x86_64") };
pub(crate) const MKE2FS: Tool =
    Tool { what: "mke2fs", package: "e2fsprogs", find: || host::find_in_sbin("mke2fs") };

/// What the conformance suite uses; a test that misses its tool says so and is skipped.
pub(crate) const CONFORMANCE: &[Tool] = &[PYTHON, AWS, NODE, GO, CPP, JDK, CURL, ZIP, BROWSER];
/// What the differential suite of the runtimes uses.
pub(crate) const RUNTIMES: &[Tool] = &[PYTHON, NODE, NPM];
/// What it uses for Java; without it those tests are skipped and say so.
pub(crate) const JAVA: &[Tool] = &[JDK, CURL];

/// Installs those that are missing, all at once. What then is still missing is named.
pub(crate) fn tools(tools: &[Tool]) -> Vec<&'static str> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| (tool.find)().is_none()).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let packages: Vec<&str> = missing.iter().flat_map(|tool| tool.package.split(' ')).collect();
    if let Err(problem) = install(&packages) {
        println!("{problem}");
    }
    let still: Vec<&Tool> = missing.into_iter().filter(|tool| (tool.find)().is_none()).collect();
    for tool in &still {
        println!("missing: {} (Debian: apt-get install {})", tool.what, tool.package);
    }
    still.into_iter().map(|tool| tool.what).collect()
}

/// Fails unless every one of the tools is there or can be installed.
pub(crate) fn require(needed: &[Tool]) -> Result<(), String> {
    match tools(needed)[..] {
        [] => Ok(()),
        ref missing => Err(format!("cannot run without {}", missing.join(", "))),
    }
}

fn install(packages: &[&str]) -> Result<(), String> {
    if !host::is_root() {
        return Err(format!("not root, so not installing {}", packages.join(" ")));
    }
    let Some(apt) = host::find("apt-get") else {
        return Err(format!("no apt-get here, so not installing {}", packages.join(" ")));
    };
    println!("installing {}", packages.join(" "));
    let apt_get = || {
        let mut command = Command::new(&apt);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    process::succeed(apt_get().args(["update", "-q"]))?;
    // One by one: a package that cannot be had must not keep the others away.
    let failed: Vec<String> = packages
        .iter()
        .filter_map(|package| {
            process::succeed(apt_get().args(["install", "-q", "-y", "--no-install-recommends", package]))
                .err()
        })
        .collect();
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// The interpreter of a suite's Python environment, which is made anew whenever its requirements have changed.
pub(crate) fn venv(suite: &str, requirements: &Path) -> Result<PathBuf, String> {
    let base = (PYTHON.find)().ok_or("no Python that can make virtual environments")?;
    let wanted = std::fs::read_to_string(requirements)
        .map_err(|error| format!("cannot read {}: {error}", requirements.display()))?;
    let folder = crate::target_directory().join("test-venv").join(suite);
    let python = folder.join("bin/python");
    // Written last: an installation that was interrupted has none.
    let stamp = folder.join("installed.txt");
    if python.exists() && std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    println!("installing {} into {}", requirements.display(), folder.display());
    process::succeed(Command::new(base).args(["-m", "venv", "--clear"]).arg(&folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    process::succeed(Command::new(&python).args(pip).arg(requirements))?;
    std::fs::write(&stamp, wanted).map_err(|error| format!("cannot write {}: {error}", stamp.display()))?;
    Ok(python)
}
