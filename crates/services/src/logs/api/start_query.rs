//! `StartQuery`: checks a query and sets it to work.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lambent_model::Scope;
use lambent_wire::logs::error::{
    limit_exceeded_exception, malformed_query_exception, resource_not_found_exception,
};
use lambent_wire::logs::{StartQueryRequest, StartQueryResponse};
use rusqlite::{Connection, OptionalExtension};

use super::super::Logs;
use super::super::catalog::read::{self, Group};
use super::super::insights::{Exhausted, Query, QueryError, Row, Run};
use super::super::queries::{Entry, State};
use super::super::storage::position::Position;
use super::super::storage::scan::{self, Window};
use super::arn::name_in;
use super::query_definitions::only_insights;
use super::token::record_pointer;
use super::{Refusal, View, invalid};

/// Log groups of one query (API Reference, `StartQuery`).
const GROUPS_MAX: usize = 50;
/// How long a query may run (User Guide, "CloudWatch Logs quotas").
const TIMEOUT_MS: i64 = 60 * 60_000;
/// Events between two looks at the clock and at whether the query was stopped.
const LOOK_EVERY: u64 = 4_096;

pub(super) async fn answer(
    logs: &Logs,
    scope: &Scope,
    input: StartQueryRequest,
) -> Result<StartQueryResponse, lambent_wire::Error> {
    only_insights(input.query_language.clone())?;
    if input.start_time > input.end_time {
        return Err(invalid("startTime is after endTime"));
    }
    let query = Query::parse(&input.query_string).map_err(malformed)?;
    let names = names(scope, &input)?;
    let (asked, account) = (names.clone(), scope.clone());
    let groups = logs
        .view(move |view| asked.iter().map(|name| group(view, &account, name)).collect::<Result<Vec<_>, _>>())
        .await?;
    let now_ms = logs.inner.clock.now().millis();
    let limit = input.limit.and_then(|limit| usize::try_from(limit).ok());
    let entry = Arc::new(Entry::new(logs.new_id(), scope.clone(), input.query_string, names, now_ms));
    // The last second is searched as a whole: who asks up to now means now.
    let window = Window {
        after: Position::at(input.start_time.saturating_mul(1_000)),
        before: Position::at(input.end_time.saturating_add(1).saturating_mul(1_000)),
        descending: true,
        limit: usize::MAX,
    };
    let (working, its) = (logs.clone(), Arc::clone(&entry));
    let task = async move {
        // The turn is given up when the service closes, and nobody asks for the query any more.
        let Some(_turn) = working.inner.queries.turn().await else { return };
        its.set(State::Running);
        let logs = working.clone();
        let work = move || work(&logs, &its, query, limit, &groups, window);
        // A query that panics stays as it is; its caller sees it run and may stop it.
        let _ = tokio::task::spawn_blocking(work).await;
        working.inner.queries.trim();
    };
    logs.inner.queries.start(&entry, task).ok_or_else(|| {
        limit_exceeded_exception("Account maximum query concurrency limit of [30] reached.")
    })?;
    Ok(StartQueryResponse { query_id: Some(entry.id.clone()) })
}

fn malformed(error: QueryError) -> lambent_wire::Error {
    let place = serde_json::json!({
        "location": {"startCharOffset": error.span.start, "endCharOffset": error.span.end},
        "message": error.reason,
    });
    malformed_query_exception(error.reason).with_member("queryCompileError", place)
}

/// The names of the groups that the request means, in one of its three ways.
fn names(scope: &Scope, input: &StartQueryRequest) -> Result<Vec<String>, lambent_wire::Error> {
    let names = match (&input.log_group_name, &input.log_group_names, &input.log_group_identifiers) {
        (Some(name), None, None) => vec![name.clone()],
        (None, Some(names), None) => names.clone(),
        (None, None, Some(identifiers)) => {
            let elsewhere = |identifier: &String| not_found(scope, identifier);
            let found = identifiers.iter().map(|id| name_in(scope, id)?.ok_or_else(|| elsewhere(id)));
            found.collect::<Result<_, _>>()?
        }
        _ => {
            return Err(invalid(
                "exactly one of logGroupName, logGroupNames and logGroupIdentifiers must be specified",
            ));
        }
    };
    if names.is_empty() || names.len() > GROUPS_MAX {
        return Err(invalid(format!("a query searches 1 to {GROUPS_MAX} log groups")));
    }
    Ok(names)
}

