//! Pollers of event source mappings (AWS Lambda Developer Guide, "How Lambda processes records from stream and queue-based
//! event sources").
//!
//! A poller fetches, hands over and acknowledges, and knows nothing else: sources are called through
//! [`AwsCall`](lambent_model::AwsCall) in the name of the function's role, functions are invoked through
//! [`Invoke`](lambent_model::Invoke). What belongs together and keeps its order is `lambent-fabric`'s to decide.
//!
//! [`Sources::run`] hears of mappings through the store's change feed and keeps a group of pollers for each that is
//! enabled. It also ends what the API has begun: `Creating` becomes `Enabled` when the group is there, `Deleting` becomes
//! nothing when its last batch is done. Nothing is acknowledged before its function has succeeded with it, and nothing is
//! kept here: after a crash the source has everything still.
//!
//! Each kind of source is a folder; there is one so far, [`sqs`]. `scaling` and `backoff` are pure.

mod backoff;
mod keeper;
mod scaling;
pub mod sqs;
mod world;

pub use backoff::Trouble;
pub use keeper::Sources;
pub use scaling::{Rule, Scaling};
pub use world::{Bounds, World};
