//! Function records in the store.

use lambent_lambda::Function;
use lambent_model::{FunctionArn, Scope};
use lambent_store::{Error as StoreError, Expect, Key, Partition, Record, Store, Write};
use lambent_wire::Error;

use crate::{refuse, request};

/// The kind of function records.
pub const FUNCTION_KIND: &str = "function";

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

pub(crate) fn key(arn: &FunctionArn) -> Key {
    let Partition { kind, partition } = partition(&arn.scope);
    Key { kind, partition, name: arn.name.clone() }
}

pub(crate) fn partition(scope: &Scope) -> Partition {
    Partition { kind: FUNCTION_KIND, partition: format!("{}/{}", scope.account, scope.region) }
}

/// The function that a key of kind [`FUNCTION_KIND`] names; `None` for a key of another form.
#[must_use]
pub fn arn_of_key(key: &Key) -> Option<FunctionArn> {
    let (account, region) = key.partition.split_once('/')?;
    let scope = Scope { account: account.parse().ok()?, region: region.parse().ok()? };
    Some(FunctionArn { scope, name: key.name.clone() })
}

/// Reads a function that has to exist.
pub(crate) async fn load(store: &Store, arn: &FunctionArn) -> Result<Stored, Error> {
    let record = store.get(&key(arn)).await.map_err(|error| refuse::store(&error))?;
    let record = record.ok_or_else(|| request::not_found(arn))?;
    Stored::from_record(&record).map_err(|error| refuse::store(&error))
}

/// Every function of an account and region after `after`, in the order of their names.
pub(crate) async fn list(
    store: &Store,
    scope: &Scope,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Function>, Error> {
    let records = store.list(&partition(scope), after, limit).await.map_err(|error| refuse::store(&error))?;
    records.iter().map(|record| record.decode().map_err(|error| refuse::store(&error))).collect()
}

/// Writes a function that is as `expect` says; `Ok(false)` when it was not.
pub(crate) async fn save(
    store: &Store,
    arn: &FunctionArn,
    expect: Expect,
    function: &Function,
) -> Result<bool, StoreError> {
    let write = Write::put(key(arn), expect, function)?;
    match store.commit(vec![write]).await {
        Ok(_) => Ok(true),
        Err(StoreError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
