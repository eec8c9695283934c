//! The one entry for every AWS call: authenticate → authorise → dispatch.
//!
//! On a loopback address any well-formed signature passes, as a local AWS is expected to; what keeps others out is in
//! `guard` (web pages cannot reach the API) and in the signature itself (a link cannot call it).

mod authenticate;
mod authorise;
mod begun;
mod body;
mod guard;
mod inside;
mod narrowed;
mod objects;
mod orphans;
mod own;
mod permits;
mod places;
mod queues;
mod reply;
mod trace;

use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use lambent_control::{Caller, Control, LocationSigner, Outlet};
use lambent_identity::{Principal, Sessions};
use lambent_model::{Clock, Entropy, RequestId};
use lambent_services::logs::Logs;
use lambent_services::sts::Sts;
use lambent_sqs::Later;
use lambent_store::CodeStore;
use lambent_wire::{
    Dialect, Error, Matched, Service, application_autoscaling, common, events, iam, lambda, logs, scheduler,
    sns, sqs, sts,
};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument as _;

use crate::companions::Companions;
use crate::metrics::{Asked, Page, Requests};
use crate::traces::Ring;
use crate::urls::{Peer, Urls};

pub(crate) use authenticate::LOOPBACK_SECRET;
pub(crate) use authorise::Authoriser;
pub(crate) use body::{Bodies, Place as BodyPlace, Refused as BodyRefused};
pub(crate) use guard::Guard;
pub(crate) use inside::is_offered;
pub(crate) use orphans::Orphans;
pub(crate) use permits::Permits;
pub(crate) use places::Places;
pub(crate) use reply::Reply;

/// Where a request came from.
#[derive(Clone)]
pub(crate) enum Origin {
    /// The front door.
    Client(Peer),
    /// A function's own connection to the platform: the caller is its role, whatever key it sends.
    Function(lambent_environment::Guest),
}

impl Origin {
    /// Who is at the other end.
    pub(crate) fn peer(&self) -> Peer {
        match self {
            Self::Client(peer) => *peer,
            Self::Function(_) => Peer::INSIDE,
        }
    }
}

/// What the gateway hands calls to.
pub(crate) struct Gateway {
    pub(crate) guard: Guard,
    pub(crate) sessions: Sessions,
    pub(crate) authoriser: Authoriser,
    pub(crate) permits: Permits,
    pub(crate) places: Places,
    pub(crate) bodies: Bodies,
    pub(crate) orphans: Arc<Orphans>,
    pub(crate) control: Control,
    pub(crate) companions: Companions,
    pub(crate) urls: Urls,
    pub(crate) logs: Logs,
    pub(crate) sts: Sts,
    pub(crate) code: CodeStore,
    pub(crate) location: LocationSigner,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// The answer to `/_lambent/health`.
    pub(crate) health: Box<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// The answers to `/metrics` and `/_lambent/deliveries`.
    pub(crate) page: Page,
    /// The answer to `/_lambent/traces`.
    pub(crate) traces: Arc<Ring>,
    /// The answer to `/_lambent/ca.pem`: the server's own certificate authority, where it has one.
    pub(crate) authority: Option<Arc<str>>,
    /// What is asked and answered here.
    pub(crate) requests: Arc<Requests>,
}

/// A call that has come whole and may be made.
struct Call {
    matched: Matched,
    caller: Caller,
    principal: Principal,
    request: Request<Bytes>,
    request_id: String,
    /// The place of the call, and that of its body, which is in memory until the call is answered.
    _places: (OwnedSemaphorePermit, body::Place),
}

/// Why there is no call.
enum Instead {
    /// It was for one of the server's own paths.
    Answer(Response<Bytes>),
    Refusal(Dialect, Error),
    /// Too much is under way already.
    Shed(Dialect),
}

