//! The loop: requests of the server, ends of setups, ends of sandboxes.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use lambent_sandbox_protocol::{self as protocol, Failure, FromLauncher, Rejection, ToLauncher, process};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::network::Network;
use crate::sandbox::{Sandbox, Workshop, wait};
use crate::scratch::Scratch;
use crate::snapshot::{Order, Session};
use crate::step::refused;
use crate::unpack::Job;
use crate::watch::Schedule;

mod assign;
mod connect;
mod disk;
mod launch;
mod look;
mod snapshot;
mod unpack;

/// For how long dying is expected to be a matter of moments.
const SOON: Duration = Duration::from_secs(2);
/// A thousand processes die within seconds, also with a small share of CPU. What takes longer waits for a device or a
/// file system that does not answer, and may do so for ever.
const DEATH_TIMEOUT: Duration = Duration::from_secs(30);

struct Entry {
    sandbox: Sandbox,
    /// Why it could not be made, once its process has said so.
    failure: Option<Failure>,
    /// Whether the server asked for its end.
    killed: bool,
    /// How init ended; from then on the rest is cleared away.
    ended: Option<String>,
    /// Since when it is to end.
    dying: Option<Instant>,
    /// Whether the server has been told that it is gone, although something of it is still there.
    given_up: bool,
    /// Why the launcher ends it by itself.
    doom: Option<String>,
}

impl Entry {
    fn kill(&mut self) {
        self.dying.get_or_insert_with(Instant::now);
        self.sandbox.process.kill();
        self.sandbox.group.thaw();
    }

    fn has_been_dying(&self, time: Duration) -> bool {
        self.dying.is_some_and(|since| since.elapsed() > time)
    }
}

/// The launcher at work.
pub(crate) struct Service {
    server: OwnedFd,
    workshop: Workshop,
    entries: BTreeMap<String, Entry>,
    /// In the order of their arrival.
    pending: VecDeque<launch::Pending>,
    /// In the order in which they came to need nothing but a network. Counts with those above.
    unconnected: VecDeque<connect::Unconnected>,
    /// When the memory of those that no cgroup counts is looked at.
    schedule: Schedule,
    /// Unpack programs that run.
    jobs: BTreeMap<u64, Job>,
    /// Snapshots that are being taken or brought to life, by their sandboxes.
    sessions: BTreeMap<String, (Order, Session)>,
    /// When the space of the disk is looked at again; at once if there is no time.
    look_at_disk: Option<Instant>,
    /// Whether the server is gone: then everything is to end.
    closing: bool,
}

/// What a descriptor in the poll set stands for.
enum Source {
    /// Before the server, which asks for what is declared as soon as it knows of it.
    Declarations,
    Server,
    Job(u64),
    Session(String),
    Maker(usize),
    Network,
    Setup(String),
    Init(String),
}

impl Service {
    pub(crate) fn new(server: OwnedFd, workshop: Workshop) -> Self {
        Self {
            server,
            workshop,
            entries: BTreeMap::new(),
            pending: VecDeque::new(),
            unconnected: VecDeque::new(),
            schedule: Schedule::default(),
            jobs: BTreeMap::new(),
            sessions: BTreeMap::new(),
            look_at_disk: None,
            closing: false,
        }
    }

