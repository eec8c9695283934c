//! The last thing a launch may have to wait for: a network that reaches the outside.

use std::os::fd::OwnedFd;

use lambent_sandbox_protocol::{self as protocol, FromLauncher, Launch, Reach};

use super::Service;
use crate::disk::Tmp;
use crate::sandbox::reach;

/// A launch whose network is being made.
pub(super) struct Unconnected {
    pub(super) launch: Launch,
    fds: Vec<OwnedFd>,
    tmp: Option<Tmp>,
}

impl Service {
    /// Makes a sandbox, at once or when its network is there.
    pub(super) fn connect(
        &mut self,
        launch: Launch,
        fds: Vec<OwnedFd>,
        tmp: Option<Tmp>,
    ) -> Result<(), protocol::Error> {
        if reach(&launch) != Some(Reach::Nat) {
            return self.make(&launch, &fds, tmp, None);
        }
        self.unconnected.push_back(Unconnected { launch, fds, tmp });
        self.connect_waiting()
    }

    /// Makes the sandboxes whose networks are there, in the order of their arrival, and has further networks made.
    pub(super) fn connect_waiting(&mut self) -> Result<(), protocol::Error> {
        while !self.unconnected.is_empty() {
            let Some(outlet) = self.workshop.network.as_mut().and_then(|network| network.take()) else {
                break;
            };
            let Some(Unconnected { launch, fds, tmp }) = self.unconnected.pop_front() else { break };
            self.make(&launch, &fds, tmp, Some(outlet))?;
        }
        let Some(network) = &mut self.workshop.network else { return Ok(()) };
        match network.order(self.unconnected.len()) {
            Ok(()) => Ok(()),
            Err(failure) => self.refuse_unconnected(&failure),
        }
    }

    /// A network has been made, or could not be.
    pub(super) fn read_network(&mut self) -> Result<(), protocol::Error> {
        let Some(network) = &mut self.workshop.network else { return Ok(()) };
        match network.made() {
            Ok(()) => self.connect_waiting(),
            Err(failure) => self.refuse_unconnected(&failure),
        }
    }

    /// Whoever waits would wait for nothing.
    fn refuse_unconnected(&mut self, failure: &protocol::Failure) -> Result<(), protocol::Error> {
        eprintln!("lambent-sandbox-launcher: no network can be made: {failure}");
        for Unconnected { launch, .. } in std::mem::take(&mut self.unconnected) {
            self.tell(&FromLauncher::LaunchFailed { id: launch.id, failure: failure.clone() }, &[])?;
        }
        Ok(())
    }
}
