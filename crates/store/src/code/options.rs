//! How packages are unpacked.

use std::path::PathBuf;

use lambent_model::Bytes;

use super::CodeError;

/// A user and group of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user's id.
    pub uid: u32,
    /// The group's id.
    pub gid: u32,
}

/// How packages are unpacked, and how large they may be.
#[derive(Debug, Clone)]
pub struct CodeOptions {
    /// The program of the package `lambent-sandbox-unpack`; `/proc/self/fd/N` will do, with N open for reading only.
    pub program: PathBuf,
    /// Whom it runs as. Needed when the server is root, and possible only then: a user that nothing else runs as.
    /// Without it the program has the server's own user and is held by its other fences alone.
    pub unpack_as: Option<Owner>,
    /// What a package may unpack to.
    pub max_unpacked: Bytes,
    /// Files and directories that a package may unpack to. AWS documents no such limit; this one keeps a small zip
    /// from using up the file system's inodes, and is several times what the largest packages hold.
    pub max_entries: u32,
}

impl CodeOptions {
    /// AWS's limits (AWS Lambda Developer Guide: "Lambda quotas"): 250 MB unpacked.
    #[must_use]
    pub fn new(program: PathBuf, unpack_as: Option<Owner>) -> Self {
        Self { program, unpack_as, max_unpacked: Bytes(262_144_000), max_entries: 100_000 }
    }

    pub(super) fn check(&self) -> Result<(), CodeError> {
        let root = rustix::process::geteuid().is_root();
        let reason = match self.unpack_as {
            None if root => "the server is root, name a user without rights to unpack as",
            Some(_) if !root => "only root can unpack as another user, name none",
            Some(owner) if owner.uid == 0 || owner.gid == 0 => "packages must not be unpacked as root",
            _ => return Ok(()),
        };
        Err(CodeError::Options { reason })
    }
}
