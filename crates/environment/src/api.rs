//! The Runtime API (AWS Lambda Developer Guide, "Using the Lambda runtime API"): HTTP from the function's runtime,
//! turned into events for the environment's task.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use lambent_model::{Failure, Invocation};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use crate::heads::{self, Heads};
use crate::machine::{RESPONSE_LIMIT, Reported, Verdicted};

/// An error document may carry a long stack trace, not more.
const ERROR_LIMIT: usize = 1024 * 1024;
/// How much of an over-long result is read and thrown away before the connection is cut.
const DRAIN_LIMIT: usize = 256 * 1024 * 1024;
/// A runtime that sends half a result and stops is not served for ever. It may take as long as the longest handler,
/// which streams its result. (`/next` itself has no time limit; heads have one of their own, see [`Heads`].)
const BODY_TIMEOUT: Duration = Duration::from_secs(900);
/// Bodies that are read at once: the runtime's result and another's error document. With the limit of a result it
/// bounds what one environment can make the server hold.
const BODIES: usize = 2;

/// The largest head: an error's cause for X-Ray, 64 KB, is one of its headers. Many connections may each send one.
const HEAD_LIMIT: usize = 128 * 1024;

/// One event for the runtime.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) invocation: Arc<Invocation>,
    pub(crate) deadline_ms: i64,
}

/// What a runtime's calls are put to.
pub(crate) trait Environment: Send + Sync {
    /// The runtime waits for an event; it comes through `poller`.
    fn next(&self, poller: oneshot::Sender<Delivery>);
    /// The runtime says how the invocation `request_id` went.
    fn report(&self, request_id: String, reported: Reported) -> Verdicted;
    /// The runtime cannot initialise.
    fn init_error(&self, failure: Failure) -> Verdicted;
}

type Answer = Response<Full<Bytes>>;

/// Where the connections of one environment put what they are asked.
#[derive(Clone)]
pub(crate) struct Requests {
    environment: Arc<dyn Environment>,
    bodies: Arc<Semaphore>,
}

impl Requests {
    pub(crate) fn new(environment: Arc<dyn Environment>) -> Self {
        Self { environment, bodies: Arc::new(Semaphore::new(BODIES)) }
    }

    /// To be held from before a body is read until the environment has taken it.
    async fn turn(&self) -> SemaphorePermit<'_> {
        self.bodies.acquire().await.expect("nobody closes this semaphore")
    }
}

/// Serves one connection of the runtime until it closes.
pub(crate) async fn serve(connection: impl AsyncRead + AsyncWrite + Unpin, requests: Requests) {
    let begun = heads::Requests::default();
    let connection = Heads::new(connection, begun.clone());
    let service = hyper::service::service_fn(move |request| {
        let requests = requests.clone();
        let answering = begun.answering();
        async move {
            let answer = handle(request, &requests).await;
            drop(answering);
            Ok::<_, Infallible>(answer)
        }
    });
    // An error here is a runtime that broke off or spoke no HTTP: its process's end or its next try tells the rest.
    let _broken_off = hyper::server::conn::http1::Builder::new()
        .pipeline_flush(true)
        .max_buf_size(HEAD_LIMIT)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(connection), service)
        .await;
}

