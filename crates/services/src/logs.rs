//! CloudWatch Logs: what functions print and the platform writes, by log group and stream.
//!
//! ```text
//! sink ──write──▶ queue ──batch──▶ writer thread ──▶ logs.db ◀── readers ◀── call (the AWS API)
//!        never waits  bounded        one transaction        a few connections
//!        drops and counts            every few ms
//! ```
//!
//! Logs are **not** part of the promise that nothing accepted is lost: the file is written with
//! `synchronous=NORMAL`, so that a crash of the machine may take the last moments with it, and a queue that is full
//! drops records and says so in the stream. A crash of the server alone loses what was in the queue, some 100 ms.

mod api;
mod database;
mod error;
mod position;
mod queue;
mod read;
mod split;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use lambent_model::{Clock, LogSink};
use tokio::sync::watch;

pub use error::Error;
use queue::{Limits, Queue};
use read::Readers;
use writer::{Progress, Writer};

/// The log service. Clones are handles to the same one.
#[derive(Clone)]
pub struct Logs {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    queue: Arc<Queue>,
    progress: watch::Receiver<Progress>,
    readers: Readers,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Logs {
    /// Opens `logs.db` in `dir`, creating both where they are missing, and starts the writer's thread.
    ///
    /// # Errors
    ///
    /// When the directory or the file cannot be used, or the file comes from a newer version.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Self::open_with(dir, clock, Limits::DEFAULT)
    }

    fn open_with(dir: &Path, clock: Arc<dyn Clock>, limits: Limits) -> Result<Self, Error> {
        std::fs::create_dir_all(dir).map_err(|source| Error::Directory { path: dir.to_owned(), source })?;
        let path = dir.join("logs.db");
        let conn = database::open(&path)?;
        let queue = Arc::new(Queue::new(limits));
        let (sender, progress) = watch::channel(Progress::default());
        let writer = Writer::new(conn, Arc::clone(&queue), clock, sender);
        let thread = std::thread::Builder::new()
            .name("logs-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(Error::Thread)?;
        let inner = Inner {
            readers: Readers::new(path.clone()),
            path,
            queue,
            progress,
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

    /// Why the last batch could not be written, for as long as that lasts. Its records wait and are tried again.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.inner.progress.borrow().failure.clone()
    }

    /// Waits until all that was handed to the sink before can be read.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or the service was closed before it got there.
    pub async fn flush(&self) -> Result<(), Error> {
        let target = self.inner.queue.hurry();
        let mut progress = self.inner.progress.clone();
        let state = progress
            .wait_for(|progress| progress.written >= target || progress.failure.is_some())
            .await
            .map_err(|_| Error::Closed { path: self.inner.path.clone() })?;
        match &state.failure {
            Some(reason) if state.written < target => {
                Err(Error::Write { path: self.inner.path.clone(), reason: reason.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Writes what is queued and closes the file. What other handles write from now on is dropped.
    ///
    /// # Errors
    ///
    /// When the last records could not be written.
    pub async fn close(self) -> Result<(), Error> {
        let target = self.inner.queue.close();
        let thread = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                return Err(Error::Closed { path: self.inner.path.clone() });
            }
        }
        self.inner.readers.close();
        let progress = self.inner.progress.borrow();
        match &progress.failure {
            Some(reason) if progress.written < target => {
                Err(Error::Write { path: self.inner.path.clone(), reason: reason.clone() })
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Inner {
    /// Without [`Logs::close`] the writer still ends by itself, after it has written what is queued.
    fn drop(&mut self) {
        self.queue.close();
    }
}
