//! The records of functions, of their versions and of their aliases in the store.
//!
//! A version or an alias never changes alone: it is committed together with its function's record, on condition that
//! this is as it was read. So all that belongs to one function changes one after the other: no version is published
//! twice, and none is deleted while an alias comes to point to it.

use lambent_lambda::{Alias, Function};
use lambent_model::{FunctionArn, Scope};
use lambent_store::{Error as StoreError, Expect, Key, Partition, Record, Store, Write};
use lambent_wire::Error;

use crate::refuse;
use crate::resources::children;

/// The kind of function records, named by function.
pub const FUNCTION_KIND: &str = "function";
/// The kind of versions' records, named `FUNCTION/NUMBER` with twenty digits, which sort as numbers do.
pub const VERSION_KIND: &str = "version";
/// The kind of aliases' records, named `FUNCTION/ALIAS`.
pub const ALIAS_KIND: &str = "alias";

/// One record for each account and region, which every reservation of concurrency writes anew.
const RESERVATION_KIND: &str = "reservation";

/// What a record of one of our kinds is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// A function, its `$LATEST`.
    Function(FunctionArn),
    /// A version of a function.
    Version(FunctionArn, u64),
    /// An alias of a function.
    Alias(FunctionArn, String),
}

/// What a key names; `None` for a key of another kind or form.
#[must_use]
pub fn named(key: &Key) -> Option<Named> {
    let (account, region) = key.partition.split_once('/')?;
    let scope = Scope { account: account.parse().ok()?, region: region.parse().ok()? };
    let arn = |name: &str| FunctionArn { scope, name: name.to_owned() };
    match key.kind {
        FUNCTION_KIND => Some(Named::Function(arn(&key.name))),
        VERSION_KIND => {
            let (name, number) = key.name.split_once('/')?;
            Some(Named::Version(arn(name), number.parse().ok()?))
        }
        ALIAS_KIND => {
            let (name, alias) = key.name.split_once('/')?;
            Some(Named::Alias(arn(name), alias.to_owned()))
        }
        _ => None,
    }
}

/// A function with the version of its record.
pub(crate) struct Stored {
    pub(crate) function: Function,
    pub(crate) version: u64,
}

impl Stored {
    fn from_record(record: &Record) -> Result<Self, StoreError> {
        Ok(Self { function: record.decode()?, version: record.version })
    }
}

fn partition(kind: &'static str, scope: &Scope) -> Partition {
    Partition { kind, partition: format!("{}/{}", scope.account, scope.region) }
}

fn key_in(kind: &'static str, scope: &Scope, name: String) -> Key {
    Key { kind, partition: partition(kind, scope).partition, name }
}

pub(crate) fn key(arn: &FunctionArn) -> Key {
    key_in(FUNCTION_KIND, &arn.scope, arn.name.clone())
}

fn version_key(arn: &FunctionArn, number: u64) -> Key {
    key_in(VERSION_KIND, &arn.scope, format!("{}/{number:020}", arn.name))
}

fn alias_key(arn: &FunctionArn, name: &str) -> Key {
    key_in(ALIAS_KIND, &arn.scope, format!("{}/{name}", arn.name))
}

/// Reads a function that has to exist.
pub(crate) async fn load(store: &Store, arn: &FunctionArn) -> Result<Stored, Error> {
    let record = store.get(&key(arn)).await.map_err(|error| refuse::store(&error))?;
    let record = record.ok_or_else(|| refuse::not_found(arn))?;
    Stored::from_record(&record).map_err(|error| refuse::store(&error))
}

/// Reads a version, if it exists.
pub(crate) async fn version(
    store: &Store,
    arn: &FunctionArn,
    number: u64,
) -> Result<Option<Function>, StoreError> {
    store.get(&version_key(arn, number)).await?.map(|record| record.decode()).transpose()
}

/// Reads an alias, if it exists.
pub(crate) async fn alias(store: &Store, arn: &FunctionArn, name: &str) -> Result<Option<Alias>, Error> {
    let record = store.get(&alias_key(arn, name)).await.map_err(|error| refuse::store(&error))?;
    record.map(|record| record.decode()).transpose().map_err(|error| refuse::store(&error))
}

/// Every function of an account and region after `after`, in the order of their names.
pub(crate) async fn list(
    store: &Store,
    scope: &Scope,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Function>, Error> {
    let records = store.list(&partition(FUNCTION_KIND, scope), after, limit).await;
    let records = records.map_err(|error| refuse::store(&error))?;
    records.iter().map(|record| record.decode().map_err(|error| refuse::store(&error))).collect()
}

/// Up to `limit` versions of a function after number `after`, in ascending order.
pub(crate) async fn versions(
    store: &Store,
    arn: &FunctionArn,
    after: u64,
    limit: usize,
) -> Result<Vec<Function>, Error> {
    let records = children(store, version_key(arn, after), &arn.name, limit).await;
    let versions = records.and_then(|records| records.iter().map(Record::decode).collect());
    versions.map_err(|error| refuse::store(&error))
}

/// Up to `limit` aliases of a function after the name `after`, in the order of their names.
pub(crate) async fn aliases(
    store: &Store,
    arn: &FunctionArn,
    after: &str,
    limit: usize,
) -> Result<Vec<Alias>, Error> {
    let records = children(store, alias_key(arn, after), &arn.name, limit).await;
    let aliases = records.and_then(|records| records.iter().map(Record::decode).collect());
    aliases.map_err(|error| refuse::store(&error))
}

/// What is to be committed with a function's record.
#[derive(Default)]
pub(crate) struct Changes<'a> {
    pub(crate) put_version: Option<&'a Function>,
    pub(crate) put_alias: Option<&'a Alias>,
    pub(crate) delete_version: Option<u64>,
    pub(crate) delete_alias: Option<&'a str>,
    /// Records of other owners, with what they expect.
    pub(crate) beside: Vec<Write>,
}

