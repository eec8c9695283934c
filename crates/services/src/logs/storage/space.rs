//! The part of a disk that logs leave alone.

use std::io;
use std::path::Path;

/// How much of the file system stays free: a twentieth of it, and no more than a gigabyte. Logs that took the last
/// block would stop the store's commits, which matter more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reserve {
    pub(crate) bytes_max: u64,
    /// One of so many parts of the file system.
    pub(crate) part: u64,
}

impl Reserve {
    pub(crate) const DEFAULT: Self = Self { bytes_max: 1024 * 1024 * 1024, part: 20 };

    /// Refuses to write so many bytes where they would come out of the reserve.
    pub(crate) fn check(self, dir: &Path, bytes: u64) -> io::Result<()> {
        let stat = rustix::fs::statvfs(dir)?;
        let unit = stat.f_frsize;
        let (total, free) = (stat.f_blocks.saturating_mul(unit), stat.f_bavail.saturating_mul(unit));
        let reserve = self.bytes_max.min(total / self.part);
        if free.saturating_sub(bytes) >= reserve {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::StorageFull,
            format!(
                "the disk has {free} bytes left, of which {reserve} are not for logs: make room, or set a retention"
            ),
        ))
    }
}
