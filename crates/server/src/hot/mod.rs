//! Code that is run from a folder of this machine as it is: the bucket `hot-reload`.
//!
//! ```text
//! prepare ─▶ Folders (the operator's, opened with root's rights) ─▶ control: may it be used, how large is it
//!                    ╰─▶ Watch: before an invocation the tree's fingerprint ─▶ invoker: other environments
//! ```
//!
//! The launcher mounts the folder itself, read-only, and knows by itself which folders may be shown. A changed tree is
//! found by comparing what the kernel says of each entry, before an invocation is placed, and not by being told of changes:
//! that is exact on every file system, needs no limit of the machine's to be raised, and costs nothing while nobody invokes.

mod fingerprint;
mod folders;
mod tree;
mod watch;

pub(crate) use folders::Folders;
pub(crate) use tree::Tree;
pub(crate) use watch::{Watch, folder_of_layers};
