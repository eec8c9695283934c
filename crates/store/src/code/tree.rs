//! Walking and removing trees that a stranger's package has shaped.
//!
//! Everything is reached by descriptor, one component at a time, and links are never followed. The program that made
//! the tree has ended before, and nobody else may write there, so what is looked at does not change underneath.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// Deeper than the unpack program goes. A tree beyond it is not one that the program should have made, and walking
/// it would cost stack and descriptors without end.
const DEPTH: usize = 128;

/// What a tree holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Files and symbolic links.
    pub(super) files: u64,
    /// Their bytes; a link's are its target's length.
    pub(super) bytes: u64,
}

/// Looks at every file of a freshly unpacked tree, refuses what must not be in it, and counts.
pub(super) fn adopt(root: &OwnedFd) -> io::Result<Contents> {
    let mut contents = Contents::default();
    adopt_directory(root.as_fd(), &mut contents, 0)?;
    Ok(contents)
}

fn adopt_directory(directory: BorrowedFd<'_>, contents: &mut Contents, depth: usize) -> io::Result<()> {
    let user = rustix::process::geteuid().as_raw();
    each(directory, depth, &mut |name, stat| {
        match FileType::from_raw_mode(stat.st_mode) {
            // What somebody else owns could change later, and could not be removed.
            _ if stat.st_uid != user => return Err(foreign()),
            FileType::Directory | FileType::RegularFile if stat.st_mode & 0o7022 != 0 => {
                return Err(foreign());
            }
            FileType::Directory => {
                let (child, mode) = open_directory(directory, name, stat)?;
                adopt_directory(child.as_fd(), contents, depth + 1)?;
                if let Some(mode) = mode {
                    rustix::fs::fchmod(&child, mode)?;
                }
            }
            FileType::RegularFile | FileType::Symlink if stat.st_nlink == 1 => {
                contents.files += 1;
                contents.bytes += u64::try_from(stat.st_size).expect("sizes are not negative");
            }
            _ => return Err(foreign()),
        }
        Ok(())
    })
}

/// The unpack program makes no devices, sockets, hard links, special mode bits or rights for others to write.
fn foreign() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it holds something that the unpack program should not make")
}

/// Removes the directory `name` of `parent` with all that is in it.
pub(super) fn remove(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    remove_at(parent, name, 0)
}

fn remove_at(parent: BorrowedFd<'_>, name: &CStr, depth: usize) -> io::Result<()> {
    let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Ok(rustix::fs::unlinkat(parent, name, AtFlags::empty())?);
    }
    let (directory, _) = open_directory(parent, name, &stat)?;
    // A package may hold directories that its owner cannot write to; root need not care.
    if !rustix::process::geteuid().is_root() {
        rustix::fs::fchmod(&directory, Mode::RWXU)?;
    }
    each(directory.as_fd(), depth, &mut |child, _| remove_at(directory.as_fd(), child, depth + 1))?;
    Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

/// Opens a directory that `stat` has shown to be one, also when its mode forbids that to its owner: then it is made
/// accessible, and the mode that it had is returned.
pub(super) fn open_directory(
    parent: BorrowedFd<'_>,
    name: &CStr,
    stat: &Stat,
) -> io::Result<(OwnedFd, Option<Mode>)> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        // Readable but not searchable would fail later, at the first name inside.
        Ok(directory) if stat.st_mode & 0o100 != 0 => Ok((directory, None)),
        Ok(_) | Err(Errno::ACCESS) => {
            rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            let directory = rustix::fs::openat(parent, name, flags, Mode::empty())?;
            Ok((directory, Some(Mode::from_raw_mode(stat.st_mode & 0o7777))))
        }
        Err(error) => Err(error.into()),
    }
}

/// Calls `visit` for each name in `directory`.
pub(super) fn each(
    directory: BorrowedFd<'_>,
    depth: usize,
    visit: &mut dyn FnMut(&CStr, &Stat) -> io::Result<()>,
) -> io::Result<()> {
    if depth > DEPTH {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "directories lie too deep within each other"));
    }
    // All names first: what happens to a listing while its directory changes is up to the file system.
    let names = Dir::read_from(directory)?
        .map(|entry| entry.map(|entry| entry.file_name().to_owned()))
        .filter(|name| !matches!(name.as_deref().map(CStr::to_bytes), Ok(b"." | b"..")))
        .collect::<Result<Vec<_>, _>>()?;
    for name in names {
        let stat = rustix::fs::statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        visit(&name, &stat)?;
    }
    Ok(())
}
