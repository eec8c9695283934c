//! Runtimes: which identifiers there are, what runs them on this host, and what they find in their environment.
//!
//! The interpreters are the host's, found by exact version; the clients that run inside them (`runtimes/`) are
//! embedded in the binary and written to the data directory once. [`Catalogue::discover`] does all the I/O, once, at
//! start; the rest is pure.
//!
//! ```text
//! runtime id ──family──▶ Family ──Catalogue::layout──▶ Layout { mounts, argv }      what to show inside, what to run
//!                                └─variables──────────▶ [(name, value)]              its environment (spec: 04 §6)
//! ```

pub mod add;
mod catalogue;
mod clients;
mod discovery;
mod id;
pub mod java;
#[cfg(test)]
mod join;
mod node;
mod probe;
pub mod sdk;
mod tier;
mod variables;
mod wanted;

pub use catalogue::{BOOTSTRAP_LOOKUP, Catalogue, Entry, Layout, Missing, Status};
pub use clients::install as install_clients;
pub use discovery::Search;
pub use id::{ALL, Family, OperatingSystem, RuntimeInfo, Support, date, family, info};
pub use tier::{Tier, tier};
pub use variables::{
    Credentials, CredentialsFrom, Folders, MetadataToken, VariableInput, extension_variables, is_reserved,
    starting_variables, variables,
};
