//! `GetQueryResults`, `StopQuery`, `DescribeQueries`: what has become of queries.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use lambent_model::Scope;
use lambent_wire::logs::error::resource_not_found_exception;
use lambent_wire::logs::{
    DescribeQueriesRequest, DescribeQueriesResponse, GetQueryResultsRequest, GetQueryResultsResponse,
    QueryInfo, QueryLanguage, QueryStatistics, QueryStatus, ResultField, StopQueryRequest, StopQueryResponse,
};

use super::super::Logs;
use super::super::queries::{Entry, Rows, State};
use super::query_definitions::only_insights;
use super::token::{Token, refused};
use super::{invalid, page_size};

/// The most of a page (API Reference, `DescribeQueries`).
const PAGE: usize = 1_000;

fn find(logs: &Logs, scope: &Scope, id: &str) -> Result<Arc<Entry>, lambent_wire::Error> {
    let found = logs.inner.queries.find(scope, id);
    found.ok_or_else(|| resource_not_found_exception(format!("Query with id {id} does not exist.")))
}

fn status(state: &State) -> QueryStatus {
    match state {
        State::Scheduled => QueryStatus::Scheduled,
        State::Running => QueryStatus::Running,
        State::Complete(..) => QueryStatus::Complete,
        State::Failed(_) => QueryStatus::Failed,
        State::Cancelled(_) => QueryStatus::Cancelled,
        State::Timeout(_) => QueryStatus::Timeout,
    }
}

pub(super) fn results(
    logs: &Logs,
    scope: &Scope,
    input: &GetQueryResultsRequest,
) -> Result<GetQueryResultsResponse, lambent_wire::Error> {
    let entry = find(logs, scope, &input.query_id)?;
    let state = entry.state();
    let rows = match &state {
        State::Complete(rows, _) => shown(rows),
        _ => Vec::new(),
    };
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let count = |counter: &std::sync::atomic::AtomicU64| Some(counter.load(Ordering::Relaxed) as f64);
    let statistics = QueryStatistics {
        records_matched: count(&entry.matched_events),
        records_scanned: count(&entry.scanned_events),
        bytes_scanned: count(&entry.scanned_bytes),
        estimated_records_skipped: Some(0.0),
        estimated_bytes_skipped: Some(0.0),
        log_groups_scanned: u32::try_from(entry.groups.len()).ok().map(f64::from),
        result_count: None,
    };
    Ok(GetQueryResultsResponse {
        query_language: Some(QueryLanguage::Cwli),
        results: Some(rows),
        statistics: Some(statistics),
        status: Some(status(&state)),
        ..GetQueryResultsResponse::default()
    })
}

fn shown(rows: &Rows) -> Vec<Vec<ResultField>> {
    let field = |(name, value): &(String, String)| ResultField {
        field: Some(name.clone()),
        value: Some(value.clone()),
    };
    rows.iter().map(|row| row.iter().map(field).collect()).collect()
}

pub(super) fn stop(
    logs: &Logs,
    scope: &Scope,
    input: &StopQueryRequest,
) -> Result<StopQueryResponse, lambent_wire::Error> {
    let entry = find(logs, scope, &input.query_id)?;
    if entry.state().is_over() {
        return Err(invalid(format!("Query with id {} is not running.", input.query_id)));
    }
    entry.cancelled.store(true, Ordering::Relaxed);
    entry.set(State::Cancelled(logs.inner.clock.now().millis() - entry.created_ms));
    Ok(StopQueryResponse { success: Some(true) })
}

pub(super) fn describe(
    logs: &Logs,
    scope: &Scope,
    input: DescribeQueriesRequest,
) -> Result<DescribeQueriesResponse, lambent_wire::Error> {
    only_insights(input.query_language)?;
    let after = match input.next_token.as_deref().map(Token::decode).transpose()? {
        None => None,
        Some(Token::Document(_, id)) => Some(id),
        Some(_) => return Err(refused()),
    };
    let all = logs.inner.queries.all(scope);
    let from = match after {
        None => 0,
        Some(id) => all.iter().position(|entry| entry.id == id).map(|at| at + 1).ok_or_else(refused)?,
    };
    let wanted = |entry: &&Arc<Entry>| {
        input.log_group_name.as_ref().is_none_or(|name| entry.groups.contains(name))
            && input.status.as_ref().is_none_or(|wanted| *wanted == status(&entry.state()))
    };
    let size = page_size(input.max_results, PAGE);
    let mut found: Vec<&Arc<Entry>> = all[from..].iter().filter(wanted).take(size + 1).collect();
    let has_more = found.len() > size;
    found.truncate(size);
    let last = found.last().filter(|_| has_more);
    Ok(DescribeQueriesResponse {
        next_token: last.map(|entry| Token::Document(String::new(), entry.id.clone()).encode()),
        queries: Some(found.into_iter().map(|entry| info(entry)).collect()),
    })
}

fn info(entry: &Entry) -> QueryInfo {
    let state = entry.state();
    let took_ms = match &state {
        State::Complete(_, took) | State::Failed(took) | State::Cancelled(took) | State::Timeout(took) => {
            Some(*took)
        }
        State::Scheduled | State::Running => None,
    };
    #[allow(clippy::cast_precision_loss, reason = "a count is far below 2^53")]
    let bytes = entry.scanned_bytes.load(Ordering::Relaxed) as f64;
    QueryInfo {
        query_language: Some(QueryLanguage::Cwli),
        query_id: Some(entry.id.clone()),
        query_string: Some(entry.text.clone()),
        status: Some(status(&state)),
        create_time: Some(entry.created_ms),
        log_group_name: entry.groups.first().cloned(),
        query_duration: took_ms,
        bytes_scanned: Some(bytes),
        user_identity: None,
    }
}
