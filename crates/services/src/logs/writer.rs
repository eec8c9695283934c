//! The one thread that writes. It ends when the queue is closed and empty.

use std::sync::Arc;
use std::time::Duration;

use lambent_model::Clock;
use rusqlite::Connection;
use tokio::sync::watch;

use super::database::{Known, write};
use super::queue::{Batch, Queue};

/// How long a batch that could not be written waits for another try. A full disk is the usual reason, and takes
/// its time to get better.
const RETRY: Duration = Duration::from_secs(1);

/// How far the writer got.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// All writes to the sink up to this one are in the file, or counted as dropped.
    pub(super) written: u64,
    /// Why the current batch could not be written.
    pub(super) failure: Option<String>,
}

pub(super) struct Writer {
    conn: Connection,
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
    progress: watch::Sender<Progress>,
    known: Known,
}

impl Writer {
    pub(super) fn new(
        conn: Connection,
        queue: Arc<Queue>,
        clock: Arc<dyn Clock>,
        progress: watch::Sender<Progress>,
    ) -> Self {
        Self { conn, queue, clock, progress, known: Known::default() }
    }

    pub(super) fn run(mut self) {
        while let Some(batch) = self.queue.take() {
            // Nothing is taken from the queue meanwhile: it fills up, and then drops and counts.
            while !self.write(&batch) {
                if self.queue.pause(RETRY) {
                    // The server waits for this thread; one more try is all there is time for.
                    self.write(&batch);
                    break;
                }
            }
        }
    }

    fn write(&mut self, batch: &Batch) -> bool {
        match write(&mut self.conn, &mut self.known, batch, self.clock.now()) {
            Ok(()) => {
                self.progress.send_replace(Progress { written: batch.up_to, failure: None });
                true
            }
            Err(error) => {
                self.progress.send_modify(|progress| progress.failure = Some(error.to_string()));
                false
            }
        }
    }
}
