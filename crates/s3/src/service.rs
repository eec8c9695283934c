//! The service: requests in, answers out.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Body as HttpBody;
use lambent_model::{AwsCall, Clock, Entropy, ReadPolicyFuture, ResourcePolicies};
use lambent_store::Store;
use percent_encoding::percent_decode_str;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::dto::CORSConfiguration;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::stream::DynByteStream;
use s3s::{Body, S3Error, s3_error};

use crate::access::{Rules, SECRET, Secrets};
use crate::api::{Api, xml};
use crate::asker::Asker;
use crate::conditions::Facts;
use crate::cors::{self, Question};
use crate::engine::Engine;
use crate::files::Files;
use crate::hosts::{self, Hosts};
use crate::intake::{Incoming, Read, Trailers, Unchunked};
use crate::names::AnyName;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const SECOND_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");

/// The largest file of a form, which s3s has in memory as a whole.
const FORM_BYTES: u64 = 64 * 1024 * 1024;
/// The largest document: ten thousand parts with their checksums, a thousand keys to delete.
const XML_BYTES: usize = 4 * 1024 * 1024;

/// What the service is made of.
pub struct Parts {
    /// Where records are kept.
    pub store: Store,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub entropy: Arc<dyn Entropy>,
    /// For whoever is to hear of what happens to objects.
    pub calls: Arc<dyn AwsCall>,
}

/// Why S3 could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder of objects.
    #[error("the folder {dir} of objects cannot be used")]
    Folder {
        /// The folder.
        dir: String,
        /// Why.
        source: io::Error,
    },
    /// The records.
    #[error(transparent)]
    Store(#[from] lambent_store::Error),
}

/// Amazon S3. Cheap to clone.
#[derive(Clone)]
pub struct S3 {
    engine: Arc<Engine>,
    service: S3Service,
}

