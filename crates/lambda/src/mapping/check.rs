//! Which settings go with which source, and in which ranges.

use lambent_patterns::{Dialect, Pattern};

use super::{MappingSettings, Pollers, SourceKind};
use crate::Refusal;

/// Most records in a batch of a FIFO queue, and of any queue without a window.
const SMALL_BATCH: u32 = 10;
/// Filters of a mapping (Developer Guide, "Control which events Lambda sends to your function").
const FILTERS: usize = 5;
/// How old a record may become at least, in seconds, where it may not become any age.
const RECORD_AGE_S: i32 = 60;

/// Fewest pollers of a queue in provisioned mode ("Configuring scaling behavior for SQS event source mappings").
const POLLERS: u32 = 2;

fn invalid(text: impl Into<String>) -> Refusal {
    Refusal::InvalidParameter(text.into())
}

/// What only the creation decides.
pub(super) fn on_create(
    kind: SourceKind,
    source: Option<&str>,
    settings: &MappingSettings,
) -> Result<(), Refusal> {
    let position = settings.starting_position.as_deref();
    let positioned = kind.is_stream() || kind.is_kafka() || kind == SourceKind::DocumentDb;
    match (position, positioned) {
        (None, true) => {
            return Err(invalid(
                "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member \
                 must not be null.",
            ));
        }
        (Some(_), false) => return Err(invalid("StartingPosition is not valid for this event source.")),
        (Some("AT_TIMESTAMP"), _) if kind == SourceKind::DynamoDb => {
            let arn = source.unwrap_or_default();
            return Err(invalid(format!("Unsupported starting position for arn type: {arn}")));
        }
        (Some("AT_TIMESTAMP"), _) if settings.starting_at.is_none() => {
            return Err(invalid(
                "StartingPositionTimestamp is required with the starting position AT_TIMESTAMP.",
            ));
        }
        (position, _) if position != Some("AT_TIMESTAMP") && settings.starting_at.is_some() => {
            return Err(invalid(
                "StartingPositionTimestamp goes with the starting position AT_TIMESTAMP alone.",
            ));
        }
        _ => {}
    }
    if kind == SourceKind::SelfManagedKafka && settings.access.is_none() {
        return Err(invalid("Required 'sourceAccessConfigurations' parameter is missing."));
    }
    let one = |names: &Option<Vec<String>>| names.as_ref().is_some_and(|names| names.len() == 1);
    if kind.is_kafka() && !one(&settings.topics) {
        return Err(invalid("Exactly one topic has to be given for this event source."));
    }
    if kind == SourceKind::Mq && !one(&settings.queues) {
        return Err(invalid("Exactly one queue has to be given for this event source."));
    }
    if kind == SourceKind::Mq && settings.access.is_none() {
        return Err(invalid("Required 'sourceAccessConfigurations' parameter is missing."));
    }
    Ok(())
}

/// What holds at creation and after every change.
pub(super) fn settings(kind: SourceKind, settings: &MappingSettings) -> Result<(), Refusal> {
    applicable(kind, settings)?;
    batches(kind, settings)?;
    if settings.record_age_s.is_some_and(|age| age != -1 && age < RECORD_AGE_S) {
        return Err(invalid(format!(
            "Maximum record age in seconds has to be -1 or at least {RECORD_AGE_S}"
        )));
    }
    if let Some(pollers) = &settings.pollers
        && let (Some(least), Some(most)) = (pollers.minimum, pollers.maximum)
        && least > most
    {
        return Err(invalid("MinimumPollers must be less than or equal to MaximumPollers"));
    }
    if kind.is_queue() && settings.pollers.as_ref().is_some_and(too_few_pollers) {
        return Err(invalid(format!("MinimumPollers and MaximumPollers have to be at least {POLLERS}")));
    }
    if settings.pollers.is_some() && settings.concurrency.is_some_and(|most| most != 0) {
        return Err(invalid(
            "ProvisionedPollerConfig and ScalingConfig.MaximumConcurrency exclude each other",
        ));
    }
    filters(settings)
}

