//! What accounts and regions use: packages, functions, reservations.
//!
//! Asked at every upload, so it is kept rather than counted: an account and region is read once, when it is first asked
//! about, and follows the store's change feed from then on. Whoever lags too far behind reads again.

use std::collections::HashMap;

use lambent_lambda::{Code, ProvisionedConfigs};
use lambent_model::Scope;
use lambent_store::{Changes, ChangesError, Error as StoreError, Key, Partition, Store};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::functions::{FUNCTION_KIND, VERSION_KIND};
use crate::layers::LAYER_VERSION_KIND;

/// What an account and region use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    /// Bytes of packages.
    pub(crate) bytes: u64,
    pub(crate) functions: usize,
    /// Concurrent executions that are set aside for functions: reserved, or else provisioned.
    pub(crate) reserved: u32,
}

const KINDS: [&str; 3] = [FUNCTION_KIND, VERSION_KIND, LAYER_VERSION_KIND];
/// Records read at once: some hundred kilobytes.
const CHUNK: usize = 500;

/// Follows the store.
pub(crate) struct Usages {
    store: Store,
    state: Mutex<State>,
}

struct State {
    changes: Changes,
    /// By `account/region`.
    scopes: HashMap<String, Records>,
}

/// The records of one account and region, and their sum.
#[derive(Default)]
struct Records {
    weights: HashMap<(&'static str, String), Weight>,
    sum: Usage,
}

/// What one record adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Weight {
    bytes: u64,
    reserved: u32,
}

/// As much of a record as counts.
#[derive(Deserialize)]
struct Counted {
    code: Code,
    #[serde(default)]
    reserved_concurrency: Option<u32>,
    #[serde(default)]
    provisioned: ProvisionedConfigs,
}

impl Usages {
    pub(crate) fn new(store: Store) -> Self {
        let changes = store.changes();
        Self { store, state: Mutex::new(State { changes, scopes: HashMap::new() }) }
    }

    /// What is used after every change that has been answered.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn of(&self, scope: &Scope) -> Result<Usage, StoreError> {
        let mut state = self.state.lock().await;
        state.follow(&self.store)?;
        let partition = format!("{}/{}", scope.account, scope.region);
        if !state.scopes.contains_key(&partition) {
            let records = self.read(&partition).await?;
            state.scopes.insert(partition.clone(), records);
            // What was committed while it was read is in the feed, and applied in its order.
            state.follow(&self.store)?;
        }
        match state.scopes.get(&partition) {
            Some(records) => Ok(records.sum),
            // So many changes meanwhile that the feed was too short: what was read is as new as the answer.
            None => Ok(self.read(&partition).await?.sum),
        }
    }

    async fn read(&self, partition: &str) -> Result<Records, StoreError> {
        let mut records = Records::default();
        for kind in KINDS {
            let partition = Partition { kind, partition: partition.to_owned() };
            let mut after: Option<String> = None;
            loop {
                let chunk = self.store.list(&partition, after.as_deref(), CHUNK).await?;
                let Some(last) = chunk.last() else { break };
                after = Some(last.key.name.clone());
                for record in &chunk {
                    let counted: Counted = record.decode()?;
                    records.set(kind, &record.key.name, Some(counted.into()));
                }
            }
        }
        Ok(records)
    }
}

impl State {
    /// Applies what has been committed since. Forgets everything where some of it was lost.
    fn follow(&mut self, store: &Store) -> Result<(), StoreError> {
        loop {
            match self.changes.try_next() {
                Ok(Some(change)) => self.apply(&change.key, change.body.as_deref())?,
                Ok(None) => return Ok(()),
                Err(ChangesError::Lagged { .. }) => {
                    self.scopes.clear();
                    // From here on: what comes before is part of what is read next.
                    self.changes = store.changes();
                }
                Err(ChangesError::Closed) => return Err(StoreError::Closed),
            }
        }
    }

    fn apply(&mut self, key: &Key, body: Option<&[u8]>) -> Result<(), StoreError> {
        let Some(records) = self.scopes.get_mut(&key.partition) else { return Ok(()) };
        let Some(kind) = KINDS.into_iter().find(|kind| *kind == key.kind) else { return Ok(()) };
        let weight = body.map(|body| {
            serde_json::from_slice::<Counted>(body)
                .map_err(|source| StoreError::Decode { key: key.clone(), source: source.into() })
        });
        records.set(kind, &key.name, weight.transpose()?.map(Weight::from));
        Ok(())
    }
}

impl Records {
    fn set(&mut self, kind: &'static str, name: &str, weight: Option<Weight>) {
        let functions = usize::from(kind == FUNCTION_KIND);
        let key = (kind, name.to_owned());
        let previous = match weight {
            Some(weight) => {
                self.sum.bytes += weight.bytes;
                self.sum.reserved += weight.reserved;
                self.sum.functions += functions;
                self.weights.insert(key, weight)
            }
            None => self.weights.remove(&key),
        };
        if let Some(previous) = previous {
            self.sum.bytes -= previous.bytes;
            self.sum.reserved -= previous.reserved;
            self.sum.functions -= functions;
        }
    }
}

impl From<Counted> for Weight {
    fn from(counted: Counted) -> Self {
        let provisioned = || counted.provisioned.values().map(|config| config.wanted).sum();
        Self { bytes: counted.code.size, reserved: counted.reserved_concurrency.unwrap_or_else(provisioned) }
    }
}

#[cfg(test)]
mod tests {
    use lambent_store::{Expect, Write};

    use super::*;

    fn put(kind: &'static str, name: &str, size: u64, reserved: u32) -> Write {
        let key = Key { kind, partition: "000000000000/us-east-1".into(), name: name.into() };
        let code = Code { sha256: lambent_model::Sha256([0; 32]), size, folder: None };
        let body = serde_json::json!({ "code": code, "reserved_concurrency": reserved });
        Write::put(key, Expect::Any, &body).unwrap()
    }

    #[tokio::test]
    async fn the_sum_follows_every_change() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let usages = Usages::new(store.clone());
        let scope = Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() };
        store.commit(vec![put(FUNCTION_KIND, "a", 1, 5), put(VERSION_KIND, "a/1", 2, 0)]).await.unwrap();
        let sum = |bytes, functions, reserved| Usage { bytes, functions, reserved };
        assert_eq!(usages.of(&scope).await.unwrap(), sum(3, 1, 5));
        store
            .commit(vec![put(LAYER_VERSION_KIND, "l/1", 4, 0), put(FUNCTION_KIND, "a", 8, 0)])
            .await
            .unwrap();
        assert_eq!(usages.of(&scope).await.unwrap(), sum(14, 1, 0));
        let Write::Put { key, .. } = put(VERSION_KIND, "a/1", 0, 0) else { unreachable!() };
        store.commit(vec![Write::Delete { key, expect: Expect::Any }]).await.unwrap();
        assert_eq!(usages.of(&scope).await.unwrap(), sum(12, 1, 0));

        // More changes than the feed holds: counted anew.
        for n in 0..50 {
            let writes = (0..100).map(|m| put(FUNCTION_KIND, &format!("f{n}-{m}"), 1, 0)).collect();
            store.commit(writes).await.unwrap();
        }
        assert_eq!(usages.of(&scope).await.unwrap(), sum(5012, 5001, 0));
        store.close().await.unwrap();
    }
}
