//! The part of the CloudWatch Logs API that reads, an operation a file.

mod arn;
mod describe_log_groups;
mod describe_log_streams;
mod filter_log_events;
mod get_log_events;
mod token;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use lambent_model::Scope;
use lambent_wire::logs::{SERVICE, error, op};
use lambent_wire::{Call, Matched};
use rusqlite::Connection;

use super::{Error, Logs};

/// Why an operation has no output.
enum Refusal {
    /// The client is told.
    Client(lambent_wire::Error),
    /// The file cannot be read.
    Database(rusqlite::Error),
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

/// An operation: input to output, in one moment of the file.
type Handler<C> = fn(&Connection, &Scope, <C as Call>::Input) -> Result<<C as Call>::Output, Refusal>;

impl Logs {
    /// Answers a request of the CloudWatch Logs API. Authentication is behind the caller; `scope` is the account and
    /// region that it found.
    ///
    /// The answer knows all that was handed to the sink before. Other operations than those that read are refused
    /// by name.
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
            "DescribeLogGroups" => call.answer::<op::DescribeLogGroups>(describe_log_groups::answer).await,
            "DescribeLogStreams" => call.answer::<op::DescribeLogStreams>(describe_log_streams::answer).await,
            "FilterLogEvents" => call.answer::<op::FilterLogEvents>(filter_log_events::answer).await,
            "GetLogEvents" => call.answer::<op::GetLogEvents>(get_log_events::answer).await,
            _ => Err(matched.operation().not_offered()),
        }
    }

    /// Runs a handler on a thread that may block.
    async fn read<C: Call>(
        &self,
        scope: &Scope,
        input: C::Input,
        handler: Handler<C>,
    ) -> Result<C::Output, lambent_wire::Error>
    where
        C::Input: Send + 'static,
        C::Output: Send + 'static,
    {
        // What was printed before the question belongs into its answer. Where writing fails, reading still serves
        // what is there: that is when people look. `Logs::failure` tells the server.
        drop(self.flush().await);
        let turn = self.inner.readers.turn().await.map_err(unavailable)?;
        let (logs, scope) = (self.clone(), scope.clone());
        let question = move || {
            let _turn = turn;
            logs.inner.readers.ask(|conn| match handler(conn, &scope, input) {
                Ok(output) => Ok(Ok(output)),
                Err(Refusal::Client(error)) => Ok(Err(error)),
                Err(Refusal::Database(error)) => Err(error),
            })
        };
        let answer = tokio::task::spawn_blocking(question).await;
        answer
            .map_err(|panic| error::service_unavailable_exception(format!("cannot read logs: {panic}")))?
            .map_err(unavailable)?
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
    async fn answer<C: Call>(self, handler: Handler<C>) -> Result<Response<Bytes>, lambent_wire::Error>
    where
        C::Input: Send + 'static,
        C::Output: Send + 'static,
    {
        let input = self.matched.decode::<C>(self.parts, self.body).map_err(as_invalid_parameter)?;
        let output = self.logs.read::<C>(self.scope, input, handler).await?;
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

fn unavailable(error: Error) -> lambent_wire::Error {
    // Without the file's path: functions read this, too.
    let reason = match &error {
        Error::Database { source, .. } => format!("cannot read logs: {source}"),
        _ => "cannot read logs: the log service has been closed".to_owned(),
    };
    error::service_unavailable_exception(reason)
}

/// `limit` within its bounds, which the model has checked.
fn page_size(limit: Option<i32>, default: usize) -> usize {
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(default)
}

/// The page size of the operations that describe (API Reference, `DescribeLogGroups`, `DescribeLogStreams`).
const DESCRIBE_PAGE: usize = 50;
