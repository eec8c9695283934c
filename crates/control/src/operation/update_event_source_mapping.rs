//! `UpdateEventSourceMapping`.

use lambent_lambda::{Mapping, Transition};
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::mappings::{self, Given};
use crate::refuse;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    request: t::UpdateEventSourceMappingRequest,
) -> Result<t::EventSourceMappingConfiguration, Error> {
    let parts = &context.control.parts;
    let scope = &context.caller.scope;
    let id = request.uuid.clone();
    let enabled = request.enabled;
    let function = match &request.function_name {
        Some(name) => {
            // Which mapping is looked at first, as its absence is the more telling answer.
            let old = mappings::load(&parts.store, scope, &id).await?.value;
            let function = mappings::function(context, name, "UpdateEventSourceMapping").await?;
            mappings::check_source(context, &old, &function).await?;
            Some(function.shown)
        }
        None => None,
    };
    let change = mappings::settings(given(request))?;
    loop {
        let old = mappings::load(&parts.store, scope, &id).await?;
        mappings::check_rests(&old.value, "update")?;
        let new = old.value.clone().changed(change.clone(), parts.clock.now());
        let new = new.map_err(|error| refuse::refusal(&error))?;
        let new = Mapping {
            function: function.clone().unwrap_or_else(|| new.function.clone()),
            enabled: enabled.unwrap_or(new.enabled),
            // Whoever enables it has seen to what Lambda disabled it for.
            disabled_by: new.disabled_by.clone().filter(|_| enabled != Some(true)),
            ..new
        };
        let transition = match (old.value.enabled, new.enabled) {
            (false, true) => Transition::Enabling,
            (true, false) => Transition::Disabling,
            _ => Transition::Updating,
        };
        let new = Mapping { transition: new.kind.is_polled().then_some(transition), ..new };
        if mappings::replace(&parts.store, scope, &old, &new).await? {
            let shown = Mapping { transition: Some(transition), ..new };
            return Ok(mappings::shown(scope, &shown, shown.state()));
        }
        // Somebody else changed it meanwhile: decide again on what is there now.
    }
}

fn given(request: t::UpdateEventSourceMappingRequest) -> Given {
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
