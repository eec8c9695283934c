//! Whether the machine has memory for one more environment, decided without looking at the machine.
//!
//! What the host has available says what all that runs has taken. Beside it stand two sums: what environments that are
//! still initialising were promised, and what those give back that were told to end for others. An estimate of what an
//! environment takes is learned from those before it, per version of a function.
//!
//! A machine that is full refuses, which callers see as a throttle and try again. The alternatives are swapping, which
//! makes every function slow, and the kernel's choice of whom to kill.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use lambent_model::{Bytes, EnvironmentId, MemorySize};

/// What an environment is taken to need before any of its function has run: interpreters take 10 to 50 MB.
const UNKNOWN: Bytes = Bytes::mib(64);

/// What environments of one version of a function take, in bytes.
#[derive(Debug)]
pub(crate) struct Estimate(AtomicU64);

impl Estimate {
    pub(crate) fn new(memory: MemorySize) -> Self {
        Self(AtomicU64::new(UNKNOWN.0.min(memory.bytes().0)))
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Learns from the peak of one that has run: at once from a higher one, slowly from a lower one. Of two that learn at
    /// once one may be forgotten, which the next makes good.
    pub(crate) fn learn(&self, peak_mb: u64) {
        let (known, peak) = (self.bytes(), Bytes::mib(peak_mb).0);
        let learned = if peak >= known { peak } else { known - (known - peak) / 8 };
        self.0.store(learned, Ordering::Relaxed);
    }
}

/// An environment that is free, and could be ended to make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Idle {
    pub(crate) id: EnvironmentId,
    pub(crate) since: Instant,
    /// What its end is taken to give back: its own peak, which is nothing before it has been measured. An estimate would
    /// be given away before it is there.
    pub(crate) bytes: u64,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// To environments that are still initialising.
    promised: HashMap<EnvironmentId, u64>,
    /// By environments that were told to end.
    returning: HashMap<EnvironmentId, u64>,
}

impl Room {
    /// Whether one more environment that needs so much fits into what the host has available, and which idle ones have
    /// to end for it: the longest idle, no more than needed. `None`: it does not fit even without them all.
    pub(crate) fn find(
        &self,
        need: u64,
        available: u64,
        idle: impl FnOnce() -> Vec<Idle>,
    ) -> Option<Vec<Idle>> {
        let promised = self.promised();
        let has = available.saturating_add(self.returning.values().sum());
        let wanted = promised.saturating_add(need);
        if has >= wanted {
            return Some(Vec::new());
        }
        let mut short = wanted - has;
        let mut idle = idle();
        idle.sort_unstable_by_key(|idle| idle.since);
        let mut chosen = Vec::new();
        for idle in idle {
            short = short.saturating_sub(idle.bytes);
            chosen.push(idle);
            if short == 0 {
                return Some(chosen);
            }
        }
        None
    }

    /// Keeps room for an environment that is being started.
    pub(crate) fn promise(&mut self, id: EnvironmentId, need: u64) {
        self.promised.insert(id, need);
    }

    /// Takes note that an idle environment was told to end.
    pub(crate) fn returning(&mut self, idle: &Idle) {
        self.returning.insert(idle.id, idle.bytes);
    }

    /// It is initialised: what it has taken is missing in what the host has available.
    pub(crate) fn initialised(&mut self, id: EnvironmentId) {
        self.promised.remove(&id);
    }

    /// It is gone, and with it what it had.
    pub(crate) fn ended(&mut self, id: EnvironmentId) {
        self.promised.remove(&id);
        self.returning.remove(&id);
    }

    /// What environments that are still starting have been promised.
    pub(crate) fn promised(&self) -> u64 {
        self.promised.values().sum()
    }

    /// What is still to come back.
    #[cfg(test)]
    pub(crate) fn returned(&self) -> u64 {
        self.returning.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn id(n: u8) -> EnvironmentId {
        format!("00000000-0000-4000-8000-0000000000{n:02}").parse().unwrap()
    }

    #[test]
    fn promises_count_until_they_are_kept() {
        let mut room = Room::default();
        let fits = |room: &Room, need| room.find(need, 100, Vec::new).is_some();
        assert!(fits(&room, 100) && !fits(&room, 101));
        room.promise(id(1), 70);
        assert!(fits(&room, 30) && !fits(&room, 31));
        room.initialised(id(1));
        assert!(fits(&room, 100), "what it took is no longer available, and not promised as well");
        room.promise(id(2), 70);
        room.ended(id(2));
        assert!(fits(&room, 100));
    }

    #[test]
    fn the_longest_idle_end_and_no_more_than_needed() {
        let start = Instant::now();
        let idle =
            |n: u8, age: u64, bytes| Idle { id: id(n), since: start - Duration::from_secs(age), bytes };
        let all = [idle(1, 10, 30), idle(2, 30, 30), idle(3, 20, 30)];
        let mut room = Room::default();
        let chosen = |room: &Room, need| {
            let chosen = room.find(need, 100, || all.to_vec());
            chosen.map(|chosen| chosen.iter().map(|idle| idle.id).collect::<Vec<_>>())
        };
        assert_eq!(chosen(&room, 100), Some(vec![]));
        assert_eq!(chosen(&room, 101), Some(vec![id(2)]));
        assert_eq!(chosen(&room, 131), Some(vec![id(2), id(3)]));
        assert_eq!(chosen(&room, 191), None, "nobody ends for what does not fit even then");
        // What one was told to end for is not asked for a second time.
        room.returning(&all[1]);
        assert_eq!(chosen(&room, 130), Some(vec![]));
        room.ended(id(2));
        assert_eq!(chosen(&room, 101), Some(vec![id(2)]));
    }

    #[test]
    fn estimate_rises_at_once_and_falls_slowly() {
        let estimate = Estimate::new(MemorySize(1024));
        assert_eq!(estimate.bytes(), UNKNOWN.0);
        assert_eq!(Estimate::new(MemorySize(32)).bytes(), Bytes::mib(32).0);
        estimate.learn(200);
        assert_eq!(estimate.bytes(), Bytes::mib(200).0);
        estimate.learn(40);
        assert_eq!(estimate.bytes(), Bytes::mib(180).0);
        (0..100).for_each(|_| estimate.learn(40));
        assert!(estimate.bytes() < Bytes::mib(41).0);
    }
}
