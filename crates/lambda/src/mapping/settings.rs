//! The settings of event source mappings, their defaults, and how they change.

use std::collections::BTreeMap;

use lambent_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::SourceKind;

/// `ProvisionedPollerConfig`, as given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pollers {
    /// Fewest pollers.
    pub minimum: Option<u32>,
    /// Most pollers.
    pub maximum: Option<u32>,
    /// With which other mappings they are shared.
    pub group: Option<String>,
}

/// Settings; `None` where a mapping has none of the kind, and in a change where it stays. Lists and groups are replaced
/// whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MappingSettings {
    /// Records in a batch.
    pub batch_size: Option<u32>,
    /// For how many seconds a batch is gathered.
    pub window_s: Option<u32>,
    /// `TRIM_HORIZON`, `LATEST`, `AT_TIMESTAMP`.
    pub starting_position: Option<String>,
    /// The moment of `AT_TIMESTAMP`.
    pub starting_at: Option<Timestamp>,
    /// Batches of one shard at once.
    pub parallelization: Option<u32>,
    /// Seconds after which a record is given up; -1 is never.
    pub record_age_s: Option<i32>,
    /// How often a batch is tried again; -1 is without end.
    pub retries: Option<i32>,
    /// Whether a failed batch is halved.
    pub bisect: Option<bool>,
    /// Seconds of a tumbling window.
    pub tumbling_s: Option<u32>,
    /// `ReportBatchItemFailures`.
    pub response_types: Option<Vec<String>>,
    /// Where records go that were given up.
    pub on_failure: Option<String>,
    /// Where records would go that succeeded: no kind of source has it.
    pub on_success: Option<String>,
    /// Event patterns.
    pub filters: Option<Vec<String>>,
    /// Most invocations at once.
    pub concurrency: Option<u32>,
    /// Provisioned mode.
    pub pollers: Option<Pollers>,
    /// The topic.
    pub topics: Option<Vec<String>>,
    /// The queue.
    pub queues: Option<Vec<String>>,
    /// How the source is reached: type and URI.
    pub access: Option<Vec<(String, String)>>,
    /// Addresses of a self-managed cluster, by kind.
    pub endpoints: Option<BTreeMap<String, Vec<String>>>,
    /// Kafka's consumer group.
    pub consumer_group: Option<String>,
    /// DocumentDB: the database.
    pub database: Option<String>,
    /// DocumentDB: the collection.
    pub collection: Option<String>,
    /// DocumentDB: `Default` or `UpdateLookup`.
    pub full_document: Option<String>,
    /// The key of encrypted filters.
    pub kms_key: Option<String>,
    /// Metrics that are wanted.
    pub metrics: Option<Vec<String>>,
    /// The level of the mapping's own log.
    pub log_level: Option<String>,
}

macro_rules! replace {
    ($old:ident, $new:ident, $($field:ident)*) => { Self { $($field: $new.$field.or($old.$field)),* } };
}

impl MappingSettings {
    /// The bootstrap servers of a self-managed cluster.
    #[must_use]
    pub fn servers(&self) -> Vec<String> {
        self.endpoints.iter().flat_map(BTreeMap::values).flatten().cloned().collect()
    }

    /// With the defaults of a kind of source (API Reference, `CreateEventSourceMapping`).
    #[must_use]
    pub(super) fn with_defaults(mut self, kind: SourceKind, id: &str) -> Self {
        let size = if kind.is_queue() { 10 } else { 100 };
        self.batch_size = self.batch_size.or(Some(size));
        if kind.is_queue() || kind.is_stream() {
            self.window_s = self.window_s.or(Some(0));
            self.response_types = self.response_types.or_else(|| Some(Vec::new()));
        }
        if kind.is_stream() {
            self.parallelization = self.parallelization.or(Some(1));
            self.record_age_s = self.record_age_s.or(Some(-1));
            self.retries = self.retries.or(Some(-1));
            self.bisect = self.bisect.or(Some(false));
            self.tumbling_s = self.tumbling_s.or(Some(0));
        }
        if kind.is_kafka() {
            self.consumer_group = self.consumer_group.or_else(|| Some(id.to_owned()));
        }
        if kind == SourceKind::DocumentDb {
            self.full_document = self.full_document.or_else(|| Some("Default".into()));
        }
        self
    }

    /// With another's members, where they are given.
    #[must_use]
    pub(super) fn changed(self, change: Self) -> Self {
        let (old, new) = (self, change);
        replace!(old, new, batch_size window_s starting_position starting_at parallelization record_age_s retries bisect
            tumbling_s response_types on_failure on_success filters concurrency pollers topics queues access endpoints
            consumer_group database collection full_document kms_key metrics log_level)
        .cleared()
    }

    /// An empty text or group in a change takes the setting away.
    fn cleared(mut self) -> Self {
        self.on_failure = self.on_failure.filter(|arn| !arn.is_empty());
        self.kms_key = self.kms_key.filter(|arn| !arn.is_empty());
        self.pollers = self.pollers.filter(|pollers| *pollers != Pollers::default());
        self.concurrency = self.concurrency.filter(|most| *most != 0);
        self
    }
}
