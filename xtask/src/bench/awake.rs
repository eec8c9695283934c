//! Keeps CPUs from sleeping. On an idle virtual machine each wake-up of a sleeping CPU adds 40 to 50 µs to whoever is
//! woken, floor and Lambent alike, which hides the difference between them. A thread of idle priority on each CPU
//! gives way to everything else at once and leaves the CPU awake.

use std::process::{Command, Stdio};

use anyhow::Context as _;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::process::Running;

/// The hidden argument under which this program is a spinner.
pub(crate) const SPIN: &str = "--spin-on-cpu";

/// Starts a spinner on every CPU that this process may use. They end when dropped.
pub(crate) fn start() -> anyhow::Result<Vec<Running>> {
    let this = std::env::current_exe().context("cannot find this program's file")?;
    let allowed = sched_getaffinity(Pid::from_raw(0)).context("cannot read the CPUs of this process")?;
    let cpus = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    cpus.map(|cpu| {
        // The scheduling class needs a system call that safe Rust does not offer; util-linux has a program for it.
        let mut command = Command::new("chrt");
        command.args(["--idle", "0"]).arg(&this).args(["bench", SPIN, &cpu.to_string()]).stdin(Stdio::null());
        Running::start("chrt", &mut command).context("install util-linux, or give --no-awake")
    })
    .collect()
}

/// Spins on one CPU until the parent is gone.
pub(crate) fn spin(cpu: usize) -> anyhow::Result<()> {
    let parent = std::os::unix::process::parent_id();
    let mut only = CpuSet::new();
    only.set(cpu).context("no such CPU")?;
    sched_setaffinity(Pid::from_raw(0), &only).with_context(|| format!("cannot move to CPU {cpu}"))?;
    while std::os::unix::process::parent_id() == parent {
        for _ in 0..1_000_000 {
            std::hint::spin_loop();
        }
    }
    Ok(())
}
