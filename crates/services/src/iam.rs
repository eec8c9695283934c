//! IAM: the roles and policies that deploy tools make before they make functions.
//!
//! Records in the store, a file of operations for each thing: roles, their inline policies, managed policies and their
//! versions, attachments, tags. IAM knows no regions: each account is one partition. The policies of roles bind what the
//! platform does in their names (`permissions`); trust policies count for STS and where a function is given a role.

mod account;
mod attach;
mod aws;
mod call;
mod documents;
mod inline;
mod names;
mod page;
mod permissions;
mod policies;
mod records;
mod roles;
mod tags;
#[cfg(test)]
mod tests;
mod trust;
mod versions;

use std::sync::Arc;

use lambent_model::{Clock, Entropy, Timestamp};
use lambent_store::Store;

pub use permissions::RolePermissions;
pub(crate) use records::Role;
pub(crate) use trust::ASSUME_ROLE;

use crate::remembered::Watched;

/// The service. Clones are handles to the same one.
#[derive(Clone)]
pub struct Iam {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// What roles may, by their ARNs, and that there is no such role.
    permitted: Arc<Watched<String, Option<Arc<RolePermissions>>>>,
}

/// Roles whose policies are held, each with some kilobytes of statements: as many as a large account has functions that run.
const ROLES: usize = 4_096;

impl Iam {
    /// The service over a store.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let permitted = Arc::new(Watched::new(&store, &records::KINDS, ROLES));
        Self { store, clock, entropy, permitted }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }
}
