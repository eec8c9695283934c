//! How packages are unpacked.

use std::sync::Arc;

use lambent_model::Bytes;

use super::unpacker::Unpack;

/// How packages are unpacked, and how large they may be.
#[derive(Clone)]
pub struct CodeOptions {
    /// What runs the unpack program.
    pub unpacker: Arc<dyn Unpack>,
    /// What a package may unpack to.
    pub max_unpacked: Bytes,
    /// Files and directories that a package may unpack to. AWS documents no such limit; this one keeps a small zip
    /// from using up the file system's inodes, and is several times what the largest packages hold.
    pub max_entries: u32,
}

impl CodeOptions {
    /// AWS's limits (AWS Lambda Developer Guide: "Lambda quotas"): 250 MB unpacked.
    #[must_use]
    pub fn new(unpacker: Arc<dyn Unpack>) -> Self {
        Self { unpacker, max_unpacked: Bytes(262_144_000), max_entries: 100_000 }
    }
}
