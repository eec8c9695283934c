//! How much of a disk stays free.
//!
//! Images of `/tmp` are sparse: together they may promise more than the disk has. Below the reserve nothing new is let
//! in. Those that run may go on to fill the disk, until half of the reserve is left: then the one that holds the most is
//! ended, before the host, its logs and its databases have nothing left.

use std::os::fd::OwnedFd;
use std::time::Duration;

const MIB: u64 = 1024 * 1024;

/// Of the disk this part stays free, within the two bounds.
const RESERVE_PER_CENT: u64 = 2;
const RESERVE_LEAST: u64 = 256 * MIB;
const RESERVE_MOST: u64 = 1024 * MIB;

/// While this many reserves are free, a fast disk needs more than a second to be full.
const FAR: u64 = 8;
const SELDOM: Duration = Duration::from_secs(1);
/// In this time the fastest writer takes less than the smallest half of a reserve.
const OFTEN: Duration = Duration::from_millis(50);

/// The space of one file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) free: u64,
    pub(crate) total: u64,
}

impl Space {
    pub(crate) fn of(folder: &OwnedFd) -> rustix::io::Result<Self> {
        let stat = rustix::fs::fstatvfs(folder)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Self { free: bytes(stat.f_bavail), total: bytes(stat.f_blocks) })
    }

    /// What is to stay free.
    pub(crate) fn reserve(self) -> u64 {
        (self.total / 100 * RESERVE_PER_CENT).clamp(RESERVE_LEAST, RESERVE_MOST)
    }

    /// Whether something has to be done at once.
    pub(crate) fn is_critical(self) -> bool {
        self.free < self.reserve() / 2
    }

    /// When to look again.
    pub(crate) fn look_again(self) -> Duration {
        if self.free > self.reserve().saturating_mul(FAR) { SELDOM } else { OFTEN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserve_is_two_per_cent_within_bounds() {
        for (total, reserve) in [(1, 256), (12_800, 256), (20_000, 400), (51_200, 1024), (4_000_000, 1024)] {
            assert_eq!(Space { free: 0, total: total * MIB }.reserve() / MIB, reserve, "{total}");
        }
    }

    #[test]
    fn the_nearer_the_end_the_more_often_it_is_looked_at() {
        let space = |free: u64| Space { free: free * MIB, total: 10_000 * MIB };
        assert_eq!((space(5000).look_again(), space(5000).is_critical()), (SELDOM, false));
        assert_eq!((space(2000).look_again(), space(130).is_critical()), (OFTEN, false));
        assert!(space(127).is_critical());
    }
}
