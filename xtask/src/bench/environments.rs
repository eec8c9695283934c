//! Many environments at once, idle: one for each of as many functions in Rust, whose own processes are small.

use std::fs;

use anyhow::Context as _;
use serde::Serialize;

use super::cold::first;
use super::options::Options;
use super::prepare::Programs;
use super::server::{Memory, Server};
use super::stats::Summary;
use super::subject::Subject;

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Environments {
    pub(crate) count: usize,
    /// The first invocation of each, one after the other, in milliseconds.
    pub(crate) first_ms: Option<Summary>,
    /// With all of them there.
    pub(crate) memory: Memory,
    /// What the machine has less of for each of them, in bytes: the function's own processes with it.
    pub(crate) all_bytes: u64,
    /// What the function's own processes hold of it, shared pages in parts.
    pub(crate) function_bytes: u64,
}

impl Environments {
    /// What an environment costs beside its function.
    pub(crate) fn overhead_bytes(&self) -> u64 {
        self.all_bytes.saturating_sub(self.function_bytes)
    }
}

/// Makes them, and leaves them to the server.
pub(crate) fn measure(
    subject: &Subject,
    server: &Server,
    programs: &Programs,
    options: &Options,
) -> anyhow::Result<Environments> {
    let count = options.environments;
    eprintln!("measuring {count} environments at once");
    let names: Vec<String> =
        (0..count).map(|number| format!("{}-one-of-many-{number}", subject.name)).collect();
    for name in &names {
        server.deploy(subject, name)?;
    }
    let before = available()?;
    let mut first_ms = Vec::new();
    for name in &names {
        first_ms.push(first(programs, &server.url(name))?);
    }
    let after = available()?;
    let functions = server.functions()?;
    // The processes that other measurements left behind are of other functions, and many fewer.
    let own: Vec<u64> = functions.iter().filter_map(|pid| proportional(*pid, "bootstrap")).collect();
    let each = |bytes: u64| bytes / u64::try_from(count.max(1)).expect("a count fits");
    Ok(Environments {
        count,
        first_ms: Summary::of(first_ms),
        memory: server.memory()?,
        all_bytes: each(before.saturating_sub(after)),
        function_bytes: own.iter().sum::<u64>() / u64::try_from(own.len().max(1)).expect("a count fits"),
    })
}

/// Memory that programs could have, in bytes (proc(5), `/proc/meminfo`).
fn available() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    kilobytes(&text, "MemAvailable:").context("/proc/meminfo has no MemAvailable")
}

/// The memory of a process of this name, what it shares divided among those that do; `None` for another process, or
/// one that has ended.
fn proportional(pid: u32, name: &str) -> Option<u64> {
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    (comm.trim_end() == name).then(|| kilobytes(&text, "Pss:"))?
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_are_read() {
        let text = "MemFree:  5 kB\nMemAvailable:   23 kB\n";
        assert_eq!(kilobytes(text, "MemAvailable:"), Some(23 * 1024));
        assert_eq!(kilobytes(text, "Pss:"), None);
    }
}
