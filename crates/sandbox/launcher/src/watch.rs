//! The memory of a sandbox where no cgroup counts it: found by looking at its processes, limited by killing the
//! largest.
//!
//! Between two looks a function can take more than it may; the resource limit on data
//! ([`crate::privileges`]) ends that at a height that no honest program reaches. Not seen are memory files
//! that no process has mapped, and System V segments; `docs/security.md` says so.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use lambent_sandbox_protocol::{Counters, Failure};
use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create, open, openat};
use rustix::process::{Signal, pidfd_send_signal};

use crate::clone::Process;
use crate::step::Step;

/// How often to look, if that is cheap.
const INTERVAL: Duration = Duration::from_millis(50);

/// Looking takes at most one part in this many of a CPU, whatever the sandboxes hold.
const COST: u32 = 10;

/// However much there is to be looked at.
const LONGEST: Duration = Duration::from_secs(1);

/// When to look next: soon, but so that looking stays a small part of all time.
pub(crate) fn pause(cost: Duration) -> Duration {
    INTERVAL.max(cost * COST).min(LONGEST)
}

/// One sandbox under watch.
pub(crate) struct Watch {
    /// The sandbox's own /proc: what is in it is in the sandbox.
    proc: OwnedFd,
    /// Its /tmp, if that is in memory: what is in it may be mapped, and is not the function's memory for that.
    tmp: Option<OwnedFd>,
    limit: u64,
    peak: u64,
    kills: u64,
    /// What the server reads, in the form of a memory cgroup's files: peak, kills.
    shown: [fs::File; 2],
}

/// One process of the sandbox.
struct Member {
    /// Its directory in /proc, which stays its own when the number goes to another.
    directory: OwnedFd,
    held: Held,
}

/// Bytes that a process holds and that are not a disk's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Held {
    /// Its own, swapped or not.
    own: u64,
    /// Shared memory, and files that are in memory.
    shared: u64,
}

impl Watch {
    /// Begins to watch the sandbox of this init, which has its /proc mounted.
    pub(crate) fn begin(init: &Process, limit: u64) -> Result<Self, Failure> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = open(format!("/proc/{}/root/proc", init.pid), flags, Mode::empty())
            .step("open the sandbox's /proc to watch its memory")?;
        let tmp = open(format!("/proc/{}/root/tmp", init.pid), flags, Mode::empty())
            .step("open the sandbox's /tmp to watch its memory")?;
        let in_memory = rustix::fs::fstatfs(&tmp).step("look at the sandbox's /tmp")?.f_type == TMPFS_MAGIC;
        let memory = |name: &str| memfd_create(name, MemfdFlags::CLOEXEC).map(fs::File::from);
        let shown = [memory("peak"), memory("oom")].map(|file| file.step("make a counter of memory"));
        let [peak, oom] = shown;
        let mut watch =
            Self { proc, tmp: in_memory.then_some(tmp), limit, peak: 0, kills: 0, shown: [peak?, oom?] };
        watch.look().step("look at the sandbox's memory")?;
        Ok(watch)
    }

    /// Sets another limit.
    pub(crate) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Counts, and kills the largest process when all together have too much.
    pub(crate) fn look(&mut self) -> io::Result<()> {
        let in_tmp = self.tmp.as_ref().map_or(Ok(0), used)?;
        let mut members = self.members("status", resident)?;
        let mut sum = total(&members, in_tmp);
        if sum > self.limit {
            // Pages that forked processes still share were counted once for each. This count is exact and dear.
            members = self.members("smaps_rollup", proportional)?;
            sum = total(&members, in_tmp);
        }
        // What is beyond the limit is not had: it is what the largest is killed for.
        self.peak = self.peak.max(sum.min(self.limit));
        let largest = members
            .iter()
            .max_by_key(|member| member.held.own + member.held.shared)
            .filter(|_| sum > self.limit);
        if largest.is_some() {
            self.kills += 1;
        }
        // The count comes before the death that it explains.
        self.show()?;
        match largest.map(|member| pidfd_send_signal(&member.directory, Signal::KILL)) {
            // It has ended by itself.
            None | Some(Ok(()) | Err(rustix::io::Errno::SRCH)) => Ok(()),
            Some(Err(error)) => Err(error.into()),
        }
    }

    /// Every process in the sandbox with what one of its files tells. Those that end meanwhile hold nothing.
    fn members(&self, file: &str, held: fn(&str) -> Held) -> io::Result<Vec<Member>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let mut members = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.proc)? {
            let entry = entry?;
            if !entry.file_name().to_bytes().first().is_some_and(u8::is_ascii_digit) {
                continue;
            }
            let found = openat(&self.proc, entry.file_name(), flags | OFlags::DIRECTORY, Mode::empty())
                .and_then(|directory| Ok((openat(&directory, file, flags, Mode::empty())?, directory)));
            let Ok((file, directory)) = found else { continue };
            let text = io::read_to_string(fs::File::from(file)).unwrap_or_default();
            members.push(Member { directory, held: held(&text) });
        }
        Ok(members)
    }

    fn show(&self) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        // Of equal length each time, so that a reader never sees the rest of an older one.
        self.shown[0].write_all_at(format!("{:020}", self.peak).as_bytes(), 0)?;
        self.shown[1].write_all_at(format!("oom_kill {:020}\n", self.kills).as_bytes(), 0)
    }

    /// The counters for the server, as [`crate::cgroup::Group::counters`].
    pub(crate) fn counters(&self) -> (Counters, Vec<OwnedFd>) {
        let copies = self.shown.iter().map(|file| file.as_fd().try_clone_to_owned());
        match copies.collect::<io::Result<Vec<_>>>() {
            Ok(fds) => (Counters { peak: true, oom: true, freezer: None }, fds),
            // Without descriptors left, the server learns the last values at the sandbox's end.
            Err(_) => (Counters::default(), Vec::new()),
        }
    }

    /// The last values.
    pub(crate) fn usage(&self) -> (Option<u64>, u64) {
        (Some(self.peak), self.kills)
    }
}

