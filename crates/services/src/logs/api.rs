//! The CloudWatch Logs API, an operation or a family of them a file.
//!
//! Operations that read get a [`View`] on a thread that may block; those that change something run as a [`Change`] on
//! the writer's thread, after everything that was logged before.

mod arn;
mod create_log_group;
mod delete;
mod describe_log_groups;
mod describe_log_streams;
mod documents;
mod fields;
mod filter_log_events;
mod get_log_events;
mod list_log_groups;
mod metric_filters;
mod put_log_events;
mod queries;
mod query_definitions;
pub(super) mod resource_policies;
mod retention;
mod start_live_tail;
mod start_query;
mod subscription_filters;
mod tags;
mod token;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use lambent_model::{RequestId, Scope};
use lambent_wire::logs::{SERVICE, error, op};
use lambent_wire::{Call, Matched};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::catalog::read::{self, Group};
use super::pattern::Pattern;
use super::storage::files::Segments;
use super::storage::position::Position;
use super::storage::scan::{Streams, Window};
use super::storage::segment::Segment;
use super::store::Change;
use super::{Error, Logs};

pub use start_live_tail::Streamed;

/// Why an operation has no output.
pub(super) enum Refusal {
    /// The client is told.
    Client(lambent_wire::Error),
    /// The catalogue cannot be read or written.
    Database(rusqlite::Error),
    /// Events cannot be read or written.
    Files(std::io::Error),
}

impl From<lambent_wire::Error> for Refusal {
    fn from(error: lambent_wire::Error) -> Self {
        Self::Client(error)
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::Files(error)
    }
}

impl Refusal {
    /// What the client gets. Without paths: functions read this, too.
    fn into_answer(self) -> lambent_wire::Error {
        match self {
            Self::Client(error) => error,
            Self::Database(source) => {
                unavailable(format!("the log service cannot use its catalogue: {source}"))
            }
            Self::Files(source) => unavailable(format!("the log service cannot use its files: {source}")),
        }
    }
}

/// What is there at a moment.
pub(super) struct View<'a> {
    conn: &'a Connection,
    segments: &'a Segments,
    now_ms: i64,
}

impl View<'_> {
    /// The files of a group.
    fn segments_of(&self, group: &Group) -> Vec<Arc<Segment>> {
        self.segments.of(group.id)
    }

    /// All streams of a group but those that were deleted.
    fn streams_of(&self, group: &Group) -> Result<Streams, Refusal> {
        Ok(Streams::AllBut(read::deleted_streams(self.conn, group.id)?))
    }

    /// Narrows a window to what the group's retention leaves. Older events are gone for readers at once, and from the
    /// disk with their segment.
    fn retained(&self, group: &Group, window: Window) -> Window {
        let oldest_ms = group.retention_days.map_or(0, |days| self.now_ms - i64::from(days) * DAY_MS);
        Window { after: window.after.max(Position::at(oldest_ms)), ..window }
    }
}

const DAY_MS: i64 = 24 * 3_600_000;

