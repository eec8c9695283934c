//! The loop: messages from the server, deaths of children.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lambent_sandbox_protocol::{self as protocol, Failure, FromInit, Start, ToInit};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitStatus, kill_process_group};

use crate::children::{self, Deaths, Reaped};
use crate::spawn::{Outputs, spawn};
use crate::{Inherited, ipc, socket, step};

/// How long to wait for the killed to die before killing again whoever was forked meanwhile.
const KILL_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

struct Init<'a> {
    inherited: &'a Inherited,
    /// Whether this is PID 1 of its own namespace.
    namespaced: bool,
    deaths: Deaths,
    /// The program that the server started, until its end has been reported.
    main: Option<Pid>,
    /// The extensions that it started likewise, by their slots. As many as there are slots at most.
    extensions: Vec<(u8, Pid)>,
}

/// Serves until the server closes the channel.
pub(crate) fn run(inherited: &Inherited, namespaced: bool) -> Result<(), Failure> {
    let deaths = Deaths::watch().map_err(|e| step("watch for deaths", e))?;
    let mut init = Init { inherited, namespaced, deaths, main: None, extensions: Vec::new() };
    let served = init.serve();
    // PID 1 takes its namespace along by ending. Without one, its descendants would outlive it.
    if !namespaced {
        init.kill_all(false)?;
    }
    served
}

impl Init<'_> {
    fn serve(&mut self) -> Result<(), Failure> {
        loop {
            let mut fds = [
                PollFd::new(&self.inherited.control, PollFlags::IN),
                PollFd::new(&self.deaths, PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(step("wait for events", error.into())),
            }
            let (message, death) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
            if death {
                self.deaths.clear();
                self.reap()?;
            }
            if message {
                match protocol::receive::<ToInit>(&self.inherited.control) {
                    Ok(Some((message, fds))) => self.obey(message, fds.first())?,
                    Ok(None) => return Ok(()),
                    Err(error) => return Err(Failure::Refused { reason: error.to_string() }),
                }
            }
        }
    }

    /// `channel` is what came along, for a program that waits to be told what it is for.
    fn obey(&mut self, message: ToInit, channel: Option<&OwnedFd>) -> Result<(), Failure> {
        match message {
            ToInit::Start(_) if self.main.is_some() => {
                Err(Failure::Refused { reason: "a program was to be started while another runs".to_owned() })
            }
            ToInit::Start(start) => match spawn(&start, Outputs::of_program(self.inherited), channel) {
                Ok(pid) => {
                    self.main = Some(pid);
                    Ok(())
                }
                Err(errno) => self.report(&FromInit::StartFailed { errno: errno.raw_os_error() }),
            },
            // One that never comes, or has ended before it was init's child, is the server's to find out.
            ToInit::Expect { pid } => match Pid::from_raw(pid).filter(|_| self.main.is_none()) {
                Some(pid) => {
                    self.main = Some(pid);
                    Ok(())
                }
                None => Err(Failure::Refused { reason: format!("the process {pid} was to be the program") }),
            },
            ToInit::StartExtension { slot, start } => self.start_extension(slot, &start, channel),
            ToInit::Terminate => {
                signal(self.main, Signal::TERM);
                Ok(())
            }
            ToInit::KillProgram { slot: None } => {
                signal(self.main, Signal::KILL);
                Ok(())
            }
            ToInit::KillProgram { slot: Some(slot) } => {
                let found = self.extensions.iter().find(|(taken, _)| *taken == slot);
                signal(found.map(|(_, pid)| *pid), Signal::KILL);
                Ok(())
            }
            ToInit::Socket => match socket::tcp() {
                Ok(made) => self.send(&FromInit::Socket { errno: None }, &[made.as_fd()]),
                Err(error) => {
                    self.report(&FromInit::Socket { errno: Some(error.raw_os_error().unwrap_or(0)) })
                }
            },
            ToInit::Reset => {
                if self.kill_all(true)? {
                    if self.namespaced {
                        ipc::clear().map_err(|e| step("remove what the killed have left", e))?;
                    }
                    self.report(&FromInit::Reset)?;
                }
                Ok(())
            }
            ToInit::Hello(_) => Err(Failure::Refused { reason: "a second hello".to_owned() }),
        }
    }

    fn start_extension(&mut self, slot: u8, start: &Start, output: Option<&OwnedFd>) -> Result<(), Failure> {
        let refuse = |reason: &str| Err(Failure::Refused { reason: reason.to_owned() });
        let Some(output) = output else { return refuse("an extension came without its output") };
        if self.extensions.iter().any(|(taken, _)| *taken == slot) {
            return refuse("an extension was to be started in a slot where one runs");
        }
        match spawn(start, Outputs::of_extension(output), None) {
            Ok(pid) => {
                self.extensions.push((slot, pid));
                Ok(())
            }
            Err(errno) => self.report(&FromInit::ExtensionStartFailed { slot, errno: errno.raw_os_error() }),
        }
    }

    /// Waits for all that have died.
    fn reap(&mut self) -> Result<Reaped, Failure> {
        loop {
            let (pid, status) = match children::wait_one().map_err(|e| step("wait for children", e))? {
                Reaped::One(pid, status) => (pid, status),
                rest => return Ok(rest),
            };
            if Some(pid) == self.main {
                self.main = None;
                self.report(&ended(status))?;
            } else if let Some(at) = self.extensions.iter().position(|(_, extension)| *extension == pid) {
                let (slot, _) = self.extensions.swap_remove(at);
                let (code, signal) = (status.exit_status(), status.terminating_signal());
                self.report(&FromInit::ExtensionExited { slot, code, signal })?;
            }
        }
    }

    /// Kills and reaps until no child is left: everything in the namespace, or every descendant. Answers whether
    /// it got to the end; with `heed_server` it gives up when the server is gone, for then init ends anyway.
    fn kill_all(&mut self, heed_server: bool) -> Result<bool, Failure> {
        loop {
            children::kill(self.namespaced).map_err(|e| step("kill every process", e))?;
            if let Reaped::NoChildren = self.reap()? {
                return Ok(true);
            }
            let mut fds = [
                PollFd::new(&self.deaths, PollFlags::IN),
                PollFd::new(&self.inherited.control, PollFlags::empty()),
            ];
            match poll(&mut fds, Some(&KILL_AGAIN)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(step("wait for events", error.into())),
            }
            if heed_server && fds[1].revents().intersects(PollFlags::HUP) {
                return Ok(false);
            }
            self.deaths.clear();
        }
    }

    fn report(&self, message: &FromInit) -> Result<(), Failure> {
        self.send(message, &[])
    }

    fn send(&self, message: &FromInit, fds: &[BorrowedFd<'_>]) -> Result<(), Failure> {
        match protocol::send(self.inherited.control.as_fd(), message, fds) {
            Ok(()) => Ok(()),
            // The next read finds the end of the channel, and init ends in order.
            Err(protocol::Error::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Failure::Refused { reason: error.to_string() }),
        }
    }
}

/// To a program and what it has started in its process group. It has not been waited for, so the number is still its own;
/// it may be dead already.
fn signal(pid: Option<Pid>, signal: Signal) {
    if let Some(pid) = pid {
        let _ = kill_process_group(pid, signal);
    }
}

fn ended(status: WaitStatus) -> FromInit {
    match status.exit_status() {
        Some(code) => FromInit::ExitedWithCode(code),
        None => FromInit::ExitedBySignal(status.terminating_signal().unwrap_or(0)),
    }
}
