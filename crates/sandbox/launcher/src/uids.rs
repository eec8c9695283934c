//! A range of user ids for each sandbox, so that no two sandboxes share a user and none is a user of the host.
//!
//! Ids from 0x7000_0000 up to 0x7FC0_0000 are used: above what systemd assigns to containers (up to 0x6FFF_FFFF),
//! below its foreign and the kernel's reserved ids. Each range has 65,536 ids. They are claimed in blocks of 64
//! ranges by locking a file below `/run/lambent`, since several servers may run on one host; the kernel gives a
//! dead launcher's locks back.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use lambent_sandbox_protocol::Failure;
use rustix::fs::{FlockOperation, flock};

use crate::step::{Step, refused};

/// The first id of all ranges.
pub(crate) const BASE: u32 = 0x7000_0000;
/// Ids of one sandbox.
pub(crate) const RANGE: u32 = 0x1_0000;
const RANGES_PER_BLOCK: u32 = 64;
const BLOCKS: u32 = 63;

/// The user of programs that the launcher runs for its own purposes: the first id above all ranges.
pub(crate) const TOOLS: u32 = BASE + BLOCKS * RANGES_PER_BLOCK * RANGE;

struct Block {
    number: u32,
    /// Bit N is set while range N is in use.
    used: u64,
    /// Held for the lock on it.
    _lock: File,
}

/// The ranges that this launcher may give out.
pub(crate) struct Ranges {
    directory: PathBuf,
    blocks: Vec<Block>,
}

/// One sandbox's range: its first id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range(pub(crate) u32);

impl Ranges {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, blocks: Vec::new() }
    }

    pub(crate) fn take(&mut self) -> Result<Range, Failure> {
        if self.blocks.iter().all(|block| block.used == u64::MAX) {
            let block = self.claim_block().step("claim a range of user ids")?;
            self.blocks.push(block.ok_or_else(|| refused("every range of user ids is in use by sandboxes"))?);
        }
        let block =
            self.blocks.iter_mut().find(|block| block.used != u64::MAX).expect("one was just claimed");
        let slot = block.used.trailing_ones();
        block.used |= 1 << slot;
        Ok(Range(BASE + (block.number * RANGES_PER_BLOCK + slot) * RANGE))
    }

    /// Gives a range back. No process of it may be left.
    pub(crate) fn release(&mut self, range: Range) {
        let index = (range.0 - BASE) / RANGE;
        let (number, slot) = (index / RANGES_PER_BLOCK, index % RANGES_PER_BLOCK);
        for block in self.blocks.iter_mut().filter(|block| block.number == number) {
            block.used &= !(1 << slot);
        }
    }

    fn claim_block(&self) -> io::Result<Option<Block>> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        for number in 0..BLOCKS {
            if self.blocks.iter().any(|block| block.number == number) {
                continue;
            }
            let path = self.directory.join(format!("uids.{number}"));
            let lock = File::options().create(true).truncate(false).write(true).open(path)?;
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(Block { number, used: 0, _lock: lock })),
                Err(rustix::io::Errno::WOULDBLOCK) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_ids_that_others_know_of() {
        assert_eq!(BASE..=TOOLS, lambent_sandbox_protocol::process::PROGRAM_IDS);
    }

    #[test]
    fn ranges_never_overlap_between_launchers_and_return() {
        let directory = std::env::temp_dir().join(format!("lambent-uids-{}", std::process::id()));
        let (mut one, mut two) = (Ranges::new(directory.clone()), Ranges::new(directory.clone()));
        let mut taken: Vec<u32> = (0..70).map(|_| one.take().unwrap().0).collect();
        taken.extend((0..70).map(|_| two.take().unwrap().0));
        taken.sort_unstable();
        assert!(taken.windows(2).all(|pair| pair[1] - pair[0] >= RANGE), "{taken:x?}");
        one.release(Range(BASE));
        assert_eq!(one.take().unwrap(), Range(BASE));
        fs::remove_dir_all(directory).unwrap();
    }
}