impl S3 {
    /// Opens the folder `s3` of the data folder, reads the buckets, and removes files that no object refers to.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(dir: &Path, parts: Parts) -> Result<Self, OpenError> {
        let root = dir.join("s3");
        let failed = |source| OpenError::Folder { dir: root.display().to_string(), source };
        let files = Files::open(&root, Arc::clone(&parts.entropy)).map_err(failed)?;
        let engine = Engine::new(parts.store, files, parts.clock, parts.calls);
        engine.load().await?;
        engine.sweep().await.map_err(|error| match error {
            crate::sweep::Error::Store(error) => OpenError::Store(error),
            crate::sweep::Error::Folder(source) => failed(source),
        })?;
        Ok(Self::of(Arc::new(engine)))
    }

    fn of(engine: Arc<Engine>) -> Self {
        let mut builder = S3ServiceBuilder::new(Api(Arc::clone(&engine)));
        builder.set_auth(Secrets);
        builder.set_access(Rules(Arc::clone(&engine)));
        builder.set_host(Hosts);
        builder.set_validation(AnyName);
        let mut config = S3Config::default();
        config.post_object_max_file_size = FORM_BYTES;
        config.xml_max_body_size = XML_BYTES;
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        Self { engine, service: builder.build() }
    }

    /// Removes what lifecycle rules say, until `stop` resolves. Run it as a task.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        self.engine.keep_lifecycles(stop).await;
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether a request without a signature can be meant for S3: its host is one of S3's, or it names a bucket.
    #[must_use]
    pub fn is_meant(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        // By HTTP/2 the host is in the target.
        let host = host.or(uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default();
        let is_bucket = |name: String| self.engine.find(&name).is_some();
        hosts::is_of_s3(host) || hosts::bucket_of(host, uri.path()).is_some_and(is_bucket)
    }

    /// Whether a page of `origin`, which is another than the server's own, may make this request as the bucket's own
    /// configuration says.
    #[must_use]
    pub fn is_shared_with(&self, origin: &str, parts: &http::request::Parts) -> bool {
        let Some((bucket, configuration)) = self.cors_of(parts) else { return false };
        let question = Question { origin, method: parts.method.as_str(), headers: None };
        let found = cors::find(&configuration, &question).is_some();
        tracing::debug!(bucket, origin, found, "a request comes from another site's page");
        found
    }

    /// Whether a policy is asked: that of the bucket, or of another one from which is copied.
    fn has_policy(&self, parts: &http::request::Parts) -> bool {
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let bucket = hosts::bucket_of(host, parts.uri.path()).and_then(|name| self.engine.find(&name));
        bucket.is_some_and(|bucket| bucket.configurations.contains_key(crate::access::POLICY))
            || parts.headers.contains_key("x-amz-copy-source")
    }

    fn cors_of(&self, parts: &http::request::Parts) -> Option<(String, CORSConfiguration)> {
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let bucket = self.engine.find(&hosts::bucket_of(host, parts.uri.path())?)?;
        let text = bucket.configurations.get("cors")?;
        Some((bucket.name.clone(), xml::read(text).ok()?))
    }

    /// Answers a request. `is_verified` says that its signature need not be looked at, and then s3s does not see it.
    pub async fn call<B>(&self, asker: Asker, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + Sync + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        let (mut parts, body) = request.into_parts();
        let mut asker = asker;
        if self.has_policy(&parts) {
            asker.facts = Facts::of(&parts, self.engine.clock.now());
        }
        let request_id = asker.request_id.clone();
        let origin =
            parts.headers.get(http::header::ORIGIN).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let shared = origin.and_then(|origin| self.shared(&origin, &parts));
        if parts.method == Method::OPTIONS {
            return finish(preflight(shared), &request_id, HeaderMap::new());
        }
        let cors = shared.and_then(Result::ok).unwrap_or_default();
        let (read, version) = (Read::default(), parts.version);
        let mut response = match self.accept(&asker, &mut parts, Incoming::new(body, read.clone())) {
            Err(error) => refusal(error),
            Ok(body) => {
                parts.extensions.insert(Arc::new(asker.clone()));
                let request = Request::from_parts(parts, body);
                // On the heap: the futures of all operations are in it.
                let call: Pin<Box<_>> = Box::pin(self.service.call(request));
                match SECRET.scope(asker.secret.clone(), call).await {
                    Ok(response) => response,
                    Err(error) => {
                        let error: s3s::StdError = error.into();
                        tracing::error!(error, "an answer of s3 could not be made");
                        refusal(s3_error!(
                            InternalError,
                            "We encountered an internal error. Please try again."
                        ))
                    }
                }
            }
        };
        // Of a connection whose request was answered before its body was read the rest cannot be used (RFC 9112, section 9.3):
        // a client that is not told would send its next request into the end of it.
        if version < Version::HTTP_2 && !read.is_whole() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        finish(response, &request_id, cors)
    }

    /// What CORS says to a request with an `Origin`: headers, or why not. `None` where no bucket is named.
    fn shared(&self, origin: &str, parts: &http::request::Parts) -> Option<Result<HeaderMap, S3Error>> {
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let is_preflight = parts.method == Method::OPTIONS;
        let method =
            if is_preflight { text("access-control-request-method")? } else { parts.method.as_str() };
        let asked = text("access-control-request-headers").filter(|_| is_preflight);
        let question = Question { origin, method, headers: asked };
        let Some((_, configuration)) = self.cors_of(parts) else { return Some(Err(cors::forbidden(false))) };
        Some(match cors::find(&configuration, &question) {
            Some(rule) => Ok(cors::headers(rule, &question)),
            None => Err(cors::forbidden(true)),
        })
    }

    /// The body as it is to be read, and the head as s3s is to see it.
    fn accept<B>(
        &self,
        asker: &Asker,
        parts: &mut http::request::Parts,
        incoming: Incoming<B>,
    ) -> Result<Body, S3Error>
    where
        B: HttpBody<Data = Bytes> + Send + Sync + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        if asker.secret.is_some() {
            sign_token(parts);
            return Ok(Body::from(Box::pin(incoming) as DynByteStream));
        }
        hide_signature(parts);
        let coding =
            parts.headers.get(&CONTENT_SHA256).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_chunked = coding.starts_with("STREAMING-");
        parts.headers.remove(&CONTENT_SHA256);
        if !is_chunked {
            return Ok(Body::from(Box::pin(incoming) as DynByteStream));
        }
        let length = parts.headers.remove(&DECODED_LENGTH);
        let length: Option<usize> = length.as_ref().and_then(|value| value.to_str().ok()?.parse().ok());
        let length = length.ok_or_else(|| {
            s3_error!(MissingContentLength, "You must provide the Content-Length HTTP header.")
        })?;
        let trailers = Trailers::default();
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        if let Some(coding) = parts.headers.remove(CONTENT_ENCODING)
            && let Some(rest) = coding.to_str().ok().and_then(crate::api::without_chunks)
            && let Ok(rest) = HeaderValue::from_str(&rest)
        {
            parts.headers.insert(CONTENT_ENCODING, rest);
        }
        parts.extensions.insert(trailers.clone());
        Ok(Body::from(Box::pin(Unchunked::new(incoming, length, trailers)) as DynByteStream))
    }
}

