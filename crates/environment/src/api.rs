//! The Runtime API, the Extensions API and the Telemetry API: HTTP from the function's runtime and its extensions, turned
//! into events for the environment.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use lambent_model::{ExtensionId, Failure, Invocation, TakeResponse};
use lambent_sandbox_client::Ends;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use self::answer::{Answer, answer, error, verdict};
use self::failure::failure;
use crate::heads::{self, Heads};
use crate::machine::{Events, Refusal, Reported, Verdicted};
use crate::telemetry::{Subscription, SubscriptionError};
use crate::thaw::Thaw;

mod answer;
mod credentials;
mod extensions;
mod failure;
mod metadata;
mod response;
mod runtime;

pub(crate) use self::credentials::Credentials;
pub(crate) use self::metadata::{Metadata, zone};
pub use self::response::StreamRate;

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
    /// To be dropped once the runtime could read the event, if it is frozen.
    pub(crate) thaw: Option<Thaw>,
}

/// What a runtime's calls are put to.
pub(crate) trait Environment: Send + Sync {
    /// The runtime waits for an event; it comes through `poller`.
    fn next(&self, poller: oneshot::Sender<Delivery>);
    /// The runtime streams the response of the invocation `request_id`, and its first byte is near.
    fn begin(&self, request_id: &str, content_type: Option<&str>) -> Begun;
    /// The runtime says how the invocation `request_id` went; it took it so long to say it.
    fn report(&self, request_id: String, reported: Reported, sending: Duration) -> Verdicted;
    /// The runtime has come to where a snapshot of it may be taken. It says so on the connection `asking`.
    fn restore_next(&self, asking: Option<Ends>) -> Restoring;
    /// The runtime cannot go on after it has been restored.
    fn restore_error(&self, failure: Failure) -> Verdicted;
    /// The runtime cannot initialise.
    fn init_error(&self, failure: Failure) -> Verdicted;
}

/// What a runtime is told that has come to where a snapshot of it may be taken.
pub(crate) enum Restoring {
    /// To go on: it has been restored, or there will be no snapshot.
    Now,
    /// Nothing: one is taken, and the question will come again when it has been restored.
    Later,
    /// That its function does not use SnapStart.
    Refused,
}

/// What becomes of a response that a runtime streams.
pub(crate) enum Begun {
    /// It goes to the caller as it comes.
    Streaming(Arc<dyn TakeResponse>),
    /// It is read to its end: the caller wants it whole, or there is none and the report will be refused.
    Collecting,
    /// It is not to come now.
    Refused(Verdicted),
}

/// What a registered extension is told of itself and its function.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) identifier: ExtensionId,
    pub(crate) function_name: String,
    pub(crate) function_version: String,
    pub(crate) handler: String,
    pub(crate) account_id: String,
}

/// One event for an extension.
#[derive(Debug)]
pub(crate) struct ExtensionEvent {
    /// `Lambda-Extension-Event-Identifier`.
    pub(crate) id: String,
    pub(crate) body: Bytes,
}

/// What the calls of extensions are put to.
pub(crate) trait Extensions: Send + Sync {
    /// An extension registers for events.
    fn register(&self, name: String, events: Events) -> Result<Registered, Refusal>;
    /// An extension is done and waits for its next event, which comes through `poller`.
    fn next(&self, id: ExtensionId, poller: oneshot::Sender<ExtensionEvent>) -> Result<(), Refusal>;
    /// An extension cannot initialise, or go on.
    fn error(&self, id: ExtensionId, init: bool, error_type: String) -> Result<(), Refusal>;
    /// An extension subscribes to telemetry.
    fn subscribe(&self, id: ExtensionId, subscription: Subscription) -> Result<(), SubscriptionError>;
}

/// Where the connections of one environment put what they are asked.
#[derive(Clone)]
pub(crate) struct Requests {
    environment: Arc<dyn Environment>,
    extensions: Arc<dyn Extensions>,
    bodies: Arc<Semaphore>,
    rate: Option<StreamRate>,
    metadata: Metadata,
    credentials: Option<Credentials>,
    /// Of the connection on which they come.
    ends: Option<Ends>,
    /// Of the connection on which they come.
    begun: heads::Requests,
}

impl Requests {
    pub(crate) fn new(
        environment: Arc<impl Environment + Extensions + 'static>,
        rate: Option<StreamRate>,
    ) -> Self {
        let extensions: Arc<dyn Extensions> = Arc::clone(&environment) as _;
        Self {
            environment,
            extensions,
            bodies: Arc::new(Semaphore::new(BODIES)),
            rate,
            metadata: Metadata::default(),
            credentials: None,
            ends: None,
            begun: heads::Requests::default(),
        }
    }

    /// Whose credentials are handed out; without it nobody's.
    pub(crate) fn with_credentials(self, credentials: Credentials) -> Self {
        Self { credentials: Some(credentials), ..self }
    }