    /// Serves until the server is gone and every sandbox with it.
    pub(crate) fn run(mut self) -> Result<(), protocol::Error> {
        // The first networks, so that the first launch finds one.
        let mut outcome = self.connect_waiting();
        while !(self.closing
            && self.jobs.is_empty()
            && self.sessions.is_empty()
            && self.entries.values().all(|entry| entry.given_up))
        {
            for source in self.wait()? {
                let result = match source {
                    Source::Declarations => {
                        if let Err(failure) = self.workshop.shelf.declare() {
                            eprintln!("lambent-sandbox-launcher: {failure}");
                        }
                        Ok(())
                    }
                    Source::Server => self.read(),
                    Source::Job(id) => self.read_job(id),
                    Source::Session(id) => self.read_session(&id),
                    Source::Maker(number) => self.read_maker(number),
                    Source::Network => self.read_network(),
                    Source::Setup(id) => self.read_setup(&id),
                    Source::Init(id) => {
                        if let Some(entry) = self.entries.get_mut(&id) {
                            entry.dying.get_or_insert_with(Instant::now);
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
            self.look();
            self.watch_disk();
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
        self.unconnected.clear();
        self.entries.values_mut().for_each(Entry::kill);
        for job in self.jobs.values() {
            // It fails only when the job has come to its end by itself.
            let _ = job.stop();
        }
        self.sessions.values().for_each(|(_, session)| session.stop());
    }

    fn wait(&self) -> Result<Vec<Source>, protocol::Error> {
        let mut sources = Vec::new();
        let mut fds = Vec::new();
        let declarations = self.workshop.shelf.channel();
        let jobs: Vec<_> = self.jobs.iter().map(|(id, job)| (*id, job.channel())).collect();
        let sessions: Vec<_> =
            self.sessions.iter().map(|(id, (_, session))| (id, session.channel())).collect();
        if !self.closing {
            if let Some(channel) = &declarations {
                sources.push(Source::Declarations);
                fds.push(PollFd::new(channel, PollFlags::IN));
            }
            sources.push(Source::Server);
            fds.push(PollFd::new(&self.server, PollFlags::IN));
        }
        for (id, channel) in &jobs {
            sources.push(Source::Job(*id));
            fds.push(PollFd::new(channel, PollFlags::IN));
        }
        for (id, channel) in &sessions {
            sources.push(Source::Session((*id).clone()));
            fds.push(PollFd::new(channel, PollFlags::IN));
        }
        let makers: Vec<_> = self.workshop.scratch.iter().flat_map(Scratch::channels).collect();
        for (number, channel) in &makers {
            sources.push(Source::Maker(*number));
            fds.push(PollFd::new(channel, PollFlags::IN));
        }
        let network = self.workshop.network.as_ref().and_then(Network::channel);
        if let Some(channel) = &network {
            sources.push(Source::Network);
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
        match poll(&mut fds, self.patience().as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(protocol::Error::Io(error.into())),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        Ok(sources.into_iter().zip(ready).filter_map(|(source, ready)| ready.then_some(source)).collect())
    }

    fn read(&mut self) -> Result<(), protocol::Error> {
        let Some((datagram, fds)) = protocol::receive_datagram(&self.server)? else {
            self.close();
            return Ok(());
        };
        match protocol::decode_request(&datagram, fds.len()) {
            Ok(request) => self.carry_out(request, fds),
            Err(Rejection::Refused(answer)) => self.tell(&answer, &[]),
            Err(Rejection::Foreign(error)) => Err(error),
        }
    }

    fn carry_out(&mut self, request: ToLauncher, fds: Vec<OwnedFd>) -> Result<(), protocol::Error> {
        match request {
            ToLauncher::Launch(launch) => self.launch(launch, fds),
            ToLauncher::Assign(assign) => self.assign(&assign),
            ToLauncher::Unpack(order) => self.unpack(order, fds),
            ToLauncher::StopUnpack { id } => self.stop_unpack(id),
            ToLauncher::Snapshot(order) => self.photograph(Order::Take(order)),
            ToLauncher::Restore(order) => self.photograph(Order::Restore(order)),
            ToLauncher::Forget { snapshot } => {
                self.forget(&snapshot);
                Ok(())
            }
            ToLauncher::SetCpu { id, millis } => {
                let failure = match self.entries.get(&id) {
                    Some(entry) => entry.sandbox.group.set_cpu(millis).err(),
                    None => Some(refused(format!("there is no sandbox {id}"))),
                };
                self.tell(&FromLauncher::CpuSet { id, failure }, &[])
            }
            ToLauncher::Kill { id } => {
                // It may have ended meanwhile: then there is nothing to be done.
                if let Some(entry) = self.entries.get_mut(&id) {
                    entry.killed = true;
                    entry.kill();
                }
                self.give_up(id)
            }
            ToLauncher::Hello { .. } => unreachable!("no hello is a request"),
        }
    }

    /// A failure from the child, or the end of the channel because it has become init (or has died).
    fn read_setup(&mut self, id: &str) -> Result<(), protocol::Error> {
        let Some(entry) = self.entries.get_mut(id) else { return Ok(()) };
        let Some(setup) = entry.sandbox.setup.take() else { return Ok(()) };
        match protocol::receive::<Failure>(&setup) {
            Ok(Some((failure, _))) => {
                entry.failure = Some(failure);
                entry.kill();
                Ok(())
            }
            Ok(None) => match entry.sandbox.count() {
                Ok((counters, fds)) => {
                    self.tell(&FromLauncher::Launched { id: id.to_owned(), counters }, &fds)
                }
                // What cannot be counted cannot be limited. It may also have died meanwhile.
                Err(failure) => {
                    entry.failure = Some(failure);
                    entry.kill();
                    Ok(())
                }
            },
            Err(error) => {
                entry.failure = Some(refused(format!("the sandbox's setup was not understood: {error}")));
                entry.kill();
                Ok(())
            }
        }
    }

    /// Buries the sandboxes whose init has ended and of which nothing is left.
    fn clear_away(&mut self) -> Result<(), protocol::Error> {
        self.give_up_undying()?;
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
            let (memory_peak, oom_kills) = entry.sandbox.usage();
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
            if entry.given_up {
                eprintln!("lambent-sandbox-launcher: {id} has ended after all");
                continue;
            }
            let message = match (entry.failure, entry.killed, entry.ended) {
                (Some(failure), ..) => FromLauncher::LaunchFailed { id, failure },
                (None, true, _) => FromLauncher::Gone {
                    id,
                    reason: "it was killed".to_owned(),
                    memory_peak,
                    oom_kills,
                    left: false,
                },
                (None, false, ended) => {
                    let mut reason = entry.doom.or(ended).unwrap_or_default();
                    if oom_kills > 0 {
                        reason.push_str("; processes of the sandbox had been killed for lack of memory");
                    }
                    FromLauncher::Gone { id, reason, memory_peak, oom_kills, left: false }
                }
            };
            self.tell(&message, &[])?;
        }
        Ok(())
    }

    /// Tells the server that sandboxes are gone which do not go: nobody is to wait for ever. They keep their ids and
    /// cgroups, and are buried should they end.
    fn give_up_undying(&mut self) -> Result<(), protocol::Error> {
        let undying = |entry: &Entry| !entry.given_up && entry.has_been_dying(DEATH_TIMEOUT);
        let ids: Vec<String> =
            self.entries.iter().filter(|(_, entry)| undying(entry)).map(|(id, _)| id.clone()).collect();
        for id in ids {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            entry.given_up = true;
            let (memory_peak, oom_kills) = entry.sandbox.group.usage();
            let reason = format!(
                "it was killed and has not ended for {} seconds; processes of it may be left, waiting for the kernel",
                DEATH_TIMEOUT.as_secs()
            );
            eprintln!("lambent-sandbox-launcher: {id}: {reason}");
            let message = match entry.sandbox.setup.take() {
                Some(_) => FromLauncher::LaunchFailed { id, failure: refused(reason) },
                None => FromLauncher::Gone { id, reason, memory_peak, oom_kills, left: true },
            };
            self.tell(&message, &[])?;
        }
        Ok(())
    }

    /// Kills the children that are nobody's init, helper or caretaker: their init has died, and this process inherited
    /// them. Answers
    /// whether there were any.
    fn kill_orphans(&self) -> bool {
        if !self.entries.values().any(|entry| entry.sandbox.bare && entry.ended.is_some()) {
            return false;
        }
        // /proc was readable at the start; should it fail now, the next round tries again.
        let Ok(children) = process::children(std::process::id().cast_signed()) else { return true };
        let makers = self.workshop.scratch.iter().flat_map(Scratch::maker_pids);
        let ours: Vec<i32> = self
            .entries
            .values()
            .filter(|entry| entry.ended.is_none())
            .map(|entry| entry.sandbox.process.pid)
            .chain(makers)
            .chain(self.workshop.network.as_ref().map(Network::pid))
            .chain(self.jobs.values().map(Job::pid))
            .chain(self.sessions.values().map(|(_, session)| session.pid()))
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