impl ResourcePolicies for S3 {
    fn policy(&self, arn: &str) -> ReadPolicyFuture {
        let name = arn.strip_prefix("arn:aws:s3:::").and_then(|rest| rest.split('/').next());
        let bucket = name.and_then(|name| self.engine.find(name));
        let policy = bucket.and_then(|bucket| bucket.configurations.get(crate::access::POLICY).cloned());
        Box::pin(std::future::ready(Ok(policy)))
    }
}

/// Links of version 2 carry a session's token in the query, and sign it as if it were a header.
fn sign_token(parts: &mut http::request::Parts) {
    let query = parts.uri.query().unwrap_or_default();
    if !query.contains("AWSAccessKeyId=") {
        return;
    }
    let token = query.split('&').find_map(|pair| pair.strip_prefix("x-amz-security-token="));
    let token = token.map(|token| percent_decode_str(token).decode_utf8_lossy());
    if let Some(Ok(token)) = token.map(|token| HeaderValue::from_str(&token)) {
        parts.headers.insert("x-amz-security-token", token);
    }
}

/// What signatures consist of in a query.
const SIGNATURE: [&str; 10] = [
    "AWSAccessKeyId",
    "Expires",
    "Signature",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
];

/// Removes what s3s would verify: functions follow links, too, and are who they are.
fn hide_signature(parts: &mut http::request::Parts) {
    for name in ["authorization", "x-amz-security-token", "x-amz-date"] {
        parts.headers.remove(name);
    }
    let Some(query) = parts.uri.query() else { return };
    let is_kept = |pair: &&str| !SIGNATURE.contains(&pair.split('=').next().unwrap_or_default());
    let kept: Vec<&str> = query.split('&').filter(is_kept).collect();
    if kept.len() < query.split('&').count() {
        let mark = if kept.is_empty() { "" } else { "?" };
        let target = format!("{}{mark}{}", parts.uri.path(), kept.join("&"));
        let mut uri = parts.uri.clone().into_parts();
        uri.path_and_query = target.parse().ok();
        if let Ok(uri) = Uri::from_parts(uri) {
            parts.uri = uri;
        }
    }
}

/// An answer that says why there is no other.
#[must_use]
pub fn refused(code: &str, text: &str, request_id: &str) -> Response<Body> {
    let code = code.parse().unwrap_or_else(|never: std::convert::Infallible| match never {});
    finish(refusal(S3Error::with_message(code, text.to_owned())), request_id, HeaderMap::new())
}

fn refusal(error: S3Error) -> Response<Body> {
    error.to_http_response().unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

fn preflight(shared: Option<Result<HeaderMap, S3Error>>) -> Response<Body> {
    match shared {
        Some(Ok(headers)) => {
            let mut response = Response::new(Body::empty());
            *response.headers_mut() = headers;
            response
        }
        Some(Err(error)) => refusal(error),
        None => refusal(crate::refuse::custom(
            "BadRequest",
            StatusCode::BAD_REQUEST,
            "Insufficient information. Origin request header needed.",
        )),
    }
}

/// What every answer has.
fn finish(mut response: Response<Body>, request_id: &str, cors: HeaderMap) -> Response<Body> {
    response.headers_mut().extend(cors);
    let id = HeaderValue::from_str(request_id).unwrap_or_else(|_| HeaderValue::from_static("unknown"));
    response.headers_mut().insert(SECOND_ID, id.clone());
    response.headers_mut().insert(REQUEST_ID, id);
    if response.status() == StatusCode::NOT_MODIFIED {
        response.headers_mut().remove(http::header::CONTENT_TYPE);
        return response.map(|_| Body::empty());
    }
    if response.status().is_client_error() || response.status().is_server_error() {
        return with_id(response, request_id);
    }
    response
}

/// Errors name their request inside, too (API Reference, "Error responses").
fn with_id(response: Response<Body>, request_id: &str) -> Response<Body> {
    let (mut parts, mut body) = response.into_parts();
    let Some(bytes) = body.take_bytes() else { return Response::from_parts(parts, body) };
    let text = String::from_utf8_lossy(&bytes);
    let message =
        if text.contains("<Message>") { "" } else { "<Message>The request is not valid.</Message>" };
    let ids = format!("{message}<RequestId>{request_id}</RequestId><HostId>{request_id}</HostId></Error>");
    let text = text.replacen("</Error>", &ids, 1);
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(text))
}
