//! Bringing a package in: written and unpacked aside, made durable, then published by one rename.

use std::ffi::CString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use lambent_model::Bytes;
use rustix::fs::{Mode, OFlags};

use super::package::Manifest;
use super::{CodeError, CodeOptions, tree, unpacker};

/// Names inside a package's directory.
pub(super) const ZIP: &str = "package.zip";
pub(super) const MANIFEST: &str = "package.json";
pub(super) const ROOT: &str = "root";

/// A directory of `staging`, removed when it is dropped without having been published.
pub(super) struct Stage {
    staging: PathBuf,
    name: String,
    kept: bool,
}

impl Stage {
    /// The directory `staging/name`, not made yet.
    pub(super) fn new(staging: &Path, name: String) -> Self {
        Self { staging: staging.to_owned(), name, kept: false }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.staging.join(&self.name)
    }

    /// Says that the directory has been moved to where it belongs.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }

    /// Removes the directory now.
    pub(super) fn remove(mut self) -> Result<(), CodeError> {
        self.kept = true;
        remove(&self.staging, &self.name)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.kept {
            // We are on the way out with an earlier error. What cannot be removed now is removed at the next start.
            drop(remove(&self.staging, &self.name));
        }
    }
}

/// Removes one entry of a directory with all that is in it; it is no error when there is none.
pub(super) fn remove(directory: &Path, name: &str) -> Result<(), CodeError> {
    let path = directory.join(name);
    let parent = open_directory(directory)?;
    let name = CString::new(name).expect("our own names and those of directory listings hold no NUL");
    match tree::remove(parent.as_fd(), &name) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(CodeError::io("remove", &path)),
    }
}

/// Makes a directory for the server alone.
pub(super) fn make_directory(path: &Path) -> Result<(), CodeError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(CodeError::io("create", path))
}

pub(super) fn open_directory(path: &Path) -> Result<OwnedFd, CodeError> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(CodeError::io("open", path))
}

/// Makes the directory complete and durable. Blocks.
pub(super) fn fill(stage: &Stage, zip: &[u8], options: &CodeOptions) -> Result<Manifest, CodeError> {
    let path = stage.path();
    make_directory(&path)?;
    let stored = write_file(&path.join(ZIP), zip)?;
    let manifest = unpack(&path, stored, zip.len(), options)?;
    let json = serde_json::to_vec(&manifest).expect("numbers always have a JSON form");
    write_file(&path.join(MANIFEST), &json)?;
    // One call for all: a sync of each of thousands of files would take seconds. It also reports what could not be
    // written behind our back.
    rustix::fs::syncfs(open_directory(&path)?).map_err(CodeError::io("sync", &path))?;
    Ok(manifest)
}

fn unpack(path: &Path, zip: File, zip_size: usize, options: &CodeOptions) -> Result<Manifest, CodeError> {
    let root_path = path.join(ROOT);
    make_directory(&root_path)?;
    let root = open_directory(&root_path)?;
    let summary = unpacker::unpack(options, zip, &root).map_err(|error| match error {
        CodeError::DiskFull { .. } => CodeError::DiskFull { dir: path.to_owned() },
        other => other,
    })?;
    let found = tree::adopt(&root).map_err(CodeError::io("check", &root_path))?;
    // The program read a stranger's bytes and may have been taken over: its claims are not taken on trust.
    if (found.files, found.bytes) != (summary.files, summary.bytes) || found.bytes > options.max_unpacked.0 {
        let detail = format!("it claims {summary:?} and has made {found:?}");
        return Err(CodeError::Unpacker { detail });
    }
    std::fs::set_permissions(&root_path, std::fs::Permissions::from_mode(0o755))
        .map_err(CodeError::io("change the mode of", &root_path))?;
    Ok(Manifest {
        zip_size: Bytes(zip_size as u64),
        unpacked_size: Bytes(summary.bytes),
        files: summary.files,
        unreadable: summary.unreadable,
    })
}

/// Writes a file and returns it open for reading.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<File, CodeError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(CodeError::io("write", path))?;
    File::open(path).map_err(CodeError::io("open", path))
}
