//! Who calls: account, region and service, out of the signature.

use bytes::Bytes;
use http::request::Parts;
use lambent_identity::{AuthError, Payload, Principal, RoleSession, Sessions, Signed, account_of};
use lambent_model::{Scope, Sha256, Timestamp};
use lambent_wire::{Error, Service, common, lambda};

use super::{Origin, service};

/// The secret that goes with any access key on a loopback address. It only matters for signatures in the query: a
/// link carries no header that a browser protects, so it must at least be made by someone who knows this.
pub(crate) const LOOPBACK_SECRET: &str = "test";

/// A caller as the request claims.
pub(super) struct Identified {
    pub(super) service: &'static Service,
    pub(super) scope: Scope,
    pub(super) principal: Principal,
    /// A signature that has yet to be checked against the body, and the secret it was to be made with.
    unverified: Option<(Signed, String)>,
}

pub(super) fn identify(
    sessions: &Sessions,
    origin: &Origin,
    parts: &Parts,
    now: Timestamp,
) -> Result<Identified, (&'static Service, Error)> {
    let signed = lambent_identity::parse(parts).map_err(|error| (guess(parts), refused(&error)))?;
    let Some(signed) = signed else {
        let error = common::missing_authentication_token("Missing Authentication Token");
        return Err((guess(parts), error));
    };
    let credential = signed.credential();
    let service = service(&credential.service).ok_or_else(|| {
        let text =
            format!("lambent does not offer the service {:?}; see docs/compatibility.md", credential.service);
        (&lambda::SERVICE, common::not_implemented(text))
    })?;
    let region = credential.scope_region.clone();
    let (principal, unverified) = match origin {
        Origin::Function(guest) => (Principal::AssumedRole(session_of(&guest.function)), None),
        Origin::Client(_) => client(sessions, signed, now).map_err(|error| (service, refused(&error)))?,
    };
    let scope = Scope { account: principal.account().clone(), region };
    Ok(Identified { service, scope, principal, unverified })
}

/// The session that a function calls as; Lambda names it after the function.
pub(super) fn session_of(function: &lambent_environment::Function) -> RoleSession {
    RoleSession::for_function(function.arn.scope.account.clone(), &function.role, &*function.arn.name)
}

type Claim = (Principal, Option<(Signed, String)>);

/// Whoever brings credentials that this server made, a function's or STS's, is who they were made for, and has to know
/// their secret. Any others stand for an account.
fn client(sessions: &Sessions, signed: Signed, now: Timestamp) -> Result<Claim, AuthError> {
    let key = &signed.credential().access_key;
    if let Some(token) = signed.session_token()
        && let Some(opened) = sessions.open(key, token, now)?
    {
        return Ok((opened.principal, Some((signed, opened.secret))));
    }
    let principal = Principal::Root(account_of(key));
    // A header cannot be sent across sites without the guard noticing; a query can, in any link.
    let verify = matches!(signed, Signed::Query(_));
    Ok((principal, verify.then(|| (signed, LOOPBACK_SECRET.to_owned()))))
}

impl Identified {
    pub(super) fn verify(&self, parts: &Parts, body: &Bytes, now: Timestamp) -> Result<(), Error> {
        let Some((signed, secret)) = &self.unverified else { return Ok(()) };
        lambent_identity::verify(signed, parts, payload(body), secret, now).map_err(|error| refused(&error))
    }
}

/// The service whose error format an unsigned or badly signed request expects.
fn guess(parts: &Parts) -> &'static Service {
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    match target {
        Some(target) if target.starts_with("Logs_") => &lambent_wire::logs::SERVICE,
        Some(target) if target.starts_with("AWSEvents.") => &lambent_wire::events::SERVICE,
        // Forms are the query protocol's alone, and all its services word errors in the same way.
        None if is_form(parts) => &lambent_wire::sts::SERVICE,
        _ => &lambda::SERVICE,
    }
}

fn is_form(parts: &Parts) -> bool {
    let content_type = parts.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"))
}

fn refused(error: &AuthError) -> Error {
    let text = error.to_string();
    match error.json_code() {
        "IncompleteSignature" | "IncompleteSignatureException" => common::incomplete_signature(text),
        "InvalidSignatureException" => common::invalid_signature(text),
        "RequestExpired" => common::request_expired(text),
        "MissingAuthenticationTokenException" => common::missing_authentication_token(text),
        "UnrecognizedClientException" => common::unrecognized_client(text),
        "ExpiredTokenException" => common::expired_token(text),
        _ => common::access_denied(text),
    }
}

fn payload(body: &Bytes) -> Payload {
    use sha2::Digest as _;
    Payload::Signed(Sha256(sha2::Sha256::digest(body).into()))
}
