//! Tells those who serve queues that there is something to take.

use tokio::sync::broadcast;

use super::Arrival;

pub(crate) type Sender = broadcast::Sender<Arrival>;

/// How many arrivals a listener may be behind: some tenths of a second of a fast disk's commits, and below half a
/// megabyte. Whoever is further behind asks for all queues that have messages, which costs a few microseconds each.
pub(crate) const BACKLOG: usize = 4096;

/// Why there is no next arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArrivalsError {
    /// Some were dropped because the listener fell behind: ask [`crate::Store::waiting`].
    #[error("the listener lags, {missed} arrivals were dropped, ask for all queues")]
    Lagged {
        /// How many.
        missed: u64,
    },
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

/// A subscription to arrivals. Subscribe first, then ask [`crate::Store::waiting`] for what is there already.
#[derive(Debug)]
pub struct Arrivals {
    receiver: broadcast::Receiver<Arrival>,
}

impl Arrivals {
    pub(crate) fn new(receiver: broadcast::Receiver<Arrival>) -> Self {
        Self { receiver }
    }

    /// Waits for the next arrival. May be dropped while waiting without losing one.
    ///
    /// # Errors
    /// [`ArrivalsError`] when some were dropped or the store is closed.
    pub async fn next(&mut self) -> Result<Arrival, ArrivalsError> {
        self.receiver.recv().await.map_err(|error| match error {
            broadcast::error::RecvError::Lagged(missed) => ArrivalsError::Lagged { missed },
            broadcast::error::RecvError::Closed => ArrivalsError::Closed,
        })
    }
}
