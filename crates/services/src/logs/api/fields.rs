//! `GetLogRecord` and `GetLogGroupFields`: what is in events.

use std::collections::HashMap;
use std::ops::ControlFlow;

use lambent_model::Scope;
use lambent_wire::logs::error::resource_not_found_exception;
use lambent_wire::logs::{
    GetLogGroupFieldsRequest, GetLogGroupFieldsResponse, GetLogRecordRequest, GetLogRecordResponse,
    LogGroupField,
};

use super::super::catalog::read;
use super::super::insights::{Row, fields_of};
use super::super::storage::position::Position;
use super::super::storage::scan::{self, Window};
use super::arn::{find_group, named_group};
use super::token::read_pointer;
use super::{Refusal, View, invalid};

/// How far around a moment is looked, and how far back from now (API Reference, `GetLogGroupFields`).
const AROUND_MS: i64 = 8 * 60_000;
const BACK_MS: i64 = 15 * 60_000;
/// Events and names of fields that are looked at, the newest first.
const EVENTS_MAX: usize = 10_000;
const NAMES_MAX: usize = 10_000;

pub(super) fn record(
    view: &View<'_>,
    scope: &Scope,
    input: GetLogRecordRequest,
) -> Result<GetLogRecordResponse, Refusal> {
    let pointer = read_pointer(&input.log_record_pointer);
    let (name, position) = pointer.ok_or_else(|| invalid("The specified logRecordPointer is invalid."))?;
    let group = named_group(view.conn, scope, &name)?;
    let window = Window { after: position.before(), before: position.after(), descending: false, limit: 1 };
    let log = format!("{}:{}", scope.account, group.name);
    let mut found = None;
    let streams = view.streams_of(&group)?;
    scan::scan(view.segments_of(&group), &streams, view.retained(&group, window), |event| {
        found = Some((event.stream, event.ingested_ms, event.platform, event.message.to_owned()));
        ControlFlow::Break(())
    })?;
    let absent = || resource_not_found_exception("The specified log record does not exist.");
    let (stream, ingested_ms, platform, message) = found.ok_or_else(absent)?;
    let names = read::stream_names(view.conn, std::iter::once(stream))?;
    let stream = names.get(&stream).map_or("", String::as_str);
    let pointer = || input.log_record_pointer.clone();
    let row = Row::new((position.at_ms, ingested_ms), (&log, stream), &message, platform, &pointer);
    let mut fields: std::collections::BTreeMap<String, String> = fields_of(&row).into_iter().collect();
    // Times are numbers here, as the API's own (API Reference, `GetLogRecord`).
    fields.insert("@timestamp".to_owned(), position.at_ms.to_string());
    fields.insert("@ingestionTime".to_owned(), ingested_ms.to_string());
    fields.insert("@ptr".to_owned(), input.log_record_pointer.clone());
    Ok(GetLogRecordResponse { log_record: Some(fields) })
}

pub(super) fn of_group(
    view: &View<'_>,
    scope: &Scope,
    input: GetLogGroupFieldsRequest,
) -> Result<GetLogGroupFieldsResponse, Refusal> {
    let group = find_group(view.conn, scope, input.log_group_name, input.log_group_identifier)?;
    let (from, to) = match input.time {
        // In seconds, as the times of queries are.
        Some(seconds) => {
            let time = seconds.saturating_mul(1_000);
            (time.saturating_sub(AROUND_MS), time.saturating_add(AROUND_MS))
        }
        None => (view.now_ms - BACK_MS, i64::MAX - 1),
    };
    let window = Window {
        after: Position::at(from.max(0)),
        before: Position::at(to),
        descending: true,
        limit: usize::MAX,
    };
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut events = 0;
    let streams = view.streams_of(&group)?;
    let none = String::new;
    scan::scan(view.segments_of(&group), &streams, view.retained(&group, window), |event| {
        events += 1;
        let times = (event.position.at_ms, event.ingested_ms);
        for (name, _) in fields_of(&Row::new(times, ("x", "x"), event.message, event.platform, &none)) {
            if counts.len() < NAMES_MAX || counts.contains_key(&name) {
                *counts.entry(name).or_default() += 1;
            }
        }
        if events < EVENTS_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let mut fields: Vec<LogGroupField> = counts
        .into_iter()
        .map(|(name, count)| LogGroupField {
            name: Some(name),
            percent: i32::try_from(100 * count / events).ok(),
        })
        .collect();
    fields.sort_by(|one, two| two.percent.cmp(&one.percent).then_with(|| one.name.cmp(&two.name)));
    Ok(GetLogGroupFieldsResponse { log_group_fields: Some(fields) })
}
