//! Which directories of the host sandboxes may be shown.
//!
//! The server names them, and may have been taken over: then it would like to see root's files in a sandbox of its
//! own. So it chooses among what was named before it gave up its rights, and beneath the folders of packages and of
//! runtime clients: the former are its own anyway, the latter are root's and meant for functions. No path is ever followed through a symbolic link.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use lambent_sandbox_protocol::{self as protocol, Declaration, Failure, Raw, Trees};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

use crate::step::{Step, refused};

/// Interpreters and clients; a host has some tens at most. More means that something is wrong.
const MOST_FOLDERS: usize = 1024;

/// The directories that may be shown.
pub(crate) struct Shelf {
    /// Folders of which all beneath may be shown: by which path the server names each, and the folder itself as it was
    /// at the start.
    beneath: Vec<(PathBuf, OwnedFd)>,
    folders: BTreeSet<PathBuf>,
    /// Where further folders are declared, until that has happened.
    declarations: Option<OwnedFd>,
}

impl Shelf {
    pub(crate) fn open(trees: &Trees, declarations: Option<OwnedFd>) -> io::Result<Self> {
        let beneath = trees.beneath.iter().map(|path| {
            let path = path.as_path().to_owned();
            // Not through a link: at an earlier start the server may have put one there.
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let folder = openat2(CWD, &path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
            io::Result::Ok((path, folder))
        });
        let beneath = beneath.collect::<io::Result<_>>()?;
        let mut shelf = Self { beneath, folders: BTreeSet::new(), declarations };
        shelf.add(&trees.folders).map_err(|failure| io::Error::other(failure.to_string()))?;
        Ok(shelf)
    }

    /// Readable when [`Shelf::declare`] has something to take.
    pub(crate) fn channel(&self) -> Option<BorrowedFd<'_>> {
        self.declarations.as_ref().map(AsFd::as_fd)
    }

    /// Takes what the process that looks for interpreters has found. It says so once, before it tells the server, so
    /// that no request for one of them comes earlier.
    pub(crate) fn declare(&mut self) -> Result<(), Failure> {
        let Some(channel) = self.declarations.take() else { return Ok(()) };
        match protocol::receive::<Declaration>(&channel) {
            Ok(Some((declaration, _))) => self.add(&declaration.folders),
            // It has failed: the server, which hears nothing either, says why.
            Ok(None) => Ok(()),
            Err(error) => Err(refused(format!("the interpreters were not understood: {error}"))),
        }
    }

    fn add(&mut self, folders: &[Raw]) -> Result<(), Failure> {
        if self.folders.len() + folders.len() > MOST_FOLDERS {
            return Err(refused(format!("more than {MOST_FOLDERS} folders were to be shown")));
        }
        self.folders.extend(folders.iter().map(|folder| folder.as_path().to_owned()));
        Ok(())
    }

    /// Opens a directory that the server has asked for.
    pub(crate) fn open_source(&self, path: &Path) -> Result<OwnedFd, Failure> {
        let what = format!("open {}", path.display());
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let straight = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        if let Some(folder) = self.folders.get(path) {
            // The path as it was declared, not as it is spelt now.
            return openat2(CWD, folder, flags, Mode::empty(), straight).step(&what);
        }
        let beneath =
            self.beneath.iter().find_map(|(root, folder)| Some((folder, path.strip_prefix(root).ok()?)));
        match beneath {
            Some((folder, below)) if !below.as_os_str().is_empty() => {
                let contained = straight | ResolveFlags::BENEATH | ResolveFlags::NO_XDEV;
                openat2(folder, below, flags | OFlags::DIRECTORY, Mode::empty(), contained).step(&what)
            }
            _ => Err(refused(format!(
                "{} is not among the folders that sandboxes may be shown; restart the server if it is an interpreter \
                 that was installed since its start",
                path.display()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_what_was_named_is_opened_and_never_through_a_link() {
        let dir = std::env::temp_dir().join(format!("lambent-shelf-{}", std::process::id()));
        let dir = fs::create_dir_all(&dir).and_then(|()| dir.canonicalize()).unwrap();
        let (packages, folder) = (dir.join("packages"), dir.join("lang"));
        fs::create_dir_all(packages.join("a/root")).unwrap();
        fs::create_dir_all(folder.join("bin")).unwrap();
        symlink("/etc", packages.join("link")).unwrap();
        symlink("a", packages.join("inside")).unwrap();
        fs::write(packages.join("file"), "").unwrap();
        let trees = Trees {
            beneath: vec![Raw::from(packages.clone())],
            folders: vec![Raw::from(folder.clone()), Raw::from(dir.join("swapped"))],
        };
        let shelf = Shelf::open(&trees, None).unwrap();
        let opened = |path: &Path| {
            let fd = shelf.open_source(path).ok()?;
            fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok()
        };
        assert_eq!(opened(&packages.join("a/root")), Some(packages.join("a/root")));
        assert_eq!(opened(&folder), Some(folder.clone()));
        // The user of the data folder may put a link where a declared folder was.
        symlink("/etc", dir.join("swapped")).unwrap();
        for path in
            ["packages", "packages/link", "packages/link/ssl", "packages/inside/root", "packages/file"]
        {
            assert_eq!(opened(&dir.join(path)), None, "{path}");
        }
        for path in
            ["packages/..", "packages/../lang", "packages/a/../../..", "lang/bin", "swapped", "absent"]
        {
            assert_eq!(opened(&dir.join(path)), None, "{path}");
        }
        assert_eq!(opened(Path::new("/etc")), None);
        assert_eq!(opened(Path::new("/")), None);
        fs::remove_dir_all(dir).unwrap();
    }
}
