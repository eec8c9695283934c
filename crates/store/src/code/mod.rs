//! Deployment packages, stored by the SHA-256 of their zip files.
//!
//! ```text
//! <dir>/packages/<sha256>/package.zip    as uploaded, for downloads
//!                        /package.json   sizes
//!                        /root/          unpacked: what functions see
//! <dir>/packages/<digest>/               the merged tree of several packages: root/ and package.json alone
//! <dir>/staging/<n>/                     a package on its way in or out
//! ```
//!
//! A package is staged as one directory, synced to disk and published with one rename: what is under `packages` is
//! complete, what is left in `staging` after a crash is rubbish and removed at the next start. Trees are shared
//! between all environments that run the package and shown to them read-only.
//!
//! The server never reads a zip. A separate program does, without rights (see [`Unpack`]), and the server then looks at
//! what that program has made before it believes it.

mod collect;
mod error;
mod merge;
mod options;
mod package;
mod space;
mod stage;
mod store;
mod tree;
mod unpacker;

pub use collect::Collection;
pub use error::CodeError;
pub use merge::merged_digest;
pub use options::CodeOptions;
pub use package::Package;
pub use store::CodeStore;
pub use unpacker::{Finished, Job, Unpack};