/// An operation that reads.
type Reading<C> = fn(&View<'_>, &Scope, <C as Call>::Input) -> Result<<C as Call>::Output, Refusal>;

impl Logs {
    /// Answers a request of the CloudWatch Logs API. Authentication is behind the caller; `scope` is the account and
    /// region that it found.
    ///
    /// The answer knows all that was handed to the sink before. Operations that are not offered are refused by name.
    pub async fn call(&self, scope: &Scope, request: Request<Bytes>, request_id: &str) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        match self.dispatch(scope, &parts, body, request_id).await {
            Ok(response) => response,
            Err(error) => SERVICE.error_response(&error, request_id),
        }
    }

    async fn dispatch(
        &self,
        scope: &Scope,
        parts: &Parts,
        body: Bytes,
        request_id: &str,
    ) -> Result<Response<Bytes>, lambent_wire::Error> {
        let matched = SERVICE.route(parts)?;
        let call = Pending { logs: self, scope, matched: &matched, parts, body, request_id };
        match matched.operation().name {
            "CreateLogGroup" => call.change::<op::CreateLogGroup>(create_log_group::group).await,
            "CreateLogStream" => call.change::<op::CreateLogStream>(create_log_group::stream).await,
            "DeleteLogGroup" => call.change::<op::DeleteLogGroup>(delete::group).await,
            "DeleteLogStream" => call.change::<op::DeleteLogStream>(delete::stream).await,
            "DeleteMetricFilter" => call.change::<op::DeleteMetricFilter>(metric_filters::delete).await,
            "DeleteQueryDefinition" => {
                call.change::<op::DeleteQueryDefinition>(query_definitions::delete).await
            }
            "DeleteResourcePolicy" => {
                let answer = call.change::<op::DeleteResourcePolicy>(resource_policies::delete).await;
                self.inner.policies.forget();
                answer
            }
            "DeleteRetentionPolicy" => call.change::<op::DeleteRetentionPolicy>(retention::delete).await,
            "DeleteSubscriptionFilter" => {
                call.change::<op::DeleteSubscriptionFilter>(subscription_filters::delete).await
            }
            "DescribeLogGroups" => call.read::<op::DescribeLogGroups>(describe_log_groups::answer).await,
            "DescribeLogStreams" => call.read::<op::DescribeLogStreams>(describe_log_streams::answer).await,
            "DescribeMetricFilters" => call.read::<op::DescribeMetricFilters>(metric_filters::describe).await,
            "DescribeQueries" => call.now::<op::DescribeQueries>(queries::describe),
            "DescribeQueryDefinitions" => {
                call.read::<op::DescribeQueryDefinitions>(query_definitions::describe).await
            }
            "DescribeResourcePolicies" => {
                call.read::<op::DescribeResourcePolicies>(resource_policies::describe).await
            }
            "DescribeSubscriptionFilters" => {
                call.read::<op::DescribeSubscriptionFilters>(subscription_filters::describe).await
            }
            "FilterLogEvents" => call.read::<op::FilterLogEvents>(filter_log_events::answer).await,
            "GetLogEvents" => call.read::<op::GetLogEvents>(get_log_events::answer).await,
            "GetLogGroupFields" => call.read::<op::GetLogGroupFields>(fields::of_group).await,
            "GetLogRecord" => call.read::<op::GetLogRecord>(fields::record).await,
            "GetQueryResults" => {
                call.now::<op::GetQueryResults>(|logs, scope, input| queries::results(logs, scope, &input))
            }
            "ListLogGroups" => call.read::<op::ListLogGroups>(list_log_groups::answer).await,
            "ListTagsForResource" => call.read::<op::ListTagsForResource>(tags::list).await,
            "ListTagsLogGroup" => call.read::<op::ListTagsLogGroup>(tags::list_of_group).await,
            "PutLogEvents" => call.change::<op::PutLogEvents>(put_log_events::answer).await,
            "PutMetricFilter" => call.change::<op::PutMetricFilter>(metric_filters::put).await,
            "PutQueryDefinition" => {
                let id = self.new_id();
                let put = move |change: &mut Change<'_>, scope: &Scope, input| {
                    query_definitions::put(change, scope, input, id)
                };
                call.change::<op::PutQueryDefinition>(put).await
            }
            "PutResourcePolicy" => {
                let answer = call.change::<op::PutResourcePolicy>(resource_policies::put).await;
                self.inner.policies.forget();
                answer
            }
            "PutRetentionPolicy" => call.change::<op::PutRetentionPolicy>(retention::put).await,
            "PutSubscriptionFilter" => {
                call.change::<op::PutSubscriptionFilter>(subscription_filters::put).await
            }
            "StartLiveTail" => {
                let input = call.input::<op::StartLiveTail>()?;
                start_live_tail::answer(self, scope, input, request_id).await
            }
            "StartQuery" => {
                let input = call.input::<op::StartQuery>()?;
                let output = start_query::answer(self, scope, input).await?;
                Ok(lambent_wire::encode::<op::StartQuery>(&output, request_id))
            }
            "StopQuery" => call.now::<op::StopQuery>(|logs, scope, input| queries::stop(logs, scope, &input)),
            "TagLogGroup" => call.change::<op::TagLogGroup>(tags::tag_group).await,
            "TagResource" => call.change::<op::TagResource>(tags::tag).await,
            "TestMetricFilter" => call.read::<op::TestMetricFilter>(metric_filters::test).await,
            "UntagLogGroup" => call.change::<op::UntagLogGroup>(tags::untag_group).await,
            "UntagResource" => call.change::<op::UntagResource>(tags::untag).await,
            _ => Err(matched.operation().not_offered()),
        }
    }

    /// An id for something new, in the form of a UUID.
    fn new_id(&self) -> String {
        RequestId::random(&*self.inner.entropy).to_string()
    }

    /// Runs a question on a thread that may block, in one moment of the catalogue.
    pub(super) async fn view<T: Send + 'static>(
        &self,
        question: impl FnOnce(&View<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, lambent_wire::Error> {
        // What was printed before the question belongs into its answer. Where writing fails, reading still serves
        // what is there: that is when people look. `Logs::failure` tells the server.
        drop(self.flush().await);
        let turn = self.inner.readers.turn().await.map_err(closed)?;
        let logs = self.clone();
        let asked = move || {
            let _turn = turn;
            let inner = &logs.inner;
            inner.readers.ask(|conn| {
                let view = View { conn, segments: &inner.segments, now_ms: inner.clock.now().millis() };
                match question(&view) {
                    Err(Refusal::Database(error)) => Err(error),
                    answer => Ok(answer),
                }
            })
        };
        let answer = tokio::task::spawn_blocking(asked).await;
        answer
            .map_err(|panic| unavailable(format!("the log service cannot read: {panic}")))?
            .map_err(closed)?
            .map_err(Refusal::into_answer)
    }

    /// Runs a change on the writer's thread.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Change<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, lambent_wire::Error> {
        let closed = || unavailable("the log service has been closed");
        let _place = self.inner.commands.acquire().await.map_err(|_| closed())?;
        let (sender, answer) = oneshot::channel();
        let command = Box::new(move |store: &mut super::store::Store| {
            // Whoever asked may have gone; the change is made all the same.
            let _ = sender.send(store.change(change));
        });
        self.inner.queue.command(command).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?.map_err(Refusal::into_answer)
    }
}

