//! Writing the planned tree. Each name is made in its own directory's descriptor and never looked up by path.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, Timespec, Timestamps};
use zip::ZipArchive;

use crate::plan::{Node, Plan, malformed, read_error};
use crate::{Failure, Kind, Limits, Summary};

/// A symbolic link's target at most; the kernel resolves no longer ones.
const TARGET: u64 = 4095;

/// Nothing resolves through a link, out of the directory, or through /proc, whatever happens around us.
const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Writes the whole tree into `directory`, counting real bytes: the sizes that a zip declares are only claims.
pub(crate) fn write<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    plan: &Plan,
    directory: OwnedFd,
    limits: Limits,
) -> Result<Summary, Failure> {
    let mut writer =
        Writer { archive, plan, limits, summary: Summary::default(), buffer: vec![0; 64 * 1024].into() };
    let Node::Directory { children, .. } = &plan.nodes[0] else {
        unreachable!("the root of a plan is a directory");
    };
    writer.children(&directory, children)?;
    // The root's time is not the package's: keep one that does not depend on when it was unpacked.
    finish(directory.as_fd(), 0o755, Some(315_532_800))?;
    Ok(writer.summary)
}

struct Writer<'a, R> {
    archive: &'a mut ZipArchive<R>,
    plan: &'a Plan,
    limits: Limits,
    summary: Summary,
    buffer: Box<[u8]>,
}

impl<R: Read + Seek> Writer<'_, R> {
    /// Recurses as deep as the tree, which the plan bounds.
    fn children(&mut self, parent: &OwnedFd, children: &BTreeMap<Vec<u8>, usize>) -> Result<(), Failure> {
        for (name, node) in children {
            let name = name.as_slice();
            match &self.plan.nodes[*node] {
                Node::File { entry, mode, modified } => self.file(parent, name, *entry, *mode, *modified)?,
                Node::Link { entry } => self.link(parent, name, *entry)?,
                Node::Directory { mode, modified, children } => {
                    rustix::fs::mkdirat(parent, name, Mode::RWXU).map_err(write_error)?;
                    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let directory = rustix::fs::openat2(parent, name, flags, Mode::empty(), RESOLVE)
                        .map_err(write_error)?;
                    self.children(&directory, children)?;
                    self.count_unreadable(*mode, 0o005);
                    // Only now, because a package may hold directories that nobody can write to.
                    finish(directory.as_fd(), *mode, *modified)?;
                }
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        entry: usize,
        mode: u32,
        modified: i64,
    ) -> Result<(), Failure> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat2(parent, name, flags, Mode::RUSR | Mode::WUSR, RESOLVE);
        let mut file = File::from(file.map_err(write_error)?);
        let mut source = self.archive.by_index(entry).map_err(malformed)?;
        loop {
            let read = match source.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(read_error(&error)),
            };
            take(&mut self.summary, self.limits, read)?;
            file.write_all(&self.buffer[..read]).map_err(write_error)?;
        }
        drop(source);
        self.summary.files += 1;
        self.count_unreadable(mode, 0o004);
        finish(file.as_fd(), mode, Some(modified))
    }

    fn link(&mut self, parent: &OwnedFd, name: &[u8], entry: usize) -> Result<(), Failure> {
        let source = self.archive.by_index(entry).map_err(malformed)?;
        let mut target = Vec::new();
        source.take(TARGET + 1).read_to_end(&mut target).map_err(|e| read_error(&e))?;
        if target.is_empty() || target.len() as u64 > TARGET || target.contains(&0) {
            let name = String::from_utf8_lossy(name);
            return Err(Failure::new(Kind::Unsafe, format!("the target of link {name:?} is no path")));
        }
        take(&mut self.summary, self.limits, target.len())?;
        rustix::fs::symlinkat(target.as_slice(), parent, name).map_err(write_error)?;
        self.summary.files += 1;
        Ok(())
    }

    fn count_unreadable(&mut self, mode: u32, needed: u32) {
        if mode & needed != needed {
            self.summary.unreadable += 1;
        }
    }
}

/// Counts bytes before they are written, so that the disk never holds more than the limit.
fn take(summary: &mut Summary, limits: Limits, bytes: usize) -> Result<(), Failure> {
    summary.bytes += bytes as u64;
    if summary.bytes > limits.bytes {
        return Err(Failure::new(Kind::TooLarge, format!("unpacks to more than {} bytes", limits.bytes)));
    }
    Ok(())
}

/// Sets mode and time. The mode is set here and not when making, so that no umask has a say.
fn finish(fd: BorrowedFd<'_>, mode: u32, modified: Option<i64>) -> Result<(), Failure> {
    rustix::fs::fchmod(fd, Mode::from_raw_mode(mode)).map_err(write_error)?;
    if let Some(seconds) = modified {
        let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::futimens(fd, &times).map_err(write_error)?;
    }
    Ok(())
}

fn write_error(error: impl Into<std::io::Error>) -> Failure {
    let error = error.into();
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Kind::NoSpace,
        _ => Kind::Internal,
    };
    Failure::new(kind, format!("cannot write the package: {error}"))
}
