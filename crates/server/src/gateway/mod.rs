//! The one entry for every AWS call: authenticate → authorise → dispatch.
//!
//! On a loopback address any well-formed signature passes, as a local AWS is expected to; what keeps others out is in
//! `guard` (web pages cannot reach the API) and in the signature itself (a link cannot call it).

mod authenticate;
mod authorise;
mod body;
mod guard;
mod reply;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use lambent_control::{Caller, Control, LocationSigner};
use lambent_identity::Sessions;
use lambent_model::{Clock, Entropy, RequestId};
use lambent_services::logs::Logs;
use lambent_store::CodeStore;
use lambent_wire::{Error, Service, lambda, logs};

pub(crate) use authorise::Authoriser;
pub(crate) use body::Bodies;
pub(crate) use guard::Guard;
pub(crate) use reply::Reply;

/// Where a request came from.
#[derive(Clone)]
pub(crate) enum Origin {
    /// The front door.
    Client,
    /// A function's own connection to the platform: the caller is its role, whatever key it sends.
    Function(lambent_environment::Guest),
}

/// What the gateway hands calls to.
pub(crate) struct Gateway {
    pub(crate) guard: Guard,
    pub(crate) sessions: Sessions,
    pub(crate) authoriser: Authoriser,
    pub(crate) bodies: Bodies,
    pub(crate) control: Control,
    pub(crate) logs: Logs,
    pub(crate) code: CodeStore,
    pub(crate) location: LocationSigner,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// The answer to `/_lambent/health`.
    pub(crate) health: Box<dyn Fn() -> serde_json::Value + Send + Sync>,
}

impl Gateway {
    /// Answers one request. It never fails: what goes wrong is an answer too.
    pub(crate) async fn answer(
        self: Arc<Self>,
        origin: Origin,
        request: Request<Incoming>,
    ) -> Result<Response<Reply>, Infallible> {
        let request_id = RequestId::random(&*self.entropy).to_string();
        let response = match self.route(&origin, request, &request_id).await {
            Ok(response) => response,
            Err((service, error)) => service.error_response(&error, &request_id),
        };
        Ok(Reply::of(response))
    }

    async fn route(
        &self,
        origin: &Origin,
        request: Request<Incoming>,
        request_id: &str,
    ) -> Result<Response<Bytes>, (&'static Service, Error)> {
        let (parts, body) = request.into_parts();
        if let Origin::Client = origin {
            self.guard.check(&parts).map_err(|error| (&lambda::SERVICE, error))?;
        }
        if let Some(response) = self.own_paths(&parts).await {
            return Ok(response);
        }
        let signed = authenticate::identify(&self.sessions, origin, &parts, self.clock.now())?;
        let service = signed.service;
        // Before the body: who is refused has not filled the memory first.
        let authorised = self.authoriser.check(&signed.principal, service, &signed.scope, &parts);
        authorised.map_err(|error| (service, error))?;
        let read = self.bodies.read(origin, &parts, body).await;
        // The place of a large body is kept until its call is answered: until then it is in memory.
        let (body, _place) = read.map_err(|error| (service, error))?;
        signed.verify(&parts, &body, self.clock.now()).map_err(|error| (service, error))?;
        let (scope, principal) = (signed.scope, signed.principal);
        let caller = Caller { scope, arn: principal.to_string(), base_url: base_url(&parts) };
        let request = Request::from_parts(parts, body);
        if std::ptr::eq(service, &raw const lambda::SERVICE) {
            Ok(self.control.call(&caller, request, request_id).await)
        } else {
            Ok(self.logs.call(&caller.scope, request, request_id).await)
        }
    }

    /// Health and code downloads: not AWS calls, and not signed by clients.
    async fn own_paths(&self, parts: &http::request::Parts) -> Option<Response<Bytes>> {
        let path = parts.uri.path();
        // The second name is where existing tools for local AWS look.
        if path == "/_lambent/health" || path == "/_localstack/health" {
            let body = (self.health)().to_string();
            return Some(plain(StatusCode::OK, "application/json", body.into()));
        }
        if path == "/_lambent/compatibility" {
            let body = lambent_control::compatibility::json().to_string();
            return Some(plain(StatusCode::OK, "application/json", body.into()));
        }
        if !path.starts_with("/_lambent/") {
            return None;
        }
        let query = parts.uri.query().unwrap_or_default();
        let digest = match parts.method {
            Method::GET | Method::HEAD => self.location.check(path, query, self.clock.now()),
            _ => None,
        };
        let Some(digest) = digest else {
            let text = "this link is not valid or has expired; GetFunction gives a new one\n";
            return Some(plain(StatusCode::FORBIDDEN, "text/plain", text.into()));
        };
        Some(match self.code.zip_bytes(&digest).await {
            Ok(Some(zip)) => plain(StatusCode::OK, "application/zip", zip),
            Ok(None) => {
                plain(StatusCode::NOT_FOUND, "text/plain", "the package is no longer in use\n".into())
            }
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", format!("{error}\n").into()),
        })
    }
}

fn plain(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Scheme and authority as the client wrote them, so that links in answers lead back the same way.
fn base_url(parts: &http::request::Parts) -> String {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    format!("http://{}", host.unwrap_or("localhost"))
}

/// The services that are offered, by their names in signatures.
fn service(name: &str) -> Option<&'static Service> {
    [&lambda::SERVICE, &logs::SERVICE].into_iter().find(|service| service.name == name)
}
