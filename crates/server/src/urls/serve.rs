//! One request to a function URL, from its first byte to the last of its answer.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use lambent_control::{Cut, Outlet, apart};
use lambent_lambda::{InvokeMode, limits};
use lambent_model::{Completed, Count, Invocation, InvokeError, Measure, Outcome, RequestId, Target, trace};
use serde_json::{Value, json};

use super::event::Arrived;
use super::host::UrlHost;
use super::index::Served;
use super::stream::{UrlResponse, bad_gateway};
use super::{cors, permission, response};
use crate::gateway::{BodyPlace, BodyRefused, Gateway, Origin, Reply};
use crate::tls::Secured;
use tokio::sync::OwnedSemaphorePermit;

const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
/// AWS's words.
const FORBIDDEN: &str = "Forbidden. For troubleshooting Function URL authorization issues, see: \
                         https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html";

/// Where a client's connection comes from, and what protects it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    /// `None` in the clear.
    pub(crate) secured: Option<Secured>,
}

impl Peer {
    /// Functions' own calls come in the clear, from inside.
    pub(crate) const INSIDE: Self = Self { address: IpAddr::V4(Ipv4Addr::LOCALHOST), secured: None };
}

/// A request that has come whole and may be made.
struct Call {
    target: Target,
    invocation: Arc<Invocation>,
    /// The place of the call, and that of its body, which is in memory until the call is answered.
    _places: (OwnedSemaphorePermit, BodyPlace),
}

impl Gateway {
    /// Answers a request to a function URL.
    pub(crate) async fn answer_url(
        self: &Arc<Self>,
        origin: &Origin,
        host: UrlHost,
        request: Request<Incoming>,
        request_id: RequestId,
    ) -> Response<Reply> {
        let began = Instant::now();
        self.urls.progress.caught_up().await;
        let Some(served) = self.urls.index.find(&host.id, &host.region) else {
            return Reply::of(denied(&Value::Null));
        };
        let (parts, body) = request.into_parts();
        let asked = parts.headers.clone();
        let trace_id = asked.get(TRACE_ID).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let trace_id = trace_id.unwrap_or_else(|| trace::new_id(&*self.entropy, self.clock.now()));
        let preflight = served.url.cors.as_ref().filter(|_| cors::is_preflight(&parts));
        let mut response = if let Some(cors) = preflight {
            Reply::of(sized(cors::preflight(cors, &parts).map(|()| Bytes::new())))
        } else {
            let received = self.receive_url(origin, &host, &served, (parts, body), request_id, &trace_id);
            let mut response = match received.await {
                Ok(call) if served.url.invoke_mode == Some(InvokeMode::ResponseStream) => {
                    self.begin(|gateway, outlet| gateway.stream_url(call, outlet)).await
                }
                Ok(call) => {
                    let (gateway, requests) = (Arc::clone(self), Arc::clone(&self.requests));
                    let made = self.orphans.keep(gateway.invoke_url(call), move || requests.orphaned.add(1));
                    Reply::of(made.await)
                }
                Err(refused) => Reply::of(refused),
            };
            if let Some(configured) = &served.url.cors {
                cors::apply(configured, &asked, response.headers_mut());
            }
            response
        };
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, lossless(&request_id.to_string()));
        headers.insert(TRACE_ID, lossless(&trace_id));
        self.measure_url(&served.target, response.status(), began);
        response
    }

    /// The whole of the body, who it is, whether they may; then the event.
    async fn receive_url(
        &self,
        origin: &Origin,
        host: &UrlHost,
        served: &Served,
        (parts, body): (http::request::Parts, Incoming),
        request_id: RequestId,
        trace_id: &str,
    ) -> Result<Call, Response<Bytes>> {
        let place = self.places.take(origin).ok_or_else(|| shed("too many requests are under way"))?;
        let read = self.bodies.read(origin, &parts, body).await;
        let (body, body_place) = read.map_err(|refused| match refused {
            BodyRefused::Full => shed("too many requests are under way"),
            BodyRefused::Error(error) if error.status == StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            BodyRefused::Error(error) => message(error.status, &error.message),
        })?;
        let now = self.clock.now();
        let caller = permission::identify(&self.sessions, served, host, &parts, &body, now);
        let caller = caller.map_err(|refused| self::refused(&refused))?;
        let from = origin.peer();
        let policy = self.urls.index.policy(served);
        let permitted = permission::permit(&policy, served, &caller, from, now);
        permitted.map_err(|refused| self::refused(&refused))?;
        let id = match &caller {
            permission::Caller::Anyone => String::new(),
            permission::Caller::Signed { principal, .. } => {
                let (resource, scope) = (permission::resource(served), &served.target.function.scope);
                let limits = self.keep_to_limits_of_url(principal, &resource, scope, from.address);
                limits.await.map_err(|_| self::refused(&permission::Refused::Forbidden))?;
                let id = self.sts.user_id(principal).await;
                id.map_err(|error| message(error.status, &error.message))?
            }
        };
        let owner = served.target.function.scope.account.to_string();
        let arrived = Arrived {
            parts: &parts,
            body: &body,
            host,
            from,
            request_id,
            trace_id,
            at: now,
            signed: caller.signed_by(&owner, &id),
        };
        let payload = apart(body.len(), || arrived.event());
        if payload.len() > limits::SYNC_PAYLOAD_BYTES {
            return Err(too_large());
        }
        let invocation = Invocation {
            request_id,
            payload: payload.into(),
            invoked_arn: match &served.target.qualifier {
                Some(_) => served.target.qualified(),
                None => served.target.function.to_string(),
            },
            trace_id: trace_id.to_owned(),
            client_context: None,
            tenant_id: None,
            tail: false,
        };
        let target = served.target.clone();
        Ok(Call { target, invocation: Arc::new(invocation), _places: (place, body_place) })
    }

    async fn invoke_url(self: Arc<Self>, call: Call) -> Response<Bytes> {
        let Call { target, invocation, _places } = call;
        match self.urls.invoke.invoke(target, invocation).await {
            Ok(invoked) => sized(answer_of(invoked.completed)),
            Err(error) => not_invoked(&error),
        }
    }

    /// Returns when the function has come to its end; the answer counts where none has begun by then.
    async fn stream_url(self: Arc<Self>, call: Call, outlet: Outlet) -> Response<Bytes> {
        let Call { target, invocation, _places } = call;
        let taker = Arc::new(UrlResponse::new(outlet));
        let invoked = self.urls.invoke.invoke_streaming(target, invocation, Arc::clone(&taker) as _).await;
        let outcome = match invoked {
            Ok(invoked) => invoked.completed.outcome,
            Err(error) => return not_invoked(&error),
        };
        if matches!(&outcome, Outcome::Success(whole) if whole.is_empty()) {
            taker.begin_empty();
        }
        match (outcome, taker.outlet.has_begun()) {
            (Outcome::Success(_), true) => taker.outlet.end(Ok(None)).await,
            // The client can only be told by an end before the end.
            (_, true) => taker.outlet.end(Err(Cut)).await,
            // A function that does not stream: "Lambda streams all response payloads", as they are.
            (Outcome::Success(whole), false) if !whole.is_empty() => {
                let mut response = Response::new(whole);
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                return sized(response);
            }
            (Outcome::Platform(reason), false) => return message(StatusCode::INTERNAL_SERVER_ERROR, &reason),
            // It failed, or streamed a prelude that was none.
            (_, false) => return sized(bad_gateway()),
        }
        Response::new(Bytes::new())
    }

    fn measure_url(&self, target: &Target, status: StatusCode, began: Instant) {
        let function = self.urls.metrics.function(&target.function);
        // AWS's metrics of URLs have no version: a request that is refused is answered by none.
        let series = function.resource(target.qualifier.as_ref(), "");
        series.count(Count::UrlRequestCount, 1);
        if status.is_client_error() {
            series.count(Count::Url4xxCount, 1);
        } else if status.is_server_error() {
            series.count(Count::Url5xxCount, 1);
        }
        series.measure(Measure::UrlRequestLatency, began.elapsed());
    }
}

