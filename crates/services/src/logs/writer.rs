//! The one thread that writes. It ends when the queue is closed and empty.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::queue::Queue;
use super::store::Store;

/// How often old events are looked for when nothing else happens.
const IDLE: Duration = Duration::from_secs(60);
/// The pause while there is still something to tidy: new records come first.
const BUSY: Duration = Duration::from_millis(1);

/// How far the writer got.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// All writes to the sink up to this one are in the files, or counted as dropped.
    pub(super) written: u64,
    /// Why the last batch could not be written.
    pub(super) failure: Option<String>,
}

/// Takes from the queue and writes until it is closed. What cannot be written is dropped and counted: waiting for a
/// full disk would drop as much, later.
pub(super) fn run(mut store: Store, queue: &Arc<Queue>, progress: &watch::Sender<Progress>) {
    let mut idle = IDLE;
    while let Some(batch) = queue.take(idle) {
        if !batch.records.is_empty() || !batch.dropped.is_empty() {
            let failure = store.write(&batch, queue);
            progress.send_replace(Progress { written: batch.up_to, failure });
        }
        for command in batch.commands {
            command(&mut store);
        }
        idle = if store.tend() { BUSY } else { IDLE };
    }
}