fn too_few_pollers(pollers: &Pollers) -> bool {
    [pollers.minimum, pollers.maximum].into_iter().flatten().any(|count| count < POLLERS)
}

fn applicable(kind: SourceKind, s: &MappingSettings) -> Result<(), Refusal> {
    let stream = kind.is_stream();
    // With provisioned pollers Kafka has them, too.
    let retried = stream || (kind.is_kafka() && s.pollers.is_some());
    let reported = kind.is_queue() || stream || kind.is_kafka();
    for (given, goes, name) in [
        (s.parallelization.is_some(), stream, "ParallelizationFactor"),
        (s.tumbling_s.is_some(), stream, "TumblingWindowInSeconds"),
        (s.record_age_s.is_some(), retried, "MaximumRecordAgeInSeconds"),
        (s.retries.is_some(), retried, "MaximumRetryAttempts"),
        (s.bisect.is_some(), retried, "BisectBatchOnFunctionError"),
        (s.on_failure.is_some(), stream || kind.is_kafka(), "DestinationConfig"),
        (s.on_success.is_some(), false, "DestinationConfig"),
        (s.response_types.is_some(), reported, "FunctionResponseTypes"),
        (
            s.filters.as_ref().is_some_and(|all| !all.is_empty()),
            kind != SourceKind::DocumentDb,
            "FilterCriteria",
        ),
        (s.concurrency.is_some(), kind.is_queue(), "ScalingConfig"),
        (s.pollers.is_some(), kind.is_queue() || kind.is_kafka(), "ProvisionedPollerConfig"),
        (
            s.pollers.as_ref().is_some_and(|pollers| pollers.group.is_some()),
            kind.is_kafka(),
            "ProvisionedPollerConfig.PollerGroupName",
        ),
        (s.log_level.is_some(), kind.is_kafka(), "LoggingConfig"),
        (s.metrics.iter().flatten().any(|metric| metric != "EventCount"), kind.is_kafka(), "MetricsConfig"),
        (s.topics.is_some(), kind.is_kafka(), "Topics"),
        (s.queues.is_some(), kind == SourceKind::Mq, "Queues"),
        (s.consumer_group.is_some(), kind.is_kafka(), "KafkaEventSourceConfig"),
        (
            s.database.is_some() || s.collection.is_some(),
            kind == SourceKind::DocumentDb,
            "DocumentDBEventSourceConfig",
        ),
        (s.access.is_some(), !kind.is_queue() && !stream, "SourceAccessConfigurations"),
    ] {
        if given && !goes {
            return Err(invalid(format!(
                "Unsupported {name} parameter for given event source mapping type."
            )));
        }
    }
    Ok(())
}

fn batches(kind: SourceKind, s: &MappingSettings) -> Result<(), Refusal> {
    let size = s.batch_size.unwrap_or_default();
    match kind {
        SourceKind::Sqs { fifo: true } if size > SMALL_BATCH => {
            Err(invalid(format!("Maximum batch size of a FIFO queue is {SMALL_BATCH}")))
        }
        SourceKind::Sqs { fifo: true } if s.window_s.is_some_and(|window| window > 0) => {
            Err(invalid("Batching window is not supported for FIFO queues"))
        }
        SourceKind::Sqs { fifo: false } if size > SMALL_BATCH && s.window_s == Some(0) => Err(invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        )),
        _ => Ok(()),
    }
}

fn filters(settings: &MappingSettings) -> Result<(), Refusal> {
    let filters = settings.filters.as_deref().unwrap_or_default();
    if filters.len() > FILTERS {
        return Err(invalid(format!("Maximum number of filters is {FILTERS}")));
    }
    match filters.iter().all(|pattern| Pattern::parse(pattern, Dialect::Mapping).is_ok()) {
        true => Ok(()),
        false => Err(invalid("Invalid filter pattern definition.")),
    }
}
