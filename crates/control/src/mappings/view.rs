//! A mapping as AWS shows it.

use lambent_lambda::{Mapping, SourceKind};
use lambent_model::Scope;
use lambent_wire::EpochSeconds;
use lambent_wire::lambda::types as t;

/// `StateTransitionReason` of what a user did to a mapping of a queue.
const REASON: &str = "USER_INITIATED";
/// The same of sources from which nothing takes events: of AWS's words only the first.
const NOT_POLLED: &str =
    "USER_INITIATED; lambent does not poll this kind of event source yet, see docs/compatibility.md";

fn reason(mapping: &Mapping) -> String {
    match &mapping.disabled_by {
        Some(code) => code.clone(),
        None if mapping.kind.is_polled() => REASON.into(),
        None => NOT_POLLED.into(),
    }
}

fn number(value: Option<u32>) -> Option<i32> {
    value.and_then(|value| i32::try_from(value).ok())
}

/// A mapping in `state`.
pub(crate) fn shown(scope: &Scope, mapping: &Mapping, state: &str) -> t::EventSourceMappingConfiguration {
    let s = &mapping.settings;
    let kind = mapping.kind;
    let has_destination = kind.is_stream() || s.on_failure.is_some();
    t::EventSourceMappingConfiguration {
        uuid: Some(mapping.id.clone()),
        starting_position: s.starting_position.as_deref().map(Into::into),
        starting_position_timestamp: s.starting_at.map(EpochSeconds),
        batch_size: number(s.batch_size),
        maximum_batching_window_in_seconds: number(s.window_s),
        parallelization_factor: number(s.parallelization),
        event_source_arn: mapping.source.clone(),
        filter_criteria: filters(mapping),
        filter_criteria_error: None,
        kms_key_arn: s.kms_key.clone(),
        metrics_config: s.metrics.as_ref().map(|metrics| t::EventSourceMappingMetricsConfig {
            metrics: Some(metrics.iter().map(|metric| metric.as_str().into()).collect()),
        }),
        logging_config: s.log_level.as_ref().map(|level| t::EventSourceMappingLoggingConfig {
            system_log_level: Some(level.as_str().into()),
        }),
        scaling_config: s
            .concurrency
            .map(|most| t::ScalingConfig { maximum_concurrency: number(Some(most)) }),
        function_arn: Some(mapping.function.clone()),
        last_modified: Some(EpochSeconds(mapping.modified)),
        last_processing_result: (!kind.is_queue()).then(|| "No records processed".into()),
        state: Some(state.into()),
        state_transition_reason: Some(reason(mapping)),
        destination_config: has_destination.then(|| t::DestinationConfig {
            on_success: None,
            on_failure: Some(t::OnFailure { destination: s.on_failure.clone() }),
        }),
        topics: s.topics.clone(),
        queues: s.queues.clone(),
        source_access_configurations: s.access.as_ref().map(|access| access.iter().map(reached).collect()),
        self_managed_event_source: s
            .endpoints
            .clone()
            .map(|endpoints| t::SelfManagedEventSource { endpoints: Some(endpoints) }),
        maximum_record_age_in_seconds: s.record_age_s,
        bisect_batch_on_function_error: s.bisect,
        maximum_retry_attempts: s.retries,
        tumbling_window_in_seconds: number(s.tumbling_s),
        function_response_types: s
            .response_types
            .as_ref()
            .map(|types| types.iter().map(|one| one.as_str().into()).collect()),
        amazon_managed_kafka_event_source_config: (kind == SourceKind::Msk).then(|| {
            t::AmazonManagedKafkaEventSourceConfig {
                consumer_group_id: s.consumer_group.clone(),
                schema_registry_config: None,
            }
        }),
        self_managed_kafka_event_source_config: (kind == SourceKind::SelfManagedKafka).then(|| {
            t::SelfManagedKafkaEventSourceConfig {
                consumer_group_id: s.consumer_group.clone(),
                ..t::SelfManagedKafkaEventSourceConfig::default()
            }
        }),
        document_db_event_source_config: (kind == SourceKind::DocumentDb).then(|| {
            t::DocumentDBEventSourceConfig {
                database_name: s.database.clone(),
                collection_name: s.collection.clone(),
                full_document: s.full_document.as_deref().map(Into::into),
            }
        }),
        event_source_mapping_arn: Some(arn(scope, &mapping.id)),
        provisioned_poller_config: s.pollers.as_ref().map(|pollers| t::ProvisionedPollerConfig {
            minimum_pollers: number(pollers.minimum),
            maximum_pollers: number(pollers.maximum),
            poller_group_name: pollers.group.clone(),
        }),
    }
}

fn arn(scope: &Scope, id: &str) -> String {
    format!("arn:aws:lambda:{}:{}:event-source-mapping:{id}", scope.region, scope.account)
}

/// An empty list is not shown.
fn filters(mapping: &Mapping) -> Option<t::FilterCriteria> {
    let patterns = mapping.settings.filters.as_ref().filter(|patterns| !patterns.is_empty())?;
    let filter = |pattern: &String| t::Filter { pattern: Some(pattern.clone()) };
    Some(t::FilterCriteria { filters: Some(patterns.iter().map(filter).collect()) })
}

fn reached((kind, uri): &(String, String)) -> t::SourceAccessConfiguration {
    t::SourceAccessConfiguration { r#type: Some(kind.as_str().into()), uri: Some(uri.clone()) }
}
