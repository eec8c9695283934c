//! Requests for S3. They leave the way of all others before their bodies are read, for these go to the disk as they come,
//! and their signatures are S3's own (S3 API Reference, "Authenticating Requests").

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use lambent_identity::{AuthError, Principal, RoleSession, Signed, account_of};
use lambent_model::{AwsCaller, AwsRequest, Region, RequestId};
use lambent_s3::{Asker, refused};
use lambent_wire::Error;
use percent_encoding::percent_decode_str;

use super::authenticate::{LOOPBACK_SECRET, session_of};
use super::{Gateway, Origin, Reply, name_host};

/// Who, and what the signature has to be verified with, where it has to be.
type Claim = (Option<Principal>, Option<String>);

/// Why nobody asks: S3's code, and the text.
struct Denied(&'static str, String);

/// The service's name in signatures.
const SERVICE: &str = "s3";

/// How a request is signed, as far as it takes to know whose it is.
enum Signature {
    Four(Box<Signed>),
    /// Version 2, which old clients and some presigned URLs have: the access key, the session's token, and
    /// whether it is in the query.
    Two {
        access_key: String,
        token: Option<String>,
        is_query: bool,
    },
    /// In the fields of a form, which s3s reads.
    Form,
    None,
}

impl Gateway {
    /// Whether a request is one for S3: its signature says so, or its host, or it has none and names a bucket.
    pub(super) fn is_for_objects<B>(&self, request: &Request<B>) -> bool {
        let headers = request.headers();
        let query = request.uri().query().unwrap_or_default();
        if let Some(value) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) {
            return value.starts_with("AWS ") || scope_is_s3(value);
        }
        if query.contains("X-Amz-Credential=") {
            return scope_is_s3(query);
        }
        if query.contains("AWSAccessKeyId=") && query.contains("Signature=") {
            return true;
        }
        let path = request.uri().path();
        let is_own = ["/_lambent/", "/_localstack/", "/metrics"].iter().any(|own| path.starts_with(own));
        !is_own
            && !headers.contains_key("x-amz-target")
            && self.companions.s3.is_meant(request.headers(), request.uri())
    }

    /// Answers a request for S3.
    pub(super) async fn answer_objects(
        self: Arc<Self>,
        origin: Origin,
        request: Request<Incoming>,
        request_id: String,
    ) -> Response<Reply> {
        let (mut parts, body) = request.into_parts();
        name_host(&mut parts);
        let Some(place) = self.places.take(&origin) else {
            return refused(
                "SlowDown",
                "too many requests are under way; try again in a moment",
                &request_id,
            )
            .map(Reply::Object);
        };
        let mut asker = match self.asker(&origin, &parts, &request_id) {
            Ok(asker) => asker,
            Err(Denied(code, text)) => return refused(code, &text, &request_id).map(Reply::Object),
        };
        if let Some(principal) = &asker.principal {
            asker.limits = match self.limits(principal).await {
                Ok(limits) => limits.map(Arc::new),
                Err(error) => {
                    return refused("InternalError", &error.to_string(), &request_id).map(Reply::Object);
                }
            };
        }
        let (gateway, requests) = (Arc::clone(&self), Arc::clone(&self.requests));
        // A change that has begun is finished, whether or not somebody waits for its answer; a body that ends early ends
        // it by itself.
        let call = async move {
            let _place = place;
            gateway.companions.s3.call(asker, Request::from_parts(parts, body)).await
        };
        self.orphans.keep(call, move || requests.orphaned.add(1)).await.map(Reply::Object)
    }

    /// Who asks, or the refusal.
    fn asker(&self, origin: &Origin, parts: &Parts, request_id: &str) -> Result<Asker, Denied> {
        let denied = |error: &Error| Denied("AccessDenied", error.to_string());
        if let Origin::Client(_) = origin {
            self.guard.check_host(parts).map_err(|error| denied(&error))?;
        }
        let signature = signature(parts).map_err(|error| Denied(code(&error), error.to_string()))?;
        let region = match &signature {
            Signature::Four(signed) => signed.credential().scope_region.clone(),
            _ => Region::default_region(),
        };
        let (principal, secret) = match origin {
            Origin::Function(guest) => (Some(Principal::AssumedRole(session_of(&guest.function))), None),
            Origin::Client(_) => {
                self.claim(signature).map_err(|error| Denied(code(&error), error.to_string()))?
            }
        };
        // Nobody has looked at the signature, so that a page could have made it: the bucket has to say that it may. What
        // is verified, or signed by nobody, a page can have no more of than anybody else.
        if let Origin::Client(_) = origin
            && principal.is_some()
            && secret.is_none()
            && parts.method != Method::OPTIONS
            && let Err(error) = self.guard.check_page(parts)
        {
            let from = parts.headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
            if !from.is_some_and(|from| self.companions.s3.is_shared_with(from, parts)) {
                return Err(denied(&error));
            }
        }
        let is_bound = match &principal {
            Some(Principal::AssumedRole(session)) => {
                session.of_function && !self.authoriser.functions_may_admin
            }
            _ => false,
        };
        let trace_id =
            parts.headers.get("x-amzn-trace-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        let address = Some(origin.peer().address);
        Ok(Asker {
            principal,
            region,
            is_bound,
            limits: None,
            secret,
            address,
            request_id: request_id.to_owned(),
            facts: Default::default(),
            trace_id,
        })
    }

    /// Whoever brings credentials that this server made is who they were made for, and has to know their secret; so does
    /// whoever signs in the query or in a form, which a header does not protect.
    fn claim(&self, signature: Signature) -> Result<Claim, AuthError> {
        let loopback = || Some(LOOPBACK_SECRET.to_owned());
        Ok(match signature {
            Signature::None => (None, None),
            Signature::Form => (None, loopback()),
            Signature::Two { access_key, token, is_query } => {
                self.holder(&access_key, token.as_deref(), is_query)?
            }
            Signature::Four(signed) => {
                let is_query = matches!(*signed, Signed::Query(_));
                self.holder(&signed.credential().access_key, signed.session_token(), is_query)?
            }
        })
    }

    /// Whose a key is, and the secret to verify with where that has to be done.
    fn holder(&self, key: &str, token: Option<&str>, is_query: bool) -> Result<Claim, AuthError> {
        if let Some(token) = token
            && let Some(opened) = self.sessions.open(key, token, self.clock.now())?
        {
            return Ok((Some(opened.principal), Some(opened.secret)));
        }
        let secret = is_query.then(|| LOOPBACK_SECRET.to_owned());
        Ok((Some(Principal::Root(account_of(key))), secret))
    }

    /// A call of the platform itself, which has been allowed.
    pub(super) async fn call_objects(
        &self,
        call: &AwsRequest,
        principal: Principal,
        request: Request<Bytes>,
        request_id: RequestId,
    ) -> Response<Bytes> {
        let asker = Asker {
            principal: Some(principal),
            region: call.scope.region.clone(),
            is_bound: false,
            limits: None,
            secret: None,
            address: None,
            request_id: request_id.to_string(),
            facts: Default::default(),
            trace_id: call.trace_id.clone(),
        };
        let (parts, body) = self.companions.s3.call(asker, request.map(Full::new)).await.into_parts();
        match body.collect().await {
            Ok(whole) => Response::from_parts(parts, whole.to_bytes()),
            Err(error) => whole(refused("InternalError", &error.to_string(), &request_id.to_string())),
        }
    }
}

/// What an in-process call of S3 is about, for policies: the object, where it names one.
pub(super) fn resource(call: &AwsRequest) -> Option<String> {
    let input: serde_json::Value = serde_json::from_str(&call.input).ok()?;
    let bucket =
        call.resource.clone().or_else(|| Some(format!("arn:aws:s3:::{}", input["Bucket"].as_str()?)))?;
    match input["Key"].as_str() {
        Some(key) => Some(format!("{bucket}/{key}")),
        None => Some(bucket),
    }
}

/// Who calls from inside.
pub(super) fn principal(caller: &AwsCaller, call: &AwsRequest) -> Principal {
    match caller {
        AwsCaller::Role { account, role, session } => {
            Principal::AssumedRole(RoleSession::for_function(account.clone(), role, session))
        }
        AwsCaller::Service { .. } => Principal::Root(call.scope.account.clone()),
    }
}

/// `…/REGION/s3/aws4_request`, plain or encoded.
fn scope_is_s3(text: &str) -> bool {
    ["/s3/aws4_request", "%2Fs3%2Faws4_request", "%2fs3%2faws4_request"]
        .iter()
        .any(|scope| text.contains(scope))
}

fn signature(parts: &Parts) -> Result<Signature, AuthError> {
    let text = |name: http::HeaderName| {
        parts.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok())
    };
    // S3 API Reference, "Signing and authenticating REST requests" (version 2).
    if let Some(pair) = text(AUTHORIZATION).and_then(|value| value.strip_prefix("AWS ")) {
        let access_key = pair.split(':').next().unwrap_or_default().to_owned();
        let token = text(http::HeaderName::from_static("x-amz-security-token")).map(str::to_owned);
        return Ok(Signature::Two { access_key, token, is_query: false });
    }
    let query = parts.uri.query().unwrap_or_default();
    let parameter = |name: &str| {
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
    };
    if let Some(access_key) = parameter("AWSAccessKeyId").filter(|_| query.contains("Signature=")) {
        let token = parameter("x-amz-security-token");
        return Ok(Signature::Two { access_key, token, is_query: true });
    }
    if let Some(signed) = lambent_identity::parse(parts)? {
        return Ok(Signature::Four(Box::new(signed)));
    }
    let is_form = text(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("multipart/form-data"));
    Ok(if parts.method == Method::POST && is_form { Signature::Form } else { Signature::None })
}

/// S3's codes (API Reference, "Error responses").
fn code(error: &AuthError) -> &'static str {
    match error {
        AuthError::ExpiredToken => "ExpiredToken",
        AuthError::UnrecognizedClient => "InvalidToken",
        AuthError::IncompleteSignature(_) => "AuthorizationHeaderMalformed",
        AuthError::RequestExpired(_) => "RequestTimeTooSkewed",
        AuthError::InvalidSignature(_) | AuthError::SignatureDoesNotMatch { .. } => "SignatureDoesNotMatch",
        AuthError::MissingAuthenticationToken => "AccessDenied",
    }
}

/// The refusal of a call of the platform.
pub(super) fn denied(error: &Error, request_id: &RequestId) -> Response<Bytes> {
    whole(refused("AccessDenied", &error.to_string(), &request_id.to_string()))
}

fn whole(response: Response<lambent_s3::Body>) -> Response<Bytes> {
    response.map(|body| body.bytes().unwrap_or_default())
}

/// Of an offered service that is no package of shapes.
pub(super) fn is_objects(service: &str) -> bool {
    service == SERVICE
}
