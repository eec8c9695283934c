//! Snapshots at the server's wish.

use lambent_sandbox_protocol::{self as protocol, Failure, FromLauncher, Image};

use super::Service;
use crate::snapshot::{Order, Session};
use crate::step::refused;

/// Each reads or writes as much memory as a function has. Starts take turns in the server, which asks for far fewer at once.
const MOST_SESSIONS: usize = 64;

impl Service {
    /// Starts the work, or answers why not.
    pub(super) fn photograph(&mut self, order: Order) -> Result<(), protocol::Error> {
        match self.start_session(&order) {
            Ok(session) => {
                self.sessions.insert(order.id().to_owned(), (order, session));
                Ok(())
            }
            Err(failure) => self.tell_photographed(order, Err(failure)),
        }
    }

    fn start_session(&self, order: &Order) -> Result<Session, Failure> {
        let id = order.id();
        let album = self.workshop.album.as_ref().map_err(|reason| refused(reason.clone()))?;
        if self.sessions.contains_key(id) {
            return Err(refused(format!("a snapshot of the sandbox {id}, or in it, is under way already")));
        }
        if self.sessions.len() >= MOST_SESSIONS {
            return Err(refused(format!("{MOST_SESSIONS} snapshots are under way already")));
        }
        if let (Order::Take(_), Some(scratch)) = (order, &self.workshop.scratch) {
            scratch.check_reserve()?;
        }
        match self.entries.get(id) {
            Some(entry) if entry.sandbox.setup.is_none() && entry.dying.is_none() => {
                Session::start(album, &entry.sandbox, order)
            }
            Some(_) => Err(refused(format!("the sandbox {id} is being made, or ends"))),
            None => Err(refused(format!("there is no sandbox {id}"))),
        }
    }

    /// A photographer has ended.
    pub(super) fn read_session(&mut self, id: &str) -> Result<(), protocol::Error> {
        let Some((order, session)) = self.sessions.remove(id) else { return Ok(()) };
        let ended = session.end();
        self.tell_photographed(order, ended)
    }

    pub(super) fn forget(&self, snapshot: &str) {
        if let Ok(album) = &self.workshop.album {
            album.forget(snapshot);
        }
    }

    fn tell_photographed(
        &mut self,
        order: Order,
        ended: Result<Image, Failure>,
    ) -> Result<(), protocol::Error> {
        let message = match order {
            Order::Take(order) => FromLauncher::Snapshotted { id: order.id, taken: ended },
            Order::Restore(order) => FromLauncher::Restored { id: order.id, failure: ended.err() },
        };
        self.tell(&message, &[])
    }
}