    /// What is answered of the environment itself; without it nobody is told.
    pub(crate) fn with_metadata(self, metadata: Metadata) -> Self {
        Self { metadata, ..self }
    }

    /// Those of one connection.
    pub(crate) fn on_connection(&self, ends: Ends) -> Self {
        Self { ends: Some(ends), ..self.clone() }
    }

    /// To be held from before a body is read until the environment has taken it.
    async fn turn(&self) -> SemaphorePermit<'_> {
        self.bodies.acquire().await.expect("nobody closes this semaphore")
    }
}

/// Serves one connection of the runtime until it closes.
pub(crate) async fn serve(connection: impl AsyncRead + AsyncWrite + Unpin, requests: Requests) {
    let begun = heads::Requests::default();
    // Each request is answered by a future that owns this.
    let requests = Arc::new(Requests { begun: begun.clone(), ..requests });
    let connection = Heads::new(connection, begun.clone());
    let service = hyper::service::service_fn(move |request| {
        let requests = Arc::clone(&requests);
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
    if path == metadata::PATH {
        return metadata::handle(request.method(), request.headers(), &requests.metadata);
    }
    if path == credentials::PATH {
        return credentials::handle(request.method(), request.headers(), requests.credentials.as_ref());
    }
    if let Some(call) = extensions::Call::of(&path) {
        return extensions::handle(call, request, requests).await;
    }
    let Some(path) = path.strip_prefix("/2018-06-01/runtime/") else {
        return error(
            StatusCode::NOT_FOUND,
            "NotImplemented",
            "this environment serves the Runtime API 2018-06-01, the Extensions API 2020-01-01, the Telemetry API 2022-07-01 and the Logs API 2020-08-15",
        );
    };
    let segments: Vec<&str> = path.split('/').collect();
    match (request.method(), segments.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => runtime::next(requests).await,
        (&Method::POST, ["invocation", id, "response"]) => {
            let id = (*id).to_owned();
            let _turn = requests.turn().await;
            runtime::response(id, request, requests).await
        }
        (&Method::POST, ["invocation", id, "error"]) => {
            let request_id = (*id).to_owned();
            let _turn = requests.turn().await;
            let began = Instant::now();
            let Some(failure) = failure(request).await else { return verdict(Verdicted::Truncated) };
            verdict(requests.environment.report(request_id, Reported::Error(failure), began.elapsed()))
        }
        (&Method::POST, ["init", "error"]) => {
            let _turn = requests.turn().await;
            let Some(failure) = failure(request).await else { return verdict(Verdicted::Truncated) };
            verdict(requests.environment.init_error(failure))
        }
        (_, ["invocation", "next"] | ["invocation", _, "response" | "error"] | ["init", "error"]) => {
            error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "method not allowed")
        }
        (&Method::GET, ["restore", "next"]) => runtime::restore_next(requests).await,
        (&Method::POST, ["restore", "error"]) => {
            let _turn = requests.turn().await;
            let Some(failure) = failure(request).await else { return verdict(Verdicted::Truncated) };
            verdict(requests.environment.restore_error(failure))
        }
        (_, ["restore", ..]) => error(StatusCode::NOT_FOUND, "NotFound", "no such path in the Runtime API"),
        _ => error(StatusCode::NOT_FOUND, "NotFound", "no such path in the Runtime API"),
    }
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
        fn begin(&self, _request_id: &str, _content_type: Option<&str>) -> Begun {
            Begun::Collecting
        }
        fn report(&self, _request_id: String, reported: Reported, _: Duration) -> Verdicted {
            self.0.lock().unwrap().push(reported);
            Verdicted::Accepted
        }
        fn restore_next(&self, _asking: Option<Ends>) -> Restoring {
            Restoring::Refused
        }
        fn restore_error(&self, _failure: Failure) -> Verdicted {
            Verdicted::Accepted
        }
        fn init_error(&self, _failure: Failure) -> Verdicted {
            Verdicted::Accepted
        }
    }

    /// No extensions.
    impl Extensions for Recorder {
        fn register(&self, _name: String, _events: Events) -> Result<Registered, Refusal> {
            Err(Refusal::RegistrationClosed)
        }
        fn next(&self, _id: ExtensionId, _poller: oneshot::Sender<ExtensionEvent>) -> Result<(), Refusal> {
            Err(Refusal::Unknown)
        }
        fn error(&self, _id: ExtensionId, _init: bool, _error_type: String) -> Result<(), Refusal> {
            Err(Refusal::Unknown)
        }
        fn subscribe(&self, id: ExtensionId, _subscription: Subscription) -> Result<(), SubscriptionError> {
            Err(SubscriptionError::Unknown(id))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn connection_outlives_the_longest_handler() {
        let (mut client, server) = tokio::io::duplex(4096);
        let served = tokio::spawn(serve(server, Requests::new(Arc::new(Recorder::default()), None)));
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
        let served = tokio::spawn(serve(server, Requests::new(environment.clone(), None)));
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
        let served = tokio::spawn(serve(server, Requests::new(environment.clone(), None)));
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
}
