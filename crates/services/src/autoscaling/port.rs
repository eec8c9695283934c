//! The way to Lambda: what is asked of it and set in it, as any client would.

use std::future::Future;
use std::pin::Pin;

use lambent_model::{Provisioning, Target};

/// Why Lambda refused, in its words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapacityError {
    /// There is no such function, version or alias.
    #[error("{0}")]
    NotFound(String),
    /// Anything else.
    #[error("{0}")]
    Refused(String),
}

/// The answer of a [`Capacity`].
pub type CapacityFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, CapacityError>> + Send + 'a>>;

/// Provisioned concurrency by the Lambda API.
pub trait Capacity: Send + Sync {
    /// `GetProvisionedConcurrencyConfig`; `None` where none is configured.
    fn current(&self, target: &Target) -> CapacityFuture<'_, Option<Provisioning>>;
    /// `PutProvisionedConcurrencyConfig`, or for 0 `DeleteProvisionedConcurrencyConfig`.
    fn set(&self, target: &Target, wanted: u32) -> CapacityFuture<'_, ()>;
}
