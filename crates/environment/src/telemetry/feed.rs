//! What is on its way to one subscriber.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lambent_model::Timestamp;
use serde_json::json;
use tokio::sync::Notify;

use super::request::Buffering;
use crate::record::envelope;

/// AWS's words for what a subscriber did not take.
const FALLEN_BEHIND: &str =
    "Consumer seems to have fallen behind as it has not acknowledged receipt of logs.";

/// Filled by the environment, which never waits, and emptied by the delivery's task.
pub(super) struct Feed {
    buffering: Buffering,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    /// As many and as large as one batch at most, and one batch more is with the delivery: so a subscriber that takes
    /// nothing costs the server twice the buffer that it asked for.
    items: VecDeque<String>,
    bytes: usize,
    /// When the oldest came.
    since: Option<Instant>,
    dropped: u64,
    dropped_bytes: u64,
    dropped_at: Option<Timestamp>,
    flush: bool,
    ended: bool,
}

impl Feed {
    pub(super) fn new(buffering: Buffering) -> Self {
        Self { buffering, state: Mutex::default(), wake: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for an item of about this size; where the subscriber has not taken what came before there is
    /// none, and the item counts as dropped.
    pub(super) fn admits(&self, at: Timestamp, bytes: usize) -> bool {
        let mut state = self.state();
        let full = state.items.len() >= self.buffering.items || state.bytes + bytes > self.buffering.bytes;
        // One that is larger than the buffer is told alone.
        if full && !state.items.is_empty() {
            state.dropped += 1;
            state.dropped_bytes += bytes as u64;
            state.dropped_at = Some(at);
            return false;
        }
        true
    }

    /// Takes one item that was admitted.
    pub(super) fn push(&self, item: String) {
        let mut state = self.state();
        let first = state.items.is_empty();
        state.bytes += item.len();
        state.items.push_back(item);
        state.since.get_or_insert_with(Instant::now);
        let wake = first || self.is_full(&state);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Nearly: no item of usual size fits any more.
    fn is_full(&self, state: &State) -> bool {
        state.items.len() >= self.buffering.items || state.bytes >= self.buffering.bytes / 2
    }

    /// Has what is there delivered at once.
    pub(super) fn flush(&self) {
        self.state().flush = true;
        self.wake.notify_one();
    }

    /// Nobody is there to be told any more.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.wake.notify_one();
    }

    /// Waits for a batch: when it is full, old enough, or flushed. `None` when the subscription has ended.
    pub(super) async fn batch(&self) -> Option<Vec<String>> {
        loop {
            let wait = {
                let mut state = self.state();
                if state.ended {
                    return None;
                }
                match state.since {
                    None => {
                        state.flush = false;
                        None
                    }
                    Some(since) => {
                        let left = self.buffering.timeout.saturating_sub(since.elapsed());
                        if left.is_zero() || state.flush || self.is_full(&state) {
                            return Some(state.take());
                        }
                        Some(left)
                    }
                }
            };
            let woken = self.wake.notified();
            match wait {
                Some(left) => drop(tokio::time::timeout(left.max(Duration::from_millis(1)), woken).await),
                None => woken.await,
            }
        }
    }
}

impl State {
    fn take(&mut self) -> Vec<String> {
        let mut batch: Vec<String> = self.items.drain(..).collect();
        (self.bytes, self.since, self.flush) = (0, None, false);
        if let Some(at) = self.dropped_at.take() {
            let (records, bytes) =
                (std::mem::take(&mut self.dropped), std::mem::take(&mut self.dropped_bytes));
            let record = json!({ "droppedBytes": bytes, "droppedRecords": records, "reason": FALLEN_BEHIND });
            // What was dropped came after all of these.
            batch.push(envelope(at, "platform.logsDropped", &record));
        }
        batch
    }
}
