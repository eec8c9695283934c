//! One tree out of several, for the layers of a function: each later one lies over the earlier.
//!
//! The files are hard links to those of the packages, so a merged tree takes directories alone from the disk, and stays
//! whole when a package it was made of is removed. It is made once for each list of packages, in the same place and by
//! the same rename as a package, under a digest of its own. An overlay file system would do it for each sandbox anew,
//! and is not to be had without root's rights on every kernel.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lambent_model::{Bytes, Sha256};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use sha2::Digest as _;

use super::package::Manifest;
use super::stage::{self, Stage};
use super::store::blocking;
use super::{CodeError, CodeStore, Package, tree};

/// The digest under which the merged tree of these packages is stored, in this order; with one package, that package's.
#[must_use]
pub fn merged_digest(layers: &[Sha256]) -> Option<Sha256> {
    match layers {
        [] => None,
        [one] => Some(*one),
        several => {
            // Not the digest of any zip file: those do not begin with this word.
            let mut hash = sha2::Sha256::new_with_prefix(b"lambent merged tree\n");
            several.iter().for_each(|digest| hash.update(digest.0));
            Some(Sha256(hash.finalize().into()))
        }
    }
}

impl CodeStore {
    /// Makes the merged tree of several packages, unless that has been done before. When it returns, it is on the disk.
    /// One package is its own merged tree; none is `None`.
    ///
    /// # Errors
    /// [`CodeError::Io`] and [`CodeError::DiskFull`]; nothing is stored then.
    pub async fn merge(&self, layers: &[Package]) -> Result<Option<Package>, CodeError> {
        let digests: Vec<Sha256> = layers.iter().map(Package::digest).collect();
        let Some(digest) = merged_digest(&digests) else { return Ok(None) };
        let lane = self.shared.lane(&digest).lock_owned().await;
        if let Some(package) = self.open_package(&digest)? {
            return Ok(Some(package));
        }
        let (shared, layers) = (self.shared.clone(), layers.to_vec());
        blocking(move || {
            // A caller that goes away does not free the digest early.
            let _held = lane;
            let stage = shared.new_stage();
            let manifest = fill(&stage, &layers)?;
            shared.publish(stage, digest, manifest).map(Some)
        })
        .await
    }
}

/// Makes the directory complete and durable. Blocks.
fn fill(stage: &Stage, layers: &[Package]) -> Result<Manifest, CodeError> {
    let path = stage.path();
    let root_path = path.join(stage::ROOT);
    stage::make_directory(&path)?;
    stage::make_directory(&root_path)?;
    let root = stage::open_directory(&root_path)?;
    for layer in layers {
        let from = stage::open_directory(layer.root())?;
        lay_over(from.as_fd(), root.as_fd(), 0).map_err(CodeError::io("merge layers in", &root_path))?;
    }
    let contents = count(root.as_fd(), 0).map_err(CodeError::io("merge layers in", &root_path))?;
    rustix::fs::fchmod(&root, Mode::from_raw_mode(0o755))
        .map_err(CodeError::io("change the mode of", &root_path))?;
    let manifest = Manifest {
        zip_size: Bytes(0),
        unpacked_size: Bytes(contents.bytes),
        files: contents.files,
        unreadable: 0,
    };
    let json = serde_json::to_vec(&manifest).expect("numbers always have a JSON form");
    stage::write_file(&path.join(stage::MANIFEST), &json)?;
    rustix::fs::syncfs(stage::open_directory(&path)?).map_err(CodeError::io("sync", &path))?;
    Ok(manifest)
}

/// What the owner of a directory needs to add names to it. It stays: the tree is shown read-only, and the function is not
/// the owner.
const OPEN: Mode = Mode::RWXU;

/// Puts everything of `from` into `into`. Directories join; anything else replaces what has its name. While a tree is
/// being made its directories are open to their owner.
fn lay_over(from: BorrowedFd<'_>, into: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
    tree::each(from, depth, &mut |name, stat| {
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            clear(into, name)?;
            return link(from, name, into);
        }
        let child = directory(into, name)?;
        let (source, mode) = tree::open_directory(from, name, stat)?;
        let done = lay_over(source.as_fd(), child.as_fd(), depth + 1);
        if let Some(mode) = mode {
            rustix::fs::fchmod(&source, mode)?;
        }
        done?;
        // The last one decides about everybody else; a further layer may add names.
        Ok(rustix::fs::fchmod(&child, Mode::from_raw_mode(stat.st_mode & 0o777) | OPEN)?)
    })
}

