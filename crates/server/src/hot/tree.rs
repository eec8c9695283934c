//! The files of a function or of its layers: an unpacked package, or a folder.

use std::fs::ReadDir;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use lambent_store::Package;

use super::Folders;

pub(crate) enum Tree {
    Package(Package),
    /// By its path, for the launcher; the server's user may not be able to come to it by that.
    Folder(PathBuf, Folders),
}

impl Tree {
    /// Where it lies, for mounts and error texts.
    pub(crate) fn root(&self) -> &Path {
        match self {
            Self::Package(package) => package.root(),
            Self::Folder(path, _) => path,
        }
    }

    /// Whether it has an entry of this name, be it a link.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.within(|root| root.join(name).symlink_metadata().ok()).is_some()
    }

    /// The entries of a folder in it.
    pub(crate) fn list(&self, name: &str) -> Option<ReadDir> {
        self.within(|root| std::fs::read_dir(root.join(name)).ok())
    }

    fn within<T>(&self, look: impl FnOnce(&Path) -> Option<T>) -> Option<T> {
        match self {
            Self::Package(package) => look(package.root()),
            Self::Folder(path, folders) => {
                // What cannot be opened is an error of the invocation, by the launcher.
                let folder = folders.enter(path).ok()?;
                look(Path::new(&format!("/proc/self/fd/{}", folder.as_raw_fd())))
            }
        }
    }
}
