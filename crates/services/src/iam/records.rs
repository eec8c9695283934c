//! What is kept, and how it is read and changed.

use std::collections::{BTreeMap, BTreeSet};

use lambent_model::{AccountId, Timestamp};
use lambent_store::{Error as StoreError, Expect, Key, Partition, Record, Write};
use lambent_wire::Error;
use lambent_wire::iam::error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Iam;

const ROLE: &str = "iam-role";
const POLICY: &str = "iam-policy";
/// What the permissions of roles are made of.
pub(super) const KINDS: [&str; 2] = [ROLE, POLICY];
/// How many records one read of a list takes; the rest follows.
const CHUNK: usize = 500;

/// A tag, in the order in which it was given.
pub(crate) type Tags = Vec<(String, String)>;

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(super) path: String,
    pub(crate) id: String,
    pub(super) created: Timestamp,
    pub(super) description: Option<String>,
    /// `MaxSessionDuration`.
    pub(crate) session_seconds: i32,
    /// The trust policy as it was given.
    pub(crate) trust: String,
    pub(crate) tags: Tags,
    /// Inline policies by name, as they were given.
    pub(super) inline: BTreeMap<String, String>,
    /// ARNs of managed policies.
    pub(super) attached: BTreeSet<String>,
    /// ARN of the permissions boundary.
    pub(super) boundary: Option<String>,
}

/// A managed policy of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) id: String,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) description: Option<String>,
    pub(super) tags: Tags,
    /// Versions by number.
    pub(super) versions: BTreeMap<u32, Version>,
    /// The number of the version that counts.
    pub(super) default: u32,
    /// Numbers are not used again.
    pub(super) next: u32,
}

/// A version of a managed policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) document: String,
    pub(super) created: Timestamp,
}

/// A record with the version that a change of it expects.
#[derive(Debug, Clone)]
pub(super) struct Kept<T> {
    pub(super) value: T,
    pub(super) at: u64,
}

impl<T: DeserializeOwned> Kept<T> {
    fn read(record: &Record) -> Result<Self, Error> {
        Ok(Self { value: record.decode().map_err(failure)?, at: record.version })
    }
}

/// Names are the same in upper and lower case (IAM User Guide, "IAM and AWS STS quotas": name requirements).
fn key(kind: &'static str, account: &AccountId, name: &str) -> Key {
    Key { kind, partition: account.to_string(), name: name.to_ascii_lowercase() }
}

pub(super) fn role_key(account: &AccountId, name: &str) -> Key {
    key(ROLE, account, name)
}

pub(super) fn policy_key(account: &AccountId, name: &str) -> Key {
    key(POLICY, account, name)
}

/// The store's failure: the server's fault, worded for its operator.
pub(super) fn failure(cause: StoreError) -> Error {
    error::service_failure_exception(cause.to_string())
}

impl Iam {
    pub(super) async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Kept<T>>, Error> {
        let record = self.store.get(key).await.map_err(failure)?;
        record.as_ref().map(Kept::read).transpose()
    }

    /// A role that has to exist.
    pub(super) async fn role(&self, account: &AccountId, name: &str) -> Result<Kept<Role>, Error> {
        self.get(&role_key(account, name)).await?.ok_or_else(|| {
            error::no_such_entity_exception(format!("The role with name {name} cannot be found."))
        })
    }

    /// Every role of an account, by name.
    pub(super) async fn roles(&self, account: &AccountId) -> Result<Vec<Role>, Error> {
        self.all(ROLE, account).await
    }

    /// Every managed policy of an account, by name.
    pub(super) async fn policies(&self, account: &AccountId) -> Result<Vec<Policy>, Error> {
        self.all(POLICY, account).await
    }

    async fn all<T: DeserializeOwned>(
        &self,
        kind: &'static str,
        account: &AccountId,
    ) -> Result<Vec<T>, Error> {
        let partition = Partition { kind, partition: account.to_string() };
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let records = self.store.list(&partition, after.as_deref(), CHUNK).await.map_err(failure)?;
            for record in &records {
                all.push(record.decode().map_err(failure)?);
            }
            match records.last() {
                Some(last) if records.len() == CHUNK => after = Some(last.key.name.clone()),
                _ => return Ok(all),
            }
        }
    }

    /// Commits writes; false when something was not as they expect.
    pub(super) async fn commit(&self, writes: Vec<Write>) -> Result<bool, Error> {
        match self.store.commit(writes).await {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(other) => Err(failure(other)),
        }
    }

    pub(super) fn put<T: Serialize>(key: Key, expect: Expect, value: &T) -> Result<Write, Error> {
        Write::put(key, expect, value).map_err(failure)
    }

    /// Changes a role, however often somebody else is faster.
    pub(super) async fn change_role<T>(
        &self,
        account: &AccountId,
        name: &str,
        change: impl Fn(&mut Role) -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            let Kept { value: mut role, at } = self.role(account, name).await?;
            let answer = change(&mut role)?;
            let write = Self::put(role_key(account, name), Expect::Version(at), &role)?;
            if self.commit(vec![write]).await? {
                return Ok(answer);
            }
        }
    }
}