/// A hard link, or, where the file has too many, a copy.
fn link(from: BorrowedFd<'_>, name: &CStr, into: BorrowedFd<'_>) -> io::Result<()> {
    match rustix::fs::linkat(from, name, into, name, AtFlags::empty()) {
        Ok(()) => Ok(()),
        // A file system's limit of links to one file: 65,000 on ext4.
        Err(Errno::MLINK) => copy(from, name, into),
        Err(error) => Err(error.into()),
    }
}

fn copy(from: BorrowedFd<'_>, name: &CStr, into: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let source = rustix::fs::openat(from, name, OFlags::RDONLY | flags, Mode::empty())?;
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&source)?.st_mode & 0o777);
    let create = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | flags;
    let target = rustix::fs::openat(into, name, create, mode)?;
    io::copy(&mut std::fs::File::from(source), &mut std::fs::File::from(target))?;
    Ok(())
}

/// Removes what an earlier layer has put at a name.
fn clear(into: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    match tree::remove(into, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// The directory at a name, made where there is none, in place of anything else.
fn directory(into: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    match rustix::fs::statat(into, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {}
        Ok(_) => {
            clear(into, name)?;
            rustix::fs::mkdirat(into, name, OPEN)?;
        }
        Err(Errno::NOENT) => rustix::fs::mkdirat(into, name, OPEN)?,
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(into, name, flags, Mode::empty())?)
}

/// Counts what a finished tree holds.
fn count(directory: BorrowedFd<'_>, depth: usize) -> io::Result<tree::Contents> {
    let mut contents = tree::Contents::default();
    tree::each(directory, depth, &mut |name, stat: &Stat| {
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let (child, _) = tree::open_directory(directory, name, stat)?;
            let inside = count(child.as_fd(), depth + 1)?;
            contents.files += inside.files;
            contents.bytes += inside.bytes;
        } else {
            contents.files += 1;
            contents.bytes += u64::try_from(stat.st_size).expect("sizes are not negative");
        }
        Ok(())
    })?;
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::Path;

    use super::*;

    fn merged(layers: &[&Path], into: &Path) {
        fs::create_dir(into).unwrap();
        let root = stage::open_directory(into).unwrap();
        for layer in layers {
            lay_over(stage::open_directory(layer).unwrap().as_fd(), root.as_fd(), 0).unwrap();
        }
    }

    #[test]
    fn a_later_layer_lies_over_an_earlier_one() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b, out) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("out"));
        for (path, text) in [
            (a.join("python/one.py"), "a"),
            (a.join("python/both.py"), "a"),
            (a.join("file-or-folder"), "a"),
            (a.join("folder-or-link/inside"), "a"),
            (b.join("python/both.py"), "b"),
            (b.join("file-or-folder/inside"), "b"),
        ] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        symlink("/etc", b.join("folder-or-link")).unwrap();
        // A folder that its owner may not write to, in both.
        for layer in [&a, &b] {
            fs::set_permissions(layer.join("python"), fs::Permissions::from_mode(0o555)).unwrap();
        }
        merged(&[&a, &b], &out);
        let text = |path: &str| fs::read_to_string(out.join(path)).unwrap();
        assert_eq!((text("python/one.py"), text("python/both.py")), ("a".into(), "b".into()));
        assert_eq!(text("file-or-folder/inside"), "b");
        assert_eq!(fs::read_link(out.join("folder-or-link")).unwrap(), Path::new("/etc"));
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        assert_eq!(inode(&out.join("python/one.py")), inode(&a.join("python/one.py")), "no second copy");
        assert_eq!(fs::metadata(a.join("python")).unwrap().mode() & 0o777, 0o555, "the layer is as it was");
        assert_eq!(fs::read_to_string(a.join("folder-or-link/inside")).unwrap(), "a");
        assert_eq!(count(stage::open_directory(&out).unwrap().as_fd(), 0).unwrap().files, 4);
    }

    #[test]
    fn the_order_makes_another_tree_and_one_layer_none() {
        let (a, b) = (Sha256([1; 32]), Sha256([2; 32]));
        assert_eq!(merged_digest(&[]), None);
        assert_eq!(merged_digest(&[a]), Some(a));
        assert_ne!(merged_digest(&[a, b]), merged_digest(&[b, a]));
    }
}
