//! From the server's wish to a process: at once, or as soon as there is a file system for its `/tmp`.

use std::os::fd::OwnedFd;

use lambent_sandbox_protocol::{self as protocol, FromLauncher, Launch};

use super::{Entry, Service};
use crate::disk::Tmp;
use crate::network::Outlet;
use crate::step::refused;

/// A launch whose `/tmp` is being made.
pub(super) struct Pending {
    launch: Launch,
    fds: Vec<OwnedFd>,
    /// Bytes of its `/tmp`.
    size: u64,
}

/// As many as an account may have environments (AWS: "Lambda quotas"). More at once means that something is wrong.
const MOST_PENDING: usize = 1000;

/// Of several accounts together. Each takes some descriptors of the launcher's, and two processes of the host's.
const MOST_SANDBOXES: usize = 4096;

impl Service {
    /// Makes a sandbox, at once or when its /tmp is there.
    pub(super) fn launch(&mut self, launch: Launch, fds: Vec<OwnedFd>) -> Result<(), protocol::Error> {
        let known = self.entries.contains_key(&launch.id)
            || self.pending.iter().any(|pending| pending.launch.id == launch.id)
            || self.unconnected.iter().any(|waiting| waiting.launch.id == launch.id);
        let admitted = if known {
            Err(refused(format!("there is already a sandbox {}", launch.id)))
        } else if self.entries.len() >= MOST_SANDBOXES {
            Err(refused(format!("there are {MOST_SANDBOXES} sandboxes already")))
        } else if self.pending.len() + self.unconnected.len() >= MOST_PENDING {
            Err(refused(format!("{MOST_PENDING} sandboxes are being made already")))
        } else {
            self.workshop.admit(&launch)
        };
        match admitted {
            Err(failure) => self.tell(&FromLauncher::LaunchFailed { id: launch.id, failure }, &[]),
            Ok(None) => self.connect(launch, fds, None),
            Ok(Some(size)) => match self.workshop.scratch.as_mut().and_then(|scratch| scratch.take(size)) {
                Some(tmp) => self.connect(launch, fds, Some(tmp)),
                None => {
                    self.pending.push_back(Pending { launch, fds, size });
                    // At once and not at the end of the round: the maker may be idle.
                    self.make_next_tmp()
                }
            },
        }
    }

    /// Has what launches wait for made, those first that came first. While none waits and none is under way, another one is
    /// made in advance.
    pub(super) fn make_next_tmp(&mut self) -> Result<(), protocol::Error> {
        while !self.closing {
            let Some(scratch) = &mut self.workshop.scratch else { return Ok(()) };
            let idle = self.entries.values().all(|entry| entry.sandbox.setup.is_none());
            let waited_for = self.pending.iter().map(|pending| pending.size);
            let Err(failure) = scratch.go_on(waited_for, idle) else { return Ok(()) };
            match self.pending.pop_front() {
                // The next one in the queue may fare better, and would otherwise wait for nothing.
                Some(Pending { launch, .. }) => {
                    self.tell(&FromLauncher::LaunchFailed { id: launch.id, failure }, &[])?;
                }
                None => {
                    eprintln!("lambent-sandbox-launcher: no /tmp can be made in advance: {failure}");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// A /tmp has been made, or could not be: the first launch that waits for one of its size gets it.
    pub(super) fn read_maker(&mut self, maker: usize) -> Result<(), protocol::Error> {
        let Some(scratch) = &mut self.workshop.scratch else { return Ok(()) };
        let Some(made) = scratch.made(maker) else { return Ok(()) };
        let Some(index) = self.pending.iter().position(|pending| pending.size == made.size) else {
            scratch.keep(made);
            return Ok(());
        };
        let Some(Pending { launch, fds, .. }) = self.pending.remove(index) else { return Ok(()) };
        match made.result {
            Ok(tmp) => self.connect(launch, fds, Some(tmp)),
            Err(failure) => self.tell(&FromLauncher::LaunchFailed { id: launch.id, failure }, &[]),
        }
    }

    pub(super) fn make(
        &mut self,
        launch: &Launch,
        fds: &[OwnedFd],
        tmp: Option<Tmp>,
        outlet: Option<Outlet>,
    ) -> Result<(), protocol::Error> {
        match self.workshop.make(launch, fds, tmp, outlet) {
            Ok(sandbox) => {
                let entry = Entry {
                    sandbox,
                    failure: None,
                    killed: false,
                    ended: None,
                    dying: None,
                    given_up: false,
                    doom: None,
                };
                self.entries.insert(launch.id.clone(), entry);
                // The time until the next look may have been chosen while there was nothing to look for.
                self.look_at_disk = None;
                Ok(())
            }
            Err(failure) => self.tell(&FromLauncher::LaunchFailed { id: launch.id.clone(), failure }, &[]),
        }
    }

    /// Drops a launch that the server no longer wants, if it still waits.
    pub(super) fn give_up(&mut self, id: String) -> Result<(), protocol::Error> {
        let (pending, unconnected) = (self.pending.len(), self.unconnected.len());
        self.pending.retain(|pending| pending.launch.id != id);
        self.unconnected.retain(|waiting| waiting.launch.id != id);
        if (pending, unconnected) == (self.pending.len(), self.unconnected.len()) {
            return Ok(());
        }
        let failure = refused("it was killed before it was made");
        self.tell(&FromLauncher::LaunchFailed { id, failure }, &[])
    }
}