/// A request whose operation is known.
struct Pending<'a> {
    logs: &'a Logs,
    scope: &'a Scope,
    matched: &'a Matched,
    parts: &'a Parts,
    body: Bytes,
    request_id: &'a str,
}

impl Pending<'_> {
    fn input<C: Call>(self) -> Result<C::Input, lambent_wire::Error> {
        self.matched.decode::<C>(self.parts, self.body).map_err(as_invalid_parameter)
    }

    /// Answers out of memory.
    fn now<C: Call>(
        self,
        handler: impl FnOnce(&Logs, &Scope, C::Input) -> Result<C::Output, lambent_wire::Error>,
    ) -> Result<Response<Bytes>, lambent_wire::Error> {
        let (logs, scope, request_id) = (self.logs, self.scope, self.request_id);
        let output = handler(logs, scope, self.input::<C>()?)?;
        Ok(lambent_wire::encode::<C>(&output, request_id))
    }

    async fn read<C: Call>(self, handler: Reading<C>) -> Result<Response<Bytes>, lambent_wire::Error>
    where
        C::Input: Send + 'static,
        C::Output: Send + 'static,
    {
        let input = self.matched.decode::<C>(self.parts, self.body).map_err(as_invalid_parameter)?;
        let scope = self.scope.clone();
        let output = self.logs.view(move |view| handler(view, &scope, input)).await?;
        Ok(lambent_wire::encode::<C>(&output, self.request_id))
    }

    async fn change<C: Call>(
        self,
        handler: impl FnOnce(&mut Change<'_>, &Scope, C::Input) -> Result<C::Output, Refusal> + Send + 'static,
    ) -> Result<Response<Bytes>, lambent_wire::Error>
    where
        C::Input: Send + 'static,
        C::Output: Send + 'static,
    {
        let input = self.matched.decode::<C>(self.parts, self.body).map_err(as_invalid_parameter)?;
        let scope = self.scope.clone();
        let output = self.logs.change(move |change| handler(change, &scope, input)).await?;
        Ok(lambent_wire::encode::<C>(&output, self.request_id))
    }
}

/// CloudWatch Logs has a name of its own for requests that break a constraint (API Reference, each operation's
/// "Errors").
fn as_invalid_parameter(error: lambent_wire::Error) -> lambent_wire::Error {
    if error.code == "ValidationException" { invalid(error.message) } else { error }
}

fn invalid(message: impl Into<String>) -> lambent_wire::Error {
    error::invalid_parameter_exception(message)
}

fn unavailable(reason: impl Into<String>) -> lambent_wire::Error {
    error::service_unavailable_exception(reason)
}

fn closed(error: Error) -> lambent_wire::Error {
    match error {
        // Without the file's path: functions read this, too.
        Error::Database { source, .. } => Refusal::Database(source).into_answer(),
        _ => unavailable("the log service has been closed"),
    }
}

/// A filter pattern of a request; none wants everything.
fn pattern(text: Option<&str>) -> Result<Pattern, lambent_wire::Error> {
    Pattern::parse(text.unwrap_or_default()).map_err(|error| invalid(error.to_string()))
}

/// `limit` within its bounds, which the model has checked.
fn page_size(limit: Option<i32>, default: usize) -> usize {
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(default)
}

/// The page size of the operations that describe (API Reference, `DescribeLogGroups`, `DescribeLogStreams`).
const DESCRIBE_PAGE: usize = 50;
