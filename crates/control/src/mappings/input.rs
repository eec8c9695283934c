//! The members that the requests to create and to update a mapping share, in the rules' terms.

use lambent_lambda::{MappingSettings, Pollers, Refusal};
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::refuse;

/// The members that both requests have.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) batch_size: Option<i32>,
    pub(crate) filter_criteria: Option<t::FilterCriteria>,
    pub(crate) kms_key_arn: Option<String>,
    pub(crate) metrics_config: Option<t::EventSourceMappingMetricsConfig>,
    pub(crate) logging_config: Option<t::EventSourceMappingLoggingConfig>,
    pub(crate) scaling_config: Option<t::ScalingConfig>,
    pub(crate) window: Option<i32>,
    pub(crate) parallelization_factor: Option<i32>,
    pub(crate) destination_config: Option<t::DestinationConfig>,
    pub(crate) record_age: Option<i32>,
    pub(crate) bisect: Option<bool>,
    pub(crate) retries: Option<i32>,
    pub(crate) tumbling: Option<i32>,
    pub(crate) source_access: Option<Vec<t::SourceAccessConfiguration>>,
    pub(crate) response_types: Option<Vec<t::FunctionResponseType>>,
    pub(crate) managed_kafka: Option<t::AmazonManagedKafkaEventSourceConfig>,
    pub(crate) own_kafka: Option<t::SelfManagedKafkaEventSourceConfig>,
    pub(crate) document_db: Option<t::DocumentDBEventSourceConfig>,
    pub(crate) pollers: Option<t::ProvisionedPollerConfig>,
}

/// A number that the model's range keeps from being negative.
fn count(value: i32) -> Option<u32> {
    u32::try_from(value).ok()
}

/// What they ask for.
pub(crate) fn settings(given: Given) -> Result<MappingSettings, Error> {
    refuse_not_yet(&given).map_err(|error| refuse::refusal(&error))?;
    let destinations = given.destination_config;
    let group = |kafka: Option<Option<String>>| kafka.flatten();
    let document_db = given.document_db.unwrap_or_default();
    Ok(MappingSettings {
        batch_size: given.batch_size.and_then(count),
        window_s: given.window.and_then(count),
        parallelization: given.parallelization_factor.and_then(count),
        record_age_s: given.record_age,
        retries: given.retries,
        bisect: given.bisect,
        tumbling_s: given.tumbling.and_then(count),
        response_types: given
            .response_types
            .map(|types| types.iter().map(|one| one.as_str().to_owned()).collect()),
        on_failure: destinations.as_ref().and_then(|config| config.on_failure.as_ref()?.destination.clone()),
        on_success: destinations.and_then(|config| config.on_success?.destination),
        // Filters without a pattern let everything through, as none do.
        filters: given.filter_criteria.map(|criteria| {
            criteria.filters.unwrap_or_default().into_iter().filter_map(|filter| filter.pattern).collect()
        }),
        concurrency: given
            .scaling_config
            .map(|config| config.maximum_concurrency.and_then(count).unwrap_or(0)),
        pollers: given.pollers.map(|config| Pollers {
            minimum: config.minimum_pollers.and_then(count),
            maximum: config.maximum_pollers.and_then(count),
            group: config.poller_group_name,
        }),
        access: given.source_access.map(access),
        consumer_group: group(given.managed_kafka.map(|kafka| kafka.consumer_group_id))
            .or(group(given.own_kafka.map(|kafka| kafka.consumer_group_id))),
        database: document_db.database_name,
        collection: document_db.collection_name,
        full_document: document_db.full_document.map(|full| full.as_str().to_owned()),
        kms_key: given.kms_key_arn,
        metrics: given.metrics_config.map(|config| {
            config.metrics.unwrap_or_default().iter().map(|metric| metric.as_str().to_owned()).collect()
        }),
        log_level: given
            .logging_config
            .and_then(|config| config.system_log_level)
            .map(|level| level.as_str().to_owned()),
        ..MappingSettings::default()
    })
}

fn access(given: Vec<t::SourceAccessConfiguration>) -> Vec<(String, String)> {
    given
        .into_iter()
        .map(|one| (one.r#type.map_or_else(String::new, String::from), one.uri.unwrap_or_default()))
        .collect()
}

fn refuse_not_yet(given: &Given) -> Result<(), Refusal> {
    let managed = given.managed_kafka.as_ref().is_some_and(|kafka| kafka.schema_registry_config.is_some());
    let own = given.own_kafka.as_ref();
    if managed || own.is_some_and(|kafka| kafka.schema_registry_config.is_some()) {
        return Err(Refusal::Unsupported("SchemaRegistryConfig"));
    }
    if own.is_some_and(|kafka| kafka.consumption_mode.is_some()) {
        return Err(Refusal::Unsupported("ConsumptionMode"));
    }
    Ok(())
}
