//! From the server's wish to a sandbox that is somebody's.

use lambent_sandbox_protocol::{self as protocol, Assign, FromLauncher};

use super::Service;
use crate::step::refused;

impl Service {
    /// Gives an open sandbox what it waits for. One for which that fails is ended: it may show a part of it.
    pub(super) fn assign(&mut self, assign: &Assign) -> Result<(), protocol::Error> {
        let id = assign.id.clone();
        let assigned = match self.entries.get_mut(&id) {
            Some(entry) if entry.sandbox.setup.is_none() && entry.dying.is_none() => {
                let assigned = self.workshop.assign(&mut entry.sandbox, assign);
                if assigned.is_err() {
                    entry.kill();
                }
                assigned
            }
            Some(_) => Err(refused(format!("the sandbox {id} is being made, or ends"))),
            None => Err(refused(format!("there is no sandbox {id}"))),
        };
        self.tell(&FromLauncher::Assigned { id, failure: assigned.err() }, &[])
    }
}
