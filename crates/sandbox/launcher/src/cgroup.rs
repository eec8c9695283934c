//! Limits and counts of one sandbox: a directory in each hierarchy of version 1 that has a controller we need, and
//! one in version 2 where that is mounted, with or without controllers.
//!
//! `<mount>/lambent/<owner>/<id>`, where the owner names the launcher for the sweep after its death.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use lambent_sandbox_protocol::{Counters, Failure, Freezer};
use rustix::fs::{Mode, OFlags};

use crate::hierarchy::{Generation, Hierarchies};
use crate::step::{Step, refused};

/// The default period of 100 ms would let a function of 128 MB (7.2 % of a CPU) run for 7 ms and then stand still
/// for 93: with 20 ms it stands still for at most 19.
const PERIOD_US: u64 = 20_000;
/// The kernel takes no smaller quota (kernel/sched/core.c: min_cfs_quota_period).
const LEAST_QUOTA_US: u64 = 1_000;
/// The kernel takes no longer period (max_cfs_quota_period).
const LONGEST_PERIOD_US: u64 = 1_000_000;

/// The controller of version 1 that stops processes, and its file.
pub(crate) const FREEZER: &str = "freezer";
const FREEZER_STATE: &str = "freezer.state";

/// The cgroups of one sandbox.
#[derive(Debug, Default)]
pub(crate) struct Group {
    v1: Vec<PathBuf>,
    v2: Option<PathBuf>,
    memory: Option<(Generation, PathBuf)>,
    cpu: Option<(Generation, PathBuf)>,
    /// The file that freezes, if there is one.
    freezer: Option<(Freezer, PathBuf)>,
}

impl Group {
    /// Makes the directories and sets the limits; on failure nothing is left.
    pub(crate) fn create(host: &Hierarchies, id: &str, memory: u64, pids: u32) -> Result<Self, Failure> {
        let mut group = Self::default();
        let result = group.fill(host, id, memory, pids);
        if result.is_err() {
            // The first failure is the one to report.
            let _ = group.remove();
        }
        result.map(|()| group)
    }

    fn fill(&mut self, host: &Hierarchies, id: &str, memory: u64, pids: u32) -> Result<(), Failure> {
        for hierarchy in host.owned() {
            let directory = hierarchy.directory.join(id);
            fs::create_dir(&directory).step(&format!("make cgroup {}", directory.display()))?;
            match hierarchy.generation {
                Generation::V1 => self.v1.push(directory.clone()),
                Generation::V2 => self.v2 = Some(directory.clone()),
            }
            let has = |name: &str| hierarchy.controllers.iter().any(|controller| controller == name);
            if has("memory") {
                self.memory = Some((hierarchy.generation, directory.clone()));
                limit_memory(hierarchy.generation, &directory, memory)?;
            }
            if has("cpu") {
                self.cpu = Some((hierarchy.generation, directory.clone()));
            }
            let freezer = match hierarchy.generation {
                Generation::V1 => has(FREEZER).then(|| (Freezer::V1, directory.join(FREEZER_STATE))),
                Generation::V2 => Some((Freezer::V2, directory.join("cgroup.freeze"))),
            };
            // Version 2 is the better one; Linux has its file since 5.2.
            if let Some((kind, file)) = freezer.filter(|(_, file)| file.exists())
                && (kind == Freezer::V2 || self.freezer.is_none())
            {
                self.freezer = Some((kind, file));
            }
            if has("pids") {
                // One more, for init is ours.
                write(&directory, "pids.max", &(u64::from(pids) + 1).to_string())?;
            }
        }
        Ok(())
    }

