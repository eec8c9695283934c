//! Makes accepted changes effective: Pending ⇒ Active, InProgress ⇒ Successful.
//!
//! The code is unpacked before a change is accepted, so settling is a second commit and nothing more; it is a step of
//! its own because AWS's clients wait for it and because a restart must find and finish what was in between.

use lambent_lambda::Function;
use lambent_model::{FunctionArn, RevisionId};
use lambent_store::{Error as StoreError, Expect};
use tokio::sync::mpsc;

use crate::Control;
use crate::functions::{self, Changes, FUNCTION_KIND, Named, named};

/// Functions waiting to be settled. An API call waits for a place: a thousand commits are a second of work.
pub(crate) const QUEUE: usize = 1024;

impl Control {
    /// Settles what a previous run left unsettled, then whatever is accepted, until the queue closes. Run it as a
    /// task; it ends when every [`Control`] that shares the queue is dropped.
    ///
    /// # Errors
    /// When the store fails for good.
    pub async fn settle(
        store: lambent_store::Store,
        entropy: std::sync::Arc<dyn lambent_model::Entropy>,
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
        for arn in settling {
            settle_one(&store, &*entropy, &arn).await?;
        }
        while let Some(arn) = queue.recv().await {
            settle_one(&store, &*entropy, &arn).await?;
        }
        Ok(())
    }
}

async fn settle_one(
    store: &lambent_store::Store,
    entropy: &dyn lambent_model::Entropy,
    arn: &FunctionArn,
) -> Result<(), StoreError> {
    // A tag may be set between the read and the write; deletion ends the loop.
    while let Some(record) = store.get(&functions::key(arn)).await? {
        let function: Function = record.decode()?;
        // The version that was published with the change settles with it, and one with SnapStart by itself.
        let (version, more) = first_settling(store, arn, function.last_version).await?;
        if !function.is_settling() && version.is_none() {
            break;
        }
        let version = version.map(|version| version.settled(RevisionId::random(entropy)));
        let settled =
            if function.is_settling() { function.settled(RevisionId::random(entropy)) } else { function };
        let changes = Changes::version(version.as_ref());
        let saved =
            functions::save("settle", store, arn, Expect::Version(record.version), &settled, changes).await?;
        if saved && !more {
            break;
        }
    }
    Ok(())
}

/// Of the versions that were published last and wait, the first one, and whether there are more.
async fn first_settling(
    store: &lambent_store::Store,
    arn: &FunctionArn,
    last: u64,
) -> Result<(Option<Function>, bool), StoreError> {
    let (mut first, mut more) = (None, false);
    for number in (1..=last).rev() {
        let version = functions::version(store, arn, number).await?.filter(Function::is_settling);
        let Some(version) = version else { break };
        more = first.replace(version).is_some();
    }
    Ok((first, more))
}
