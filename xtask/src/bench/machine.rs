//! The machine that was measured, as far as it explains the figures.

use std::fs;
use std::process::Command;

use anyhow::Context as _;
use serde::Serialize;

use super::awake::Means;

/// Half a CPU for others still leaves the relay, the client and the function of one connection room on two.
const BUSY_LOAD: f64 = 0.5;

/// What the figures belong to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cpus: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
    /// Load of one minute before the run; the run itself adds three and more by its end.
    pub(crate) load_before: f64,
    pub(crate) load_after: f64,
    /// What kept CPUs from sleeping.
    pub(crate) awake: Means,
    /// The commit that was measured, with a mark if files had changed since.
    pub(crate) commit: String,
}

impl Machine {
    /// Whether others had so much to do before the run that its figures are noise.
    pub(crate) fn was_busy(&self) -> bool {
        self.load_before > BUSY_LOAD
    }
}

/// Reads it all.
pub(crate) fn describe(load_before: f64, awake: Means) -> anyhow::Result<Machine> {
    let field = |file: &str, key: &str| -> anyhow::Result<Option<String>> {
        let text = read(file)?;
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.split_once(':'));
        Ok(value.map(|(_, value)| value.trim().to_owned()))
    };
    let memory = field("/proc/meminfo", "MemTotal")?.unwrap_or_default();
    let kib: u64 = memory.trim_end_matches(" kB").parse().context("/proc/meminfo has no MemTotal")?;
    Ok(Machine {
        cpu: field("/proc/cpuinfo", "model name")?.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cpus: std::thread::available_parallelism()?.get(),
        memory_bytes: kib * 1024,
        kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        load_before,
        load_after: load_average()?,
        awake,
        commit: commit(),
    })
}

/// The load average of the last minute.
pub(crate) fn load_average() -> anyhow::Result<f64> {
    let text = read("/proc/loadavg")?;
    text.split(' ').next().and_then(|first| first.parse().ok()).context("/proc/loadavg holds no number")
}

fn read(file: &str) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {file}"))
}

/// A copy of the sources without their history is measured too; it just cannot be named.
fn commit() -> String {
    let output =
        Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(crate::root()).output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}
