//! The loop: requests of the server, ends of setups, ends of sandboxes.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};

use lambent_sandbox_protocol::{self as protocol, Failure, FromLauncher, Launch, ToLauncher, process};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::sandbox::{Sandbox, Workshop, wait};
use crate::scratch::Scratch;
use crate::step::refused;

/// How long to wait before looking again whether what was killed is gone.
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };

struct Entry {
    sandbox: Sandbox,
    /// Why it could not be made, once its process has said so.
    failure: Option<Failure>,
    /// Whether the server asked for its end.
    killed: bool,
    /// How init ended; from then on the rest is cleared away.
    ended: Option<String>,
}

/// A launch whose `/tmp` is being made.
struct Pending {
    launch: Launch,
    fds: Vec<OwnedFd>,
    /// Bytes of its `/tmp`.
    size: u64,
}

/// As many as an account may have environments (AWS: "Lambda quotas"). More at once means that something is wrong.
const MOST_PENDING: usize = 1000;

/// The launcher at work.
pub(crate) struct Service {
    server: OwnedFd,
    workshop: Workshop,
    entries: BTreeMap<String, Entry>,
    /// In the order of their arrival.
    pending: VecDeque<Pending>,
    /// Whether the server is gone: then everything is to end.
    closing: bool,
}

/// What a descriptor in the poll set stands for.
enum Source {
    Server,
    Maker,
    Setup(String),
    Init(String),
}

impl Service {
    pub(crate) fn new(server: OwnedFd, workshop: Workshop) -> Self {
        Self { server, workshop, entries: BTreeMap::new(), pending: VecDeque::new(), closing: false }
    }

    /// Serves until the server is gone and every sandbox with it.
    pub(crate) fn run(mut self) -> Result<(), protocol::Error> {
        let mut outcome = Ok(());
        while !(self.closing && self.entries.is_empty()) {
            for source in self.wait()? {
                let result = match source {
                    Source::Server => self.read(),
                    Source::Maker => self.read_maker(),
                    Source::Setup(id) => self.read_setup(&id),
                    Source::Init(id) => {
                        if let Some(entry) = self.entries.get_mut(&id) {
                            entry.ended = Some(wait(&entry.sandbox.process));
                        }
                        Ok(())
                    }
                };
                // A server that cannot be understood or reached is treated like one that is gone.
                if let Err(error) = result {
                    outcome = Err(error);
                    self.close();
                }
            }
            if let Err(error) = self.clear_away().and_then(|()| self.make_next_tmp()) {
                outcome = Err(error);
                self.close();
            }
        }
        self.workshop.hierarchies.leave();
        outcome
    }

    fn close(&mut self) {
        self.closing = true;
        self.pending.clear();
        self.entries.values().for_each(|entry| entry.sandbox.process.kill());
    }