async fn handle(request: Request<Incoming>, requests: &Requests) -> Answer {
    let path = request.uri().path().to_owned();
    if path == "/ping" {
        return answer(StatusCode::OK, Bytes::from_static(b"pong"), "text/plain");
    }
    let Some(path) = path.strip_prefix("/2018-06-01/runtime/") else {
        return error(
            StatusCode::NOT_FOUND,
            "NotImplemented",
            "this environment serves the Runtime API 2018-06-01 and not the Extensions or Telemetry API",
        );
    };
    let segments: Vec<&str> = path.split('/').collect();
    match (request.method(), segments.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(requests).await,
        (&Method::POST, ["invocation", id, "response"]) => {
            let id = (*id).to_owned();
            let _turn = requests.turn().await;
            response(id, request, requests).await
        }
        (&Method::POST, ["invocation", id, "error"]) => {
            let request_id = (*id).to_owned();
            let _turn = requests.turn().await;
            let Some(failure) = failure(request).await else { return verdict(Verdicted::Truncated) };
            verdict(requests.environment.report(request_id, Reported::Error(failure)))
        }
        (&Method::POST, ["init", "error"]) => {
            let _turn = requests.turn().await;
            let Some(failure) = failure(request).await else { return verdict(Verdicted::Truncated) };
            verdict(requests.environment.init_error(failure))
        }
        (_, ["invocation", "next"] | ["invocation", _, "response" | "error"] | ["init", "error"]) => {
            error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "method not allowed")
        }
        (_, ["restore", ..]) => {
            error(StatusCode::FORBIDDEN, "InvalidStateTransition", "this environment does not use SnapStart")
        }
        _ => error(StatusCode::NOT_FOUND, "NotFound", "no such path in the Runtime API"),
    }
}

async fn next(requests: &Requests) -> Answer {
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

async fn response(request_id: String, request: Request<Incoming>, requests: &Requests) -> Answer {
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

fn trailer_failure(trailers: &HeaderMap) -> Option<Failure> {
    use base64::Engine as _;
    let error_type = error_type(trailers.get("lambda-runtime-function-error-type")?);
    let body = trailers
        .get("lambda-runtime-function-error-body")
        .and_then(|body| base64::engine::general_purpose::STANDARD.decode(body.as_bytes()).ok())
        .unwrap_or_default();
    Some(Failure { error_type, body: body.into() })
}

async fn failure(request: Request<Incoming>) -> Option<Failure> {
    let (parts, body) = request.into_parts();
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, ERROR_LIMIT).collect()).await;
    let body = match collected {
        Ok(Ok(body)) => body.to_bytes(),
        // An over-long document still is an error; its text is not worth a megabyte.
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            json!({ "errorType": "Function.Unknown", "errorMessage": "error document larger than 1 MB" })
                .to_string()
                .into()
        }
        Ok(Err(_)) | Err(_) => return None,
    };
    let header = parts.headers.get("lambda-runtime-function-error-type");
    let error_type = header.map_or_else(|| "Runtime.Unknown".to_owned(), error_type);
    // "application/vnd.aws.lambda.error.cause+json" carries document and cause in one.
    let content_type = parts.headers.get("content-type").map(HeaderValue::as_bytes);
    if content_type == Some(b"application/vnd.aws.lambda.error.cause+json")
        && let Ok(serde_json::Value::Object(mut both)) = serde_json::from_slice(&body)
    {
        both.remove("errorCause");
        return Some(Failure { error_type, body: serde_json::Value::Object(both).to_string().into() });
    }
    Some(Failure { error_type, body })
}

/// Keeps `(Runtime|Function).Name`, replaces anything else by the unknown of its kind.
fn error_type(header: &HeaderValue) -> String {
    let text = header.to_str().unwrap_or_default();
    let named = |prefix: &str| {
        text.strip_prefix(prefix).is_some_and(|name| {
            name.len() > 1
                && name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.bytes().all(|byte| byte.is_ascii_alphabetic())
        })
    };
    if named("Runtime.") || named("Function.") {
        text.to_owned()
    } else if text.starts_with("Function.") {
        "Function.Unknown".to_owned()
    } else {
        "Runtime.Unknown".to_owned()
    }
}

fn verdict(verdict: Verdicted) -> Answer {
    match verdict {
        Verdicted::Accepted => {
            answer(StatusCode::ACCEPTED, Bytes::from_static(b"{\"status\":\"OK\"}\n"), "application/json")
        }
        Verdicted::InvalidRequestId => {
            error(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
        }
        Verdicted::InvalidState(state) => error(
            StatusCode::FORBIDDEN,
            "InvalidStateTransition",
            &format!("State transition is not allowed: the runtime's state is {state}"),
        ),
        Verdicted::TooLarge => error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            &format!("Exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."),
        ),
        Verdicted::Truncated => {
            error(StatusCode::BAD_REQUEST, "TruncatedHTTPRequest", "HTTP request detected as truncated")
        }
        Verdicted::InvalidMode => error(
            StatusCode::BAD_REQUEST,
            "InvalidFunctionResponseMode",
            "Invalid function response mode: only \"streaming\" is known",
        ),
    }
}

