//! Running the unpack program and reading its answer.

use std::fs::File;
use std::io::{PipeReader, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use serde::Deserialize;

use super::{CodeError, CodeOptions};

/// The program bounds its own processor time to 60 s; this bounds waiting for the disk and for a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);
/// The answer is one short line; more is a program gone wrong.
const ANSWER: usize = 16 * 1024;

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

/// Unpacks `zip` into the empty directory `root`. Blocks; on return the program is gone, whatever happened.
pub(super) fn unpack(options: &CodeOptions, zip: File, root: &OwnedFd) -> Result<Summary, CodeError> {
    let failed =
        |what: &str, error: std::io::Error| CodeError::Unpacker { detail: format!("{what}: {error}") };
    let (output, errors) = std::io::pipe().map_err(|e| failed("cannot make a pipe", e))?;
    let answers = errors.try_clone().map_err(|e| failed("cannot make a pipe", e))?;
    let mut command = Command::new(&options.program);
    command
        .args([options.max_unpacked.0.to_string(), options.max_entries.to_string()])
        .env_clear()
        .stdin(zip)
        .stdout(answers)
        // A panic's text ends up where the answer is expected, and so in the error.
        .stderr(errors)
        // By descriptor, because the program's user may not walk the path to it.
        .current_dir(format!("/proc/self/fd/{}", root.as_raw_fd()));
    if let Some(owner) = options.unpack_as {
        // With the user id, the standard library also drops all supplementary groups.
        command.uid(owner.uid).gid(owner.gid);
    }
    let child =
        command.spawn().map_err(|e| failed(&format!("cannot start {}", options.program.display()), e))?;
    // The command holds the pipe's other end, and with it the reader would wait for ourselves.
    drop(command);
    let (answer, status) = Running { child }.finish(output, Instant::now() + PATIENCE)?;
    judge(options, &answer, status)
}

/// The child, which is killed and reaped when this goes out of scope early.
struct Running {
    child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has been reaped already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Running {
    /// Collects the output and the exit status.
    fn finish(
        mut self,
        mut output: PipeReader,
        deadline: Instant,
    ) -> Result<(Vec<u8>, ExitStatus), CodeError> {
        let failed =
            |e: std::io::Error| CodeError::Unpacker { detail: format!("cannot read its answer: {e}") };
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            wait_for(output.as_fd(), deadline)?;
            match output.read(&mut buffer).map_err(failed)? {
                0 => break,
                read => answer.extend_from_slice(&buffer[..read]),
            }
            if answer.len() > ANSWER {
                return Err(CodeError::Unpacker { detail: "its answer is too long".to_owned() });
            }
        }
        // The end of the output is not yet the end of the program.
        let pid = rustix::process::Pid::from_child(&self.child);
        let handle = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
            .map_err(|e| failed(e.into()))?;
        wait_for(handle.as_fd(), deadline)?;
        Ok((answer, self.child.wait().map_err(failed)?))
    }
}

/// Waits until there is something to read or nothing will come any more.
fn wait_for(fd: BorrowedFd<'_>, deadline: Instant) -> Result<(), CodeError> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).expect("the deadline is minutes away at most");
        match rustix::event::poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => {
                return Err(CodeError::Unpacker { detail: format!("no answer within {PATIENCE:?}") });
            }
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(CodeError::Unpacker { detail: format!("cannot wait for its answer: {e}") }),
        }
    }
}

/// What the answer and the way the program ended mean.
fn judge(options: &CodeOptions, answer: &[u8], status: ExitStatus) -> Result<Summary, CodeError> {
    // Limits of memory, processor time and file size: the package is what reached them.
    const ABORTED: i32 = 6;
    const PROCESSOR_TIME: i32 = 24;
    const FILE_SIZE: i32 = 25;
    let text = || String::from_utf8_lossy(answer).trim().to_owned();
    if let Some(signal @ (ABORTED | PROCESSOR_TIME | FILE_SIZE)) = status.signal() {
        let detail = format!("unpacking it was ended at a limit by signal {signal}: {}", text());
        return Err(CodeError::NotAZip { detail });
    }
    if !status.success() {
        return Err(CodeError::Unpacker { detail: format!("it ended with {status}: {}", text()) });
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
