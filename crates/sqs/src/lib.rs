//! Amazon SQS.
//!
//! ```text
//! call ─ JSON or form ─▶ an operation's file ─ checks, pure ─▶ Queues      records and their copy in memory
//!                            │                                    │ which mailbox
//!                            ╰──────────── Op ──────────▶ store::mailbox, in group commits
//! ```
//!
//! A queue is a record; its messages are in a mailbox of the store, which does what is delicate: hiding, counting, order in
//! groups, dead letters. Here is what AWS's API makes of that. A receive that waits is answered by [`Later`], so that
//! whoever dispatches the call need not hold anything for it meanwhile.

mod access;
mod attributes;
mod batch;
mod call;
mod digest;
mod manage;
mod message;
mod moves;
mod names;
mod permissions;
mod queue;
mod receipt;
mod receive;
mod redrive;
mod send;
mod settle;
mod sweep;
mod tags;
mod waiters;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use lambent_identity::Principal;
use lambent_model::{Clock, Entropy, ReadPolicyFuture, ResourcePolicies, Scope};
use lambent_store::{Error as StoreError, Store};
use lambent_wire::Error;
use tokio::sync::{Semaphore, watch};

pub use call::Later;
use moves::Moves;
use names::QueueName;
use queue::{Queue, Queues};
use receipt::Handles;

/// Receives that wait at once: clients' connections carry no more than that of what matters, and each costs a few kilobytes.
const WAITING: usize = 16_384;

/// Receives that look at once. Each may bring three megabytes, so that all of them hold a quarter of a gigabyte; more share
/// no further fsync, and wait their turn.
const LOOKING: usize = 64;

/// The service. Clones are handles to the same one.
#[derive(Clone)]
pub struct Sqs {
    inner: Arc<Inner>,
}

/// Who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account and region that it acts in.
    pub scope: Scope,
    /// Who it is.
    pub principal: Principal,
    /// Whether it is a service of the platform, for which the policies have been asked already.
    pub is_service: bool,
    /// What `SenderId` shows of it.
    pub sender: String,
    /// Scheme, host and port that addresses of queues begin with.
    pub base_url: String,
}

pub(crate) struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    queues: Queues,
    handles: Handles,
    moves: Moves,
    /// Up to which message the last look for what is over came.
    swept: AtomicU64,
    waiting: Arc<Semaphore>,
    looking: Semaphore,
    /// True once nothing waits any more.
    closing: watch::Sender<bool>,
}

/// One call being answered.
pub(crate) struct Context<'a> {
    pub(crate) inner: &'a Arc<Inner>,
    pub(crate) caller: &'a Caller,
    /// `X-Amzn-Trace-Id` of the request.
    pub(crate) trace: Option<&'a str>,
}

impl Sqs {
    /// The service on the server's store; `secret` is what receipt handles are made under.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        secret: [u8; 32],
    ) -> Result<Self, StoreError> {
        let queues = Queues::load(store.clone(), Arc::clone(&entropy)).await?;
        let moves = Moves::load(&store).await?;
        let inner = Inner {
            store,
            clock,
            entropy,
            queues,
            handles: Handles::new(&secret),
            moves,
            swept: AtomicU64::new(0),
            waiting: Arc::new(Semaphore::new(WAITING)),
            looking: Semaphore::new(LOOKING),
            closing: watch::channel(false).0,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Answers all receives that wait, and those that would.
    pub fn stop_waiting(&self) {
        self.inner.closing.send_replace(true);
    }
}

impl ResourcePolicies for Sqs {
    fn policy(&self, arn: &str) -> ReadPolicyFuture {
        let queue = QueueName::of_arn(arn).and_then(|name| self.inner.queues.find(&name));
        let policy = queue.and_then(|queue| queue.stored.attributes.text("Policy").map(str::to_owned));
        Box::pin(std::future::ready(Ok(policy)))
    }
}

impl Context<'_> {
    /// The queue at an address, for an operation that the caller may do with it.
    pub(crate) fn queue(&self, url: &str, operation: &'static str) -> Result<Arc<Queue>, Error> {
        let queue = self.inner.queues.get(&QueueName::of_url(url, &self.caller.scope)?)?;
        self.may(&queue, operation)?;
        Ok(queue)
    }
}
