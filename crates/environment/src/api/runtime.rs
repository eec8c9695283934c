//! The Runtime API's calls (AWS Lambda Developer Guide, "Using the Lambda runtime API").

use bytes::BytesMut;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::sync::oneshot;

use super::answer::{Answer, gone, verdict};
use super::failure::trailer_failure;
use super::{BODY_TIMEOUT, Delivery, Requests};
use crate::machine::{RESPONSE_LIMIT, Reported};

/// How much of an over-long result is read and thrown away before the connection is cut.
const DRAIN_LIMIT: usize = 256 * 1024 * 1024;

pub(super) async fn next(requests: &Requests) -> Answer {
    let (sender, delivery) = oneshot::channel();
    requests.environment.next(sender);
    let Ok(Delivery { invocation, deadline_ms }) = delivery.await else { return gone() };
    let mut response = Response::new(Full::new(invocation.payload.clone()));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let mut insert = |name, value: &str| {
        // A value that is no header (a client context with a line break) is left out rather than mangled.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.insert(name, value);
        }
    };
    insert("lambda-runtime-aws-request-id", &invocation.request_id.to_string());
    insert("lambda-runtime-deadline-ms", &deadline_ms.to_string());
    insert("lambda-runtime-invoked-function-arn", &invocation.invoked_arn);
    insert("lambda-runtime-trace-id", &invocation.trace_id);
    if let Some(context) = &invocation.client_context {
        insert("lambda-runtime-client-context", context);
    }
    response
}

pub(super) async fn response(request_id: String, request: Request<Incoming>, requests: &Requests) -> Answer {
    let (parts, body) = request.into_parts();
    let mode = parts.headers.get("lambda-runtime-function-response-mode");
    let reported = if mode.is_some_and(|mode| mode.as_bytes() != b"streaming") {
        Reported::InvalidMode
    } else {
        collect_response(body).await
    };
    verdict(requests.environment.report(request_id, reported))
}

/// Reads the whole result. A buffered caller gets the joined bytes of a streamed one; its trailers tell of an error
/// in mid-stream.
async fn collect_response(body: Incoming) -> Reported {
    tokio::time::timeout(BODY_TIMEOUT, read_response(body)).await.unwrap_or(Reported::Truncated)
}

async fn read_response(mut body: Incoming) -> Reported {
    // One buffer: a list of chunks costs a hostile runtime's chunks of one byte fifty times their size.
    let (mut result, mut length) = (BytesMut::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Reported::Truncated };
        match frame.into_data() {
            Ok(data) => {
                length += data.len();
                if length <= RESPONSE_LIMIT {
                    result.extend_from_slice(&data);
                } else if length > DRAIN_LIMIT {
                    break;
                } else {
                    // Read on without keeping it: the runtime sees the 413 only once it has sent everything.
                    result = BytesMut::new();
                }
            }
            Err(frame) => {
                if let Some(failure) = frame.trailers_ref().and_then(trailer_failure) {
                    return Reported::Error(failure);
                }
            }
        }
    }
    if length > RESPONSE_LIMIT {
        return Reported::TooLarge;
    }
    Reported::Success(result.freeze())
}