fn gone() -> Answer {
    error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "the environment has ended")
}

fn error(status: StatusCode, error_type: &str, message: &str) -> Answer {
    let body = json!({ "errorMessage": message, "errorType": error_type }).to_string();
    answer(status, body.into(), "application/json")
}

fn answer(status: StatusCode, body: Bytes, content_type: &'static str) -> Answer {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;

    /// Sends a request on a connection and reads the answer's head and body of `length` bytes.
    async fn exchange(client: &mut DuplexStream, request: &str, length: usize) -> String {
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            answer.push(client.read_u8().await.unwrap());
        }
        let mut body = vec![0; length];
        client.read_exact(&mut body).await.unwrap();
        answer.extend(body);
        String::from_utf8(answer).unwrap()
    }

    /// Accepts every report and keeps what was reported.
    #[derive(Default)]
    struct Recorder(Mutex<Vec<Reported>>);

    impl Environment for Recorder {
        fn next(&self, _poller: oneshot::Sender<Delivery>) {}
        fn report(&self, _request_id: String, reported: Reported) -> Verdicted {
            self.0.lock().unwrap().push(reported);
            Verdicted::Accepted
        }
        fn init_error(&self, _failure: Failure) -> Verdicted {
            Verdicted::Accepted
        }
    }

    #[tokio::test(start_paused = true)]
    async fn connection_outlives_the_longest_handler() {
        let (mut client, server) = tokio::io::duplex(4096);
        let served = tokio::spawn(serve(server, Requests::new(Arc::new(Recorder::default()))));
        for _ in 0..2 {
            let answer = exchange(&mut client, "GET /ping HTTP/1.1\r\nhost: x\r\n\r\n", 4).await;
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("pong"), "{answer}");
            tokio::time::sleep(Duration::from_secs(900)).await;
        }
        drop(client);
        served.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_head_ends_its_connection_and_a_slow_body_does_not() {
        let environment = Arc::new(Recorder::default());
        let (mut client, server) = tokio::io::duplex(4096);
        let served = tokio::spawn(serve(server, Requests::new(environment.clone())));
        let head =
            "POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        for byte in [b"1", b"2"] {
            client.write_all(byte).await.unwrap();
            tokio::time::sleep(Duration::from_secs(100)).await;
        }
        let answer = exchange(&mut client, "3", 0).await;
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
        client.read_exact(&mut [0; "{\"status\":\"OK\"}\n".len()]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(900)).await;
        client.write_all(b"GET /ping HT").await.unwrap();
        served.await.unwrap();
        assert_eq!(client.read(&mut [0; 1000]).await.unwrap(), 0, "no answer to half a question");
    }

    #[tokio::test]
    async fn result_in_tiny_chunks_arrives_whole() {
        let environment = Arc::new(Recorder::default());
        let (mut client, server) = tokio::io::duplex(4096);
        let served = tokio::spawn(serve(server, Requests::new(environment.clone())));
        let head = "POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nhost: x\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        let request = format!("{head}{}0\r\n\r\n", "1\r\nx\r\n".repeat(3));
        let answer = exchange(&mut client, &request, 0).await;
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
        let reported = environment.0.lock().unwrap().pop();
        assert!(matches!(reported, Some(Reported::Success(body)) if &body[..] == b"xxx"));
        drop(client);
        served.await.unwrap();
    }

    #[test]
    fn error_types_are_kept_or_unknown() {
        for (header, kept) in [
            ("Runtime.ImportModuleError", "Runtime.ImportModuleError"),
            ("Function.MyError", "Function.MyError"),
            ("Function.my-error", "Function.Unknown"),
            ("ValueError", "Runtime.Unknown"),
            ("Runtime.", "Runtime.Unknown"),
        ] {
            assert_eq!(error_type(&HeaderValue::from_static(header)), kept);
        }
    }
}