fn not_found(scope: &Scope, name: &str) -> lambent_wire::Error {
    resource_not_found_exception(format!(
        "Log group '{name}' does not exist for account ID '{}'",
        scope.account
    ))
}

fn group(view: &View<'_>, scope: &Scope, name: &str) -> Result<Group, Refusal> {
    Ok(read::group(view.conn, scope, name)?.ok_or_else(|| not_found(scope, name))?)
}

/// Why a query ended before its end.
enum Stopped {
    Cancelled,
    Timeout,
    Exhausted,
}

impl From<Exhausted> for Stopped {
    fn from(_: Exhausted) -> Self {
        Self::Exhausted
    }
}

/// Runs a query to its end, or to that of its time.
fn work(logs: &Logs, entry: &Entry, query: Query, limit: Option<usize>, groups: &[Group], window: Window) {
    let started_ms = logs.inner.clock.now().millis();
    let mut run = Run::new(query, limit);
    let outcome = logs.inner.readers.ask(|conn| {
        let view = View { conn, segments: &logs.inner.segments, now_ms: started_ms };
        for group in groups {
            match search(logs, entry, &view, group, window, &mut run) {
                Ok(Ok(())) => {}
                Ok(Err(stopped)) => return Ok(Err(Some(stopped))),
                Err(Refusal::Database(error)) => return Err(error),
                Err(_) => return Ok(Err(None)),
            }
        }
        Ok(Ok(()))
    });
    entry.matched_events.store(run.matched, Ordering::Relaxed);
    let took_ms = logs.inner.clock.now().millis() - started_ms;
    let state = match outcome {
        Ok(Ok(())) => match run.finish() {
            Ok(rows) => State::Complete(Arc::new(rows), took_ms),
            Err(Exhausted) => State::Failed(took_ms),
        },
        Ok(Err(Some(Stopped::Cancelled))) => State::Cancelled(took_ms),
        Ok(Err(Some(Stopped::Timeout))) => State::Timeout(took_ms),
        Ok(Err(Some(Stopped::Exhausted) | None)) | Err(_) => State::Failed(took_ms),
    };
    entry.set(state);
}

fn search(
    logs: &Logs,
    entry: &Entry,
    view: &View<'_>,
    group: &Group,
    window: Window,
    run: &mut Run,
) -> Result<Result<(), Stopped>, Refusal> {
    let log = format!("{}:{}", entry.scope.account, group.name);
    let mut names = Names { conn: view.conn, known: HashMap::new() };
    let mut stopped = None;
    let deadline_ms = view.now_ms + TIMEOUT_MS;
    let streams = view.streams_of(group)?;
    scan::scan(view.segments_of(group), &streams, view.retained(group, window), |event| {
        let count = entry.scanned_events.fetch_add(1, Ordering::Relaxed);
        entry.scanned_bytes.fetch_add(event.message.len() as u64, Ordering::Relaxed);
        if count.is_multiple_of(LOOK_EVERY) {
            entry.matched_events.store(run.matched, Ordering::Relaxed);
            if entry.cancelled.load(Ordering::Relaxed) {
                stopped = Some(Stopped::Cancelled);
            } else if logs.inner.clock.now().millis() > deadline_ms {
                stopped = Some(Stopped::Timeout);
            }
        }
        let pointer = || record_pointer(&group.name, event.position);
        let times = (event.position.at_ms, event.ingested_ms);
        let place = (log.as_str(), names.of(event.stream));
        if stopped.is_none()
            && let Err(exhausted) = run.add(Row::new(times, place, event.message, event.platform, &pointer))
        {
            stopped = Some(exhausted.into());
        }
        if stopped.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(stopped.map_or(Ok(()), Err))
}

/// Names of streams, asked for once.
struct Names<'a> {
    conn: &'a Connection,
    known: HashMap<i64, String>,
}

impl Names<'_> {
    /// Streams that are remembered; with their names some megabytes.
    const MAX: usize = 50_000;

    fn of(&mut self, stream: i64) -> &str {
        if self.known.len() > Self::MAX {
            self.known.clear();
        }
        let conn = self.conn;
        self.known.entry(stream).or_insert_with(|| {
            let name = conn
                .prepare_cached("SELECT name FROM log_stream WHERE id = ?1")
                .and_then(|mut select| select.query_row([stream], |row| row.get(0)).optional());
            // A stream that is being deleted has events and no name.
            name.ok().flatten().unwrap_or_default()
        })
    }
}