    fn wait(&self) -> Result<Vec<Source>, protocol::Error> {
        let mut sources = Vec::new();
        let mut fds = Vec::new();
        if !self.closing {
            sources.push(Source::Server);
            fds.push(PollFd::new(&self.server, PollFlags::IN));
        }
        let maker = self.workshop.scratch.as_ref().and_then(Scratch::channel);
        if let Some(channel) = &maker {
            sources.push(Source::Maker);
            fds.push(PollFd::new(channel, PollFlags::IN));
        }
        for (id, entry) in &self.entries {
            // Setups before ends, so that a failure is known by the time its process has ended.
            if let Some(setup) = &entry.sandbox.setup {
                sources.push(Source::Setup(id.clone()));
                fds.push(PollFd::new(setup, PollFlags::IN));
            }
            if entry.ended.is_none() {
                sources.push(Source::Init(id.clone()));
                fds.push(PollFd::new(&entry.sandbox.process.pidfd, PollFlags::IN));
            }
        }
        let clearing = self.entries.values().any(|entry| entry.ended.is_some());
        match poll(&mut fds, clearing.then_some(&LOOK_AGAIN)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(protocol::Error::Io(error.into())),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        Ok(sources.into_iter().zip(ready).filter_map(|(source, ready)| ready.then_some(source)).collect())
    }

    fn read(&mut self) -> Result<(), protocol::Error> {
        match protocol::receive::<ToLauncher>(&self.server)? {
            Some((ToLauncher::Launch(launch), fds)) => self.launch(launch, fds),
            Some((ToLauncher::SetCpu { id, millis }, _)) => {
                let failure = match self.entries.get(&id) {
                    Some(entry) => entry.sandbox.group.set_cpu(millis).err(),
                    None => Some(refused(format!("there is no sandbox {id}"))),
                };
                self.tell(&FromLauncher::CpuSet { id, failure }, &[])
            }
            Some((ToLauncher::Kill { id }, _)) => {
                // It may have ended meanwhile: then there is nothing to be done.
                if let Some(entry) = self.entries.get_mut(&id) {
                    entry.killed = true;
                    entry.sandbox.process.kill();
                }
                match self.pending.iter().position(|pending| pending.launch.id == id) {
                    Some(index) => {
                        self.pending.remove(index);
                        let failure = refused("it was killed before it was made");
                        self.tell(&FromLauncher::LaunchFailed { id, failure }, &[])
                    }
                    None => Ok(()),
                }
            }
            Some((ToLauncher::Hello { .. }, _)) => {
                Err(protocol::Error::Unexpected { got: "a second hello".to_owned(), expected: "a request" })
            }
            None => {
                self.close();
                Ok(())
            }
        }
    }

    /// Makes a sandbox, at once or when its /tmp is there.
    fn launch(&mut self, launch: Launch, fds: Vec<OwnedFd>) -> Result<(), protocol::Error> {
        let known = self.entries.contains_key(&launch.id)
            || self.pending.iter().any(|pending| pending.launch.id == launch.id);
        let admitted = if fds.len() != 3 {
            Err(refused(format!("a launch came with {} descriptors instead of 3", fds.len())))
        } else if known {
            Err(refused(format!("there is already a sandbox {}", launch.id)))
        } else if self.pending.len() >= MOST_PENDING {
            Err(refused(format!("{MOST_PENDING} sandboxes are being made already")))
        } else {
            self.workshop.admit(&launch)
        };
        match admitted {
            Err(failure) => self.tell(&FromLauncher::LaunchFailed { id: launch.id, failure }, &[]),
            Ok(None) => self.make(&launch, &fds, None),
            Ok(Some(size)) => match self.workshop.scratch.as_mut().and_then(|scratch| scratch.take(size)) {
                Some(tmp) => self.make(&launch, &fds, Some(tmp)),
                None => {
                    self.pending.push_back(Pending { launch, fds, size });
                    // At once and not at the end of the round: the maker may be idle.
                    self.make_next_tmp()
                }
            },
        }
    }

    /// Has the maker make what the first launch waits for. While none waits and none is under way, it makes another
    /// one in advance.
    fn make_next_tmp(&mut self) -> Result<(), protocol::Error> {
        let Some(scratch) = &mut self.workshop.scratch else { return Ok(()) };
        if self.closing {
            return Ok(());
        }
        let idle = self.entries.values().all(|entry| entry.sandbox.setup.is_none());
        match (
            scratch.go_on(self.pending.front().map(|pending| pending.size), idle),
            self.pending.pop_front(),
        ) {
            (Ok(()), Some(pending)) => self.pending.push_front(pending),
            (Err(failure), Some(Pending { launch, .. })) => {
                return self.tell(&FromLauncher::LaunchFailed { id: launch.id, failure }, &[]);
            }
            (Ok(()), None) => {}
            (Err(failure), None) => eprintln!("lambent-sandbox-launcher: {failure}"),
        }
        Ok(())
    }

    /// A /tmp has been made, or could not be: the first launch that waits for one of its size gets it.
    fn read_maker(&mut self) -> Result<(), protocol::Error> {
        let Some(scratch) = &mut self.workshop.scratch else { return Ok(()) };
        let Some(made) = scratch.made() else { return Ok(()) };
        let Some(index) = self.pending.iter().position(|pending| pending.size == made.size) else {
            scratch.keep(made);
            return Ok(());
        };
        let Some(Pending { launch, fds, .. }) = self.pending.remove(index) else { return Ok(()) };
        match made.result {
            Ok(tmp) => self.make(&launch, &fds, Some(tmp)),
            Err(failure) => self.tell(&FromLauncher::LaunchFailed { id: launch.id, failure }, &[]),
        }
    }

    fn make(
        &mut self,
        launch: &Launch,
        fds: &[OwnedFd],
        tmp: Option<OwnedFd>,
    ) -> Result<(), protocol::Error> {
        match self.workshop.make(launch, fds, tmp) {
            Ok(sandbox) => {
                let entry = Entry { sandbox, failure: None, killed: false, ended: None };
                self.entries.insert(launch.id.clone(), entry);
                Ok(())
            }
            Err(failure) => self.tell(&FromLauncher::LaunchFailed { id: launch.id.clone(), failure }, &[]),
        }
    }

    /// A failure from the child, or the end of the channel because it has become init (or has died).
    fn read_setup(&mut self, id: &str) -> Result<(), protocol::Error> {
        let Some(entry) = self.entries.get_mut(id) else { return Ok(()) };
        let Some(setup) = entry.sandbox.setup.take() else { return Ok(()) };
        match protocol::receive::<Failure>(&setup) {
            Ok(Some((failure, _))) => {
                entry.failure = Some(failure);
                entry.sandbox.process.kill();
                Ok(())
            }
            Ok(None) => {
                let (counters, fds) = entry.sandbox.group.counters();
                self.tell(&FromLauncher::Launched { id: id.to_owned(), counters }, &fds)
            }
            Err(error) => {
                entry.failure = Some(refused(format!("the sandbox's setup was not understood: {error}")));
                entry.sandbox.process.kill();
                Ok(())
            }
        }
    }

    /// Buries the sandboxes whose init has ended and of which nothing is left.
    fn clear_away(&mut self) -> Result<(), protocol::Error> {
        if self.entries.values().all(|entry| entry.ended.is_none()) {
            return Ok(());
        }
        let orphans = self.kill_orphans();
        let ended: Vec<String> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.ended.is_some())
            .map(|(id, _)| id.clone())
            .collect();
        for id in ended {
            let Some(entry) = self.entries.get(&id) else { continue };
            // Without a PID namespace its processes have come to the launcher, whoever of them is whose.
            if entry.sandbox.bare && orphans {
                entry.sandbox.group.kill();
                continue;
            }
            let (memory_peak, oom_kills) = entry.sandbox.group.usage();
            match entry.sandbox.group.remove() {
                Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                    entry.sandbox.group.kill();
                    continue;
                }
                Err(error) => eprintln!("lambent-sandbox-launcher: a cgroup of {id} stays: {error}"),
                Ok(()) => {}
            }
            let Some(entry) = self.entries.remove(&id) else { continue };
            self.workshop.bury(&entry.sandbox);
            let message = match (entry.failure, entry.killed, entry.ended) {
                (Some(failure), ..) => FromLauncher::LaunchFailed { id, failure },
                (None, true, _) => {
                    FromLauncher::Gone { id, reason: "it was killed".to_owned(), memory_peak, oom_kills }
                }
                (None, false, ended) => {
                    let mut reason = ended.unwrap_or_default();
                    if oom_kills > 0 {
                        reason.push_str("; processes of the sandbox had been killed for lack of memory");
                    }
                    FromLauncher::Gone { id, reason, memory_peak, oom_kills }
                }
            };
            self.tell(&message, &[])?;
        }
        Ok(())
    }

    /// Kills the children that are nobody's init nor the maker: their init has died, and this process inherited them. Answers
    /// whether there were any.
    fn kill_orphans(&self) -> bool {
        if !self.entries.values().any(|entry| entry.sandbox.bare && entry.ended.is_some()) {
            return false;
        }
        // /proc was readable at the start; should it fail now, the next round tries again.
        let Ok(children) = process::children(std::process::id().cast_signed()) else { return true };
        let maker = self.workshop.scratch.as_ref().and_then(Scratch::maker_pid);
        let ours: Vec<i32> = self
            .entries
            .values()
            .filter(|entry| entry.ended.is_none())
            .map(|entry| entry.sandbox.process.pid)
            .chain(maker)
            .collect();
        let orphans: Vec<Pid> =
            children.into_iter().filter(|pid| !ours.contains(pid)).filter_map(Pid::from_raw).collect();
        for orphan in &orphans {
            // Our child and not waited for: the number is its own.
            let _ = kill_process(*orphan, Signal::KILL);
            let _ = waitpid(Some(*orphan), WaitOptions::NOHANG);
        }
        !orphans.is_empty()
    }

    fn tell(&mut self, message: &FromLauncher, fds: &[OwnedFd]) -> Result<(), protocol::Error> {
        if self.closing {
            return Ok(());
        }
        let fds: Vec<_> = fds.iter().map(OwnedFd::as_fd).collect();
        match protocol::send(&self.server, message, &fds) {
            Err(protocol::Error::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                self.close();
                Ok(())
            }
            other => other,
        }
    }
}
