//! Settings by kind of source.

use super::*;

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
const FIFO: &str = "arn:aws:sqs:us-east-1:000000000000:q.fifo";
const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2026-01-01T00:00:00.000";
const MSK: &str = "arn:aws:kafka:us-east-1:000000000000:cluster/c/uuid";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

fn latest() -> MappingSettings {
    MappingSettings { starting_position: Some("LATEST".into()), ..MappingSettings::default() }
}

fn create(source: &str, settings: MappingSettings) -> Result<Mapping, Refusal> {
    let at = Timestamp::from_millis(0);
    Mapping::create("id".into(), Some(source.into()), FUNCTION.into(), settings, at)
}

#[test]
fn sources_are_told_by_their_arns() {
    for (arn, kind) in [
        (QUEUE, SourceKind::Sqs { fifo: false }),
        (FIFO, SourceKind::Sqs { fifo: true }),
        (STREAM, SourceKind::Kinesis),
        (TABLE, SourceKind::DynamoDb),
        (MSK, SourceKind::Msk),
        ("arn:aws:mq:us-east-1:000000000000:broker:b:id", SourceKind::Mq),
        ("arn:aws:rds:us-east-1:000000000000:cluster:c", SourceKind::DocumentDb),
    ] {
        assert_eq!(SourceKind::of(Some(arn), false), Ok(kind), "{arn}");
    }
    assert_eq!(SourceKind::of(None, true), Ok(SourceKind::SelfManagedKafka));
    for (arn, own) in [(None, false), (Some(QUEUE), true), (Some("arn:aws:s3:::b"), false)] {
        assert!(SourceKind::of(arn, own).is_err(), "{arn:?}");
    }
}

#[test]
fn defaults_are_those_of_the_source() {
    let queue = create(QUEUE, MappingSettings::default()).unwrap().settings;
    assert_eq!((queue.batch_size, queue.window_s, queue.retries), (Some(10), Some(0), None));
    let stream = create(STREAM, latest()).unwrap().settings;
    assert_eq!((stream.batch_size, stream.retries, stream.record_age_s), (Some(100), Some(-1), Some(-1)));
    assert_eq!((stream.parallelization, stream.bisect, stream.tumbling_s), (Some(1), Some(false), Some(0)));
    let kafka = create(MSK, MappingSettings { topics: Some(vec!["t".into()]), ..latest() }).unwrap().settings;
    assert_eq!((kafka.batch_size, kafka.consumer_group.as_deref()), (Some(100), Some("id")));
}

#[test]
fn settings_of_another_source_are_refused() {
    let with = |change: fn(&mut MappingSettings)| {
        let mut settings = MappingSettings::default();
        change(&mut settings);
        settings
    };
    for (source, settings, says) in [
        (QUEUE, with(|s| s.bisect = Some(true)), "Unsupported BisectBatchOnFunctionError"),
        (QUEUE, with(|s| s.on_failure = Some(QUEUE.into())), "Unsupported DestinationConfig"),
        (QUEUE, with(|s| s.batch_size = Some(11)), "Maximum batch window in seconds must be greater"),
        (FIFO, with(|s| (s.batch_size, s.window_s) = (Some(11), Some(1))), "FIFO"),
        (QUEUE, with(|s| s.starting_position = Some("LATEST".into())), "StartingPosition"),
        (QUEUE, with(|s| s.filters = Some(vec!["{\"body\":1}".into()])), "Invalid filter pattern"),
        (QUEUE, with(|s| s.filters = Some(vec!["{}".into(); 6])), "Maximum number of filters"),
        (STREAM, with(|_| ()), "Member must not be null."),
        (TABLE, with(|s| s.starting_position = Some("AT_TIMESTAMP".into())), "Unsupported starting position"),
        (MSK, with(|s| s.starting_position = Some("LATEST".into())), "Exactly one topic"),
    ] {
        let refusal = create(source, settings).unwrap_err().to_string();
        assert!(refusal.contains(says), "{source}: {refusal}");
    }
    let filtered = with(|s| s.filters = Some(vec!["{\"body\":{\"a\":[1]}}".into()]));
    assert!(create(QUEUE, filtered).is_ok());
    assert!(create(QUEUE, with(|s| (s.batch_size, s.window_s) = (Some(11), Some(1)))).is_ok());
}

#[test]
fn a_change_keeps_what_it_does_not_name() {
    let mapping = create(STREAM, MappingSettings { on_failure: Some(QUEUE.into()), ..latest() }).unwrap();
    let at = Timestamp::from_millis(1);
    let change = MappingSettings { retries: Some(3), on_failure: Some(String::new()), ..Default::default() };
    let changed = mapping.clone().changed(change, at).unwrap();
    assert_eq!((changed.settings.retries, changed.settings.batch_size), (Some(3), Some(100)));
    assert_eq!((changed.settings.on_failure, changed.modified), (None, at));
    let wrong = MappingSettings { record_age_s: Some(59), ..Default::default() };
    assert!(mapping.changed(wrong, at).is_err());
}

#[test]
fn a_source_and_a_function_meet_once() {
    let first = create(QUEUE, MappingSettings::default()).unwrap();
    assert_eq!(first.identity(), create(QUEUE, MappingSettings::default()).unwrap().identity());
    assert_ne!(first.identity(), create(FIFO, MappingSettings::default()).unwrap().identity());
    assert_eq!(
        first.taken("uuid").to_string(),
        format!(
            "An event source mapping with SQS arn (\" {QUEUE} \") and function (\" f \") already exists. Please update \
             or delete the existing mapping with UUID uuid"
        )
    );
}
