//! The port through which a function's role is looked up.

use std::future::Future;
use std::pin::Pin;

/// What is known of a role that a function is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleTrust {
    /// There is no such role.
    Unknown,
    /// Its trust policy lets Lambda assume it.
    Given,
    /// Its trust policy does not.
    Denied,
}

/// The future of [`TrustedRoles::trust`]; its error is the reason why roles cannot be read.
pub type RoleTrustFuture = Pin<Box<dyn Future<Output = Result<RoleTrust, String>> + Send>>;

/// Knows the roles of all accounts.
pub trait TrustedRoles: Send + Sync {
    /// Whether Lambda may assume the role `arn` for the function `function_arn`.
    fn trust(&self, arn: &str, function_arn: &str) -> RoleTrustFuture;
}
