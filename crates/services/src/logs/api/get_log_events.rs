//! `GetLogEvents`: one stream, forward and back.

use lambent_model::Scope;
use lambent_wire::logs::{GetLogEventsRequest, GetLogEventsResponse, OutputLogEvent};

use super::super::catalog::read::Stream;
use super::super::storage::position::Position;
use super::super::storage::scan::{self, Event, PAGE_EVENTS_MAX, Page, Streams, Window};
use super::arn::{find_group, find_stream};
use super::token::Direction;
use super::{Refusal, View, page_size};

pub(super) fn answer(
    view: &View<'_>,
    scope: &Scope,
    input: GetLogEventsRequest,
) -> Result<GetLogEventsResponse, Refusal> {
    let token = input.next_token.as_deref().map(Direction::decode).transpose()?;
    let group = find_group(view.conn, scope, input.log_group_name, input.log_group_identifier)?;
    let stream = find_stream(view.conn, &group, &input.log_stream_name)?;
    let mut window = Window {
        after: input.start_time.map_or(Position::START, Position::at),
        // The end is exclusive here, unlike in FilterLogEvents.
        before: input.end_time.map_or(Position::END, Position::at),
        descending: !input.start_from_head.unwrap_or(false),
        limit: page_size(input.limit, PAGE_EVENTS_MAX),
    };
    match token {
        Some(Direction::Forward(position)) => {
            window.after = window.after.max(position);
            window.descending = false;
        }
        Some(Direction::Backward(position)) => {
            window.before = window.before.min(position);
            window.descending = true;
        }
        None => {}
    }
    let streams = Streams::Only([stream.id].into());
    let narrowed = within_life(view.retained(&group, window), &stream);
    let mut page = scan::page(view.segments_of(&group), &streams, narrowed, &|_| true)?;
    // Pages go either way; inside of a page the oldest event is first.
    if window.descending {
        page.events.reverse();
    }
    let (forward, backward) = neighbours(&page, token, window);
    let event = |event: Event| OutputLogEvent {
        timestamp: Some(event.position.at_ms),
        message: Some(event.message),
        ingestion_time: Some(event.ingested_ms),
    };
    Ok(GetLogEventsResponse {
        events: Some(page.events.into_iter().map(event).collect()),
        next_forward_token: Some(forward.encode()),
        next_backward_token: Some(backward.encode()),
    })
}

/// A stream lives for hours and its group for years: outside of the stream's first and last event nothing is opened.
fn within_life(window: Window, stream: &Stream) -> Window {
    Window {
        after: window.after.max(Position::at(stream.first_event_ms)),
        before: window.before.min(Position::at(stream.last_event_ms.saturating_add(1))),
        ..window
    }
}

/// The tokens to both sides of a page. Behind the last page in a direction its token stays the same, by which
/// clients know the end.
fn neighbours(page: &Page, token: Option<Direction>, window: Window) -> (Direction, Direction) {
    if let (Some(first), Some(last)) = (page.events.first(), page.events.last()) {
        return (Direction::Forward(last.position), Direction::Backward(first.position));
    }
    match token {
        Some(Direction::Forward(position)) => {
            (Direction::Forward(position), Direction::Backward(position.after()))
        }
        Some(Direction::Backward(position)) => {
            (Direction::Forward(position.before()), Direction::Backward(position))
        }
        // Nothing yet: what comes later is ahead.
        None => (Direction::Forward(window.after), Direction::Backward(window.after)),
    }
}
