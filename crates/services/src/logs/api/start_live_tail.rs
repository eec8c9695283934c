//! `StartLiveTail`: a response that goes on for as long as somebody reads it.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use lambent_model::Scope;
use lambent_wire::event_stream::EVENT_STREAM;
use lambent_wire::logs::error::limit_exceeded_exception;
use lambent_wire::logs::{LiveTailSessionStart, StartLiveTailRequest};
use tokio::sync::mpsc;

use super::super::Logs;
use super::super::tail::Wanted;
use super::arn::find_group;
use super::{invalid, pattern};

/// The body of a response that is an event stream: messages as they come.
///
/// The response of `StartLiveTail` has it among its extensions, beside a body without a byte. Whoever sends the response
/// takes it out and sends what it receives; when it is dropped, the session ends.
#[derive(Clone)]
pub struct Streamed(Arc<Mutex<Option<mpsc::Receiver<Bytes>>>>);

impl Streamed {
    /// Takes the messages; `None` the second time.
    #[must_use]
    pub fn take(&self) -> Option<mpsc::Receiver<Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

pub(super) async fn answer(
    logs: &Logs,
    scope: &Scope,
    input: StartLiveTailRequest,
    request_id: &str,
) -> Result<Response<Bytes>, lambent_wire::Error> {
    let streams = input.log_stream_names.clone().unwrap_or_default();
    let prefixes = input.log_stream_name_prefixes.clone().unwrap_or_default();
    if !streams.is_empty() && !prefixes.is_empty() {
        return Err(invalid("only one of logStreamNames and logStreamNamePrefixes may be specified"));
    }
    if input.log_group_identifiers.len() > 1 && !(streams.is_empty() && prefixes.is_empty()) {
        return Err(invalid("logStreamNames and logStreamNamePrefixes need a single log group"));
    }
    let pattern = pattern(input.log_event_filter_pattern.as_deref())?;
    let (identifiers, account) = (input.log_group_identifiers.clone(), scope.clone());
    let groups = logs
        .view(move |view| {
            let find = |identifier: String| find_group(view.conn, &account, None, Some(identifier));
            identifiers.into_iter().map(|id| find(id).map(|group| group.name)).collect::<Result<Vec<_>, _>>()
        })
        .await?;
    let start = LiveTailSessionStart {
        request_id: Some(request_id.to_owned()),
        session_id: Some(logs.new_id()),
        log_group_identifiers: Some(input.log_group_identifiers),
        log_stream_names: input.log_stream_names,
        log_stream_name_prefixes: input.log_stream_name_prefixes,
        log_event_filter_pattern: input.log_event_filter_pattern,
    };
    let wanted = Wanted { scope: scope.clone(), groups, streams, prefixes, pattern };
    let messages = logs.inner.tail.start(wanted, start);
    let messages =
        messages.ok_or_else(|| limit_exceeded_exception("Too many concurrent live tail sessions."))?;
    let mut response = Response::new(Bytes::new());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response.extensions_mut().insert(Streamed(Arc::new(Mutex::new(Some(messages)))));
    Ok(response)
}
