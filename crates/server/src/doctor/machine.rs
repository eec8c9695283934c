//! The machine itself: kernel, descriptors, disk.

use std::path::Path;

use super::{Check, Status};

/// The first Linux with `mount_setattr`, by which mounts of a sandbox are sealed before anybody sees them.
const OLDEST_KERNEL: (u32, u32) = (5, 12);

pub(super) fn kernel() -> Check {
    let uname = rustix::system::uname();
    judge_kernel(&uname.release().to_string_lossy())
}

fn judge_kernel(release: &str) -> Check {
    let found = format!("Linux {release}");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let version = match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    };
    match version {
        Some(version) if version >= OLDEST_KERNEL => Check::new("kernel", Status::Ok, found, None),
        Some(_) => Check::new(
            "kernel",
            Status::Missing,
            found,
            Some("isolation needs Linux 5.12 or newer; on this one only `--isolation process` works"),
        ),
        None => Check::new(
            "kernel",
            Status::Warning,
            found,
            Some("its version cannot be read; isolation needs Linux 5.12 or newer"),
        ),
    }
}

/// How many sandboxes may wait for functions (the setting `prewarm`); how many do is in the server's health.
pub(super) fn prewarm() -> Check {
    let room = crate::prewarm::room_here();
    let found = format!("up to {room} sandboxes may wait for functions, at 6 to 9 MB each");
    Check::new("prewarm", Status::Ok, found, None)
}

pub(super) fn descriptors() -> Check {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    match limit {
        Some(limit) if limit < 16_384 => Check::new(
            "open files",
            Status::Warning,
            format!("at most {limit}, enough for about {} environments", limit / 12),
            Some("raise the hard limit (ulimit -Hn, LimitNOFILE=)"),
        ),
        limit => Check::new(
            "open files",
            Status::Ok,
            limit.map_or("unlimited".into(), |limit| limit.to_string()),
            None,
        ),
    }
}

pub(super) fn data_folder(dir: &Path) -> Check {
    // The nearest folder that exists is the one that decides.
    let existing = dir.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    match rustix::fs::statvfs(existing) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize) / (1024 * 1024);
            let found = format!("{}, {free} MB free", dir.display());
            if free < 1024 {
                let remedy = Some("free some space or choose another folder with --data-dir");
                Check::new("data folder", Status::Warning, found, remedy)
            } else {
                Check::new("data folder", Status::Ok, found, None)
            }
        }
        Err(error) => Check::new(
            "data folder",
            Status::Missing,
            format!("{}: {error}", dir.display()),
            Some("choose another folder with --data-dir"),
        ),
    }
}

/// What clients are to trust for `https`, where no certificate is configured.
pub(super) fn authority(dir: &Path) -> Check {
    let path = crate::tls::authority::certificate_path(dir);
    let found = if path.is_file() {
        format!("clients trust the server's own authority by {}", path.display())
    } else {
        format!("the server's own authority will be in {}, made at the first start", path.display())
    };
    Check::new("https", Status::Ok, found, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_before_5_12_cannot_isolate() {
        for (release, status) in [
            ("6.18.44-fc", Status::Ok),
            ("5.12", Status::Ok),
            ("5.12-rc1", Status::Ok),
            ("5.11.22-generic", Status::Missing),
            ("4.19.0", Status::Missing),
            ("unknown", Status::Warning),
        ] {
            let check = judge_kernel(release);
            assert_eq!((check.status, check.remedy.is_none()), (status, status == Status::Ok), "{release}");
        }
    }
}
