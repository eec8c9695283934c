//! Carries committed records of functions, versions and aliases to the invoker, and lets no invocation run ahead of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use lambent_control::{ALIAS_KIND, FUNCTION_KIND, Named, VERSION_KIND, named};
use lambent_invoker::{Heard, Invoker};
use lambent_lambda::Alias;
use lambent_model::{
    EventPolicyFuture, FunctionArn, FunctionReference, Invocation, Invoke, InvokeCheckFuture, InvokeFuture,
    ProvisioningFuture, ReadPolicyFuture, ResourcePolicies, ResourcePolicyFuture, Scope, TakeResponse,
    Target,
};
use lambent_store::{Changes, ChangesError, Error, Key, Record, Store};
use tokio::sync::watch;

use crate::hot::{Folders, Watch};
use crate::snapshots::Album;
use crate::urls::Index;

/// Applies every change to the invoker, in order, until the store closes.
pub(crate) struct Feed {
    store: Store,
    changes: Changes,
    invoker: Invoker,
    urls: Arc<Index>,
    /// Functions that run from folders.
    watch: Arc<Watch>,
    /// The snapshots of versions.
    album: Arc<Album>,
    /// The version of the last change applied; `None` until everything has been read once.
    applied: watch::Sender<Option<u64>>,
    /// Changes up to here were part of what was read. Applied once more they would take functions back to what they
    /// were, and end the environments that have been started for what they are.
    read: u64,
    /// The records that were read in a later version than that.
    ahead: HashMap<Key, u64>,
}

/// What the invoker is told of.
const KINDS: [&str; 3] = [FUNCTION_KIND, VERSION_KIND, ALIAS_KIND];

impl Feed {
    /// Subscribes first and reads everything later, so that no change falls in between.
    pub(crate) fn new(store: Store, invoker: Invoker, folders: Folders, album: Arc<Album>) -> Self {
        let changes = store.changes();
        let (applied, ahead) = (watch::Sender::new(None), HashMap::new());
        let (urls, watch) = (Arc::default(), Arc::new(Watch::new(folders)));
        Self { store, changes, invoker, urls, watch, album, applied, read: 0, ahead }
    }

    async fn load(&mut self) -> Result<(), Error> {
        let committed = self.store.last_version();
        let mut latest = 0;
        self.ahead.clear();
        let store = self.store.clone();
        for kind in KINDS {
            let note = |record: Record| {
                latest = latest.max(record.version);
                self.note(&record.key, &record.body);
                if record.version > committed {
                    self.ahead.insert(record.key, record.version);
                }
                Ok::<_, Error>(())
            };
            store.each(kind, note).await?;
        }
        self.read = committed;
        // What was committed before the reading began is part of it, deletions too.
        self.advance(latest.max(committed));
        Ok(())
    }

    fn advance(&self, version: u64) {
        self.applied.send_modify(|applied| *applied = Some(version).max(*applied));
    }

    /// The invoker behind a door that opens when it has heard of every commit so far.
    pub(crate) fn fresh(&self) -> Arc<dyn Invoke> {
        Arc::new(self.door())
    }

    fn door(&self) -> Fresh {
        let (invoker, watch) = (self.invoker.clone(), Arc::clone(&self.watch));
        Fresh { invoker, progress: self.progress(), watch }
    }

    /// The policies that hang on functions, versions and aliases.
    pub(crate) fn policies(&self) -> Arc<dyn ResourcePolicies> {
        Arc::new(self.door())
    }

