//! What is told of environments that are kept initialised (AWS Lambda API Reference,
//! `GetProvisionedConcurrencyConfig`).

use std::future::Future;
use std::pin::Pin;

/// How far provisioned concurrency has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvisioningStatus {
    /// Environments are being initialised.
    InProgress,
    /// All of them are.
    Ready,
    /// Some cannot be. It is tried again.
    Failed,
}

/// The provisioned concurrency of one version or alias, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisioning {
    /// Environments asked for.
    pub requested: u32,
    /// Those that there are, initialised or on the way to that.
    pub allocated: u32,
    /// Those that are initialised, with and without an invocation.
    pub available: u32,
    /// Those that have an invocation.
    pub in_use: u32,
    /// How far it has come.
    pub status: ProvisioningStatus,
    /// Why it failed.
    pub reason: Option<String>,
}

/// The future of [`crate::Invoke::provisioning`].
pub type ProvisioningFuture = Pin<Box<dyn Future<Output = Option<Provisioning>> + Send>>;
