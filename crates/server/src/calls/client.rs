//! The HTTP client for other services' endpoints.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Error as SendError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use lambent_model::AwsCallError;
use tokio::sync::Semaphore;

/// Calls under way of deliveries; those beyond wait within their time. As many connections, of which a few for each
/// endpoint stay open.
pub(crate) const DELIVERIES: usize = 64;
/// The same of pollers, apart from those: a call that waits for messages takes twenty seconds of doing nothing. Their own
/// bound of such calls, and as many again that acknowledge.
pub(crate) const POLLERS: usize = 2048;
const IDLE_CONNECTIONS: usize = 8;
const IDLE_TIME: Duration = Duration::from_secs(20);

/// A service that does not take a connection is not there.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// For the whole call, its place included. Who waits longer holds a slot that another delivery wants.
const CALL_TIME: Duration = Duration::from_secs(30);

/// The largest answer: ten messages of a queue at their largest.
const ANSWER_BYTES: usize = 12 * 1024 * 1024;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[error("an endpoint has https, and this host's certificate authorities cannot be read: {0}")]
pub struct ClientStartError(std::io::Error);

/// Sends requests, with or without TLS as their address says. Clones are handles to the same one.
#[derive(Clone)]
pub(crate) struct Client {
    places: Arc<Semaphore>,
    sender: Sender,
}

#[derive(Clone)]
enum Sender {
    /// No endpoint has https, and no certificate authority is asked for.
    Plain(legacy::Client<HttpConnector, Full<Bytes>>),
    Either(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Client {
    /// A client for so many calls at once; `secure` when there is an endpoint with https.
    pub(crate) fn new(secure: bool, places: usize) -> Result<Self, ClientStartError> {
        let tcp = connector();
        let sender = if secure {
            let connector = HttpsConnectorBuilder::new().with_native_roots().map_err(ClientStartError)?;
            Sender::Either(pool().build(connector.https_or_http().enable_http1().wrap_connector(tcp)))
        } else {
            Sender::Plain(pool().build(tcp))
        };
        Ok(Self { places: Arc::new(Semaphore::new(places)), sender })
    }

    /// Sends one request and reads the whole answer. No redirect is followed.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, AwsCallError> {
        let exchange = async {
            let _place = self.places.acquire().await.expect("the semaphore is never closed");
            let request = request.map(Full::new);
            let sent = match &self.sender {
                Sender::Plain(client) => client.request(request).await,
                Sender::Either(client) => client.request(request).await,
            };
            let (parts, body) = sent.map_err(|error| no_answer(&error))?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| AwsCallError::NoAnswer(error.to_string()))?.to_bytes();
            Ok(Response::from_parts(parts, body))
        };
        let elapsed = || AwsCallError::NoAnswer(format!("nothing came within {CALL_TIME:?}"));
        tokio::time::timeout(CALL_TIME, exchange).await.map_err(|_elapsed| elapsed())?
    }
}

/// What opens connections.
pub(super) fn connector() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(CONNECT_TIME));
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    tcp
}

pub(super) fn pool() -> legacy::Builder {
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIME)
        .pool_max_idle_per_host(IDLE_CONNECTIONS);
    builder
}

/// The client's own words say little; its causes say what happened.
pub(super) fn no_answer(error: &SendError) -> AwsCallError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    AwsCallError::NoAnswer(text)
}
