//! Asks an executable for its version, once for each file.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A healthy interpreter answers in milliseconds, on a busy machine in a second; a hanging one must not hold the start.
const PATIENCE: Duration = Duration::from_secs(10);
/// What an interpreter may say: a version and, from Node.js, nothing else.
const OUTPUT_BYTES_MAX: u64 = 4096;

/// A version of three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32, pub(crate) u32);

impl Version {
    /// Reads `3.11.7`, `v20.20.2`, `3.14.0rc1`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().trim_start_matches('v').splitn(3, '.');
        let mut number = || {
            let part = parts.next()?;
            let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..end].parse().ok()
        };
        Some(Self(number()?, number()?, number()?))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Probed {
    modified_ns: i64,
    modified_s: i64,
    size: u64,
    inode: u64,
    version: Option<Version>,
}

/// Remembers what was found, by path and file, over restarts.
#[derive(Debug)]
pub(crate) struct Cache {
    file: PathBuf,
    entries: BTreeMap<PathBuf, Probed>,
    changed: bool,
}

impl Cache {
    /// Reads the cache. One that is missing or unreadable is an empty one: it can be made again.
    pub(crate) fn load(file: PathBuf) -> Self {
        let entries =
            fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { file, entries, changed: false }
    }

    /// The version of the executable; `None` if it did not say one.
    pub(crate) fn version(&mut self, executable: &Path) -> Option<Version> {
        let file = fs::metadata(executable).ok().filter(fs::Metadata::is_file)?;
        let mut probed = Probed {
            modified_ns: file.mtime_nsec(),
            modified_s: file.mtime(),
            size: file.size(),
            inode: file.ino(),
            version: None,
        };
        if let Some(known) = self.entries.get(executable) {
            probed.version = known.version;
            if *known == probed {
                return known.version;
            }
        }
        probed.version = ask(executable).ok().as_deref().and_then(parse_answer);
        let version = probed.version;
        self.entries.insert(executable.to_owned(), probed);
        self.changed = true;
        version
    }

    /// Writes what is new.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    pub(crate) fn save(&self) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        let scratch = self.file.with_extension(format!("{}.tmp", std::process::id()));
        fs::write(&scratch, serde_json::to_vec(&self.entries)?)?;
        fs::rename(&scratch, &self.file)
    }
}

/// `Python 3.11.7`, `v20.20.2`, `ruby 3.3.8 (2025-04-09 revision b200bad6cd)`, `openjdk 17.0.15 2025-04-15`.
fn parse_answer(answer: &str) -> Option<Version> {
    let answer = answer.trim();
    let names = ["Python ", "ruby ", "openjdk ", "java "];
    Version::parse(names.iter().find_map(|name| answer.strip_prefix(name)).unwrap_or(answer))
}

fn ask(executable: &Path) -> io::Result<String> {
    run(Command::new(executable).arg("--version"))
}

/// Runs a program with an empty environment and a time limit, and returns what it printed.
///
/// # Errors
///
/// If it cannot be started, fails, or takes too long; the error says which.
pub(crate) fn run(command: &mut Command) -> io::Result<String> {
    let mut child =
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let stdout = child.stdout.take().expect("standard output is piped");
    let (sender, receiver) = mpsc::channel();
    // Ends when the pipe does, which the kill below brings about at the latest.
    thread::spawn(move || {
        let mut text = String::new();
        let result = stdout.take(OUTPUT_BYTES_MAX).read_to_string(&mut text).map(|_| text);
        // Nobody listens any more once the time is up.
        let _ = sender.send(result);
    });
    let Ok(answer) = receiver.recv_timeout(PATIENCE) else {
        end(&mut child)?;
        return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {PATIENCE:?}")));
    };
    // Standard output is closed, so the program is at its end; a program that stays is not an interpreter.
    let status = wait_briefly(&mut child)?;
    if status.success() { answer } else { Err(io::Error::other(format!("it ended with {status}"))) }
}

fn wait_briefly(child: &mut Child) -> io::Result<std::process::ExitStatus> {
    for _ in 0..1000 {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(10));
    }
    end(child)?;
    Err(io::Error::new(io::ErrorKind::TimedOut, "it closed its output and went on"))
}

fn end(child: &mut Child) -> io::Result<()> {
    child.kill()?;
    child.wait().map(drop)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A fresh directory for one test.
    pub(crate) fn scratch(name: &str) -> PathBuf {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("lambent-runtimes-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary directory is writable");
        path.canonicalize().expect("it was just made")
    }

    /// A program that answers `--version` and notes each call in `<path>.calls`.
    pub(crate) fn fake_interpreter(path: &Path, answer: &str) {
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("creatable");
        let script =
            format!("#!/bin/sh\n: >> '{0}'; echo x >> '{0}'; echo '{answer}'\n", calls(path).display());
        fs::write(path, script).expect("writable");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("ours");
    }

    pub(crate) fn calls(path: &Path) -> PathBuf {
        path.with_extension("calls")
    }

    #[test]
    fn versions_are_read_from_what_interpreters_say() {
        for (text, version) in [
            ("Python 3.11.7\n", Some(Version(3, 11, 7))),
            ("v20.20.2\n", Some(Version(20, 20, 2))),
            ("Python 3.14.0rc1", Some(Version(3, 14, 0))),
            ("Python 3.12.1+", Some(Version(3, 12, 1))),
            ("ruby 3.3.8 (2025-04-09 revision b200bad6cd) [x86_64-linux]", Some(Version(3, 3, 8))),
            // Another language with Ruby's syntax and none of its extensions.
            ("jruby 10.0.2.0 (3.4.2) 2025-08-07", None),
            ("openjdk 17.0.15 2025-04-15\nOpenJDK Runtime", Some(Version(17, 0, 15))),
            ("command not found", None),
            ("Python 3", None),
            ("", None),
        ] {
            assert_eq!(parse_answer(text), version, "{text:?}");
        }
    }

    #[test]
    fn a_file_is_asked_once_until_it_changes() {
        let folder = scratch("probe");
        let python = folder.join("python3");
        fake_interpreter(&python, "Python 3.12.1");
        let count = || fs::read_to_string(calls(&python)).expect("it was called").lines().count();
        for _ in 0..2 {
            let mut cache = Cache::load(folder.join("probes.json"));
            assert_eq!(cache.version(&python), Some(Version(3, 12, 1)));
            cache.save().expect("writable");
        }
        assert_eq!(count(), 1);
        fake_interpreter(&python, "Python 3.12.10");
        assert_eq!(Cache::load(folder.join("probes.json")).version(&python), Some(Version(3, 12, 10)));
        assert_eq!(count(), 2);
        fs::remove_dir_all(folder).expect("removable");
    }
}
