//! Ends the sandbox whose `/tmp` holds the most when the disk of all is nearly full.

use std::time::Instant;

use super::{Entry, Service};
use crate::space::Space;

/// An end frees nothing worth it below this.
const LEAST: u64 = 1024 * 1024;

impl Entry {
    /// Whether its `/tmp` may still grow.
    fn is_writing(&self) -> bool {
        self.dying.is_none() && self.sandbox.setup.is_none()
    }
}

impl Service {
    /// Looks at the disk if it is time to.
    pub(super) fn watch_disk(&mut self) {
        let Some(scratch) = &self.workshop.scratch else { return };
        if self.closing || self.look_at_disk.is_some_and(|time| Instant::now() < time) {
            return;
        }
        // Without anything that could grow there is nothing to look for.
        if !self.entries.values().any(Entry::is_writing) {
            self.look_at_disk = None;
            return;
        }
        // A disk that does not answer this does not answer the functions either.
        let Ok(space) = scratch.space() else { return };
        self.look_at_disk = Some(Instant::now() + space.look_again());
        // One after the other: what the last one held is free only when it is gone.
        if space.is_critical() && !self.entries.values().any(|entry| entry.doom.is_some()) {
            self.end_the_largest(space);
        }
    }

    fn end_the_largest(&mut self, space: Space) {
        const MIB: u64 = 1024 * 1024;
        let held = |entry: &Entry| entry.sandbox.tmp_bytes().filter(|bytes| *bytes >= LEAST);
        let largest = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| entry.is_writing())
            .filter_map(|(id, entry)| Some((held(entry)?, id, entry)))
            .max_by_key(|(bytes, ..)| *bytes);
        let Some((bytes, id, entry)) = largest else { return };
        let reason = format!(
            "the disk for /tmp has {} MB left, and this environment's /tmp held the most of it, {} MB",
            space.free / MIB,
            bytes / MIB
        );
        eprintln!("lambent-sandbox-launcher: {id} is ended: {reason}");
        entry.doom = Some(reason);
        entry.kill();
    }
}