    /// The directory into which a process can be cloned.
    pub(crate) fn open_v2(&self) -> Result<Option<OwnedFd>, Failure> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        self.v2
            .as_ref()
            .map(|directory| rustix::fs::open(directory, flags, Mode::empty()).step("open the cgroup"))
            .transpose()
    }

    /// Moves a process into the directories of version 1.
    pub(crate) fn enter_v1(&self, pid: i32) -> Result<(), Failure> {
        self.v1.iter().try_for_each(|directory| write(directory, "cgroup.procs", &pid.to_string()))
    }

    /// Sets the share of CPU in thousandths of one.
    pub(crate) fn set_cpu(&self, millis: Option<u32>) -> Result<(), Failure> {
        let Some((generation, directory)) = &self.cpu else {
            return Err(refused(
                "the share of CPU cannot be set, for the cpu cgroup controller is not available",
            ));
        };
        let quota = match millis {
            None => None,
            Some(millis) => Some(quota(millis).ok_or_else(|| {
                refused(format!("{millis} thousandths of a CPU is no share; the least is 1"))
            })?),
        };
        match (generation, quota) {
            (Generation::V2, None) => write(directory, "cpu.max", "max"),
            (Generation::V2, Some((quota, period))) => {
                write(directory, "cpu.max", &format!("{quota} {period}"))
            }
            (Generation::V1, None) => write(directory, "cpu.cfs_quota_us", "-1"),
            (Generation::V1, Some((quota, period))) => {
                // Unlimited in between: neither new value may be refused because of the other's old one.
                write(directory, "cpu.cfs_quota_us", "-1")?;
                write(directory, "cpu.cfs_period_us", &period.to_string())?;
                write(directory, "cpu.cfs_quota_us", &quota.to_string())
            }
        }
    }

    /// Has what is inside yield to everything else that wants a CPU, or no longer. Best effort: where the controller is
    /// missing, nothing is shared out.
    pub(crate) fn set_yielding(&self, yielding: bool) -> Result<(), Failure> {
        let Some((generation, directory)) = &self.cpu else { return Ok(()) };
        let (name, least, usual) = match generation {
            Generation::V1 => ("cpu.shares", "2", "1024"),
            Generation::V2 => ("cpu.weight", "1", "100"),
        };
        write(directory, name, if yielding { least } else { usual })
    }

    /// Sets another limit of memory. What is held already above it is reclaimed, or the kernel refuses.
    pub(crate) fn set_memory(&self, memory: u64) -> Result<(), Failure> {
        let Some((generation, directory)) = &self.memory else { return Ok(()) };
        if *generation == Generation::V1 {
            // Memory alone may never be limited above memory and swap together, nor in between.
            write_if_present(directory, "memory.memsw.limit_in_bytes", "-1")?;
        }
        limit_memory(*generation, directory, memory)
    }

    /// Whether memory is counted and limited here.
    pub(crate) fn counts_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Takes this process in.
    pub(crate) fn enter(&self) -> Result<(), Failure> {
        // 0 is whoever writes it.
        self.v1.iter().chain(&self.v2).try_for_each(|directory| write(directory, "cgroup.procs", "0"))
    }

    /// Opens the counters for whoever has no right to: peak of memory, kills for lack of it.
    pub(crate) fn counters(&self) -> (Counters, Vec<OwnedFd>) {
        let Some((generation, directory)) = &self.memory else { return (Counters::default(), Vec::new()) };
        let open = |name: &str| {
            rustix::fs::open(directory.join(name), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        };
        let (peak, oom) = counter_files(*generation);
        // memory.peak came with Linux 5.19; without it the peak is unknown, which is what is reported.
        let (peak, oom) = (open(peak).ok(), open(oom).ok());
        let counters = Counters { peak: peak.is_some(), oom: oom.is_some(), freezer: None };
        (counters, peak.into_iter().chain(oom).collect())
    }

    /// Opens the file that freezes, for whoever has no right to.
    pub(crate) fn freezer(&self) -> Result<Option<(Freezer, OwnedFd)>, Failure> {
        let Some((kind, file)) = &self.freezer else { return Ok(None) };
        let file = rustix::fs::open(file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
        Ok(Some((*kind, file.step("open the file that freezes the sandbox")?)))
    }

    /// Lets the killed die: under version 1 what is frozen stays until it is thawed.
    pub(crate) fn thaw(&self) {
        if let Some((Freezer::V1, file)) = &self.freezer {
            // It fails when the directory is gone, and all that was in it.
            let _ = fs::write(file, "THAWED");
        }
    }

    /// The counters' last values, to be read before the directories go.
    pub(crate) fn usage(&self) -> (Option<u64>, u64) {
        let Some((generation, directory)) = &self.memory else { return (None, 0) };
        let (peak, oom) = counter_files(*generation);
        let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap_or_default();
        let kills = read(oom).lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
        (read(peak).trim().parse().ok(), kills.unwrap_or(0))
    }

    /// Kills whatever is inside.
    pub(crate) fn kill(&self) {
        for directory in self.v1.iter().chain(&self.v2) {
            kill_all(directory);
        }
    }

    /// Removes the directories. `ResourceBusy` while a dying process still holds one.
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.v1.iter().chain(&self.v2).try_for_each(|directory| remove(directory))
    }
}