/// linux/magic.h
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// Bytes used in a file system.
fn used(directory: &OwnedFd) -> io::Result<u64> {
    let stat = rustix::fs::fstatvfs(directory)?;
    Ok(stat.f_blocks.saturating_sub(stat.f_bfree).saturating_mul(stat.f_frsize))
}

/// What all of them hold. Shared memory up to what is in /tmp is taken for mapped files of that.
fn total(members: &[Member], in_tmp: u64) -> u64 {
    let sum = |part: fn(&Held) -> u64| members.iter().map(|member| part(&member.held)).sum::<u64>();
    sum(|held| held.own) + sum(|held| held.shared).saturating_sub(in_tmp)
}

/// From /proc/PID/status (proc_pid_status(5)).
fn resident(status: &str) -> Held {
    Held { own: bytes_of(status, &["RssAnon:", "VmSwap:"]), shared: bytes_of(status, &["RssShmem:"]) }
}

/// The same with shared pages divided among those who share them, from /proc/PID/smaps_rollup.
fn proportional(rollup: &str) -> Held {
    Held { own: bytes_of(rollup, &["Pss_Anon:", "SwapPss:"]), shared: bytes_of(rollup, &["Pss_Shmem:"]) }
}

/// The sum of lines such as `RssAnon: 412 kB`, in bytes.
fn bytes_of(text: &str, names: &[&str]) -> u64 {
    text.lines()
        .filter_map(|line| {
            let (name, value) = line.split_once(char::is_whitespace)?;
            let value = value.trim().strip_suffix(" kB")?;
            if names.contains(&name) { value.parse::<u64>().ok() } else { None }
        })
        .sum::<u64>()
        * 1024
}

/// When the sandboxes of a launcher are looked at.
#[derive(Default)]
pub(crate) struct Schedule {
    next: Option<Instant>,
}

impl Schedule {
    /// How long until the next look.
    pub(crate) fn remaining(&self, now: Instant) -> Duration {
        self.next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now))
    }

    /// Notes a look that began and ended at these moments.
    pub(crate) fn looked(&mut self, began: Instant, ended: Instant) {
        self.next = Some(ended + pause(ended.saturating_duration_since(began)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_is_not_a_files() {
        let status = "Name:\tx RssAnon:\nVmRSS:\t 9000 kB\nRssAnon:\t     412 kB\nRssFile:\t    1000 kB\n\
                      RssShmem:\t      10 kB\nVmSwap:\t       2 kB\n";
        assert_eq!(resident(status), Held { own: 414 * 1024, shared: 10 * 1024 });
        assert_eq!(resident("Name:\tzombie\nState:\tZ (zombie)\n"), Held::default());
        let rollup = "5581-7ffc ---p 00000000 00:00 0    [rollup]\nRss:    1000 kB\nPss:     500 kB\nPss_Anon:       100 kB\n\
                      Pss_File:       390 kB\nPss_Shmem:       10 kB\nSwapPss:                5 kB\n";
        assert_eq!(proportional(rollup), Held { own: 105 * 1024, shared: 10 * 1024 });
    }

    #[test]
    fn looking_stays_a_small_part_of_the_time() {
        assert_eq!(pause(Duration::from_micros(300)), INTERVAL);
        assert_eq!(pause(Duration::from_millis(30)), Duration::from_millis(300));
        assert_eq!(pause(Duration::from_millis(500)), LONGEST);
        let (mut schedule, start) = (Schedule::default(), Instant::now());
        assert_eq!(schedule.remaining(start), Duration::ZERO);
        schedule.looked(start, start + Duration::from_millis(10));
        assert_eq!(schedule.remaining(start + Duration::from_millis(10)), Duration::from_millis(100));
        assert_eq!(schedule.remaining(start + Duration::from_secs(1)), Duration::ZERO);
    }
}
