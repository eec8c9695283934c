//! Makes accepted changes effective: Pending ⇒ Active, InProgress ⇒ Successful.
//!
//! The code is unpacked before a change is accepted, so settling is a second commit and nothing more; it is a step of
//! its own because AWS's clients wait for it and because a restart must find and finish what was in between.

use std::collections::HashSet;
use std::sync::Arc;

use lambent_lambda::Function;
use lambent_model::{Entropy, FunctionArn, RevisionId};
use lambent_store::{Error as StoreError, Expect, Store};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::functions::{self, Changes, FUNCTION_KIND, Named, named};
use crate::{Control, Snapshots};

/// Functions waiting to be settled. An API call waits for a place: a thousand commits are a second of work.
pub(crate) const QUEUE: usize = 1024;

impl Control {
    /// Settles what a previous run left unsettled, then whatever is accepted, until the queue closes. Versions with SnapStart
    /// are settled when their snapshots have been taken, where `snapshots` can. Run it as a task; it ends when every
    /// [`Control`] that shares the queue is dropped.
    ///
    /// # Errors
    /// When the store fails for good.
    pub async fn settle(
        store: Store,
        entropy: Arc<dyn Entropy>,
        snapshots: Arc<dyn Snapshots>,
        mut queue: mpsc::Receiver<FunctionArn>,
    ) -> Result<(), StoreError> {
        let mut settling = Vec::new();
        let note = |record: lambent_store::Record| {
            let function: Function = record.decode()?;
            // With SnapStart the version that was published last may be what waits.
            if let Some(Named::Function(arn)) = named(&record.key)
                && (function.is_settling() || (function.settings.snap_start && function.last_version > 0))
            {
                settling.push(arn);
            }
            Ok::<_, StoreError>(())
        };
        store.each(FUNCTION_KIND, note).await?;
        let mut settler =
            Settler { store, entropy, snapshots, preparing: HashSet::new(), prepared: JoinSet::new() };
        for arn in settling {
            settler.settle(&arn).await?;
        }
        loop {
            tokio::select! {
                arn = queue.recv() => match arn {
                    Some(arn) => settler.settle(&arn).await?,
                    None => return Ok(()),
                },
                Some(prepared) = settler.prepared.join_next() => {
                    match prepared {
                        Ok(prepared) => drop(settler.preparing.remove(&prepared?)),
                        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                        Err(_the_runtime_ends) => {}
                    }
                }
            }
        }
    }
}

/// A version.
type Numbered = (FunctionArn, u64);

struct Settler {
    store: Store,
    entropy: Arc<dyn Entropy>,
    snapshots: Arc<dyn Snapshots>,
    /// Versions whose snapshots are being taken, and the tasks that wait for them. As many as have been published; each holds
    /// no more than the version.
    preparing: HashSet<Numbered>,
    prepared: JoinSet<Result<Numbered, StoreError>>,
}

impl Settler {
    async fn settle(&mut self, arn: &FunctionArn) -> Result<(), StoreError> {
        let (store, entropy) = (self.store.clone(), Arc::clone(&self.entropy));
        // A tag may be set between the read and the write; deletion ends the loop.
        while let Some(record) = store.get(&functions::key(arn)).await? {
            let function: Function = record.decode()?;
            // The version that was published with the change settles with it, and one with SnapStart by itself.
            let waiting = settling(&store, arn, function.last_version).await?;
            let has_snapshot = |version: &Function| version.settings.snap_start && self.snapshots.can();
            let (photographed, waiting): (Vec<_>, Vec<_>) = waiting.into_iter().partition(has_snapshot);
            // What waits for its snapshot does so once that is settled of which it is a version.
            let mut more = waiting.len() > 1;
            if function.is_settling() {
                more |= !photographed.is_empty();
            } else {
                photographed.into_iter().for_each(|version| self.prepare(arn, version));
            }
            let version = waiting.into_iter().next();
            if !function.is_settling() && version.is_none() {
                break;
            }
            let version = version.map(|version| version.settled(RevisionId::random(&*entropy)));
            let settled = if function.is_settling() {
                function.settled(RevisionId::random(&*entropy))
            } else {
                function
            };
            let changes = Changes::version(version.as_ref());
            let saved =
                functions::save("settle", &store, arn, Expect::Version(record.version), &settled, changes)
                    .await?;
            if saved && !more {
                break;
            }
        }
        Ok(())
    }

    /// Has the snapshot of a version taken, once.
    fn prepare(&mut self, arn: &FunctionArn, version: Function) {
        let Some(number) = version.version else { return };
        if !self.preparing.insert((arn.clone(), number)) {
            return;
        }
        let (store, entropy, snapshots) =
            (self.store.clone(), Arc::clone(&self.entropy), Arc::clone(&self.snapshots));
        let arn = arn.clone();
        self.prepared.spawn(async move {
            let preparation = snapshots.take(&arn, &version).await;
            // As above: only a deletion ends it early.
            while let Some(record) = store.get(&functions::key(&arn)).await? {
                let function: Function = record.decode()?;
                let version = functions::version(&store, &arn, number).await?;
                let Some(version) = version.filter(Function::is_settling) else { break };
                let version = version.prepared(RevisionId::random(&*entropy), preparation);
                let (expect, changes) = (Expect::Version(record.version), Changes::version(Some(&version)));
                if functions::save("settle", &store, &arn, expect, &function, changes).await? {
                    break;
                }
            }
            Ok((arn, number))
        });
    }
}

/// The versions that were published last and wait, the first one first.
async fn settling(store: &Store, arn: &FunctionArn, last: u64) -> Result<Vec<Function>, StoreError> {
    let mut waiting = Vec::new();
    for number in (1..=last).rev() {
        let version = functions::version(store, arn, number).await?.filter(Function::is_settling);
        let Some(version) = version else { break };
        waiting.push(version);
    }
    waiting.reverse();
    Ok(waiting)
}
