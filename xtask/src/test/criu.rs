//! A CRIU that takes snapshots on recent kernels, for the tests of SnapStart: the host's, or, where that is too old or missing
//! (Debian 12 has 3.17), Debian's newest with its libraries, unpacked into a folder and not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{host, process};

/// The first distribution with 4.2.
const BINARIES: &str =
    "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian sid main";

/// The root of the file system in which it lies, or why there is none.
pub(crate) fn prepare() -> Result<PathBuf, String> {
    if host::find_in_sbin("criu").is_some_and(|file| suits(Command::new(file))) {
        return Ok("/".into());
    }
    let root = crate::target_directory().join("test-criu");
    if root.join("complete").exists() {
        return Ok(root);
    }
    let apt = host::find("apt-get").filter(|_| host::is_root());
    let apt = apt.ok_or("no CRIU from 4.2 on, and no right to run it")?;
    println!("unpacking Debian's newest CRIU into {}, once", root.display());
    fetch(&apt, &root)?;
    let linker = root.join("usr/lib64/ld-linux-x86-64.so.2");
    let mut criu = Command::new(linker);
    criu.arg("--library-path").arg(root.join("usr/lib/x86_64-linux-gnu")).arg(root.join("usr/sbin/criu"));
    if !suits(criu) {
        return Err(format!("{} has no CRIU that works", root.display()));
    }
    fs::write(root.join("complete"), "")
        .map_err(|error| format!("cannot finish {}: {error}", root.display()))?;
    Ok(root)
}

fn suits(mut criu: Command) -> bool {
    let Ok(output) = criu.arg("--version").output() else { return false };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.lines().find_map(|line| line.strip_prefix("Version:")).unwrap_or_default();
    let mut numbers = version.trim().split('.').map_while(|part| part.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (4, 2)
}

/// By apt, which checks signatures, with lists and a state of our own: the host's stay as they are.
fn fetch(apt: &Path, into: &Path) -> Result<(), String> {
    let work = into.with_extension("apt");
    let at = |name: &str| work.join(name);
    let cannot = |error: std::io::Error| format!("cannot prepare {}: {error}", work.display());
    for folder in ["lists/partial", "archives/partial"] {
        fs::create_dir_all(at(folder)).map_err(cannot)?;
    }
    fs::write(at("sources.list"), BINARIES).map_err(cannot)?;
    // As if nothing were installed: the libraries come along.
    fs::write(at("status"), "").map_err(cannot)?;
    let options = [
        format!("Dir::Etc::sourcelist={}", at("sources.list").display()),
        "Dir::Etc::sourceparts=-".to_owned(),
        format!("Dir::State::lists={}", at("lists").display()),
        format!("Dir::State::status={}", at("status").display()),
        format!("Dir::Cache={}", work.display()),
    ];
    for arguments in [
        &["-q", "update"][..],
        &["-q", "-y", "install", "--no-install-recommends", "--download-only", "criu"],
    ] {
        let mut command = Command::new(apt);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        for option in &options {
            command.args(["-o", option]);
        }
        process::succeed(command.args(arguments))?;
    }
    // Half of an earlier try.
    let _none = fs::remove_dir_all(into);
    fs::create_dir_all(into).map_err(cannot)?;
    for package in fs::read_dir(at("archives")).map_err(cannot)?.flatten().map(|entry| entry.path()) {
        if package.extension().is_some_and(|extension| extension == "deb") {
            process::succeed(Command::new("dpkg").arg("-x").arg(package).arg(into))?;
        }
    }
    fs::remove_dir_all(&work).map_err(cannot)
}
