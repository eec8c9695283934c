//! Queues: the records that there are, and their copy in memory, which is what every call looks at.
//!
//! This service alone writes the records, one change after the other, so the copy is what was committed last.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use lambent_identity::policy::{Document, PolicyKind};
use lambent_model::{Entropy, Timestamp};
use lambent_store::{Error as StoreError, Expect, Key, Record, Store, Write};
use lambent_wire::sqs::error;
use lambent_wire::{Error, common};
use serde::{Deserialize, Serialize};

use crate::attributes::Attributes;
use crate::names::QueueName;
use crate::redrive::Redrive;
use crate::waiters::Waiters;

/// The kind of the records, named by the queue's name in `account/region`.
const KIND: &str = "sqs-queue";
/// "You must wait 60 seconds after deleting a queue before creating another queue with the same name."
const NAME_RESTS: Duration = Duration::from_secs(60);

/// What is stored of a queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// The queue itself, and none that had its name before.
    pub(crate) id: u64,
    /// Where its messages are; a purge gives it another.
    pub(crate) mailbox: u64,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    #[serde(default)]
    pub(crate) purged: Option<Timestamp>,
    #[serde(default)]
    pub(crate) attributes: Attributes,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// A queue as it is.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) name: QueueName,
    pub(crate) arn: String,
    pub(crate) fifo: bool,
    pub(crate) stored: Stored,
    /// The attribute, read once.
    pub(crate) redrive: Option<Redrive>,
    /// The same.
    pub(crate) policy: Option<Document>,
    pub(crate) waiters: Arc<Waiters>,
    version: u64,
}

impl Queue {
    fn new(name: QueueName, stored: Stored, version: u64, waiters: Arc<Waiters>) -> Self {
        let redrive = stored.attributes.redrive();
        // It was read when it was set; one of a newer release allows nothing here.
        let policy = stored.attributes.text("Policy");
        let policy = policy.and_then(|text| Document::parse(text, PolicyKind::Resource).ok());
        Self { arn: name.arn(), fifo: name.is_fifo(), name, redrive, policy, stored, waiters, version }
    }
}

/// All queues.
pub(crate) struct Queues {
    store: Store,
    entropy: Arc<dyn Entropy>,
    known: RwLock<HashMap<QueueName, Arc<Queue>>>,
    /// One change at a time: what it is decided on is what it replaces. The queues that were deleted a short while ago.
    changing: tokio::sync::Mutex<HashMap<QueueName, Timestamp>>,
}

impl Queues {
    pub(crate) async fn load(store: Store, entropy: Arc<dyn Entropy>) -> Result<Self, StoreError> {
        let mut known = HashMap::new();
        store
            .each(KIND, |record: Record| {
                if let Some(name) = named(&record.key) {
                    let stored = record.decode()?;
                    let queue = Queue::new(name.clone(), stored, record.version, Arc::default());
                    known.insert(name, Arc::new(queue));
                }
                Ok::<_, StoreError>(())
            })
            .await?;
        Ok(Self { store, entropy, known: RwLock::new(known), changing: tokio::sync::Mutex::default() })
    }

    pub(crate) fn find(&self, name: &QueueName) -> Option<Arc<Queue>> {
        self.read().get(name).cloned()
    }

    pub(crate) fn get(&self, name: &QueueName) -> Result<Arc<Queue>, Error> {
        self.find(name).ok_or_else(does_not_exist)
    }

