//! What the machine has: programs, and the right to install more.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The first program of this name on the search path.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    find_where(name, |_| true)
}

/// The first program of this name that also passes `suits`.
pub(crate) fn find_where(name: &str, suits: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Where Debian's packages go, for a search path that leaves it out.
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/bin")]);
    folders.map(|folder| folder.join(name)).find(|file| is_executable(file) && suits(file))
}

/// A program that Debian puts where only root looks.
pub(crate) fn find_in_sbin(name: &str) -> Option<PathBuf> {
    find(name).or_else(|| Some(Path::new("/usr/sbin").join(name)).filter(|file| is_executable(file)))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The AWS CLI, version 2: version 1 names waiters and options differently.
pub(crate) fn aws() -> Option<PathBuf> {
    find_where("aws", |file| {
        let output = Command::new(file).arg("--version").output();
        output.is_ok_and(|output| output.stdout.starts_with(b"aws-cli/2"))
    })
}

/// A Python that can make virtual environments; Debian keeps that apart.
pub(crate) fn python() -> Option<PathBuf> {
    find_where("python3", |file| {
        let output = Command::new(file).args(["-c", "import ensurepip, venv"]).output();
        output.is_ok_and(|output| output.status.success())
    })
}

/// Whether a C compiler makes a program: the compiler alone is not enough without the library's headers.
pub(crate) fn c_compiler() -> Option<PathBuf> {
    find_where("cc", |_| {
        Path::new("/usr/include/stdlib.h").exists() || find("x86_64-linux-gnu-gcc").is_none()
    })
}

/// Whether this process may install packages.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}