fn answer_of(completed: Completed) -> Response<Bytes> {
    match completed.outcome {
        Outcome::Success(result) => {
            apart(result.len(), || response::of_result(&result)).unwrap_or_else(|_| bad_gateway())
        }
        Outcome::Failed(_) | Outcome::NotRestored(_) => bad_gateway(),
        Outcome::Platform(reason) => message(StatusCode::INTERNAL_SERVER_ERROR, &reason),
    }
}

fn not_invoked(error: &InvokeError) -> Response<Bytes> {
    match error {
        // A URL outlives its alias.
        InvokeError::NotFound => denied(&FORBIDDEN.into()),
        InvokeError::Throttled { .. } => {
            let mut response = message(StatusCode::TOO_MANY_REQUESTS, "Rate Exceeded.");
            let headers = response.headers_mut();
            headers.insert(ERROR_TYPE, HeaderValue::from_static("TooManyRequestsException"));
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
        InvokeError::Recursive(_) | InvokeError::Tenant { .. } => {
            message(StatusCode::BAD_REQUEST, &error.to_string())
        }
        InvokeError::NotReady { .. } | InvokeError::ShuttingDown => {
            message(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
        }
    }
}

fn refused(refused: &permission::Refused) -> Response<Bytes> {
    match refused {
        permission::Refused::Forbidden => denied(&FORBIDDEN.into()),
        permission::Refused::Signature(error) => {
            let mut response = message(StatusCode::FORBIDDEN, &error.to_string());
            response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(error.json_code()));
            response
        }
    }
}

fn denied(text: &Value) -> Response<Bytes> {
    let mut response = worded(StatusCode::FORBIDDEN, text);
    response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static("AccessDeniedException"));
    response
}

fn too_large() -> Response<Bytes> {
    let text = format!(
        "Request must be smaller than {} bytes for the InvokeFunction operation",
        limits::SYNC_PAYLOAD_BYTES
    );
    message(StatusCode::PAYLOAD_TOO_LARGE, &text)
}

fn shed(text: &str) -> Response<Bytes> {
    let mut response = message(StatusCode::SERVICE_UNAVAILABLE, text);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn message(status: StatusCode, text: &str) -> Response<Bytes> {
    worded(status, &text.into())
}

fn worded(status: StatusCode, text: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(json!({ "Message": text }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    sized(response)
}

/// With its length, which an answer to HEAD has too.
fn sized(mut response: Response<Bytes>) -> Response<Bytes> {
    // RFC 9110, section 8.6: neither has a body, nor a length of one.
    if !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        let length = response.body().len();
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}

/// Ids, and what came as a header.
fn lossless(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}
