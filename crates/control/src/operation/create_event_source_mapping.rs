//! `CreateEventSourceMapping`.

use lambent_lambda::{Mapping, MappingSettings, Transition};
use lambent_model::RequestId;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use super::input;
use crate::mappings::{self, Given};
use crate::refuse;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    mut request: t::CreateEventSourceMappingRequest,
) -> Result<t::EventSourceMappingConfiguration, Error> {
    let parts = &context.control.parts;
    let scope = &context.caller.scope;
    let function = mappings::function(context, &request.function_name, "CreateEventSourceMapping").await?;
    let tags = input::tags(request.tags.take())?;
    let settings = MappingSettings {
        starting_position: request.starting_position.take().map(String::from),
        starting_at: request.starting_position_timestamp.map(|at| at.0),
        topics: request.topics.take(),
        queues: request.queues.take(),
        endpoints: request.self_managed_event_source.take().and_then(|source| source.endpoints),
        ..MappingSettings::default()
    };
    let (source, enabled) = (request.event_source_arn.take(), request.enabled != Some(false));
    let shared = mappings::settings(given(request))?;
    let settings = MappingSettings {
        starting_position: settings.starting_position,
        starting_at: settings.starting_at,
        topics: settings.topics,
        queues: settings.queues,
        endpoints: settings.endpoints,
        ..shared
    };
    let id = RequestId::random(&*parts.entropy).to_string();
    let mapping = Mapping::create(id, source, function.shown.clone(), settings, parts.clock.now());
    let mapping = mapping.map_err(|error| refuse::refusal(&error))?;
    mappings::check_source(context, &mapping, &function).await?;
    let transition = mapping.kind.is_polled().then_some(Transition::Creating);
    let mapping = Mapping { enabled, tags, transition, ..mapping };
    mappings::create(&parts.store, scope, &mapping).await?;
    Ok(mappings::shown(scope, &mapping, "Creating"))
}

fn given(request: t::CreateEventSourceMappingRequest) -> Given {
    Given {
        batch_size: request.batch_size,
        filter_criteria: request.filter_criteria,
        kms_key_arn: request.kms_key_arn,
        metrics_config: request.metrics_config,
        logging_config: request.logging_config,
        scaling_config: request.scaling_config,
        window: request.maximum_batching_window_in_seconds,
        parallelization_factor: request.parallelization_factor,
        destination_config: request.destination_config,
        record_age: request.maximum_record_age_in_seconds,
        bisect: request.bisect_batch_on_function_error,
        retries: request.maximum_retry_attempts,
        tumbling: request.tumbling_window_in_seconds,
        source_access: request.source_access_configurations,
        response_types: request.function_response_types,
        managed_kafka: request.amazon_managed_kafka_event_source_config,
        own_kafka: request.self_managed_kafka_event_source_config,
        document_db: request.document_db_event_source_config,
        pollers: request.provisioned_poller_config,
    }
}
