//! How many sandboxes wait. Pure: time comes in, a number comes out.

use std::time::{Duration, Instant};

/// The setting `prewarm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prewarm {
    /// None.
    Off,
    /// As many as use and memory say.
    Auto,
    /// This many of each kind that is in use, as far as memory allows.
    Fixed(u16),
}

/// A kind for which nobody has asked for so long is in use no more.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// After so long without a start that found nothing, one less will do.
const CALM: Duration = Duration::from_secs(60);
/// More of one kind would be used up by a burst as well, and made again for nothing.
const MOST_OF_A_KIND: usize = 8;
/// What waits may take one part in this many of the host's memory,
const SHARE: u64 = 32;
/// of which each is taken to need so much (measured: 6 to 9 MB).
const NEEDS: u64 = 16 * 1024 * 1024;
/// What the end of one gives back, of what it shares with others nothing (measured: 5.7 to 8 MB).
const GIVES_BACK: u64 = 6 * 1024 * 1024;
/// However large the host: each costs a process or two, a cgroup and a range of user ids.
const MOST: usize = 32;
/// Python and Node.js, on any host.
const LEAST: usize = 2;

/// How many may wait on a host with so many bytes of memory.
pub(crate) fn room(memory: u64) -> usize {
    usize::try_from(memory / SHARE / NEEDS).unwrap_or(MOST).clamp(LEAST, MOST)
}

/// How many have to end to give back so many bytes.
pub(crate) fn gives_back(bytes: u64) -> usize {
    usize::try_from(bytes.div_ceil(GIVES_BACK)).unwrap_or(usize::MAX)
}

/// What so many give back when they end.
pub(crate) fn bytes_of(number: usize) -> u64 {
    GIVES_BACK * number as u64
}

/// What is known of the wish for one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demand {
    target: usize,
    /// When somebody asked for it last.
    wanted_at: Instant,
    /// When the target changed last.
    changed_at: Instant,
}

impl Demand {
    pub(crate) fn new(now: Instant) -> Self {
        Self { target: 1, wanted_at: now, changed_at: now }
    }

    /// Somebody is about to want one.
    pub(crate) fn expected(&mut self, now: Instant) {
        self.wanted_at = now;
    }

    /// Somebody wanted one, and there was one or not.
    pub(crate) fn asked(&mut self, found: bool, now: Instant) {
        self.wanted_at = now;
        if !found {
            self.target = (self.target * 2).min(MOST_OF_A_KIND);
            self.changed_at = now;
        }
    }

    /// How many are to wait.
    pub(crate) fn wanted(&mut self, setting: Prewarm, now: Instant) -> usize {
        if now.duration_since(self.wanted_at) >= IDLE {
            return 0;
        }
        if now.duration_since(self.changed_at) >= CALM {
            self.target = self.target.saturating_sub(1).max(1);
            self.changed_at = now;
        }
        match setting {
            Prewarm::Off => 0,
            Prewarm::Auto => self.target,
            Prewarm::Fixed(number) => number.into(),
        }
    }

    pub(crate) fn wanted_at(&self) -> Instant {
        self.wanted_at
    }
}

/// One kind: how many wait, and how many should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) waiting: usize,
    pub(crate) wanted: usize,
}

/// What to do next, by the index of the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Make(usize),
    End(usize),
}

/// The next step to what is wanted. `levels` begin with the kind that was wanted last; of all together there are at most
/// `room`. Each kind gets its first before any gets its second.
pub(crate) fn next_step(levels: &[Level], room: usize) -> Option<Step> {
    let granted = grant(levels, room);
    let pairs = || levels.iter().zip(&granted).enumerate();
    if let Some((index, _)) = pairs().find(|(_, (level, granted))| level.waiting > **granted) {
        return Some(Step::End(index));
    }
    // The emptiest first, so that no kind waits for another's last one.
    let lacking = pairs().filter(|(_, (level, granted))| level.waiting < **granted);
    lacking.min_by_key(|(_, (level, _))| level.waiting).map(|(index, _)| Step::Make(index))
}

/// How many are to wait in all, of at most `room`.
pub(crate) fn granted(levels: &[Level], room: usize) -> usize {
    grant(levels, room).into_iter().sum()
}

fn grant(levels: &[Level], room: usize) -> Vec<usize> {
    let mut granted = vec![0; levels.len()];
    let mut left = room;
    loop {
        let before = left;
        for (granted, level) in granted.iter_mut().zip(levels) {
            if *granted < level.wanted && left > 0 {
                *granted += 1;
                left -= 1;
            }
        }
        if left == before {
            return granted;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(pairs: &[(usize, usize)]) -> Vec<Level> {
        pairs.iter().map(|&(waiting, wanted)| Level { waiting, wanted }).collect()
    }

    #[test]
    fn the_number_follows_starts_that_found_nothing_and_comes_down_in_calm() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut demand = Demand::new(start);
        assert_eq!(demand.wanted(Prewarm::Auto, start), 1);
        demand.asked(true, at(1));
        assert_eq!(demand.wanted(Prewarm::Auto, at(1)), 1);
        for _ in 0..10 {
            demand.asked(false, at(2));
        }
        assert_eq!(demand.wanted(Prewarm::Auto, at(2)), MOST_OF_A_KIND);
        assert_eq!(demand.wanted(Prewarm::Auto, at(62)), MOST_OF_A_KIND - 1);
        assert_eq!(demand.wanted(Prewarm::Auto, at(63)), MOST_OF_A_KIND - 1);
        assert_eq!(demand.wanted(Prewarm::Fixed(3), at(63)), 3);
        assert_eq!(demand.wanted(Prewarm::Off, at(63)), 0);
        assert_eq!(demand.wanted(Prewarm::Auto, at(2) + IDLE), 0);
        demand.expected(at(2) + IDLE);
        assert!(demand.wanted(Prewarm::Auto, at(2) + IDLE) >= 1);
    }

    #[test]
    fn what_there_is_room_for_is_shared_out() {
        assert_eq!(next_step(&levels(&[(0, 3), (0, 1)]), 8), Some(Step::Make(0)));
        assert_eq!(
            next_step(&levels(&[(1, 3), (0, 1)]), 8),
            Some(Step::Make(1)),
            "a first one before a second"
        );
        assert_eq!(next_step(&levels(&[(3, 3), (1, 1)]), 8), None);
        assert_eq!(next_step(&levels(&[(3, 3), (1, 1)]), 2), Some(Step::End(0)));
        assert_eq!(
            next_step(&levels(&[(1, 1), (1, 1), (1, 1)]), 2),
            Some(Step::End(2)),
            "wanted longest ago"
        );
        assert_eq!(next_step(&levels(&[(1, 0)]), 8), Some(Step::End(0)));
        assert_eq!(next_step(&[], 8), None);
    }

    #[test]
    fn a_small_host_has_room_for_the_two_usual_ones() {
        const GIB: u64 = 1 << 30;
        assert_eq!([room(GIB / 2), room(4 * GIB), room(16 * GIB), room(256 * GIB)], [2, 8, 32, 32]);
    }
}
