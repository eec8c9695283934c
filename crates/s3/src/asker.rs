//! Who asks.

use std::net::IpAddr;
use std::sync::Arc;

use lambent_identity::Principal;
use lambent_identity::policy::Limits;
use lambent_model::{AccountId, Region};

use crate::conditions::Facts;

/// A caller, as far as the gateway knows.
#[derive(Debug, Clone)]
pub struct Asker {
    /// `None` is anybody: a request without a signature.
    pub principal: Option<Principal>,
    /// The region that the signature names, else the server's.
    pub region: Region,
    /// Whether it is a function that may use buckets, and make and remove none.
    pub is_bound: bool,
    /// What session policies leave of what it may.
    pub limits: Option<Arc<Limits>>,
    /// The secret that the request's signature has to be verified with. `None` where it is known to be good, or need not
    /// be: then [`crate::Request`]'s signature is not looked at.
    pub secret: Option<String>,
    /// Where the request comes from, for events and conditions.
    pub address: Option<IpAddr>,
    /// `x-amz-request-id`.
    pub request_id: String,
    /// What the bucket's policy can ask of the request; the service fills it.
    pub facts: Facts,
    /// `X-Amzn-Trace-Id` with the lineage of the chain that the request is part of.
    pub trace_id: Option<String>,
}

impl Asker {
    /// The account, if it is not anybody.
    #[must_use]
    pub fn account(&self) -> Option<&AccountId> {
        self.principal.as_ref().map(Principal::account)
    }
}
