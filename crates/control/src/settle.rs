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
            if let Some(Named::Function(arn)) = named(&record.key)
                && record.decode::<Function>()?.is_settling()
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
        if !function.is_settling() {
            break;
        }
        // The version that was published with the change settles with it.
        let version = match function.last_version {
            0 => None,
            number => functions::version(store, arn, number).await?.filter(Function::is_settling),
        };
        let version = version.map(|version| version.settled(RevisionId::random(entropy)));
        let settled = function.settled(RevisionId::random(entropy));
        let changes = Changes::version(version.as_ref());
        if functions::save("settle", store, arn, Expect::Version(record.version), &settled, changes).await? {
            break;
        }
    }
    Ok(())
}
