//! Amazon EventBridge Scheduler: schedules in groups, each with one target.
//!
//! ```text
//! CreateSchedule ──▶ one commit: the record, and a message due at its first moment
//! the moment ─▶ keeper ─▶ one commit: the delivery, and the message due at the next moment, or the schedule's end
//! ```
//!
//! A schedule that waits is a row of the durable queue and costs nothing. `call` (what is sent) and `record` (when) are
//! pure.

mod api;
mod call;
mod keeper;
mod record;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use lambent_model::{AwsCall, Clock, Entropy, RequestId, Scope};
use lambent_store::{Error as StoreError, Store, Write};
use lambent_wire::Error;
use lambent_wire::scheduler::{SERVICE, error};
use tokio::sync::Mutex;

use crate::iam::Iam;

pub use keeper::ScheduleCourier;

/// The service. Clones are handles to the same one.
#[derive(Clone)]
pub struct Scheduler {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    calls: Arc<dyn AwsCall>,
    iam: Iam,
    /// Held from reading what is to be changed until the change is on the disk, one for each group's share of names, so
    /// that many schedules are made at once and share their commits.
    changing: [Mutex<()>; SHARES],
}

/// Changes at once.
const SHARES: usize = 64;

impl Scheduler {
    /// The service on the server's records. `calls` says which targets can be reached at all, `iam` whom roles trust.
    #[must_use]
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        calls: Arc<dyn AwsCall>,
        iam: Iam,
    ) -> Self {
        let changing = std::array::from_fn(|_| Mutex::new(()));
        Self { inner: Arc::new(Inner { store, clock, entropy, calls, iam, changing }) }
    }

    /// Answers a request of the EventBridge Scheduler API. Authentication is behind the caller; `scope` is the account and
    /// region that it found.
    pub async fn call(&self, scope: &Scope, request: Request<Bytes>, request_id: &str) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let answered = api::answer(&self.inner, scope, &parts, body, request_id).await;
        answered.unwrap_or_else(|error| SERVICE.error_response(&error, request_id))
    }

    /// What fires schedules and removes the schedules of deleted groups. Run it by a dispatcher of the fabric.
    #[must_use]
    pub fn courier(&self) -> ScheduleCourier {
        ScheduleCourier::new(Arc::clone(&self.inner))
    }
}

impl Inner {
    /// An id for something new, in the form of a UUID.
    fn new_id(&self) -> String {
        RequestId::random(&*self.entropy).to_string()
    }

    /// A number below `bound`, which is above 0; near enough to even for spreading invocations over some hours.
    fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes) % bound
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), Error> {
        self.store.commit(writes).await.map(|_| ()).map_err(|error| unavailable(&error))
    }

    /// The lock of whatever has this name.
    fn changing(&self, name: &str) -> &Mutex<()> {
        let share = name.bytes().fold(0, |sum: usize, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        &self.changing[share % SHARES]
    }
}

fn invalid(message: impl Into<String>) -> Error {
    error::validation_exception(message)
}

fn unavailable(source: &StoreError) -> Error {
    error::internal_server_exception(source.to_string())
}
