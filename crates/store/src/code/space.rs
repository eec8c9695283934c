//! Room on the disk, looked at before a package is brought in.

use std::path::Path;

use super::CodeError;

const MIB: u64 = 1024 * 1024;

/// What stays free for what runs, its logs and the records: 2 % of the disk, at least 256 MiB, at most 1 GiB. It is the
/// reserve that the launcher of sandboxes keeps, too.
fn reserve(total: u64) -> u64 {
    (total / 50).clamp(256 * MIB, 1024 * MIB)
}

/// Refuses a package that would leave less than the reserve. How large it is unpacked nobody knows yet; a full disk ends
/// the unpacking.
pub(super) fn check(folder: &Path, zip: u64) -> Result<(), CodeError> {
    let stat = rustix::fs::statvfs(folder).map_err(CodeError::io("look at the space of", folder))?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    judge(bytes(stat.f_bavail), bytes(stat.f_blocks), zip).map_err(|(free, reserve)| CodeError::Reserve {
        dir: folder.to_owned(),
        free_mb: free / MIB,
        reserve_mb: reserve / MIB,
    })
}

fn judge(free: u64, total: u64, zip: u64) -> Result<(), (u64, u64)> {
    let reserve = reserve(total);
    if free.saturating_sub(zip) >= reserve { Ok(()) } else { Err((free, reserve)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_must_leave_the_reserve() {
        let total = 10_240 * MIB;
        assert_eq!(judge(300 * MIB, total, 44 * MIB), Ok(()));
        assert_eq!(judge(300 * MIB, total, 45 * MIB), Err((300 * MIB, 256 * MIB)));
        assert_eq!(judge(2000 * MIB, 400 * total, 50 * MIB), Ok(()));
        assert!(judge(0, 1, 0).is_err());
    }
}
