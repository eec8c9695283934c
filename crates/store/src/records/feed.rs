//! The change feed: every committed write, in commit order, to whoever listens.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::Key;

/// How many changes a subscriber may be behind: about half a second of the fastest writing a disk allows, and with
/// bodies of a few kilobytes some ten megabytes, shared between subscribers. Whoever is further behind reads
/// everything again, which is cheaper than a longer queue.
pub(super) const BACKLOG: usize = 4096;

/// One committed write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its place in the order of all commits.
    pub seq: u64,
    /// Which record.
    pub key: Key,
    /// The record's version after the write; for a delete, a version that no record ever has.
    pub version: u64,
    /// The new body, `None` when the record was deleted.
    pub body: Option<Arc<[u8]>>,
}

/// Why there is no next change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangesError {
    /// Changes were dropped because the subscriber fell behind. It has to read everything again; the changes
    /// that follow continue without a further gap.
    #[error("the subscriber lags, {missed} changes were dropped, read everything again")]
    Lagged {
        /// How many changes were dropped.
        missed: u64,
    },
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

/// A subscription to the change feed.
///
/// Subscribe first, then read with `Store::all`, then apply changes whose version is higher than that of the
/// record read: so nothing is missed and nothing older overwrites.
#[derive(Debug)]
pub struct Changes {
    receiver: broadcast::Receiver<Change>,
}

impl Changes {
    pub(super) fn new(receiver: broadcast::Receiver<Change>) -> Self {
        Self { receiver }
    }

    /// The next change, if it has been committed already.
    ///
    /// # Errors
    /// [`ChangesError`] when changes were dropped or the store is closed.
    pub fn try_next(&mut self) -> Result<Option<Change>, ChangesError> {
        match self.receiver.try_recv() {
            Ok(change) => Ok(Some(change)),
            Err(broadcast::error::TryRecvError::Empty) => Ok(None),
            Err(broadcast::error::TryRecvError::Lagged(missed)) => Err(ChangesError::Lagged { missed }),
            Err(broadcast::error::TryRecvError::Closed) => Err(ChangesError::Closed),
        }
    }

    /// Waits for the next change. May be dropped while waiting without losing one.
    ///
    /// # Errors
    /// [`ChangesError`] when changes were dropped or the store is closed.
    pub async fn next(&mut self) -> Result<Change, ChangesError> {
        self.receiver.recv().await.map_err(|error| match error {
            broadcast::error::RecvError::Lagged(missed) => ChangesError::Lagged { missed },
            broadcast::error::RecvError::Closed => ChangesError::Closed,
        })
    }
}
