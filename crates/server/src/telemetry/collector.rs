//! Sends what the exporters have to a collector, by HTTP/1.1 on the server's runtime.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

/// A collector answers with a few bytes.
const ANSWER_BYTES: usize = 64 * 1024;

/// An HTTP client for one collector. A batch every few seconds is not worth a connection that is kept.
#[derive(Debug)]
pub(super) struct Collector {
    runtime: Handle,
    timeout: Duration,
    /// Said once, and once more when it works again: a collector that is down is down for many batches.
    failing: AtomicBool,
}

impl Collector {
    /// A client that sends on the current runtime.
    pub(super) fn new(timeout: Duration) -> Self {
        Self { runtime: Handle::current(), timeout, failing: AtomicBool::new(false) }
    }

    fn note(&self, uri: &http::Uri, outcome: &Result<Response<Bytes>, HttpError>) {
        let reason = match outcome {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it answers {}", response.status())),
            Err(error) => Some(error.to_string()),
        };
        let was_failing = self.failing.swap(reason.is_some(), Ordering::Relaxed);
        match reason {
            Some(reason) if !was_failing => {
                tracing::warn!(collector = %uri, %reason, "telemetry cannot be sent, and is dropped");
            }
            None if was_failing => tracing::info!(collector = %uri, "telemetry is sent again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (uri, timeout) = (request.uri().clone(), self.timeout);
        // The exporter waits on a thread of its own, without a runtime; this task ends with the batch.
        let sent = self.runtime.spawn(async move { tokio::time::timeout(timeout, send(request)).await });
        let outcome = match sent.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_elapsed)) => Err(format!("there was no answer within {timeout:?}").into()),
            Err(ended) => Err(ended.into()),
        };
        self.note(&uri, &outcome);
        outcome
    }
}

async fn send(mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let authority = request.uri().authority().ok_or("the collector's address has no host")?.clone();
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).parse()?;
    *request.uri_mut() = target;
    request.headers_mut().insert(header::HOST, authority.as_str().parse()?);
    let exchange = async {
        let (parts, body) = sender.send_request(request.map(Full::new)).await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await?.to_bytes();
        Ok::<_, HttpError>(Response::from_parts(parts, body))
    };
    let (mut exchange, mut connection) = (std::pin::pin!(exchange), std::pin::pin!(connection));
    tokio::select! { biased;
        answered = &mut exchange => answered,
        ended = &mut connection => {
            ended?;
            // A server that closes with its answer: the answer is here, and read by now.
            exchange.await
        }
    }
}
