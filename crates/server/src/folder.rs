//! The data folder, made ready while there are still rights to do so.
//!
//! ```text
//! <data>          root, and the server's group may add to it, but nobody removes what is another's (as in /tmp)
//!   runtimes/     root: clients and links to interpreters, shown to every function
//!   scratch/      root: the content of every /tmp
//!   code/ *.db …  the server's user, as everything that the server itself reads and writes
//! ```
//!
//! Root comes back at each start, and the server may have been taken over in between. So what root writes lies where
//! the server cannot put a link or a folder of its own in its place, and what root gives to the server is reached by
//! descriptor, never through a link, and known by its owner.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use lambent_sandbox_client::{PROGRAM_IDS, User};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fchmod, fchown, fstat};
use rustix::fs::{mkdirat, openat};
use rustix::io::Errno;

use crate::user::ServiceUser;

/// Of what is in the data folder, sandboxes are shown folders beneath these: packages and runtime clients.
pub(crate) const SHOWN: [&str; 2] = ["code/packages", "runtimes"];

/// What an earlier version kept as root and the server now needs as its own.
const HANDED_OVER: [&str; 16] = [
    "code",
    "lambent.db",
    "lambent.db-shm",
    "lambent.db-wal",
    "lambent.lock",
    "logs",
    "logs.new",
    "logs.db",
    "logs.db-shm",
    "logs.db-wal",
    "s3",
    "secret",
    "secret.new",
    "sns-key",
    "tls",
    // A file system's own, where the folder is the root of one.
    "lost+found",
];

/// Folders that stay root's, and their modes.
const ROOTS: [(&CStr, u32); 2] = [(c"runtimes", 0o755), (c"scratch", 0o700)];

/// The data folder itself: its group adds, its owner's things stay, others pass through to what sandboxes are shown.
const MODE: u32 = 0o1771;

/// As deep as the unpack program goes, and the folders above.
const DEPTH: usize = 140;

/// Whom an earlier version unpacked as.
const EARLIER_PROGRAM: u32 = 0x6fff_0000;

/// Makes the folder, or hands over an earlier one. Answers its path without links.
///
/// # Errors
/// Whatever the file system says, or what keeps the folder from being used.
pub(crate) fn prepare(dir: &Path, user: Option<ServiceUser>) -> io::Result<PathBuf> {
    std::fs::DirBuilder::new().recursive(true).mode(0o711).create(dir)?;
    let path = dir.canonicalize()?;
    let Some(user) = user else {
        // The launcher opens it at its start.
        for (name, mode) in SHOWN.into_iter().zip([0o700, 0o755]) {
            std::fs::DirBuilder::new().recursive(true).mode(mode).create(path.join(name))?;
        }
        return Ok(path);
    };
    let folder = open_folder(CWD, &CString::new(path.as_os_str().as_encoded_bytes())?)?;
    let found = fstat(&folder)?;
    if (found.st_uid, found.st_gid, found.st_mode & 0o7777) != (0, user.ids.gid, MODE) {
        take_over(&folder, &found, user.ids)?;
    }
    furnish(&folder, user.ids)?;
    Ok(path)
}

/// Once in a folder's life: gives to the server what is the server's, and the folder itself to root, last.
fn take_over(folder: &OwnedFd, found: &Stat, user: User) -> io::Result<()> {
    let names = names(folder.as_fd())?;
    if found.st_uid != 0 && !names.is_empty() {
        return Err(refused(format!(
            "it belongs to uid {} and is not empty: give it to root (chown -R root), or choose another with --data-dir",
            found.st_uid
        )));
    }
    let known = |name: &CString| {
        let name = name.as_bytes();
        HANDED_OVER.iter().any(|known| known.as_bytes() == name)
            || ROOTS.iter().any(|(known, _)| known.to_bytes() == name)
    };
    if !names.is_empty() && !names.iter().any(known) {
        return Err(refused("it holds other things: choose a folder of its own with --data-dir"));
    }
    let from = |uid: u32| uid == 0 || uid == ServiceUser::UNNAMED.ids.uid;
    for name in
        names.iter().filter(|name| HANDED_OVER.iter().any(|known| known.as_bytes() == name.as_bytes()))
    {
        if name.as_bytes() != b"lost+found" {
            give(folder.as_fd(), name, &from, user, 0)?;
        }
    }
    fchown(folder, Some(Uid::ROOT), Some(Gid::from_raw(user.gid)))?;
    Ok(fchmod(folder, Mode::from_raw_mode(MODE))?)
}

