//! Keeps a group of pollers for each mapping that is enabled, and ends what the API has begun.

use std::collections::HashMap;
use std::sync::Arc;

use lambent_lambda::{MAPPING_IDENTITY_KIND, MAPPING_KIND, Mapping, Transition};
use lambent_model::{FunctionArn, FunctionReference, MappingMetrics, Scope, Target};
use lambent_store::{Changes, ChangesError, Error, Expect, Key, Store, Write};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::World;
use crate::sqs::{self, Ended, Settings, Wish};

/// See the module's text.
pub struct Sources {
    store: Store,
    changes: Changes,
    world: Arc<World>,
    known: HashMap<Key, Known>,
    groups: JoinSet<(Key, Ended)>,
}

/// A mapping as it was heard of last.
struct Known {
    version: u64,
    mapping: Mapping,
    metrics: Arc<dyn MappingMetrics>,
    /// What its group is told, while there is one.
    group: Option<watch::Sender<Wish>>,
}

impl Sources {
    /// Hears of changes from now on.
    #[must_use]
    pub fn new(store: Store, world: World) -> Self {
        let changes = store.changes();
        Self { store, changes, world: Arc::new(world), known: HashMap::new(), groups: JoinSet::new() }
    }

    /// Polls until `stop` resolves; then fetches nothing more, and returns when what was fetched is done.
    ///
    /// # Errors
    /// When the store fails for good.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let mut stop = std::pin::pin!(stop);
        self.load().await?;
        loop {
            tokio::select! {
                () = &mut stop => break,
                change = self.changes.next() => match change {
                    Ok(change) if change.key.kind == MAPPING_KIND => {
                        self.heard(change.key, change.version, change.body.as_deref()).await?;
                    }
                    Ok(_) => {}
                    Err(ChangesError::Lagged { .. }) => self.load().await?,
                    Err(ChangesError::Closed) => break,
                },
                Some(ended) = self.groups.join_next(), if !self.groups.is_empty() => {
                    let (key, ended) = ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
                    self.group_ended(&key, ended).await?;
                }
            }
        }
        for known in self.known.values() {
            known.tell(Wish::Stop);
        }
        // What is to be settled then is settled at the next start.
        while self.groups.join_next().await.is_some() {}
        Ok(())
    }

    /// Reads all mappings.
    async fn load(&mut self) -> Result<(), Error> {
        let records = self.store.all(MAPPING_KIND).await?;
        let there: std::collections::HashSet<Key> = records.iter().map(|record| record.key.clone()).collect();
        let gone: Vec<Key> = self.known.keys().filter(|key| !there.contains(*key)).cloned().collect();
        for key in gone {
            self.gone(&key);
        }
        for record in records {
            self.heard(record.key, record.version, Some(&record.body)).await?;
        }
        Ok(())
    }

    async fn heard(&mut self, key: Key, version: u64, body: Option<&[u8]>) -> Result<(), Error> {
        let Some(body) = body else {
            self.gone(&key);
            return Ok(());
        };
        // A record that cannot be read was written by a newer server on the same data, which the store refuses.
        let mapping: Mapping = serde_json::from_slice(body).expect("the records of mappings are ours");
        if !mapping.kind.is_polled() {
            return Ok(());
        }
        match self.known.get_mut(&key) {
            // Read and heard of: a group is not told twice, and what is older is not taken.
            Some(known) if known.version >= version => return Ok(()),
            Some(known) => (known.version, known.mapping) = (version, mapping),
            None => {
                let scope = scope(&key).expect("the records of mappings are ours");
                let metrics = self.world.metrics.mapping(&scope, &mapping.id);
                self.known.insert(key.clone(), Known { version, mapping, metrics, group: None });
            }
        }
        self.see_to(&key).await
    }

    /// A record that is gone without its group having ended: nobody but the keeper deletes those of queues.
    fn gone(&mut self, key: &Key) {
        if let Some(known) = self.known.remove(key) {
            known.tell(Wish::Stop);
        }
    }

    /// Has a mapping polled or not, as it says.
    async fn see_to(&mut self, key: &Key) -> Result<(), Error> {
        let Some(known) = self.known.get_mut(key) else { return Ok(()) };
        if known.mapping.is_polled() {
            let Some(target) = target(&known.mapping.function) else { return Ok(()) };
            let settings = Settings::of(&known.mapping, target);
            match &known.group {
                Some(_) => known.tell(Wish::Poll(Box::new(settings))),
                None => {
                    let (wish, wishes) = watch::channel(Wish::Stop);
                    known.group = Some(wish);
                    let arn = known.mapping.source.clone().unwrap_or_default();
                    let (world, id) = (Arc::clone(&self.world), known.mapping.id.as_str().into());
                    let (key, metrics) = (key.clone(), Arc::clone(&known.metrics));
                    self.groups.spawn(async move {
                        (key, sqs::run(world, id, arn, settings, metrics, wishes).await)
                    });
                }
            }
            return self.settle(key).await;
        }
        if known.group.is_some() {
            // Settled when it has ended.
            known.tell(Wish::Stop);
            return Ok(());
        }
        self.settle(key).await
    }

    async fn group_ended(&mut self, key: &Key, ended: Ended) -> Result<(), Error> {
        let Some(known) = self.known.get_mut(key) else { return Ok(()) };
        known.group = None;
        if let Ended::GaveUp(code) = ended
            && known.mapping.is_polled()
        {
            tracing::error!(mapping = known.mapping.id, code, "an event source mapping is disabled");
            let disabled = Mapping {
                enabled: false,
                transition: None,
                disabled_by: Some(code.to_owned()),
                ..known.mapping.clone()
            };
            return self.replace(key, disabled).await;
        }
        self.see_to(key).await
    }

    /// Ends what is being done to a mapping.
    async fn settle(&mut self, key: &Key) -> Result<(), Error> {
        let Some(known) = self.known.get(key) else { return Ok(()) };
        match known.mapping.transition {
            None => Ok(()),
            Some(Transition::Deleting) => {
                let identity = Key {
                    kind: MAPPING_IDENTITY_KIND,
                    partition: key.partition.clone(),
                    name: known.mapping.identity(),
                };
                let writes = vec![
                    Write::Delete { key: key.clone(), expect: Expect::Version(known.version) },
                    Write::Delete { key: identity, expect: Expect::Any },
                ];
                self.commit(writes).await.map(drop)
            }
            Some(_) => {
                let settled = Mapping { transition: None, ..known.mapping.clone() };
                self.replace(key, settled).await
            }
        }
    }

    async fn replace(&mut self, key: &Key, mapping: Mapping) -> Result<(), Error> {
        let Some(known) = self.known.get(key) else { return Ok(()) };
        let write = Write::put(key.clone(), Expect::Version(known.version), &mapping)?;
        if let Some(version) = self.commit(vec![write]).await?
            && let Some(known) = self.known.get_mut(key)
        {
            // The feed tells of it, too, as of something that is known.
            (known.version, known.mapping) = (version, mapping);
        }
        Ok(())
    }

    /// The version of the first write; `None` where somebody else was first, of which the feed tells.
    async fn commit(&self, writes: Vec<Write>) -> Result<Option<u64>, Error> {
        match self.store.commit_at("mapping-settle", writes).await {
            Ok(versions) => Ok(versions.first().copied()),
            Err(Error::Conflict { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Known {
    fn tell(&self, wish: Wish) {
        if let Some(group) = &self.group {
            group.send_replace(wish);
        }
    }
}

/// The account and region of a record.
fn scope(key: &Key) -> Option<Scope> {
    let (account, region) = key.partition.split_once('/')?;
    Some(Scope { account: account.parse().ok()?, region: region.parse().ok()? })
}

/// What a mapping's function is to the invoker.
fn target(arn: &str) -> Option<Target> {
    let reference: FunctionReference = arn.parse().ok()?;
    let scope = Scope { account: reference.account?, region: reference.region? };
    Some(Target { function: FunctionArn { scope, name: reference.name }, qualifier: reference.qualifier })
}
