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
mod names;
mod queue;
mod receipt;
mod receive;
mod redrive;
mod send;
mod settle;
mod tags;
mod waiters;

use std::sync::Arc;

use lambent_identity::Principal;
use lambent_model::{Clock, Entropy, Scope};
use lambent_store::{Error as StoreError, Store};
use lambent_wire::Error;
use tokio::sync::{Semaphore, watch};

pub use call::Later;
use names::QueueName;
use queue::{Queue, Queues};
use receipt::Handles;

/// Receives that wait at once: clients' connections carry no more than that of what matters, and each costs a few kilobytes.
const WAITING: usize = 16_384;

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
    waiting: Arc<Semaphore>,
    /// True once nothing waits any more.
    closing: watch::Sender<bool>,
}

/// One call being answered.
pub(crate) struct Context<'a> {
    pub(crate) inner: &'a Arc<Inner>,
    pub(crate) caller: &'a Caller,
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
        let inner = Inner {
            store,
            clock,
            entropy,
            queues,
            handles: Handles::new(&secret),
            waiting: Arc::new(Semaphore::new(WAITING)),
            closing: watch::channel(false).0,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Answers all receives that wait, and those that would.
    pub fn stop_waiting(&self) {
        self.inner.closing.send_replace(true);
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
