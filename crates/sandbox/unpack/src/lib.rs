//! Unpacks one deployment package: the only program that looks inside a zip from outside.
//!
//! Whoever starts it gives it
//! - the zip file as standard input, a regular file open for reading,
//! - an empty directory that it may write to as its working directory,
//! - two arguments: the bytes and the number of files and directories that the package may unpack to,
//! - a user without rights; it refuses to run as root,
//!
//! and reads one line of JSON from standard output, either `{"files":3,"bytes":1024,"unreadable":0}` or
//! `{"error":"not-a-zip","detail":"…"}` with one of the words of [`Kind`]. Any other end, or any other output, means
//! that the program failed. What it leaves in the directory after an error is for the caller to remove.
//!
//! Before it reads the first byte it gives up all it does not need (see [`confine`]). Then it plans the whole tree in
//! memory, where conflicts and unsafe names are refused, and only then writes ([`mod@write`]).
//!
//! How packages are read where tools differ:
//! - the last of two entries with one path wins, as with `unzip -o`, and the earlier one is never written; a
//!   directory and something else with one path are refused;
//! - a backslash is an ordinary character of a name, as on every Linux file system;
//! - names are bytes; those that are not UTF-8 are taken to be code page 437, as the zip format has it;
//! - files keep their mode, without set-user-id, set-group-id, sticky, and without write permission for group and
//!   others; files without a mode (made on Windows) are 0644, directories 0755;
//! - a file that only its owner may read stays so, as on AWS, where the function then fails to read it; the result
//!   counts them;
//! - modification times are kept, because Python trusts `.pyc` files by them.

mod confine;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod plan;
mod write;

use std::fs::File;
use std::io::BufReader;
use std::os::fd::AsFd;

use serde::Serialize;

/// What kind of failure it is, for the caller to choose its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// No zip file, or a damaged one.
    NotAZip,
    /// A zip file without an entry.
    Empty,
    /// More bytes than allowed.
    TooLarge,
    /// More files and directories than allowed.
    TooManyEntries,
    /// Names, links or kinds of files that reach beyond the package, or entries that share bytes.
    Unsafe,
    /// Encrypted, or compressed by a method other than deflate.
    Unsupported,
    /// The disk is full.
    NoSpace,
    /// Nothing that the package is to blame for.
    Internal,
}

/// Why a package is not unpacked.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Of what kind.
    pub error: Kind,
    /// In words.
    pub detail: String,
}

impl Failure {
    /// The detail is cut where names from the zip would make it longer than the caller reads.
    fn new(error: Kind, detail: impl AsRef<str>) -> Self {
        Self { error, detail: detail.as_ref().chars().take(300).collect() }
    }
}

/// What was unpacked.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Files and symbolic links.
    pub files: u64,
    /// Their real bytes, without the file system's overhead.
    pub bytes: u64,
    /// Files and directories that others than the owner cannot read.
    pub unreadable: u64,
}

/// How much a package may become.
#[derive(Debug, Clone, Copy)]
struct Limits {
    bytes: u64,
    entries: usize,
}

/// Gives up rights, then unpacks: the whole program but for its last line.
///
/// # Errors
/// What that line tells the caller.
pub fn run(arguments: impl Iterator<Item = String>) -> Result<Summary, Failure> {
    let limits = limits(arguments)?;
    let directory = confine::confine(limits)?;
    let zip = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|e| Failure::new(Kind::Internal, format!("cannot use standard input: {e}")))?;
    // Headers are read in many small pieces.
    let mut archive = zip::ZipArchive::new(BufReader::new(File::from(zip))).map_err(plan::malformed)?;
    let plan = plan::Plan::of_archive(&mut archive, limits)?;
    write::write(&mut archive, &plan, directory, limits)
}

fn limits(mut arguments: impl Iterator<Item = String>) -> Result<Limits, Failure> {
    let numbers = (arguments.next(), arguments.next(), arguments.next());
    if let (Some(bytes), Some(entries), None) = numbers
        && let (Ok(bytes), Ok(entries)) = (bytes.parse(), entries.parse())
    {
        return Ok(Limits { bytes, entries });
    }
    Err(Failure::new(Kind::Internal, "usage: unpack MAX_BYTES MAX_ENTRIES < ZIP, in an empty directory"))
}
