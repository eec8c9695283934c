//! CloudWatch Logs: what functions print and the platform writes, by log group and stream.
//!
//! ```text
//! sink ──write──▶ queue ──batch──▶ writer thread ──▶ storage   segments of each group   ◀── readers ◀── call
//!        never waits  bounded        owns both       catalog   groups, streams, tags         the AWS API
//!        drops and counts                ▲
//!                                        └── commands: what clients change, after what was logged before
//! ```
//!
//! Logs are **not** part of the promise that nothing accepted is lost: nothing waits for the disk before it answers, so
//! that a crash of the machine may take the last moments, and a queue that is full, like a full disk, drops records and
//! says so in the stream. A crash of the server alone loses what was in the queue, some 100 ms.

mod api;
mod catalog;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod insights;
mod migrate;
mod pattern;
mod policies;
mod queries;
mod queue;
mod storage;
mod store;
mod tail;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use lambent_model::{Clock, Entropy, LogSink, Scope};
use tokio::sync::{Semaphore, watch};

pub use api::Streamed;
use catalog::read::Readers;
pub use error::Error;
use queries::Queries;
use queue::{Limits, Queue};
use storage::files::Segments;
use storage::space::Reserve;
use store::Store;
use tail::Tail;
use writer::Progress;

use crate::remembered::Remembered;

/// Changes by clients that wait for the writer at once. Each may hold a batch of a megabyte; the rest waits its turn.
const COMMANDS: usize = 16;

/// The log service. Clones are handles to the same one.
#[derive(Clone)]
pub struct Logs {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    queue: Arc<Queue>,
    progress: watch::Receiver<Progress>,
    readers: Readers,
    commands: Semaphore,
    segments: Arc<Segments>,
    tail: Arc<Tail>,
    queries: Queries,
    policies: Remembered<Scope, Option<String>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Logs {
    /// Opens the folder `logs` in `dir`, creating it where it is missing, and starts the writer's thread. What an
    /// earlier version kept in `logs.db` is taken over first.
    ///
    /// # Errors
    ///
    /// When the folder or its files cannot be used, or they come from a newer version.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Result<Self, Error> {
        Self::open_with(dir, clock, entropy, Limits::DEFAULT, Reserve::DEFAULT)
    }

    fn open_with(
        dir: &Path,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        limits: Limits,
        reserve: Reserve,
    ) -> Result<Self, Error> {
        let path = migrate::prepare(dir)?;
        let tail = Arc::new(Tail::default());
        let store = Store::open(&path, Arc::clone(&clock), reserve, Arc::clone(&tail))?;
        let segments = Arc::clone(store.files.segments());
        let queue = Arc::new(Queue::new(limits));
        let (sender, progress) = watch::channel(Progress::default());
        let taken = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("logs-writer".to_owned())
            .spawn(move || writer::run(store, &taken, &sender))
            .map_err(Error::Thread)?;
        let inner = Inner {
            readers: Readers::new(path.join("catalog.db")),
            path,
            clock,
            entropy,
            queue,
            progress,
            commands: Semaphore::new(COMMANDS),
            segments,
            tail,
            queries: Queries::new(),
            policies: Remembered::new(policies::SCOPES),
            writer: Mutex::new(Some(thread)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where functions' output goes.
    #[must_use]
    pub fn sink(&self) -> Arc<dyn LogSink> {
        Arc::clone(&self.inner.queue) as Arc<dyn LogSink>
    }

    /// How many records were dropped since the start, because the writer fell behind.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.inner.queue.dropped()
    }

    /// Why the last batch could not be written, for as long as that lasts. Its records were dropped and counted.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.inner.progress.borrow().failure.clone()
    }

    /// Waits until all that was handed to the sink before can be read.
    ///
    /// # Errors
    ///
    /// When something could not be written, or the service was closed before it got there.
    pub async fn flush(&self) -> Result<(), Error> {
        let target = self.inner.queue.hurry();
        let mut progress = self.inner.progress.clone();
        let state = progress
            .wait_for(|progress| progress.written >= target)
            .await
            .map_err(|_| Error::Closed { path: self.inner.path.clone() })?;
        match &state.failure {
            Some(reason) => Err(Error::Write { path: self.inner.path.clone(), reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// Ends the responses that go on by themselves: a server that stops would wait for their clients.
    pub fn end_tails(&self) {
        self.inner.tail.close();
    }

    /// Writes what is queued and closes the file. What other handles write from now on is dropped.
    ///
    /// # Errors
    ///
    /// When the last records could not be written.
    pub async fn close(self) -> Result<(), Error> {
        self.inner.queue.close();
        let thread = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                return Err(Error::Closed { path: self.inner.path.clone() });
            }
        }
        self.end_tails();
        self.inner.queries.close();
        self.inner.readers.close();
        let progress = self.inner.progress.borrow();
        match &progress.failure {
            Some(reason) => Err(Error::Write { path: self.inner.path.clone(), reason: reason.clone() }),
            None => Ok(()),
        }
    }
}

impl Drop for Inner {
    /// Without [`Logs::close`] the writer still ends by itself, after it has written what is queued.
    fn drop(&mut self) {
        self.queue.close();
    }
}
