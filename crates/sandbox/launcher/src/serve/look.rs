//! What has to be looked at from time to time, for nothing tells of it.

use std::time::{Duration, Instant};

use rustix::event::Timespec;

use super::{Entry, SOON, Service};

/// How long to wait before looking again whether what was killed is gone.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// The same for what has not gone for a while.
const LOOK_SELDOM: Duration = Duration::from_millis(200);

impl Entry {
    fn is_watched(&self) -> bool {
        self.ended.is_none() && self.sandbox.watch.is_some()
    }
}

impl Service {
    /// How long to sleep when nothing happens: not at all long while something is being cleared away, nor beyond the
    /// next look at the memory or the disk; for ever, if there is neither.
    pub(super) fn patience(&self) -> Option<Timespec> {
        let dying = || self.entries.values().filter(|entry| entry.dying.is_some());
        let clearing = if dying().any(|entry| entry.ended.is_some() && !entry.has_been_dying(SOON)) {
            Some(LOOK_AGAIN)
        } else {
            dying().next().map(|_| LOOK_SELDOM)
        };
        let watching = self.entries.values().any(Entry::is_watched);
        let looking = watching.then(|| self.schedule.remaining(Instant::now()));
        let disk = self.look_at_disk.map(|time| time.saturating_duration_since(Instant::now()));
        let patience = clearing.into_iter().chain(looking).chain(disk).min()?;
        Some(patience.try_into().expect("no pause is longer than a few seconds"))
    }

    /// Looks at the memory that no cgroup counts, when it is time to.
    pub(super) fn look(&mut self) {
        let began = Instant::now();
        if !self.entries.values().any(Entry::is_watched) || !self.schedule.remaining(began).is_zero() {
            return;
        }
        for (id, entry) in self.entries.iter_mut().filter(|(_, entry)| entry.is_watched()) {
            let Some(watch) = &mut entry.sandbox.watch else { continue };
            if let Err(error) = watch.look() {
                // What cannot be counted cannot be limited.
                eprintln!("lambent-sandbox-launcher: the memory of {id} cannot be watched any more: {error}");
                entry.kill();
            }
        }
        self.schedule.looked(began, Instant::now());
    }
}
