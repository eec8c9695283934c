//! A stored package that cannot vanish while it is held.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lambent_model::{Bytes, Sha256};
use serde::{Deserialize, Serialize};

use super::store::Shared;

/// What is written beside a package's files.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) zip_size: Bytes,
    pub(super) unpacked_size: Bytes,
    pub(super) files: u64,
    pub(super) unreadable: u64,
}

/// A package on disk. While one is held, its files stay, whatever garbage collection thinks of it. Cheap to clone.
#[derive(Clone)]
pub struct Package {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) digest: Sha256,
    pub(super) manifest: Manifest,
    pub(super) root: PathBuf,
    pub(super) shared: Arc<Shared>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.forget(&self.digest);
    }
}

impl Package {
    /// The SHA-256 of the zip file: AWS's `CodeSha256`, there in base64.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        self.inner.digest
    }

    /// The zip file's size: AWS's `CodeSize`.
    #[must_use]
    pub fn zip_size(&self) -> Bytes {
        self.inner.manifest.zip_size
    }

    /// What its files add up to: what counts against the 250 MB of a function and its layers.
    #[must_use]
    pub fn unpacked_size(&self) -> Bytes {
        self.inner.manifest.unpacked_size
    }

    /// Files and symbolic links in it.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.inner.manifest.files
    }

    /// Files and directories whose mode in the zip keeps the function from reading them, as it would on AWS. Worth
    /// a warning to whoever uploads.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.inner.manifest.unreadable
    }

    /// The unpacked tree: an absolute path, if the store was opened by one.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.inner.root
    }
}

impl std::fmt::Debug for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Package").field("digest", &self.inner.digest).finish_non_exhaustive()
    }
}
