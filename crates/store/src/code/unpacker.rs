//! The port behind which zips are unpacked, and what the answers of the unpack program mean.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::pin::Pin;

use serde::Deserialize;

use super::{CodeError, CodeOptions};

/// Runs the program of the package `lambent-sandbox-unpack`. The store neither starts programs nor reads zips.
pub trait Unpack: Send + Sync {
    /// Unpacks one zip. When it resolves the program is gone, whatever has happened, and what it left belongs to this
    /// process's user.
    fn unpack(&self, job: Job) -> Pin<Box<dyn Future<Output = Result<Finished, String>> + Send + '_>>;
}

/// One zip to be unpacked.
#[derive(Debug)]
pub struct Job {
    /// A regular file, open for reading alone.
    pub zip: File,
    /// An empty directory of this process's user.
    pub directory: OwnedFd,
    /// What it may unpack to.
    pub max_bytes: u64,
    /// Files and directories that it may unpack to.
    pub max_entries: u32,
}

/// How the program has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// What it wrote to standard output and standard error.
    pub answer: Vec<u8>,
    /// The exit code, or the signal that ended it.
    pub end: Result<i32, i32>,
}

/// The program's answer.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Summary {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) unreadable: u64,
}

/// The program's refusal; the words are those of its `Kind`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    error: String,
    detail: String,
}

/// Unpacks `zip` into the empty directory `root`. Blocks: for a thread that may, of a runtime.
pub(super) fn unpack(options: &CodeOptions, zip: File, root: &OwnedFd) -> Result<Summary, CodeError> {
    let failed = |detail: String| CodeError::Unpacker { detail };
    let directory = root.try_clone().map_err(|e| failed(format!("cannot share the directory: {e}")))?;
    let (max_bytes, max_entries) = (options.max_unpacked.0, options.max_entries);
    let work = options.unpacker.unpack(Job { zip, directory, max_bytes, max_entries });
    let finished = tokio::runtime::Handle::current().block_on(work).map_err(failed)?;
    judge(options, &finished)
}

/// What the answer and the way the program ended mean.
fn judge(options: &CodeOptions, finished: &Finished) -> Result<Summary, CodeError> {
    // Limits of memory, processor time and file size: the package is what reached them.
    const ABORTED: i32 = 6;
    const PROCESSOR_TIME: i32 = 24;
    const FILE_SIZE: i32 = 25;
    let answer = finished.answer.as_slice();
    let text = || String::from_utf8_lossy(answer).trim().to_owned();
    match finished.end {
        Ok(0) => {}
        Err(signal @ (ABORTED | PROCESSOR_TIME | FILE_SIZE)) => {
            let detail = format!("unpacking it was ended at a limit by signal {signal}: {}", text());
            return Err(CodeError::NotAZip { detail });
        }
        Ok(code) => {
            return Err(CodeError::Unpacker {
                detail: format!("it ended with exit code {code}: {}", text()),
            });
        }
        Err(signal) => {
            return Err(CodeError::Unpacker { detail: format!("signal {signal} ended it: {}", text()) });
        }
    }
    if let Ok(Refusal { error, detail }) = serde_json::from_slice(answer) {
        return Err(match error.as_str() {
            "not-a-zip" | "empty" | "unsafe" | "unsupported" | "too-many-entries" => {
                CodeError::NotAZip { detail }
            }
            "too-large" => CodeError::TooLarge { limit: options.max_unpacked },
            // The caller names the directory.
            "no-space" => CodeError::DiskFull { dir: std::path::PathBuf::new() },
            _ => CodeError::Unpacker { detail },
        });
    }
    serde_json::from_slice(answer)
        .map_err(|_| CodeError::Unpacker { detail: format!("it answered {:?}", text()) })
}
