//! Who calls: account, region and service, out of the signature.

use bytes::Bytes;
use http::request::Parts;
use lambent_identity::{AuthError, Payload, Signed, account_of};
use lambent_model::{Scope, Sha256, Timestamp};
use lambent_wire::{Error, Service, common, lambda};

use super::{Origin, service};

/// The secret that goes with any access key on a loopback address. It only matters for signatures in the query: a
/// link carries no header that a browser protects, so it must at least be made by someone who knows this.
const LOOPBACK_SECRET: &str = "test";

/// A caller as the request claims.
pub(super) struct Identified {
    pub(super) service: &'static Service,
    pub(super) scope: Scope,
    pub(super) arn: String,
    /// A signature that has yet to be checked against the body.
    unverified: Option<Signed>,
}

pub(super) fn identify(origin: &Origin, parts: &Parts) -> Result<Identified, (&'static Service, Error)> {
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
    Ok(match origin {
        Origin::Client => {
            let account = account_of(&credential.access_key);
            let arn = format!("arn:aws:iam::{account}:root");
            let scope = Scope { account, region: credential.scope_region.clone() };
            // A header cannot be sent across sites without the guard noticing; a query can, in any link.
            let unverified = matches!(signed, Signed::Query(_)).then_some(signed);
            Identified { service, scope, arn, unverified }
        }
        Origin::Function(function) => {
            let scope = function.arn.scope.clone();
            let role = function.role.rsplit('/').next().unwrap_or_default();
            let arn = format!("arn:aws:sts::{}:assumed-role/{role}/{}", scope.account, function.arn.name);
            Identified { service, scope, arn, unverified: None }
        }
    })
}

impl Identified {
    pub(super) fn verify(&self, parts: &Parts, body: &Bytes, now: Timestamp) -> Result<(), Error> {
        let Some(signed) = &self.unverified else { return Ok(()) };
        lambent_identity::verify(signed, parts, payload(body), LOOPBACK_SECRET, now)
            .map_err(|error| refused(&error))
    }
}

/// The service whose error format an unsigned or badly signed request expects.
fn guess(parts: &Parts) -> &'static Service {
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    match target {
        Some(target) if target.starts_with("Logs_") => &lambent_wire::logs::SERVICE,
        _ => &lambda::SERVICE,
    }
}

fn refused(error: &AuthError) -> Error {
    let text = error.to_string();
    match error.json_code() {
        "IncompleteSignature" | "IncompleteSignatureException" => common::incomplete_signature(text),
        "InvalidSignatureException" => common::invalid_signature(text),
        "RequestExpired" => common::request_expired(text),
        "MissingAuthenticationTokenException" => common::missing_authentication_token(text),
        "UnrecognizedClientException" => common::unrecognized_client(text),
        _ => common::access_denied(text),
    }
}

fn payload(body: &Bytes) -> Payload {
    use sha2::Digest as _;
    Payload::Signed(Sha256(sha2::Sha256::digest(body).into()))
}
