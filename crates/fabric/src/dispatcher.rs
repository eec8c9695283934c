//! The task that takes messages out of durable queues and has them delivered.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use lambent_model::{Clock, Timestamp};
use lambent_store::queue::{Arrivals, ArrivalsError, Message, Taken};
use lambent_store::{Error, Store, Write};
use tokio::task::JoinSet;

use crate::lanes::{Bounds, LONGEST_PAUSE, Lanes, Order, Pace};

/// What follows from an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The message has come to its end. The writes are committed together with that.
    Settled(Vec<Write>),
    /// It is to be attempted again.
    Later {
        /// Not before this time.
        due: Timestamp,
        /// What to note beside it.
        state: Vec<u8>,
        /// Why.
        why: Again,
    },
    /// What follows has been committed by the courier, the message's end or its next due time included.
    Committed,
    /// Nothing was done, and the server is going down: it is another's, or this one's after its next start.
    Left,
}

/// Why a message is to be attempted again, as far as others of its queue are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// For a reason of its own: the others go on.
    Own,
    /// Where it goes does not take it, or not now: fewer are attempted at a time.
    Failing,
    /// There was no capacity for it, and will be none for the others: they wait.
    Full,
}

/// The future of an attempt.
pub type AttemptFuture = Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// Delivers the messages of some queues.
pub trait Courier: Send + Sync + 'static {
    /// What the names of its queues begin with.
    fn prefix(&self) -> &'static str;
    /// What it may have under way.
    fn bounds(&self) -> Bounds;
    /// How long a queue waits at most after a message for which there was no capacity.
    fn longest_pause(&self) -> Duration {
        LONGEST_PAUSE
    }
    /// Whether the messages of a queue keep their order: one is under way at a time, and while the first waits for another
    /// attempt, all wait.
    fn is_in_order(&self, queue: &str) -> bool {
        let _any = queue;
        false
    }
    /// Makes one attempt.
    fn attempt(&self, queue: Arc<str>, message: Message) -> AttemptFuture;
}

/// A commit that the disk refused is tried again after this time: what it would settle stays leased meanwhile.
const COMMIT_AGAIN: Duration = Duration::from_secs(1);

/// A queue that could not be read is read again after this time.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// See the module's text. Run it as a task.
pub struct Dispatcher {
    store: Store,
    clock: Arc<dyn Clock>,
    courier: Arc<dyn Courier>,
    arrivals: Arrivals,
    lanes: Lanes,
    takings: JoinSet<(Arc<str>, Result<Taken, Error>)>,
    attempts: JoinSet<(Arc<str>, usize, Pace)>,
}

