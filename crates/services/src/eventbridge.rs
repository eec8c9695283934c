//! Amazon EventBridge: buses, rules with their targets, schedules of rules, archives and replays.
//!
//! ```text
//! PutEvents ──▶ api/put ──▶ spread: routes (which rules) ─▶ transform ─▶ target (which call) ─▶ one commit: deliveries,
//! a schedule's moment ─▶ keeper ──┘                                                             archived events
//! a replay's step ──────▶ keeper ─┘
//! ```
//!
//! What follows from an event is on the disk before it is answered: a delivery for each target, which the outbox sends.
//! `names`, `path`, `transform`, `event`, `target` are pure.

mod api;
mod archive;
mod event;
mod keeper;
mod log_target;
mod names;
mod path;
mod records;
mod routes;
mod spread;
mod target;
mod transform;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use lambent_identity::Principal;
use lambent_model::{AwsCall, Clock, Entropy, ReadPolicyFuture, RequestId, ResourcePolicies, Scope};
use lambent_store::{Error as StoreError, Store, Write};
use lambent_wire::events::{SERVICE, error};
use lambent_wire::{Error, common};
use tokio::sync::Mutex;

pub use keeper::EventCourier;
use names::BusName;

/// The service. Clones are handles to the same one.
#[derive(Clone)]
pub struct EventBridge {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    calls: Arc<dyn AwsCall>,
    cache: routes::Cache,
    /// Held from reading what is to be changed until the change is on the disk: changes of configuration are rare, and
    /// none of them has to be tried again.
    changing: Mutex<()>,
}

impl EventBridge {
    /// The service on the server's records. `calls` says which targets can be reached at all.
    #[must_use]
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        calls: Arc<dyn AwsCall>,
    ) -> Self {
        let (cache, changing) = (routes::Cache::default(), Mutex::new(()));
        Self { inner: Arc::new(Inner { store, clock, entropy, calls, cache, changing }) }
    }

    /// Answers a request of the EventBridge API. Authentication is behind the caller; `scope` is the account and region
    /// that it found, `is_service` whether a service of this server calls, whose events are AWS's own.
    pub async fn call(
        &self,
        scope: &Scope,
        principal: &Principal,
        is_service: bool,
        request: Request<Bytes>,
        request_id: &str,
    ) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let answered =
            api::answer(&self.inner, scope, (principal, is_service), &parts, body, request_id).await;
        answered.unwrap_or_else(|error| SERVICE.error_response(&error, request_id))
    }

    /// What fires the schedules of rules, replays archives and removes what archives no longer keep. Run it by a
    /// dispatcher of the fabric.
    #[must_use]
    pub fn courier(&self) -> EventCourier {
        EventCourier::new(Arc::clone(&self.inner))
    }
}

impl ResourcePolicies for EventBridge {
    fn policy(&self, arn: &str) -> ReadPolicyFuture {
        let (inner, bus) = (Arc::clone(&self.inner), BusName::from_arn(arn));
        Box::pin(async move {
            let Some(bus) = bus else { return Ok(None) };
            // Whoever puts events needs its routes as well, so that it is held in memory.
            let Some(routes) = inner.routes(&bus).await.map_err(|error| error.message)? else {
                return Ok(None);
            };
            let policy = routes.policy.clone();
            Ok(if bus.is_default() { Some(with_services(policy.as_deref(), &bus)) } else { policy })
        })
    }
}

impl Inner {
    /// An id for something new, in the form of a UUID.
    fn new_id(&self) -> String {
        RequestId::random(&*self.entropy).to_string()
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), Error> {
        self.store.commit(writes).await.map(|_| ()).map_err(|error| unavailable(&error))
    }
}

/// The services of this server that put events of their own on an account's default bus, which takes them without a policy
/// of its owner (EventBridge User Guide, "Events from AWS services").
const SERVICES: [&str; 1] = ["s3.amazonaws.com"];

/// The policy of a default bus, with what it says without being written down.
fn with_services(policy: Option<&str>, bus: &BusName) -> String {
    let mut document = api::policy_document(policy);
    let statement = serde_json::json!({
        "Effect": "Allow",
        "Principal": {"Service": SERVICES},
        "Action": "events:PutEvents",
        "Resource": bus.arn(),
        "Condition": {"StringEquals": {"aws:SourceAccount": bus.account}},
    });
    document["Statement"].as_array_mut().expect("it is made a list").push(statement);
    document.to_string()
}

fn invalid(message: impl Into<String>) -> Error {
    common::validation_exception(message)
}

fn unavailable(source: &StoreError) -> Error {
    error::internal_exception(source.to_string())
}
