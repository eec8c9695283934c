//! The task that removes what is over: messages past their retention, what purged and deleted queues have left, identities
//! and attempts of more than five minutes ago. Nothing waits for it: receives pass over what is over by themselves.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lambent_model::Timestamp;
use lambent_store::Error as StoreError;
use lambent_store::mailbox::Op;

use crate::send::{DEDUPLICATION, before};
use crate::{Inner, Sqs, moves};

/// How often it looks.
const PERIOD: Duration = Duration::from_secs(10);
/// Messages that are looked at, and removed, at once: a commit of some milliseconds, so that others hardly wait for it.
const SLICE: usize = 500;
/// Slices of one look, so that a queue that keeps millions of messages for weeks is not read every time on behalf of one
/// that keeps its own for a minute. The next look goes on behind them.
const SLICES: usize = 40;

impl Sqs {
    /// Removes what is over, and moves what is to be moved, until `stop` resolves. Run it as a task.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let tasks = async {
            tokio::join!(self.sweep(), moves::run(&self.inner));
        };
        tokio::select! {
            () = stop => {}
            () = tasks => {}
        }
    }

    async fn sweep(&self) {
        loop {
            // What failed is tried again: nothing depends on when it goes.
            match self.inner.sweep().await {
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => tracing::warn!(%error, "what is over in queues could not be removed"),
            }
            tokio::time::sleep(PERIOD).await;
        }
    }
}

impl Inner {
    /// Removes all that is over by now.
    pub(crate) async fn sweep(&self) -> Result<(), StoreError> {
        self.expire().await?;
        while let Some(mailbox) = self.store.closed_mailbox().await? {
            self.store.mail(vec![Op::Discard { mailbox, limit: SLICE }]).await?;
        }
        let forget = Op::Forget { before: before(self.clock.now(), DEDUPLICATION), limit: SLICE };
        while removed(&self.store.mail(vec![forget.clone()]).await?) >= SLICE {}
        Ok(())
    }

    async fn expire(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let retentions = self.queues.all(|_| true);
        let oldest: HashMap<u64, Timestamp> = retentions
            .iter()
            .map(|queue| {
                let seconds = queue.stored.attributes.retention_seconds();
                (queue.stored.mailbox, before(now, Duration::from_secs(seconds.into())))
            })
            .collect();
        // What is younger than that is over nowhere; without queues there is nothing to look for.
        let Some(newest) = oldest.values().max().copied() else { return Ok(()) };
        let mut from = self.swept.load(Ordering::Relaxed);
        for _ in 0..SLICES {
            let oldest = oldest.clone();
            let is_over = move |mailbox, sent| oldest.get(&mailbox).is_some_and(|oldest| sent < *oldest);
            let found = self.store.expired_mail(from, SLICE, newest, is_over).await?;
            if !found.numbers.is_empty() {
                self.store.mail(vec![Op::Remove { numbers: found.numbers }]).await?;
            }
            from = found.after.unwrap_or(0);
            if found.after.is_none() {
                break;
            }
        }
        self.swept.store(from, Ordering::Relaxed);
        Ok(())
    }
}

fn removed(answers: &[lambent_store::mailbox::Answer]) -> usize {
    match answers {
        [lambent_store::mailbox::Answer::Removed(count)] => *count,
        _ => 0,
    }
}