    /// The URLs of all functions.
    pub(crate) fn urls(&self) -> Arc<Index> {
        Arc::clone(&self.urls)
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> Progress {
        Progress { store: self.store.clone(), applied: self.applied.subscribe() }
    }

    pub(crate) async fn run(mut self) -> Result<(), Error> {
        self.load().await?;
        loop {
            match self.changes.next().await {
                Ok(change) => {
                    if !self.was_read(&change.key, change.seq) {
                        self.apply(&change.key, change.body.as_deref());
                    }
                    self.advance(change.seq);
                }
                Err(ChangesError::Lagged { .. }) => self.reload().await?,
                Err(ChangesError::Closed) => return Ok(()),
            }
        }
    }

    fn was_read(&self, key: &Key, seq: u64) -> bool {
        seq <= self.read || self.ahead.get(key).is_some_and(|version| seq <= *version)
    }

    /// Tells the invoker of what was there before.
    fn note(&self, key: &Key, body: &[u8]) {
        match named(key) {
            Some(Named::Function(arn)) => {
                let record = read(body);
                self.urls.note(&arn, Some(&record));
                self.watch.note(&arn, None, Some(&record));
                self.invoker.load(&arn, None, record);
            }
            Some(Named::Version(arn, number)) => {
                let record = read(body);
                self.watch.note(&arn, Some(number), Some(&record));
                self.invoker.load(&arn, Some(number), record);
            }
            Some(Named::Alias(arn, name)) => self.alias(&arn, &name, Some(&read(body))),
            None => {}
        }
    }

    fn alias(&self, arn: &FunctionArn, name: &str, alias: Option<&Alias>) {
        self.urls.note_alias(arn, name, alias);
        self.invoker.apply_alias(arn, name, alias.cloned());
    }

    fn apply(&self, key: &Key, body: Option<&[u8]>) {
        match named(key) {
            Some(Named::Function(arn)) => {
                let record = body.map(read);
                self.urls.note(&arn, record.as_ref());
                self.watch.note(&arn, None, record.as_ref());
                self.invoker.apply(&arn, record);
            }
            Some(Named::Version(arn, number)) => {
                let record = body.map(read);
                self.watch.note(&arn, Some(number), record.as_ref());
                if record.is_none() {
                    self.album.forget(&arn, number);
                }
                self.invoker.apply_version(&arn, number, record);
            }
            Some(Named::Alias(arn, name)) => self.alias(&arn, &name, body.map(read).as_ref()),
            None => {}
        }
    }

    /// Reads everything again; what is gone meanwhile is taken from the invoker too.
    async fn reload(&mut self) -> Result<(), Error> {
        let mut gone: HashSet<Heard> = self.invoker.heard().into_iter().collect();
        for kind in KINDS {
            let there_is = |record: Record| {
                match named(&record.key) {
                    Some(Named::Function(arn)) => gone.remove(&Heard::Latest(arn)),
                    Some(Named::Version(arn, number)) => gone.remove(&Heard::Version(arn, number)),
                    Some(Named::Alias(arn, name)) => gone.remove(&Heard::Alias(arn, name)),
                    None => false,
                };
                Ok::<_, Error>(())
            };
            self.store.each(kind, there_is).await?;
        }
        for heard in gone {
            match heard {
                Heard::Latest(arn) => {
                    self.urls.note(&arn, None);
                    self.watch.note(&arn, None, None);
                    self.invoker.apply(&arn, None);
                }
                Heard::Version(arn, number) => {
                    self.watch.note(&arn, Some(number), None);
                    self.album.forget(&arn, number);
                    self.invoker.apply_version(&arn, number, None);
                }
                Heard::Alias(arn, name) => self.alias(&arn, &name, None),
            }
        }
        self.load().await
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> T {
    // A record that cannot be read was written by a newer server on the same data, which the store refuses.
    serde_json::from_slice(body).expect("the records of functions are ours")
}

/// Read-your-writes for invocations: whoever has seen a commit answered finds its function in the invoker, and whoever has
/// changed a file in a folder that a function runs from finds an environment that begins with it.
#[derive(Clone)]
struct Fresh {
    invoker: Invoker,
    progress: Progress,
    watch: Arc<Watch>,
}

impl Fresh {
    /// Sees that environments which began with other files than there are now take no more invocations.
    async fn settle(&self, target: &Target) {
        if let Some(watched) = self.watch.watched(&target.function) {
            watched.check(Instant::now(), || self.invoker.renew(&target.function)).await;
        }
    }
}

/// What has been committed, and how much of that has been applied.
#[derive(Clone)]
pub(crate) struct Progress {
    store: Store,
    applied: watch::Receiver<Option<u64>>,
}

impl Progress {
    /// Waits until everything that has been committed by now is applied.
    pub(crate) async fn caught_up(&self) {
        catch_up(self.behind()).await;
    }

    /// `None` when nothing is to be waited for, which is nearly always.
    fn behind(&self) -> Option<Behind> {
        let committed = Some(self.store.last_version());
        (*self.applied.borrow() < committed).then(|| (self.applied.clone(), committed))
    }
}

/// What to wait for: the version applied to reach the version committed.
type Behind = (watch::Receiver<Option<u64>>, Option<u64>);

async fn catch_up(behind: Option<Behind>) {
    if let Some((mut applied, committed)) = behind {
        // Closed: the server goes down, and the invoker says so.
        let _closed = applied.wait_for(|applied| *applied >= committed).await;
    }
}

impl ResourcePolicies for Fresh {
    fn policy(&self, arn: &str) -> ReadPolicyFuture {
        let Ok(FunctionReference { account: Some(account), region: Some(region), name, qualifier }) =
            arn.parse()
        else {
            return Box::pin(std::future::ready(Ok(None)));
        };
        let function = FunctionArn { scope: Scope { account, region }, name };
        let found = self.resource_policy(&Target { function, qualifier });
        Box::pin(async move { Ok(found.await) })
    }
}

impl Invoke for Fresh {
    fn check(&self, target: &Target, tenant_id: Option<&str>) -> InvokeCheckFuture {
        let Some(behind) = self.progress.behind() else { return self.invoker.check(target, tenant_id) };
        let (invoker, target, tenant_id) =
            (self.invoker.clone(), target.clone(), tenant_id.map(str::to_owned));
        Box::pin(async move {
            catch_up(Some(behind)).await;
            invoker.check(&target, tenant_id.as_deref()).await
        })
    }

    fn resource_policy(&self, target: &Target) -> ResourcePolicyFuture {
        let Some(behind) = self.progress.behind() else { return self.invoker.resource_policy(target) };
        let (invoker, target) = (self.invoker.clone(), target.clone());
        Box::pin(async move {
            catch_up(Some(behind)).await;
            invoker.resource_policy(&target).await
        })
    }

    fn event_policy(&self, target: &Target) -> EventPolicyFuture {
        let (behind, invoker, target) = (self.progress.behind(), self.invoker.clone(), target.clone());
        Box::pin(async move {
            catch_up(behind).await;
            invoker.event_policy(&target).await
        })
    }

    fn provisioning(&self, target: &Target) -> ProvisioningFuture {
        let (behind, invoker, target) = (self.progress.behind(), self.invoker.clone(), target.clone());
        Box::pin(async move {
            catch_up(behind).await;
            invoker.provisioning(&target).await
        })
    }

    fn invoke(&self, target: Target, invocation: Arc<Invocation>) -> InvokeFuture {
        match (self.progress.behind(), self.watch.watched(&target.function)) {
            (None, None) => self.invoker.invoke(target, invocation),
            (behind, _) => {
                let door = self.clone();
                Box::pin(async move {
                    catch_up(behind).await;
                    door.settle(&target).await;
                    door.invoker.invoke(target, invocation).await
                })
            }
        }
    }

    fn invoke_streaming(
        &self,
        target: Target,
        invocation: Arc<Invocation>,
        taker: Arc<dyn TakeResponse>,
    ) -> InvokeFuture {
        let (behind, door) = (self.progress.behind(), self.clone());
        Box::pin(async move {
            catch_up(behind).await;
            door.settle(&target).await;
            door.invoker.invoke_streaming(target, invocation, taker).await
        })
    }
}