impl Dispatcher {
    /// Subscribes; delivers nothing before [`Dispatcher::run`].
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>, courier: Arc<dyn Courier>) -> Self {
        let (arrivals, lanes) = (store.arrivals(), Lanes::new(courier.bounds(), courier.longest_pause()));
        Self { store, clock, courier, arrivals, lanes, takings: JoinSet::new(), attempts: JoinSet::new() }
    }

    /// Delivers until `stop` resolves, then lets the attempts that are under way come to their end.
    ///
    /// # Errors
    /// When the store cannot say which queues there are.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let mut stop = std::pin::pin!(stop);
        self.look_everywhere().await?;
        loop {
            let now = self.clock.now();
            while let Some(order) = self.lanes.next(now) {
                self.take(order, now);
            }
            let wake = self.lanes.wake(now);
            tokio::select! {
                () = &mut stop => break,
                arrival = self.arrivals.next() => match arrival {
                    Ok(arrival) => self.note(&arrival.queue, arrival.due),
                    Err(ArrivalsError::Lagged { .. }) => self.look_everywhere().await?,
                    Err(ArrivalsError::Closed) => break,
                },
                Some(taken) = self.takings.join_next() => self.deliver(taken.expect("takings do not panic")),
                Some(ended) = self.attempts.join_next() => self.ended(ended),
                () = sleep_until(wake, now) => {}
            }
        }
        // What is taken now is not begun any more. Leases end with the process.
        self.takings.shutdown().await;
        while self.attempts.join_next().await.is_some() {}
        Ok(())
    }

    async fn look_everywhere(&mut self) -> Result<(), Error> {
        for arrival in self.store.waiting().await? {
            self.note(&arrival.queue, arrival.due);
        }
        Ok(())
    }

    fn note(&mut self, queue: &Arc<str>, due: Timestamp) {
        if !queue.starts_with(self.courier.prefix()) {
            return;
        }
        match self.courier.is_in_order(queue) {
            true => self.lanes.arrived_in_order(queue, due),
            false => self.lanes.arrived(queue, due),
        }
    }

    fn take(&mut self, order: Order, now: Timestamp) {
        let store = self.store.clone();
        self.takings.spawn(async move {
            let taken = store.take(&order.queue, now, order.count, order.bytes).await;
            (order.queue, taken)
        });
    }

    fn deliver(&mut self, (queue, taken): (Arc<str>, Result<Taken, Error>)) {
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) => {
                tracing::warn!(%queue, %error, "messages cannot be read, trying again");
                let again = self.clock.now().plus(READ_AGAIN);
                return self.lanes.taken(&queue, 0, 0, Some(again));
            }
        };
        let bytes = taken.messages.iter().map(|message| message.body.len()).sum();
        self.lanes.taken(&queue, taken.messages.len(), bytes, taken.next);
        for message in taken.messages {
            let (courier, store, queue) = (Arc::clone(&self.courier), self.store.clone(), Arc::clone(&queue));
            self.attempts.spawn(async move {
                let (lease, bytes, was_due) = (message.lease, message.body.len(), message.due);
                let verdict = courier.attempt(Arc::clone(&queue), message).await;
                let (writes, pace) = match verdict {
                    Verdict::Settled(mut writes) => {
                        writes.push(Write::Finish { lease });
                        (writes, Pace::Made)
                    }
                    // It keeps its place at the head: what is behind it is due later than it was.
                    Verdict::Later { due, state, .. } if courier.is_in_order(&queue) => {
                        (vec![Write::Postpone { lease, due: was_due, state }], Pace::Held(due))
                    }
                    Verdict::Later { due, state, why } => {
                        let pace = match why {
                            Again::Own => Pace::Made,
                            Again::Failing => Pace::Failed,
                            Again::Full => Pace::Refused,
                        };
                        (vec![Write::Postpone { lease, due, state }], pace)
                    }
                    Verdict::Committed | Verdict::Left => return (queue, bytes, Pace::Made),
                };
                commit(&store, &queue, writes).await;
                (queue, bytes, pace)
            });
        }
    }

    fn ended(&mut self, ended: Result<(Arc<str>, usize, Pace), tokio::task::JoinError>) {
        match ended {
            Ok((queue, bytes, pace)) => self.lanes.ended(&queue, bytes, pace, self.clock.now()),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_cancelled) => unreachable!("nobody cancels attempts while the dispatcher runs"),
            },
        }
    }
}

/// Commits until the disk takes it. Given up, the message would be delivered once more for no reason of its own.
async fn commit(store: &Store, queue: &str, writes: Vec<Write>) {
    loop {
        match store.commit(writes.clone()).await {
            // Closed: the server is down but for this; the message will be delivered once more.
            Ok(_) | Err(Error::Closed) => return,
            Err(error @ (Error::LeaseLost { .. } | Error::Conflict { .. })) => {
                tracing::warn!(%queue, %error, "the end of a message was not its own to write");
                return;
            }
            Err(error) => tracing::warn!(%queue, %error, "the end of a message is not written yet"),
        }
        tokio::time::sleep(COMMIT_AGAIN).await;
    }
}

async fn sleep_until(wake: Option<Timestamp>, now: Timestamp) {
    match wake {
        Some(wake) => {
            let micros = u64::try_from(wake.micros() - now.micros()).unwrap_or(0);
            tokio::time::sleep(Duration::from_micros(micros)).await;
        }
        None => std::future::pending().await,
    }
}
