//! `FilterLogEvents`: a group's streams together, in the order of time. `aws logs tail` and `sam logs` live on it.

use std::collections::HashSet;

use lambent_model::Scope;
use lambent_wire::logs::{FilterLogEventsRequest, FilterLogEventsResponse, FilteredLogEvent};

use super::super::catalog::read::{self, Group};
use super::super::storage::position::Position;
use super::super::storage::scan::{self, Event, PAGE_EVENTS_MAX, Streams, Window};
use super::arn::{find_group, find_stream};
use super::token::{Token, refused};
use super::{Refusal, View, invalid, page_size, pattern};

/// 2024-01-01T00:00:00Z, before which there is no reading from new to old (API Reference: `startFromHead`).
const DESCENDING_SINCE_MS: i64 = 1_704_067_200_000;

pub(super) fn answer(
    view: &View<'_>,
    scope: &Scope,
    input: FilterLogEventsRequest,
) -> Result<FilterLogEventsResponse, Refusal> {
    check(&input)?;
    let pattern = pattern(input.filter_pattern.as_deref())?;
    let mut window = Window {
        after: input.start_time.map_or(Position::START, Position::at),
        // The end is inclusive here, unlike in GetLogEvents.
        before: input.end_time.map_or(Position::END, |end| Position::at(end.saturating_add(1))),
        descending: input.start_from_head == Some(false),
        limit: page_size(input.limit, PAGE_EVENTS_MAX),
    };
    match input.next_token.as_deref().map(Token::decode).transpose()? {
        Some(Token::Events { descending: true, position }) => {
            window.descending = true;
            window.before = window.before.min(position);
        }
        Some(Token::Events { descending: false, position }) => {
            window.descending = false;
            window.after = window.after.max(position);
        }
        Some(_) => return Err(refused().into()),
        None => {}
    }
    let group = find_group(view.conn, scope, input.log_group_name, input.log_group_identifier)?;
    let streams = wanted(view, &group, input.log_stream_names, input.log_stream_name_prefix)?;
    let window = view.retained(&group, window);
    let page = scan::page(view.segments_of(&group), &streams, window, &|message| pattern.matches(message))?;
    let next = page.next.map(|position| Token::Events { descending: window.descending, position }.encode());
    let names = read::stream_names(view.conn, page.events.iter().map(|event| event.stream))?;
    let event = |event: Event| FilteredLogEvent {
        log_stream_name: names.get(&event.stream).cloned(),
        timestamp: Some(event.position.at_ms),
        message: Some(event.message),
        ingestion_time: Some(event.ingested_ms),
        event_id: Some(event.position.to_string()),
    };
    Ok(FilterLogEventsResponse {
        events: Some(page.events.into_iter().map(event).collect()),
        // Always empty since 2020 (API Reference, `FilterLogEvents`).
        searched_log_streams: Some(Vec::new()),
        next_token: next,
    })
}

/// Refuses what does not go together. `interleaved` is ignored since 2019, and nothing is masked that `unmask` could
/// show.
fn check(input: &FilterLogEventsRequest) -> Result<(), lambent_wire::Error> {
    if input.log_stream_names.is_some() && input.log_stream_name_prefix.is_some() {
        return Err(invalid("only one of logStreamNames and logStreamNamePrefix may be specified"));
    }
    let too_early = input.start_time.is_none_or(|start| start < DESCENDING_SINCE_MS);
    if input.start_from_head == Some(false) && too_early {
        return Err(invalid(
            "startFromHead can be false only with a startTime on or after 2024-01-01T00:00:00Z",
        ));
    }
    Ok(())
}

/// The streams to search.
fn wanted(
    view: &View<'_>,
    group: &Group,
    names: Option<Vec<String>>,
    prefix: Option<String>,
) -> Result<Streams, Refusal> {
    if let Some(prefix) = prefix {
        return Ok(Streams::Only(read::streams_with_prefix(view.conn, group.id, &prefix)?));
    }
    let Some(names) = names else { return view.streams_of(group) };
    let ids: Result<HashSet<i64>, Refusal> =
        names.iter().map(|name| find_stream(view.conn, group, name).map(|stream| stream.id)).collect();
    ids.map(Streams::Only)
}