impl<'a> Changes<'a> {
    pub(crate) fn version(version: Option<&'a Function>) -> Self {
        Self { put_version: version, ..Self::default() }
    }

    pub(crate) fn alias(alias: &'a Alias) -> Self {
        Self { put_alias: Some(alias), ..Self::default() }
    }

    fn writes(self, arn: &FunctionArn) -> Result<Vec<Write>, StoreError> {
        let delete = |key| Write::Delete { key, expect: Expect::Any };
        let mut writes = Vec::new();
        if let Some(version) = self.put_version {
            let number = version.version.expect("a version's record is of a version");
            writes.push(Write::put(version_key(arn, number), Expect::Any, version)?);
        }
        if let Some(alias) = self.put_alias {
            writes.push(Write::put(alias_key(arn, &alias.name), Expect::Any, alias)?);
        }
        writes.extend(self.delete_version.map(|number| delete(version_key(arn, number))));
        writes.extend(self.delete_alias.map(|name| delete(alias_key(arn, name))));
        writes.extend(self.beside);
        Ok(writes)
    }
}

/// Writes a function that is as `expect` says, with what changes beside it; `Ok(false)` when it was not.
pub(crate) async fn save(
    site: &'static str,
    store: &Store,
    arn: &FunctionArn,
    expect: Expect,
    function: &Function,
    changes: Changes<'_>,
) -> Result<bool, StoreError> {
    let mut writes = vec![Write::put(key(arn), expect, function)?];
    writes.extend(changes.writes(arn)?);
    committed(site, store, writes).await
}

/// Replaces a function's record, and nothing beside it; `Ok(false)` when it is not as it was read.
pub(crate) async fn replace(
    site: &'static str,
    store: &Store,
    arn: &FunctionArn,
    stored: &Stored,
) -> Result<bool, StoreError> {
    save(site, store, arn, Expect::Version(stored.version), &stored.function, Changes::default()).await
}

/// Changes a function's record, however often somebody else is faster.
pub(crate) async fn change<T>(
    site: &'static str,
    store: &Store,
    arn: &FunctionArn,
    change: impl Fn(&mut Function) -> Result<T, Error>,
) -> Result<T, Error> {
    loop {
        let mut stored = load(store, arn).await?;
        let answer = change(&mut stored.function)?;
        if replace(site, store, arn, &stored).await.map_err(|error| refuse::store(&error))? {
            return Ok(answer);
        }
    }
}

/// What a reservation of concurrency is decided on: as long as this holds, nobody of the account and region reserves.
pub(crate) async fn reservation_turn(store: &Store, scope: &Scope) -> Result<Expect, Error> {
    let key = key_in(RESERVATION_KIND, scope, String::new());
    let record = store.get(&key).await.map_err(|error| refuse::store(&error))?;
    Ok(record.map_or(Expect::Absent, |record| Expect::Version(record.version)))
}

/// Writes a function with its new reservation; false when it has changed, or somebody reserved, meanwhile.
pub(crate) async fn save_reservation(
    site: &'static str,
    store: &Store,
    arn: &FunctionArn,
    stored: &Stored,
    turn: Expect,
) -> Result<bool, Error> {
    let write = || {
        let turn = Write::put(key_in(RESERVATION_KIND, &arn.scope, String::new()), turn, &arn.name)?;
        Ok(vec![turn, Write::put(key(arn), Expect::Version(stored.version), &stored.function)?])
    };
    crate::resources::commit(site, store, write()).await
}

/// Deletes a function that is as it was read, with all that belongs to it; `Ok(false)` when it was not.
pub(crate) async fn delete(
    site: &'static str,
    store: &Store,
    arn: &FunctionArn,
    stored: &Stored,
) -> Result<bool, StoreError> {
    let mut writes = vec![Write::Delete { key: key(arn), expect: Expect::Version(stored.version) }];
    writes.extend(stored.function.code_signing.as_deref().map(|id| crate::code_signing::detach(arn, id)));
    for first in [version_key(arn, 0), alias_key(arn, "")] {
        let records = children(store, first, &arn.name, usize::MAX).await?;
        let keys = records.into_iter().map(|record| record.key);
        writes.extend(keys.map(|key| Write::Delete { key, expect: Expect::Any }));
    }
    committed(site, store, writes).await
}

async fn committed(site: &'static str, store: &Store, writes: Vec<Write>) -> Result<bool, StoreError> {
    match store.commit_at(site, writes).await {
        Ok(_) => Ok(true),
        Err(StoreError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lead_back_to_what_they_name() {
        let scope = Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() };
        let arn = FunctionArn { scope, name: "f-1_x".into() };
        assert_eq!(named(&key(&arn)), Some(Named::Function(arn.clone())));
        assert_eq!(named(&version_key(&arn, 12)), Some(Named::Version(arn.clone(), 12)));
        assert_eq!(named(&alias_key(&arn, "live")), Some(Named::Alias(arn.clone(), "live".into())));
        assert!(version_key(&arn, 9).name < version_key(&arn, 10).name, "versions sort as numbers do");
    }
}