fn limit_memory(generation: Generation, directory: &Path, memory: u64) -> Result<(), Failure> {
    let memory = memory.to_string();
    match generation {
        Generation::V1 => {
            write(directory, "memory.limit_in_bytes", &memory)?;
            // Memory and swap together; absent where the kernel does not count swap.
            write_if_present(directory, "memory.memsw.limit_in_bytes", &memory)
        }
        Generation::V2 => {
            write(directory, "memory.max", &memory)?;
            // memory.oom.group stays 0: on AWS too the hog is killed and the environment lives to be reset.
            write_if_present(directory, "memory.swap.max", "0")
        }
    }
}

/// Quota and period for a share, both in microseconds.
fn quota(millis: u32) -> Option<(u64, u64)> {
    let millis = u64::from(millis);
    let quota = (PERIOD_US * millis / 1000).max(LEAST_QUOTA_US);
    // A share so small that even the least quota exceeds it needs a longer period.
    let period = (quota * 1000).checked_div(millis)?;
    Some((quota, period.clamp(PERIOD_US, LONGEST_PERIOD_US)))
}

fn counter_files(generation: Generation) -> (&'static str, &'static str) {
    match generation {
        Generation::V1 => ("memory.max_usage_in_bytes", "memory.oom_control"),
        Generation::V2 => ("memory.peak", "memory.events"),
    }
}

/// Sends SIGKILL to every process in a cgroup, at once where the kernel offers that.
pub(crate) fn kill_all(directory: &Path) {
    // Best effort, for callers repeat it until the directory can be removed.
    if fs::write(directory.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    let listed = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    for pid in listed.lines().filter_map(|line| line.parse().ok()).filter_map(rustix::process::Pid::from_raw)
    {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    // What version 1 has frozen dies only now. Opened without O_CREAT: other hierarchies have no such file.
    let _ = write(directory, FREEZER_STATE, "THAWED");
}

/// Removes an empty cgroup; one that is gone already is as good.
pub(crate) fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn write(directory: &Path, name: &str, value: &str) -> Result<(), Failure> {
    try_write(directory, name, value).step(&format!("write {name}"))
}

fn write_if_present(directory: &Path, name: &str, value: &str) -> Result<(), Failure> {
    match try_write(directory, name, value) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.step(&format!("write {name}")),
    }
}

fn try_write(directory: &Path, name: &str, value: &str) -> io::Result<()> {
    // Opened without O_CREAT: a cgroup file that does not exist is an error, not something to be made.
    let mut file = fs::OpenOptions::new().write(true).open(directory.join(name))?;
    io::Write::write_all(&mut file, value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_becomes_a_quota_that_the_kernel_takes() {
        // 128 MB, one CPU, 10,240 MB, and shares below what 20 ms can express.
        assert_eq!(quota(72), Some((1_440, 20_000)));
        assert_eq!(quota(1_000), Some((20_000, 20_000)));
        assert_eq!(quota(5_788), Some((115_760, 20_000)));
        assert_eq!(quota(10), Some((1_000, 100_000)));
        assert_eq!(quota(1), Some((1_000, 1_000_000)));
        assert_eq!(quota(0), None);
    }
}
