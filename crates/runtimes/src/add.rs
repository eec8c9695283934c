//! `lambent runtimes add`: brings what AWS's runtimes have besides the interpreter, once, into the data folder.
//!
//! Nothing here runs for an invocation. Downloads are left to tools of the host (curl, pip, npm): they know its
//! proxies, certificates and mirrors, and no HTTPS stack has to be in the binary. What comes is made ready in a scratch
//! folder and renamed into its place, so that a function sees all of it or nothing.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::sdk::{self, Library};
use crate::{Catalogue, Family, Missing, RuntimeInfo, info, java};

mod jars;
mod nodejs;
mod python;

/// Why nothing was added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// The runtime needs nothing that could be added.
    #[error("there is nothing to add for {runtime}{remedy}")]
    Nothing {
        /// The runtime.
        runtime: &'static str,
        /// What to do for what AWS's has all the same; empty, or the rest of the sentence.
        remedy: &'static str,
    },
    /// The runtime cannot be used here.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// No tool of the host can fetch it.
    #[error(
        "{needed} is needed to fetch {what}, and is not on PATH; install it, or give a folder with --from"
    )]
    NoTool {
        /// The tools that would do.
        needed: &'static str,
        /// What was to be fetched.
        what: String,
    },
    /// A tool failed.
    #[error("{tool} failed: {output}; without a network give a folder with --from")]
    Tool {
        /// The tool.
        tool: String,
        /// The end of what it said.
        output: String,
    },
    /// The folder that was given lacks something.
    #[error("{} is not in the given folder; {remedy}", file.display())]
    NotInFolder {
        /// What was looked for.
        file: PathBuf,
        /// What to put there.
        remedy: String,
    },
    /// What was fetched is not what it should be.
    #[error("{name} has the SHA-256 {found} and should have {expected}; it was not installed")]
    Checksum {
        /// The file's name.
        name: &'static str,
        /// The sum it should have.
        expected: &'static str,
        /// The sum it has.
        found: String,
    },
    /// The jar lacks the native library.
    #[error("{jar} cannot be read: {reason}")]
    Jar {
        /// The file's name.
        jar: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The file system said no.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// What was added, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Such as `boto3 1.43.5`.
    pub what: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Whether it had been there before.
    pub was_there: bool,
}

/// Adds what a runtime lacks: for Java AWS's client, for Python boto3, for Node.js the AWS SDK.
///
/// With `from`, a folder that holds it already, nothing is fetched.
///
/// # Errors
///
/// See [`AddError`]; nothing is left half done.
pub fn add(catalogue: &Catalogue, runtime: &str, from: Option<&Path>) -> Result<Added, AddError> {
    let info = info(runtime).filter(|info| info.is_accepted());
    let info = info.ok_or_else(|| Missing::Unknown(runtime.to_owned()))?;
    let runtimes = catalogue.runtimes_folder();
    let target = match info.family {
        Some(Family::Java { .. }) => java::client_folder(runtimes),
        _ => sdk::folder(info, runtimes).ok_or_else(|| nothing(info))?,
    };
    if let Library::Present(what) = sdk::library(info, runtimes) {
        return Ok(Added { what, folder: target, was_there: true });
    }
    let scratch = Scratch::new(runtimes)?;
    match info.family {
        Some(Family::Java { .. }) => jars::fetch(&scratch.0, from)?,
        Some(Family::Python { minor }) => {
            python::fetch(&catalogue.interpreter(info)?, minor, &scratch.0, from)?;
        }
        Some(Family::NodeJs { .. }) => nodejs::fetch(&catalogue.interpreter(info)?, &scratch.0, from)?,
        _ => return Err(nothing(info)),
    }
    publish(&scratch.0, &target)?;
    match sdk::library(info, runtimes) {
        Library::Present(what) => Ok(Added { what, folder: target, was_there: false }),
        other => unreachable!("what was just published is not there: {other:?}"),
    }
}

fn nothing(info: &RuntimeInfo) -> AddError {
    let remedy = match info.family {
        Some(Family::DotNet { .. }) => return Missing::NotSupported(info.id).into(),
        Some(Family::Ruby { .. }) => "; the AWS SDK for Ruby has to be in the package or a layer",
        _ => "",
    };
    AddError::Nothing { runtime: info.id, remedy }
}

/// A folder that goes away, unless its content was renamed to its place.
struct Scratch(PathBuf);

impl Scratch {
    fn new(runtimes: &Path) -> Result<Self, AddError> {
        let path = runtimes.join(format!(".add-{}", std::process::id()));
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove", &path)(error));
            }
            _ => {}
        }
        fs::create_dir_all(&path).map_err(failed("create", &path))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is in nobody's way, and the next one begins by removing it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes all of a folder readable for functions and gives it its name.
fn publish(scratch: &Path, target: &Path) -> Result<(), AddError> {
    make_readable(scratch)?;
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(failed("create", parent))?;
    }
    // An installation that was interrupted, by a version that did it otherwise.
    if target.exists() {
        fs::remove_dir_all(target).map_err(failed("remove", target))?;
    }
    fs::rename(scratch, target).map_err(failed("rename", scratch))
}

/// Functions run as users that own nothing, whatever the umask and the tools say.
fn make_readable(folder: &Path) -> Result<(), AddError> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(failed("change", folder))?;
    for entry in fs::read_dir(folder).map_err(failed("read", folder))? {
        let path = entry.map_err(failed("read", folder))?.path();
        let kind = path.symlink_metadata().map_err(failed("read", &path))?;
        if kind.is_dir() {
            make_readable(&path)?;
        } else if kind.is_file() {
            let mode = kind.permissions().mode() | 0o444;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(failed("change", &path))?;
        }
    }
    Ok(())
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AddError {
    let path = path.to_owned();
    move |source| AddError::File { action, path, source }
}

/// Runs a tool of the host; what it says is shown if it fails.
fn run(tool: &str, command: &mut Command) -> Result<(), AddError> {
    const SHOWN_LINES: usize = 8;
    let output = command.stdin(Stdio::null()).output();
    let output =
        output.map_err(|error| AddError::Tool { tool: tool.to_owned(), output: error.to_string() })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let lines: Vec<&str> = text.trim().lines().collect();
    let shown = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
    Err(AddError::Tool { tool: tool.to_owned(), output: format!("{} ({shown})", output.status) })
}

/// A program on `PATH`.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