/// Makes the folders that have to be there before the rights are gone.
fn furnish(folder: &OwnedFd, user: User) -> io::Result<()> {
    for (name, mode) in ROOTS {
        let made = open_or_make(folder.as_fd(), name, mode)?;
        let owner = fstat(&made)?.st_uid;
        if owner != 0 {
            return Err(refused(format!(
                "its {} belongs to uid {owner}: remove that",
                name.to_string_lossy()
            )));
        }
    }
    let code = owned(folder.as_fd(), c"code", user)?;
    owned(code.as_fd(), c"packages", user)?;
    let staging = owned(code.as_fd(), c"staging", user)?;
    // What a crash of the machine left half unpacked belongs to the unpack program's user, whom only root can relieve.
    for name in names(staging.as_fd())? {
        give(staging.as_fd(), &name, &|uid| PROGRAM_IDS.contains(&uid) || uid == EARLIER_PROGRAM, user, 0)?;
    }
    Ok(())
}

/// A folder of the server's user alone.
fn owned(parent: BorrowedFd<'_>, name: &CStr, user: User) -> io::Result<OwnedFd> {
    let folder = open_or_make(parent, name, 0o700)?;
    if fstat(&folder)?.st_uid == 0 {
        fchown(&folder, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))?;
    }
    Ok(folder)
}

fn open_or_make(parent: BorrowedFd<'_>, name: &CStr, mode: u32) -> io::Result<OwnedFd> {
    match mkdirat(parent, name, Mode::from_raw_mode(mode)) {
        Ok(()) | Err(Errno::EXIST) => open_folder(parent, name),
        Err(error) => Err(error.into()),
    }
}

fn open_folder(parent: impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(parent, name, flags, Mode::empty())?)
}

/// Gives one name, with all beneath it, to the server's user as far as it belongs to one of `from`. What has further
/// names elsewhere may be anybody's, and is refused.
fn give(
    parent: BorrowedFd<'_>,
    name: &CStr,
    from: &dyn Fn(u32) -> bool,
    user: User,
    depth: usize,
) -> io::Result<()> {
    let opened = openat(parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let found = fstat(&opened)?;
    let kind = FileType::from_raw_mode(found.st_mode);
    if kind == FileType::Directory {
        if depth > DEPTH {
            return Err(refused("folders lie too deep within each other"));
        }
        let folder = open_folder(parent, name)?;
        for child in names(folder.as_fd())? {
            give(folder.as_fd(), &child, from, user, depth + 1)?;
        }
    }
    if !from(found.st_uid) {
        return Ok(());
    }
    if kind != FileType::Directory && found.st_nlink > 1 {
        return Err(refused(format!("{} has a second name, which may be elsewhere", name.to_string_lossy())));
    }
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    Ok(chownat(&opened, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?)
}

fn names(folder: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    let names = Dir::read_from(folder)?.map(|entry| entry.map(|entry| entry.file_name().to_owned()));
    let names: Result<Vec<_>, _> =
        names.filter(|name| !matches!(name.as_deref().map(CStr::to_bytes), Ok(b"." | b".."))).collect();
    Ok(names?)
}

fn refused(reason: impl Into<String>) -> io::Error {
    io::Error::other(reason.into())
}

/// The first folder on the way to `dir` that this process may not pass through.
pub(crate) fn barrier(dir: &Path) -> Option<PathBuf> {
    let mut ancestors: Vec<&Path> = dir.ancestors().collect();
    ancestors.reverse();
    let closed = |folder: &&&Path| {
        let mode = rustix::fs::Access::EXEC_OK;
        rustix::fs::accessat(CWD, **folder, mode, AtFlags::EACCESS) == Err(Errno::ACCESS)
    };
    ancestors.iter().find(closed).map(|folder| folder.to_path_buf())
}

#[cfg(test)]
mod tests;