impl Gateway {
    /// Answers one request. It never fails: what goes wrong is an answer too.
    pub(crate) async fn answer(
        self: Arc<Self>,
        origin: Origin,
        request: Request<Incoming>,
    ) -> Result<Response<Reply>, Infallible> {
        let (began, mut asked) = (Instant::now(), Asked::Nothing);
        let _counted = self.requests.begin();
        let id = RequestId::random(&*self.entropy);
        let request_id = id.to_string();
        let span = trace::begin(&request, &request_id);
        if let Some(host) = self.urls.host(&request) {
            // On the heap, as all that is not the usual call: its future is moved whole, however little of it is used.
            let response =
                Box::pin(self.answer_url(&origin, host, request, id).instrument(span.clone())).await;
            let (status, took) = (response.status().as_u16(), began.elapsed());
            self.requests.answered(Asked::Url, status, took);
            trace::end(&span, Asked::Url, &request_id, status, took);
            return Ok(response);
        }
        if self.is_for_objects(&request) {
            let answered = Arc::clone(&self).answer_objects(origin, request, request_id.clone());
            let response = Box::pin(answered.instrument(span.clone())).await;
            let (status, took) = (response.status().as_u16(), began.elapsed());
            self.requests.answered(Asked::Objects, status, took);
            trace::end(&span, Asked::Objects, &request_id, status, took);
            return Ok(response);
        }
        let received = self.receive(&origin, request, &request_id, &mut asked).instrument(span.clone()).await;
        let response = match received {
            Ok(call) if Control::streams(&call.matched) => {
                let made = |gateway: Arc<Self>, outlet| gateway.stream(call, outlet).instrument(span.clone());
                Box::pin(self.begin(made)).await
            }
            Ok(call) => {
                let (gateway, requests) = (Arc::clone(&self), Arc::clone(&self.requests));
                // From here on the call is made, whether or not somebody waits for its answer.
                let made = self.orphans.keep(gateway.make(call).instrument(span.clone()), move || {
                    requests.orphaned.add(1);
                });
                // A receive of SQS that waits has given back its place: only its client keeps it, by staying.
                Reply::of(Later::resolve(made.await).await)
            }
            Err(Instead::Answer(response)) => Reply::of(response),
            Err(Instead::Refusal(dialect, error)) => Reply::of(dialect.error_response(&error, &request_id)),
            Err(Instead::Shed(dialect)) => Reply::of(self.shed(dialect, &request_id)),
        };
        let (status, took) = (response.status().as_u16(), began.elapsed());
        self.requests.answered(asked, status, took);
        trace::end(&span, asked, &request_id, status, took);
        Ok(response)
    }

    /// Who it is, whether they may, and the whole of the body. Nothing has happened yet when this is dropped.
    async fn receive(
        &self,
        origin: &Origin,
        request: Request<Incoming>,
        request_id: &str,
        asked: &mut Asked,
    ) -> Result<Call, Instead> {
        let (mut parts, body) = request.into_parts();
        name_host(&mut parts);
        if let Origin::Client(_) = origin {
            self.guard.check(&parts).map_err(|error| Instead::Refusal((&lambda::SERVICE).into(), error))?;
        }
        if let Some((own, response)) = self.own_paths(origin, &parts, request_id).await {
            *asked = own;
            return Err(Instead::Answer(response));
        }
        let signed = authenticate::identify(&self.sessions, origin, &parts, self.clock.now())
            .map_err(|(service, error)| Instead::Refusal(service.dialect(&parts.headers), error))?;
        let service = signed.service;
        let dialect = service.dialect(&parts.headers);
        let refuse = |error| Instead::Refusal(dialect, error);
        let routed = match dialect.is_routed_by_body() {
            true => None,
            // Before the body: who is refused has not filled the memory first.
            false => Some(self.admit(&signed, service.route(&parts), asked).map_err(refuse)?),
        };
        let place = self.places.take(origin).ok_or(Instead::Shed(dialect))?;
        let (body, room) = self.bodies.read(origin, &parts, body).await.map_err(|failure| match failure {
            body::Refused::Full => Instead::Shed(dialect),
            body::Refused::Error(error) => refuse(error),
        })?;
        let matched = match routed {
            Some(matched) => matched,
            None => self.admit(&signed, service.route_form(&parts, &body), asked).map_err(refuse)?,
        };
        signed.verify(&parts, &body, self.clock.now()).map_err(refuse)?;
        if let Principal::AssumedRole(session) = &signed.principal
            && session.terms.narrow()
        {
            // Few are: the usual call's future has no room for it.
            let asked =
                narrowed::Call { scope: &signed.scope, matched: &matched, parts: &parts, body: &body };
            Box::pin(self.keep_to_limits(session, asked, origin.peer().address)).await.map_err(refuse)?;
        }
        let caller = Caller {
            scope: signed.scope,
            arn: text_of(&signed.principal),
            service: None,
            is_account: matches!(signed.principal, Principal::Root(_)),
            is_function: matches!(&signed.principal, Principal::AssumedRole(session) if session.of_function),
            base_url: base_url(origin, &parts),
        };
        let principal = signed.principal;
        let request = Request::from_parts(parts, body);
        let request_id = request_id.to_owned();
        Ok(Call { matched, caller, principal, request, request_id, _places: (place, room) })
    }

