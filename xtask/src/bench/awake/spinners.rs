//! A thread of idle priority on each CPU, which leaves it awake and gives way to everything else at once.
//!
//! To everything: the kernel compares priorities within a group of tasks only, and groups with each other by weight.
//! A sandbox is a cgroup of its own, and a session may be one too (`sched_autogroup_enabled`), so that a thread of
//! idle priority in our session would keep sandboxes waiting for milliseconds while the floor, in the same session,
//! would not notice it. Hence the spinners are a group by themselves, which is idle as a group (`cpu.idle`), or
//! without the right to make one a session of the least weight.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::{Pid, setsid};

use crate::bench::process::Running;

/// The hidden argument under which this program is a spinner.
pub(crate) const SPIN: &str = "--spin-on-cpu";

/// Where the controller `cpu` is mounted: its own hierarchy (version 1) or the only one (version 2).
const ROOTS: [&str; 2] = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup"];

/// Running spinners. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct Spinners {
    /// Before the group, which can be removed only when it is empty.
    threads: Vec<Running>,
    group: Option<PathBuf>,
}

impl Drop for Spinners {
    fn drop(&mut self) {
        self.threads.clear();
        if let Some(group) = &self.group {
            // An empty group that stays behind costs nothing; the next run makes another.
            let _ = fs::remove_dir(group);
        }
    }
}

/// Starts a spinner on every CPU that this process may use.
pub(crate) fn start() -> anyhow::Result<Spinners> {
    let this = std::env::current_exe().context("cannot find this program's file")?;
    let allowed = sched_getaffinity(Pid::from_raw(0)).context("cannot read the CPUs of this process")?;
    let mut spinners = Spinners { threads: Vec::new(), group: idle_group() };
    for cpu in (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)) {
        // The scheduling class needs a system call that safe Rust does not offer; util-linux has a program for it.
        let mut command = Command::new("chrt");
        command.args(["--idle", "0"]).arg(&this).args(["bench", SPIN, &cpu.to_string()]).stdin(Stdio::null());
        let spinner =
            Running::start("chrt", &mut command).context("install util-linux, or give --no-awake")?;
        if let Some(group) = &spinners.group {
            let file = group.join("cgroup.procs");
            fs::write(&file, spinner.pid().to_string())
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        spinners.threads.push(spinner);
    }
    if spinners.group.is_none() {
        eprintln!(
            "no right to make an idle cgroup: sandboxes with cgroups of their own may wait for the spinners"
        );
    }
    Ok(spinners)
}

/// A cgroup that is idle as a whole, if one can be made.
fn idle_group() -> Option<PathBuf> {
    let name = format!("lambent-bench-awake-{}", std::process::id());
    ROOTS.iter().map(|root| Path::new(root).join(&name)).find(|group| {
        let made = fs::create_dir(group).is_ok();
        let idle = made && fs::write(group.join("cpu.idle"), "1").is_ok();
        if made && !idle {
            // Made just now, so it is empty.
            let _ = fs::remove_dir(group);
        }
        idle
    })
}

/// Spins on one CPU until the parent is gone.
pub(crate) fn spin(cpu: usize) -> anyhow::Result<()> {
    let parent = std::os::unix::process::parent_id();
    setsid().context("cannot begin a session")?;
    // Kernels without this file do not group by session.
    if Path::new("/proc/self/autogroup").exists() {
        fs::write("/proc/self/autogroup", "19").context("cannot give the session the least weight")?;
    }
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
