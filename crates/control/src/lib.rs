//! The Lambda API: decode → decide (`lambent-lambda`) → commit (`lambent-store`), a file per operation.
//!
//! Control reaches the environments through the store's change feed alone: it commits a record, and whoever runs
//! functions hears of it. `Invoke` is the exception that goes straight to the invoker, through the port of that name.

mod alias;
mod apart;
mod code_signing;
mod code_source;
pub mod compatibility;
mod control;
mod dispatch;
mod event_invoke;
mod find;
mod functions;
mod layer_view;
mod layers;
mod location;
mod mappings;
mod operation;
mod outlet;
mod paging;
mod present;
mod provisioned;
mod references;
mod refuse;
mod request;
mod resources;
mod settle;
mod sites;
mod snapshots;
mod tagged;
mod urls;
mod usage;

pub use apart::apart;
pub use code_source::{
    FindFolder, FindFolderFuture, FoundFolder, ObjectName, ReadObject, ReadObjectError, ReadObjectFuture,
};
pub use control::{Control, Parts, RuntimeRules, RuntimeStatus};
pub use dispatch::ANSWERED;
pub use functions::{ALIAS_KIND, FUNCTION_KIND, Named, VERSION_KIND, named};
pub use location::LocationSigner;
pub use outlet::{Cut, Inlet, Outlet};
pub use present::runtime_version_arn;
pub use references::referenced_packages;
pub use request::Caller;
pub use sites::SITES;
pub use snapshots::Snapshots;
