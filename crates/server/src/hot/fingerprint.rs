//! What the kernel says of a tree, in one number.
//!
//! Everything is reached by descriptor and no link is followed, so that a walk does not leave the folder. What changes of
//! an entry changes its `ctime`, which no program can set.

use std::ffi::CStr;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// Entries of a tree: some tens of milliseconds before each invocation. A package has 100,000 at most, and is looked at
/// once.
pub(super) const ENTRIES: u64 = 50_000;
/// Deeper than any tree of code.
const DEPTH: usize = 64;
/// Times of files are those of the kernel's ticks, at most so far apart: what changes twice within one looks the same.
const TICK: Duration = Duration::from_millis(20);

/// What a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tree {
    /// The same for the same tree.
    pub(super) fingerprint: u64,
    /// What its files add up to.
    pub(super) bytes: u64,
    entries: u64,
    /// The youngest change, in nanoseconds since the epoch.
    changed: i128,
}

/// Why a tree cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("there are more than {ENTRIES} files and folders in it; name a smaller folder")]
    Large,
    #[error("its folders are nested more than {DEPTH} deep")]
    Deep,
    #[error(
        "{path} in it cannot be read by the server's user ({source}); let others read it (chmod -R o+rX)"
    )]
    Unreadable { path: String, source: Errno },
}

impl Tree {
    /// Looks at a whole tree. Blocks.
    pub(super) fn look(root: &OwnedFd) -> Result<Self, Error> {
        let mut tree = Self::default();
        let stat = rustix::fs::fstat(root).map_err(|source| unreadable(&[], source))?;
        tree.add(&[], &stat);
        tree.walk(root.as_fd(), &mut Vec::new(), 0)?;
        Ok(tree)
    }

    /// Whether a change that is still to come at `now` would be seen, and could not fall into the same tick.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let tick = TICK.as_nanos();
        i128::try_from(now).unwrap_or(i128::MAX) - self.changed > i128::try_from(tick).unwrap_or(0)
    }

    fn walk(&mut self, folder: BorrowedFd<'_>, path: &mut Vec<u8>, depth: usize) -> Result<(), Error> {
        if depth > DEPTH {
            return Err(Error::Deep);
        }
        let entries = Dir::read_from(folder).map_err(|source| unreadable(path, source))?;
        for entry in entries {
            let entry = entry.map_err(|source| unreadable(path, source))?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let length = path.len();
            path.push(b'/');
            path.extend_from_slice(name.to_bytes());
            self.entry(folder, name, path, depth)?;
            path.truncate(length);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &CStr,
        path: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), Error> {
        let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            // Removed since it was listed, which has changed its folder: the next look sees that.
            Err(Errno::NOENT) => return Ok(()),
            stat => stat.map_err(|source| unreadable(path, source))?,
        };
        self.add(path, &stat);
        if self.entries > ENTRIES {
            return Err(Error::Large);
        }
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Ok(());
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(folder, name, flags, Mode::empty()) {
            Ok(child) => self.walk(child.as_fd(), path, depth + 1),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
            Err(source) => Err(unreadable(path, source)),
        }
    }

    /// In any order, for folders are listed in any.
    fn add(&mut self, path: &[u8], stat: &Stat) {
        let mut hasher = DefaultHasher::new();
        (path, stat.st_dev, stat.st_ino, stat.st_mode, stat.st_size).hash(&mut hasher);
        (stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec).hash(&mut hasher);
        self.fingerprint = self.fingerprint.wrapping_add(hasher.finish());
        self.entries += 1;
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            self.bytes = self.bytes.saturating_add(u64::try_from(stat.st_size).unwrap_or(0));
        }
        let changed = i128::from(stat.st_ctime) * 1_000_000_000 + i128::from(stat.st_ctime_nsec);
        self.changed = self.changed.max(changed);
    }
}

fn unreadable(path: &[u8], source: Errno) -> Error {
    let path = String::from_utf8_lossy(path.strip_prefix(b"/").unwrap_or(path));
    Error::Unreadable { path: if path.is_empty() { ".".into() } else { path.into_owned() }, source }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn any_change_of_a_tree_is_another_tree() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir_all(path("a/b")).unwrap();
        fs::write(path("a/b/f.py"), "one").unwrap();
        // What a link leads to is not part of the tree.
        symlink("/", path("root")).unwrap();
        let root = OwnedFd::from(File::open(dir.path()).unwrap());
        let look = || {
            // Until what was done last lies a tick back: a wait for the file system's clock.
            loop {
                let tree = Tree::look(&root).unwrap();
                if tree.is_settled(SystemTime::now()) {
                    return tree;
                }
                std::thread::yield_now();
            }
        };
        let mut last = look();
        assert_eq!((look(), last.bytes, last.entries), (last, 3, 5));
        let modified = fs::metadata(path("a/b/f.py")).unwrap().modified().unwrap();
        let changes: [&dyn Fn(); 7] = [
            &|| fs::write(path("a/b/f.py"), "two").unwrap(),
            // With the time that it had: as rsync and cp -p do.
            &|| {
                fs::write(path("a/b/f.py"), "six").unwrap();
                File::options().append(true).open(path("a/b/f.py")).unwrap().set_modified(modified).unwrap();
            },
            &|| fs::set_permissions(path("a/b/f.py"), fs::Permissions::from_mode(0o600)).unwrap(),
            &|| fs::rename(path("a/b/f.py"), path("a/b/g.py")).unwrap(),
            &|| fs::create_dir(path("a/c")).unwrap(),
            &|| {
                fs::remove_file(path("root")).unwrap();
                symlink("/etc", path("root")).unwrap();
            },
            &|| fs::remove_dir_all(path("a")).unwrap(),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            change();
            assert!(!Tree::look(&root).unwrap().is_settled(SystemTime::now()), "change {index}");
            let now = look();
            assert_ne!(now.fingerprint, last.fingerprint, "change {index}");
            last = now;
        }
    }

    #[test]
    fn a_tree_without_end_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut deep = dir.path().to_owned();
        for _ in 0..DEPTH + 2 {
            deep.push("d");
        }
        fs::create_dir_all(deep).unwrap();
        let root = OwnedFd::from(File::open(dir.path()).unwrap());
        assert!(matches!(Tree::look(&root), Err(Error::Deep)));
    }
}