    /// All of them that `wanted` picks, in the order of their names.
    pub(crate) fn all(&self, wanted: impl Fn(&Queue) -> bool) -> Vec<Arc<Queue>> {
        let mut found: Vec<_> = self.read().values().filter(|queue| wanted(queue)).cloned().collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// Makes a queue; one that is there already has to have the attributes that are asked for.
    pub(crate) async fn create(
        &self,
        name: QueueName,
        attributes: Attributes,
        wanted: &BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut deleted = self.changing.lock().await;
        if let Some(queue) = self.find(&name) {
            return match queue.stored.attributes.differing(queue.fifo, wanted) {
                None => Ok(()),
                Some(attribute) => Err(error::queue_name_exists(format!(
                    "A queue already exists with the same name and a different value for attribute {attribute}"
                ))),
            };
        }
        deleted.retain(|_, at| at.plus(NAME_RESTS) > now);
        if deleted.contains_key(&name) {
            return Err(error::queue_deleted_recently(
                "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
            ));
        }
        let mailbox = self.number();
        let stored = Stored {
            id: self.number(),
            mailbox,
            created: now,
            modified: now,
            purged: None,
            attributes,
            tags,
        };
        let put = Write::put(key(&name), Expect::Absent, &stored).map_err(|error| failed(&error))?;
        let numbers = self.commit(vec![put, Write::OpenMailbox { mailbox }]).await?;
        let queue = Queue::new(name.clone(), stored, numbers[0], Arc::default());
        self.write().insert(name, Arc::new(queue));
        Ok(())
    }

    /// Changes a queue.
    pub(crate) async fn change(
        &self,
        name: &QueueName,
        change: impl FnOnce(&mut Stored) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let _one = self.changing.lock().await;
        let queue = self.get(name)?;
        let mut stored = queue.stored.clone();
        change(&mut stored)?;
        if stored == queue.stored {
            return Ok(());
        }
        self.replace(&queue, stored, Vec::new()).await
    }

    /// Gives the queue a new mailbox, so that all that it had is gone.
    pub(crate) async fn purge(&self, name: &QueueName, now: Timestamp) -> Result<(), Error> {
        let _one = self.changing.lock().await;
        let queue = self.get(name)?;
        if queue.stored.purged.is_some_and(|at| at.plus(NAME_RESTS) > now) {
            return Err(error::purge_queue_in_progress(format!(
                "Only one PurgeQueue operation on {} is allowed every 60 seconds.",
                name.name
            )));
        }
        let mailbox = self.number();
        let stored = Stored { mailbox, purged: Some(now), ..queue.stored.clone() };
        let others =
            vec![Write::OpenMailbox { mailbox }, Write::CloseMailbox { mailbox: queue.stored.mailbox }];
        self.replace(&queue, stored, others).await
    }

    pub(crate) async fn delete(&self, name: &QueueName, now: Timestamp) -> Result<(), Error> {
        let mut deleted = self.changing.lock().await;
        let queue = self.get(name)?;
        self.commit(vec![
            Write::Delete { key: key(name), expect: Expect::Version(queue.version) },
            Write::CloseMailbox { mailbox: queue.stored.mailbox },
        ])
        .await?;
        self.write().remove(name);
        deleted.retain(|_, at| at.plus(NAME_RESTS) > now);
        deleted.insert(name.clone(), now);
        queue.waiters.wake_all();
        Ok(())
    }

    /// Waits until the change that is under way, if one is, can be seen.
    pub(crate) async fn changed(&self) {
        drop(self.changing.lock().await);
    }

    async fn replace(&self, queue: &Queue, stored: Stored, others: Vec<Write>) -> Result<(), Error> {
        let expect = Expect::Version(queue.version);
        let put = Write::put(key(&queue.name), expect, &stored).map_err(|error| failed(&error))?;
        let writes = std::iter::once(put).chain(others).collect();
        let numbers = self.commit(writes).await?;
        let waiters = Arc::clone(&queue.waiters);
        let changed = Queue::new(queue.name.clone(), stored, numbers[0], Arc::clone(&waiters));
        self.write().insert(queue.name.clone(), Arc::new(changed));
        waiters.wake_all();
        Ok(())
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<u64>, Error> {
        self.store.commit(writes).await.map_err(|error| failed(&error))
    }

    /// A number that no other has, but for one chance in a hundred million with ten thousand of them.
    fn number(&self) -> u64 {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        u64::from_be_bytes(bytes) >> 4
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<QueueName, Arc<Queue>>> {
        self.known.read().expect("nobody panics with the map half changed")
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<QueueName, Arc<Queue>>> {
        self.known.write().expect("nobody panics with the map half changed")
    }
}

pub(crate) fn does_not_exist() -> Error {
    error::queue_does_not_exist("The specified queue does not exist.")
}

/// What the store could not do.
pub(crate) fn failed(source: &StoreError) -> Error {
    match source {
        StoreError::Closed | StoreError::DiskFull { .. } => common::service_unavailable(source.to_string()),
        _ => common::internal_failure(source.to_string()),
    }
}

fn key(name: &QueueName) -> Key {
    let partition = format!("{}/{}", name.scope.account, name.scope.region);
    Key { kind: KIND, partition, name: name.name.clone() }
}

fn named(key: &Key) -> Option<QueueName> {
    let (account, region) = key.partition.split_once('/')?;
    let scope = lambent_model::Scope { account: account.parse().ok()?, region: region.parse().ok()? };
    Some(QueueName { scope, name: key.name.clone() })
}
