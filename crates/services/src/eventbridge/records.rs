//! What is stored: buses, rules with their targets, archives, replays; and how it is read.

use std::collections::BTreeMap;

use lambent_model::{Scope, Timestamp};
use lambent_store::{Key, Partition, Record};
use lambent_wire::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::names::BusName;
use super::transform::Input;
use super::{Inner, unavailable};

/// Of an account and region, by name. There is always a default bus, which has no record before it is changed.
const BUS: &str = "event-bus";
/// Of a bus, by name.
const RULE: &str = "event-rule";
/// Of an account and region, by name.
const ARCHIVE: &str = "event-archive";
/// Of an account and region, by name.
const REPLAY: &str = "event-replay";

/// More than there may be of anything in one partition.
const ALL: usize = 100_000;

/// An event bus.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Bus {
    #[serde(default)]
    pub(super) description: Option<String>,
    /// Who else may do something with it, a policy document.
    #[serde(default)]
    pub(super) policy: Option<String>,
    #[serde(default)]
    pub(super) dead_letters: Option<String>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
    /// Not of the default bus, which was always there.
    #[serde(default)]
    pub(super) created: Option<Timestamp>,
    #[serde(default)]
    pub(super) modified: Option<Timestamp>,
}

/// A rule with its targets: what belongs together changes together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rule {
    pub(super) pattern: Option<String>,
    pub(super) schedule: Option<String>,
    /// In AWS's words.
    pub(super) state: String,
    pub(super) description: Option<String>,
    pub(super) role: Option<String>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
    /// A rate counts from here.
    pub(super) since: Timestamp,
    /// The name of the message that will wake it; any other is of an earlier schedule.
    #[serde(default)]
    pub(super) wake: Option<String>,
    #[serde(default)]
    pub(super) targets: Vec<Target>,
}

impl Rule {
    pub(super) fn is_enabled(&self) -> bool {
        self.state != "DISABLED"
    }
}

/// A target of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Target {
    pub(super) id: String,
    pub(super) arn: String,
    #[serde(default)]
    pub(super) role: Option<String>,
    #[serde(default)]
    pub(super) input: Input,
    /// `MessageGroupId` of a queue.
    #[serde(default)]
    pub(super) group: Option<String>,
    #[serde(default)]
    pub(super) dead_letters: Option<String>,
    /// As they were given.
    #[serde(default)]
    pub(super) retries: Option<u32>,
    #[serde(default)]
    pub(super) age_seconds: Option<u32>,
}

/// An archive of a bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Archive {
    /// The ARN of the bus.
    pub(super) source: String,
    pub(super) description: Option<String>,
    pub(super) pattern: Option<String>,
    /// 0 for ever.
    pub(super) retention_days: u32,
    pub(super) created: Timestamp,
    /// The queue that holds the events. An archive that comes under the same name later has another.
    pub(super) queue: String,
}

/// A replay of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Replay {
    /// The ARN of the archive.
    pub(super) source: String,
    pub(super) description: Option<String>,
    /// The ARN of the bus.
    pub(super) destination: String,
    /// The ARNs of the rules that see the events; all where there is none.
    pub(super) rules: Vec<String>,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    /// In AWS's words.
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) started: Timestamp,
    pub(super) ended: Option<Timestamp>,
    /// When the last event that was replayed had come.
    pub(super) last: Option<Timestamp>,
    /// The queue of the archive.
    pub(super) queue: String,
}

pub(super) fn partition(scope: &Scope) -> String {
    format!("{}/{}", scope.account, scope.region)
}

pub(super) fn bus_key(bus: &BusName) -> Key {
    Key { kind: BUS, partition: partition(&bus.scope()), name: bus.name.clone() }
}

pub(super) fn rule_key(bus: &BusName, rule: &str) -> Key {
    Key { kind: RULE, partition: bus.rules(), name: rule.to_owned() }
}

pub(super) fn archive_key(scope: &Scope, name: &str) -> Key {
    Key { kind: ARCHIVE, partition: partition(scope), name: name.to_owned() }
}

pub(super) fn replay_key(scope: &Scope, name: &str) -> Key {
    Key { kind: REPLAY, partition: partition(scope), name: name.to_owned() }
}

impl Inner {
    async fn read<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, Error> {
        let record = self.store.get(key).await.map_err(|error| unavailable(&error))?;
        record.map(|record| decoded(&record)).transpose()
    }

    async fn read_all<T: DeserializeOwned>(
        &self,
        kind: &'static str,
        partition: String,
    ) -> Result<Vec<(String, T)>, Error> {
        let partition = Partition { kind, partition };
        let records = self.store.list(&partition, None, ALL).await.map_err(|error| unavailable(&error))?;
        records.iter().map(|record| Ok((record.key.name.clone(), decoded(record)?))).collect()
    }

    /// A bus; the default one is there whether or not it has a record.
    pub(super) async fn bus(&self, name: &BusName) -> Result<Option<Bus>, Error> {
        let found = self.read(&bus_key(name)).await?;
        Ok(found.or_else(|| name.is_default().then(Bus::default)))
    }

    pub(super) async fn buses(&self, scope: &Scope) -> Result<Vec<(String, Bus)>, Error> {
        let mut found: BTreeMap<String, Bus> =
            self.read_all(BUS, partition(scope)).await?.into_iter().collect();
        found.entry(super::names::DEFAULT.to_owned()).or_default();
        Ok(found.into_iter().collect())
    }

    pub(super) async fn rule(&self, bus: &BusName, name: &str) -> Result<Option<Rule>, Error> {
        self.read(&rule_key(bus, name)).await
    }

    pub(super) async fn rules(&self, bus: &BusName) -> Result<Vec<(String, Rule)>, Error> {
        self.read_all(RULE, bus.rules()).await
    }

    pub(super) async fn archive(&self, scope: &Scope, name: &str) -> Result<Option<Archive>, Error> {
        self.read(&archive_key(scope, name)).await
    }

    pub(super) async fn archives(&self, scope: &Scope) -> Result<Vec<(String, Archive)>, Error> {
        self.read_all(ARCHIVE, partition(scope)).await
    }

    pub(super) async fn replay(&self, scope: &Scope, name: &str) -> Result<Option<Replay>, Error> {
        self.read(&replay_key(scope, name)).await
    }

    pub(super) async fn replays(&self, scope: &Scope) -> Result<Vec<(String, Replay)>, Error> {
        self.read_all(REPLAY, partition(scope)).await
    }
}

fn decoded<T: DeserializeOwned>(record: &Record) -> Result<T, Error> {
    record.decode().map_err(|error| unavailable(&error))
}