    /// Notes what is asked for, and whether the caller may.
    fn admit(
        &self,
        signed: &authenticate::Identified,
        routed: Result<Matched, Error>,
        asked: &mut Asked,
    ) -> Result<Matched, Error> {
        let matched = routed?;
        *asked = Asked::Operation(matched.operation());
        self.authoriser.check(&signed.principal, &matched, &signed.scope)?;
        Ok(matched)
    }

    async fn make(self: Arc<Self>, call: Call) -> Response<Bytes> {
        let Call { matched, caller, principal, request, request_id, _places } = call;
        self.dispatch(&matched, &caller, &principal, request, &request_id).await
    }

    /// Hands an authorised call to its service. Those of the companions are on the heap: a future has the size of the largest
    /// that it may wait for, and the calls of functions are to be small.
    ///
    /// All of it is on the heap, made here: what is awaited becomes part of whoever awaits it, and clients' calls and the
    /// platform's own would each have the code of every operation once more, some megabytes of it.
    fn dispatch<'a>(
        &'a self,
        matched: &'a Matched,
        caller: &'a Caller,
        principal: &'a Principal,
        request: Request<Bytes>,
        request_id: &'a str,
    ) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send + 'a>> {
        Box::pin(async move {
            let Companions { autoscaling, eventbridge, iam, scheduler, sns, sqs, .. } = &self.companions;
            let (scope, by_service) = (&caller.scope, caller.service.is_some());
            match matched.operation().service.name {
                "application-autoscaling" => Box::pin(autoscaling.call(scope, request, request_id)).await,
                "events" => {
                    Box::pin(eventbridge.call(scope, principal, by_service, request, request_id)).await
                }
                "iam" => Box::pin(iam.call(matched, principal, request, request_id)).await,
                "logs" => Box::pin(self.logs.call(scope, request, request_id)).await,
                "sns" => Box::pin(sns.call(matched, scope, principal, request, request_id)).await,
                "scheduler" => Box::pin(scheduler.call(scope, request, request_id)).await,
                "sqs" => {
                    let caller = queues::caller(caller, principal);
                    Box::pin(sqs.call(matched, &caller, request, request_id)).await
                }
                "sts" => Box::pin(self.sts.call(matched, principal, request, request_id)).await,
                _ => self.control.call(matched, caller, request, request_id).await,
            }
        })
    }

    async fn stream(self: Arc<Self>, call: Call, outlet: Outlet) -> Response<Bytes> {
        let Call { matched, caller, request, request_id, _places, .. } = call;
        self.control.stream(&matched, &caller, request, &request_id, outlet).await
    }

    /// SDKs try again by themselves, and wait for as long as the header says (RFC 9110, section 10.2.3).
    fn shed(&self, dialect: Dialect, request_id: &str) -> Response<Bytes> {
        self.requests.shed.add(1);
        let shed = self.requests.shed.get();
        // The first, the second, the fourth, …: a flood of requests is not to become one of lines.
        if shed.is_power_of_two() {
            tracing::warn!(shed, "requests are refused, because too many are under way");
        }
        let error = common::service_unavailable("too many requests are under way; try again in a moment");
        let mut response = dialect.error_response(&error, request_id);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(places::RETRY_AFTER_SECONDS));
        response
    }
}

/// HTTP/2 has the host in the request's target; what reads requests, signatures above all, looks for the header (RFC
/// 9113, section 8.3.1).
fn name_host(parts: &mut http::request::Parts) {
    if !parts.headers.contains_key(header::HOST)
        && let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(header::HOST, host);
    }
}

/// Scheme and authority as the client used them, so that links in answers lead back the same way.
fn base_url(origin: &Origin, parts: &http::request::Parts) -> String {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let scheme = if origin.peer().secured.is_some() { "https" } else { "http" };
    [scheme, "://", host.unwrap_or("localhost")].concat()
}

/// The caller's ARN, in room that fits most.
fn text_of(principal: &Principal) -> String {
    let mut text = String::with_capacity(96);
    write!(text, "{principal}").expect("a string takes every text");
    text
}

/// The services that are offered, by their names in signatures.
fn service(name: &str) -> Option<&'static Service> {
    [
        &application_autoscaling::SERVICE,
        &events::SERVICE,
        &iam::SERVICE,
        &lambda::SERVICE,
        &logs::SERVICE,
        &sns::SERVICE,
        &scheduler::SERVICE,
        &sqs::SERVICE,
        &sts::SERVICE,
    ]
    .into_iter()
    .find(|service| service.name == name)
}
