//! Snapshots of versions with SnapStart: who takes them is not the API's business.

use std::future::Future;
use std::pin::Pin;

use lambent_lambda::{Function, Preparation};
use lambent_model::FunctionArn;

/// Takes snapshots.
pub trait Snapshots: Send + Sync {
    /// Whether there is a way to at all: versions wait for their snapshots only then.
    fn can(&self) -> bool;
    /// Whether there is one of this version at this moment.
    fn has(&self, version: &Function) -> bool;
    /// Initialises a version and takes a snapshot of it.
    fn take<'a>(
        &'a self,
        arn: &'a FunctionArn,
        version: &'a Function,
    ) -> Pin<Box<dyn Future<Output = Preparation> + Send + 'a>>;
}
