//! `PutLogEvents`: events from outside, in the order of time.

use std::sync::Arc;

use lambent_model::{LogStream, Scope};
use lambent_wire::logs::{
    EntityRejectionErrorType, InputLogEvent, PutLogEventsRequest, PutLogEventsResponse, RejectedEntityInfo,
    RejectedLogEventsInfo,
};

use super::super::catalog::read::Group;
use super::super::storage::frame::OVERHEAD_BYTES;
use super::super::store::{AHEAD_MS, BACK_MS, Change, Put};
use super::arn::{find_stream, named_group};
use super::{DAY_MS, Refusal, invalid};

/// The size of a batch and of an event (API Reference, `PutLogEvents`).
const BATCH_BYTES_MAX: usize = 1024 * 1024;

pub(super) fn answer(
    change: &mut Change<'_>,
    scope: &Scope,
    input: PutLogEventsRequest,
) -> Result<PutLogEventsResponse, Refusal> {
    check(&input.log_events)?;
    let group = named_group(change.conn, scope, &input.log_group_name)?;
    let stream = find_stream(change.conn, &group, &input.log_stream_name)?;
    let (range, rejected) = accepted(&input.log_events, &group, change.now_ms);
    check_span(&input.log_events[range.clone()])?;
    let events = input.log_events.into_iter().skip(range.start).take(range.len());
    let events: Vec<(i64, String)> = events.map(|event| (event.timestamp, event.message)).collect();
    if !events.is_empty() {
        let name = LogStream { scope: scope.clone(), group: group.name, stream: stream.name };
        change.put = Some(Put { group: group.id, stream: stream.id, name: Arc::new(name), events });
    }
    // There is nothing that an entity could be shown with. AWS takes the events all the same where it does not take one, and
    // agents that always send theirs (CloudWatch's, Fluent Bit's) rely on it.
    let rejected_entity_info = input
        .entity
        .map(|_| RejectedEntityInfo { error_type: Some(EntityRejectionErrorType::UnsupportedLogGroupType) });
    // The token is not looked at any more, here or there; clients still expect one.
    let token = format!("{:056}", change.now_ms);
    Ok(PutLogEventsResponse {
        next_sequence_token: Some(token),
        rejected_log_events_info: rejected,
        rejected_entity_info,
    })
}

fn check(events: &[InputLogEvent]) -> Result<(), lambent_wire::Error> {
    let size = |event: &InputLogEvent| event.message.len() + OVERHEAD_BYTES;
    if let Some(event) = events.iter().find(|event| size(event) > BATCH_BYTES_MAX) {
        let size = size(event);
        return Err(invalid(format!("Log event too large: {size} bytes exceeds limit of {BATCH_BYTES_MAX}")));
    }
    let bytes: usize = events.iter().map(size).sum();
    if bytes > BATCH_BYTES_MAX {
        return Err(invalid(format!("Upload too large: {bytes} bytes exceeds limit of {BATCH_BYTES_MAX}")));
    }
    if !events.is_sorted_by_key(|event| event.timestamp) {
        return Err(invalid("Log events in a single PutLogEvents request must be in chronological order."));
    }
    Ok(())
}

fn check_span(events: &[InputLogEvent]) -> Result<(), lambent_wire::Error> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
    if last.timestamp - first.timestamp > DAY_MS {
        return Err(invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    Ok(())
}

/// Which of the events are taken, as a range of their indices, and what is told of the others. The first index of those
/// too new is theirs, the last ones of those too old and expired are behind them (API Reference,
/// `RejectedLogEventsInfo`).
fn accepted(
    events: &[InputLogEvent],
    group: &Group,
    now_ms: i64,
) -> (std::ops::Range<usize>, Option<RejectedLogEventsInfo>) {
    let too_old = events.partition_point(|event| event.timestamp < now_ms - BACK_MS);
    let oldest_ms = group.retention_days.map_or(i64::MIN, |days| now_ms - i64::from(days) * DAY_MS);
    let expired = events.partition_point(|event| event.timestamp < oldest_ms);
    let too_new = events.partition_point(|event| event.timestamp <= now_ms + AHEAD_MS);
    let index = |index: usize| i32::try_from(index).ok();
    let info = RejectedLogEventsInfo {
        too_new_log_event_start_index: index(too_new).filter(|_| too_new < events.len()),
        too_old_log_event_end_index: index(too_old).filter(|_| too_old > 0),
        expired_log_event_end_index: index(expired).filter(|_| expired > too_old),
    };
    let start = too_old.max(expired);
    (start..too_new.max(start), (info != RejectedLogEventsInfo::default()).then_some(info))
}
