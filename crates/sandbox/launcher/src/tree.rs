//! Mounts as descriptors: cloned, restricted while nobody can see them, attached last.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

/// Read-only, no set-user-id, no devices: what every directory of the host gets.
pub(crate) const SEALED: u64 = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// A detached copy of the mount at `path` with all mounts below it. A symbolic link as last part of the path is
/// followed: it is the caller's own path, not one from inside a sandbox.
pub(crate) fn clone_tree(path: &Path) -> io::Result<OwnedFd> {
    // AT_RECURSIVE belongs to this call, although the wrapper's flags do not name it.
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    Ok(open_tree(CWD, path, flags)?)
}

/// The same of a directory or file that is open already, wherever its path leads by now.
pub(crate) fn clone_opened(opened: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    Ok(open_tree(opened, c"", flags)?)
}

/// Sets attributes on a whole tree and makes it private, so that mounts of the host no longer come through. With a
/// user namespace it is also mapped: what belongs to the host's root then belongs to root inside.
pub(crate) fn set_attributes(
    tree: &OwnedFd,
    set: u64,
    user_namespace: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mapped = user_namespace.map_or(0, |_| libc::MOUNT_ATTR_IDMAP);
    let userns_fd = user_namespace.map_or(0, |fd| fd.as_raw_fd().unsigned_abs());
    let attributes = libc::mount_attr {
        attr_set: set | mapped,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: u64::from(userns_fd),
    };
    // SAFETY: the path is a C string, the structure outlives the call, and its true size is passed with it.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Like [`set_attributes`], with a mapping for a sandbox that has a range of ids, and without it where a file system
/// below cannot be mapped: its files then belong to nobody inside, which read-only code hardly notices.
pub(crate) fn set_attributes_for(
    tree: &OwnedFd,
    set: u64,
    user_namespace: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    match set_attributes(tree, set, user_namespace) {
        // EINVAL: the file system (or the kernel, before 5.12) cannot. EPERM: it belongs to another user namespace.
        Err(error)
            if user_namespace.is_some()
                && matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EPERM)) =>
        {
            set_attributes(tree, set, None)
        }
        done => done,
    }
}

/// Attaches a detached tree at `path` below `directory`, without following a symbolic link there.
pub(crate) fn attach(tree: &OwnedFd, directory: impl AsFd, path: impl AsRef<Path>) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    Ok(move_mount(tree, c"", directory, path.as_ref(), flags)?)
}
