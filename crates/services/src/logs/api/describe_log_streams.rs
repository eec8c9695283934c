//! `DescribeLogStreams`.

use lambent_model::Scope;
use lambent_wire::logs::{DescribeLogStreamsRequest, DescribeLogStreamsResponse, LogStream, OrderBy};

use super::super::catalog::read::{self, Stream, StreamOrder};
use super::arn::{find_group, group_arn};
use super::token::{Token, refused};
use super::{DESCRIBE_PAGE, Refusal, View, invalid, page_size};

pub(super) fn answer(
    view: &View<'_>,
    scope: &Scope,
    input: DescribeLogStreamsRequest,
) -> Result<DescribeLogStreamsResponse, Refusal> {
    let by_time = input.order_by == Some(OrderBy::LastEventTime);
    if by_time && input.log_stream_name_prefix.is_some() {
        return Err(invalid("Cannot order by LastEventTime with a logStreamNamePrefix.").into());
    }
    let token = input.next_token.as_deref().map(Token::decode).transpose()?;
    let order = match (by_time, token) {
        (false, None) => StreamOrder::Name { after: None },
        (false, Some(Token::Stream(name))) => StreamOrder::Name { after: Some(name) },
        (true, None) => StreamOrder::LastEvent { after: None },
        (true, Some(Token::StreamByTime(time, name))) => StreamOrder::LastEvent { after: Some((time, name)) },
        (_, Some(_)) => return Err(refused().into()),
    };
    let group = find_group(view.conn, scope, input.log_group_name, input.log_group_identifier)?;
    let prefix = input.log_stream_name_prefix.unwrap_or_default();
    let descending = input.descending.unwrap_or(false);
    let size = page_size(input.limit, DESCRIBE_PAGE);
    // One more than the page, to see whether there is a next.
    let mut streams = read::streams(view.conn, group.id, &prefix, &order, descending, size + 1)?;
    let has_more = streams.len() > size;
    streams.truncate(size);
    let next = streams.last().filter(|_| has_more).map(|last| match by_time {
        true => Token::StreamByTime(last.last_event_ms, last.name.clone()).encode(),
        false => Token::Stream(last.name.clone()).encode(),
    });
    let arn = group_arn(scope, &group.name);
    let streams = streams.into_iter().map(|stream| describe(&arn, stream)).collect();
    Ok(DescribeLogStreamsResponse { log_streams: Some(streams), next_token: next })
}

fn describe(group_arn: &str, stream: Stream) -> LogStream {
    let has_events = stream.last_ingestion_ms > 0;
    LogStream {
        arn: Some(format!("{group_arn}:log-stream:{}", stream.name)),
        log_stream_name: Some(stream.name),
        creation_time: Some(stream.created_ms),
        first_event_timestamp: has_events.then_some(stream.first_event_ms),
        last_event_timestamp: has_events.then_some(stream.last_event_ms),
        last_ingestion_time: has_events.then_some(stream.last_ingestion_ms),
        // Always zero since 2019 (API Reference, `LogStream`).
        stored_bytes: Some(0),
        ..LogStream::default()
    }
}
