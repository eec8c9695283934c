//! Application Auto Scaling, as far as it scales provisioned concurrency: targets, policies of target tracking, scheduled
//! actions.
//!
//! ```text
//! call ──▶ api ── one record a target ──▶ store ──changes──▶ keeper ──▶ scaler, schedule   pure
//!                                                             │
//!                              Capacity: Get, Put, DeleteProvisionedConcurrencyConfig, as any client of Lambda
//! ```
//!
//! There are no CloudWatch alarms: what AWS would have an alarm watch, the keeper samples itself.

mod api;
mod keeper;
mod port;
mod record;
mod scaler;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use lambent_model::{Clock, Entropy, RequestId, Scope};
use lambent_store::{Error as StoreError, Expect, Key, Partition, Store, Write};
use lambent_wire::Error;
use lambent_wire::application_autoscaling::{SERVICE, error};

pub use port::{Capacity, CapacityError, CapacityFuture};
use record::Target;

/// The kind of the records, named by resource id.
const KIND: &str = "scalable-target";
/// "Scalable targets per resource type: … 500" (Application Auto Scaling User Guide, "Quotas").
const TARGETS: usize = 500;

/// The service. Clones are handles to the same one.
#[derive(Clone)]
pub struct Autoscaling {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    lambda: Arc<dyn Capacity>,
    /// By how much the minutes and cooldowns of policies are shortened.
    scale: f64,
}

impl Autoscaling {
    /// The service on the server's records. `scale`, above 0 and up to 1, multiplies the minutes and cooldowns of
    /// policies, for tests.
    #[must_use]
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        lambda: Arc<dyn Capacity>,
        scale: f64,
    ) -> Self {
        Self { inner: Arc::new(Inner { store, clock, entropy, lambda, scale }) }
    }

    /// Answers a request of the Application Auto Scaling API. Authentication is behind the caller; `scope` is the account
    /// and region that it found.
    pub async fn call(&self, scope: &Scope, request: Request<Bytes>, request_id: &str) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let answered = api::answer(&self.inner, scope, &parts, body, request_id).await;
        answered.unwrap_or_else(|error| SERVICE.error_response(&error, request_id))
    }

    /// Scales until `stop` resolves. Run it as a task.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        keeper::run(&self.inner, stop).await;
    }
}

impl Inner {
    /// An id for something new, in the form of a UUID.
    fn new_id(&self) -> String {
        RequestId::random(&*self.entropy).to_string()
    }

    async fn get(&self, scope: &Scope, resource: &str) -> Result<Option<(Target, u64)>, Error> {
        let record = self.store.get(&key(scope, resource)).await.map_err(|error| unavailable(&error))?;
        let Some(record) = record else { return Ok(None) };
        let target = record.decode().map_err(|error| unavailable(&error))?;
        Ok(Some((target, record.version)))
    }

    /// All targets of an account and region, by resource id.
    async fn all(&self, scope: &Scope) -> Result<Vec<(String, Target)>, Error> {
        let partition = Partition { kind: KIND, partition: partition(scope) };
        let records =
            self.store.list(&partition, None, TARGETS).await.map_err(|error| unavailable(&error))?;
        let decoded = records.into_iter().map(|record| Ok((record.key.name.clone(), record.decode()?)));
        decoded.collect::<Result<_, StoreError>>().map_err(|error| unavailable(&error))
    }

    /// Changes a target, however often somebody else is faster; `None` is its absence.
    async fn change<T>(
        &self,
        scope: &Scope,
        resource: &str,
        change: impl Fn(Option<Target>) -> Result<(Option<Target>, T), Error>,
    ) -> Result<T, Error> {
        let key = key(scope, resource);
        loop {
            let (target, expect) = match self.get(scope, resource).await? {
                Some((target, version)) => (Some(target), Expect::Version(version)),
                None => (None, Expect::Absent),
            };
            let (changed, answer) = change(target)?;
            let write = match (&changed, expect) {
                (Some(changed), expect) => {
                    Write::put(key.clone(), expect, changed).map_err(|error| unavailable(&error))?
                }
                (None, Expect::Absent) => return Ok(answer),
                (None, expect) => Write::Delete { key: key.clone(), expect },
            };
            match self.store.commit(vec![write]).await {
                Ok(_) => return Ok(answer),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(unavailable(&error)),
            }
        }
    }
}

fn partition(scope: &Scope) -> String {
    format!("{}/{}", scope.account, scope.region)
}

fn key(scope: &Scope, resource: &str) -> Key {
    Key { kind: KIND, partition: partition(scope), name: resource.to_owned() }
}

fn unavailable(source: &StoreError) -> Error {
    error::internal_service_exception(source.to_string())
}
