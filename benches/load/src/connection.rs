//! One kept connection and the request that goes over it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use lambent_identity::Credentials;
use lambent_model::{Region, Timestamp};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::options::Options;

/// Longer than any cold start: what takes this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

const JSON_1_0: &str = "application/x-amz-json-1.0";
const TARGET: &str = "x-amz-target";

/// What every connection sends and expects.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    authority: String,
    request: http::request::Parts,
    body: Bytes,
    echo: Option<serde_json::Value>,
    pause: Duration,
    /// Whether a connection that the server has closed is opened again.
    reopens: bool,
    /// Whether messages come back, which are to be deleted.
    deletes: bool,
}

impl Job {
    /// Builds and signs the request.
    pub(crate) fn new(options: &Options) -> anyhow::Result<Self> {
        let authority = options.url.authority().context("the URL has no host")?.to_string();
        let mut request = Request::builder()
            .method(options.method.clone())
            .uri(options.url.clone())
            .header("content-type", if options.target.is_some() { JSON_1_0 } else { "application/json" })
            .body(Bytes::from(options.body.clone()))?;
        if options.event {
            let kind = http::HeaderValue::from_static("Event");
            request.headers_mut().insert("x-amz-invocation-type", kind);
        }
        let service = if options.target.is_some() { "sqs" } else { "lambda" };
        if let Some(target) = &options.target {
            request.headers_mut().insert(TARGET, target.parse().context("--target")?);
        }
        let credentials =
            Credentials { access_key: "test".to_owned(), secret: "test".to_owned(), session_token: None };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
        let now = Timestamp::from_millis(i64::try_from(now.as_millis())?);
        lambent_identity::sign(&mut request, &credentials, &Region::default_region(), service, now)?;
        // A client to an origin server sends the path alone.
        let path = options.url.path_and_query().context("the URL has no path")?.as_str().parse()?;
        *request.uri_mut() = path;
        if let Some(host) = &options.host {
            // On a loopback address the signature has to be well formed, and need not fit; URLs that are open to all
            // do not look.
            request.headers_mut().insert(http::header::HOST, host.parse().context("--host")?);
        }
        let (request, body) = request.into_parts();
        let echo = options.echo.then(|| serde_json::from_slice(&body)).transpose().context("--body")?;
        let pause = Duration::from_millis(options.pause_ms);
        let deletes = options.target.as_deref() == Some("AmazonSQS.ReceiveMessage");
        Ok(Self { authority, request, body, echo, pause, reopens: options.reopen, deletes })
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The request as it is sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.request.method, self.request.uri).into_bytes();
        for (name, value) in &self.request.headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", self.body.len()).as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Whether a response is the one that was asked for.
    fn check(&self, status: StatusCode, headers: &http::HeaderMap, body: &[u8]) -> anyhow::Result<()> {
        let failed = || format!("{} {}: {status}: {}", self.request.method, self.request.uri, text(body));
        ensure!(status.is_success() && !headers.contains_key("x-amz-function-error"), failed());
        if let Some(expected) = &self.echo {
            let got: serde_json::Value = serde_json::from_slice(body).with_context(failed)?;
            ensure!(got == *expected, failed());
        }
        Ok(())
    }
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(2000)]).into_owned()
}

/// One connection, kept open.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// A response that has been checked in full: equal ones need no second look while time is taken.
    checked: Option<Bytes>,
    /// Owns the task that drives the connection.
    driver: JoinSet<()>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(job: &Job) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(&job.authority)
            .await
            .with_context(|| format!("cannot connect to {}", job.authority))?;
        stream.set_nodelay(true)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        let mut drivers = JoinSet::new();
        drivers.spawn(async move {
            // A broken connection is reported by the request on it.
            let _: Result<(), hyper::Error> = driver.await;
        });
        Ok(Self { sender, checked: None, driver: drivers })
    }

    /// Sends the request `count` times, one after the other.
    pub(crate) async fn send(&mut self, job: &Job, count: usize) -> anyhow::Result<Vec<Duration>> {
        let mut latencies = Vec::with_capacity(count);
        for _ in 0..count {
            if !job.pause.is_zero() {
                tokio::time::sleep(job.pause).await;
            }
            let request = Request::from_parts(job.request.clone(), Full::new(job.body.clone()));
            let began = Instant::now();
            let exchange = async {
                match job.deletes {
                    true => self.receive(job, request).await,
                    false => self.exchange(job, request).await,
                }
            };
            let Ok(answer) = tokio::time::timeout(PATIENCE, exchange).await else {
                bail!("no answer within {PATIENCE:?}");
            };
            latencies.push(began.elapsed());
            let (parts, body) = answer?;
            let known = self.checked.as_ref() == Some(&body) && parts.status == StatusCode::OK;
            if !known || parts.headers.contains_key("x-amz-function-error") {
                job.check(parts.status, &parts.headers, &body)?;
                self.checked = Some(body);
            }
        }
        Ok(latencies)
    }

    /// Receives messages and deletes them, as a consumer of a queue does.
    async fn receive(
        &mut self,
        job: &Job,
        request: Request<Full<Bytes>>,
    ) -> anyhow::Result<(http::response::Parts, Bytes)> {
        let (parts, body) = self.exchange(job, request).await?;
        job.check(parts.status, &parts.headers, &body)?;
        let (received, asked): (serde_json::Value, serde_json::Value) =
            (serde_json::from_slice(&body)?, serde_json::from_slice(&job.body)?);
        let messages = received["Messages"].as_array().context("the queue has no messages left")?;
        let entry = |(n, message): (usize, &serde_json::Value)| serde_json::json!({"Id": n.to_string(), "ReceiptHandle": message["ReceiptHandle"]});
        let entries: Vec<_> = messages.iter().enumerate().map(entry).collect();
        let body = serde_json::json!({"QueueUrl": asked["QueueUrl"], "Entries": entries}).to_string();
        let mut request = job.request.clone();
        // On a loopback address the signature has to be well formed, and need not fit.
        request.headers.insert(TARGET, http::HeaderValue::from_static("AmazonSQS.DeleteMessageBatch"));
        let (parts, body) = self.exchange(job, Request::from_parts(request, Full::new(body.into()))).await?;
        let deleted: serde_json::Value = serde_json::from_slice(&body)?;
        let failed = deleted["Failed"].as_array().is_some_and(|failed| !failed.is_empty());
        anyhow::ensure!(!failed, "not deleted: {}", text(&body));
        Ok((parts, body))
    }

    async fn exchange(
        &mut self,
        job: &Job,
        request: Request<Full<Bytes>>,
    ) -> anyhow::Result<(http::response::Parts, Bytes)> {
        if let Err(closed) = self.sender.ready().await {
            anyhow::ensure!(job.reopens, "the server has closed the connection: {closed}");
            let new = Self::open(job).await?;
            (self.sender, self.driver) = (new.sender, new.driver);
        }
        let response = self.sender.send_request(request).await.context("the request failed")?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.context("the response was cut short")?.to_bytes();
        Ok((parts, body))
    }
}
