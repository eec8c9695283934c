//! Processes: started by us and ended by their id, and what the kernel counts about them and their descendants.

use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// How long a process may take to end when asked. Lambent drains its functions; more than this is a fault.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process of ours. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    pub(crate) child: Child,
}

impl Running {
    /// Starts a program.
    pub(crate) fn start(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// Its id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fails if it has ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait().with_context(|| format!("cannot ask for {}", self.name))? {
            Some(status) => bail!("{} has ended: {status}", self.name),
            None => Ok(()),
        }
    }

    /// Ends it with SIGTERM and waits.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        ensure!(self.end(), "{} did not end within {PATIENCE:?} of SIGTERM and was killed", self.name);
        Ok(())
    }

    /// Whether it ended when asked to.
    fn end(&mut self) -> bool {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return true;
        }
        let asked = Instant::now();
        // The child has not been waited for, so its id is still its own.
        if kill(pid_of(self.child.id()), Signal::SIGTERM).is_ok() {
            while asked.elapsed() < PATIENCE {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return true;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        // Neither can fail for a child that lives.
        let _ = self.child.kill();
        let _ = self.child.wait();
        false
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("the kernel's process ids are positive and below 2^22"))
}

/// The CPU time that a set of processes has used, all threads, those that have ended included.
pub(crate) fn cpu_time(pids: &[u32]) -> anyhow::Result<Duration> {
    // The process's clock counts what utime and stime in /proc count, in nanoseconds instead of ticks of 10 ms.
    pids.iter()
        .map(|pid| -> anyhow::Result<Duration> {
            let clock =
                clock_getcpuclockid(pid_of(*pid)).with_context(|| format!("process {pid} has ended"))?;
            Ok(clock.now().with_context(|| format!("process {pid} has ended"))?.into())
        })
        .sum()
}

/// Resident memory of a process in bytes (`VmRSS`).
pub(crate) fn resident(pid: u32) -> anyhow::Result<u64> {
    of_status(pid, "VmRSS:")
}

/// The most resident memory that it ever had, in bytes.
pub(crate) fn most_resident(pid: u32) -> anyhow::Result<u64> {
    of_status(pid, "VmHWM:")
}

fn of_status(pid: u32, name: &str) -> anyhow::Result<u64> {
    let file = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok());
    let kib: u64 = kib.with_context(|| format!("{file} has no {name}"))?;
    Ok(kib * 1024)
}

/// All descendants of a process.
pub(crate) fn descendants(root: u32) -> anyhow::Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot list /proc")? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        // A process may end while the list is read.
        let (Ok(pid), Ok(stat)) = (name.parse::<u32>(), fs::read_to_string(format!("/proc/{name}/stat")))
        else {
            continue;
        };
        if let Some(parent) = parent_in(&stat) {
            parents.push((pid, parent));
        }
    }
    let mut found = vec![root];
    let mut seen = 0;
    while seen < found.len() {
        let parent = found[seen];
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        seen += 1;
    }
    found.remove(0);
    Ok(found)
}

/// The fourth field of `/proc/PID/stat`. The second, in brackets, may hold spaces and brackets itself.
fn parent_in(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// The first word of a process's command line.
pub(crate) fn argv0(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(line.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(parent_in("12 (a) b) S 7 12 12 0"), Some(7));
        assert_eq!(parent_in("garbage"), None);
    }

    #[test]
    fn a_process_is_seen_counted_and_ended() {
        let mut command = Command::new("sleep");
        let running = Running::start("sleep", command.arg("60")).unwrap();
        let pid = running.pid();
        assert!(descendants(std::process::id()).unwrap().contains(&pid));
        assert!(cpu_time(&[pid]).unwrap() < Duration::from_secs(5));
        running.stop().unwrap();
        assert!(!descendants(std::process::id()).unwrap().contains(&pid));
    }
}
