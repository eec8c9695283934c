//! Checks a signature against the secret, the request and the clock.

use std::time::Duration;

use http::HeaderName;
use http::request::Parts;
use lambent_model::{Sha256, Timestamp};

use crate::canonical::{request, single};
use crate::date::basic;
use crate::signature::{check, string_to_sign};
use crate::{AuthError, HeaderNames, Signed};

/// How far the clocks of client and server may be apart (AWS Lambda API Reference, "Common Error Types":
/// `RequestExpired`).
const SKEW: Duration = Duration::from_secs(15 * 60);
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// What arrived as the request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// A body that the signature must cover.
    Signed(Sha256),
    /// A body that the caller may leave out of the signature by `X-Amz-Content-Sha256: UNSIGNED-PAYLOAD`.
    ///
    /// AWS's clients do so over TLS alone, for operations whose model says `v4-unsigned-body`; over a plain
    /// connection it would let anyone on the way exchange the body.
    MayBeUnsigned(Sha256),
}

/// Verifies a signature that [`crate::parse`] found in the same request.
///
/// Every header named `x-amz-*` must be covered, and `host` (IAM User Guide, "Create a signed AWS API request").
/// A caller that serves one region or service compares the credential's scope with it.
///
/// # Errors
///
/// [`AuthError::RequestExpired`], [`AuthError::InvalidSignature`] and [`AuthError::SignatureDoesNotMatch`].
pub fn verify(
    signed: &Signed,
    parts: &Parts,
    payload: Payload,
    secret: &str,
    now: Timestamp,
) -> Result<(), AuthError> {
    let (credential, names, sent, at, lifetime) = match signed {
        Signed::Header(h) => (&h.credential, &h.signed_headers, &h.signature, h.at, SKEW),
        Signed::Query(q) => (&q.credential, &q.signed_headers, &q.signature, q.at, q.expires),
    };
    check_time(at, lifetime, now)?;
    check_coverage(parts, names)?;
    let canonical_request = request(parts, names, &payload_text(parts, payload)?);
    let string_to_sign = string_to_sign(credential, &basic(at), &canonical_request);
    check(secret, credential, &string_to_sign, &canonical_request, sent)
}

fn check_time(at: Timestamp, lifetime: Duration, now: Timestamp) -> Result<(), AuthError> {
    let (signed, current) = (basic(at), basic(now));
    if at > now.plus(SKEW) {
        return Err(AuthError::RequestExpired(format!(
            "Signature not yet current: {signed} is still later than {} ({current} + 15 min.)",
            basic(now.plus(SKEW)),
        )));
    }
    if now > at.plus(lifetime) {
        return Err(AuthError::RequestExpired(format!(
            "Signature expired: {signed} was valid until {} and it is now {current}",
            basic(at.plus(lifetime)),
        )));
    }
    Ok(())
}

fn check_coverage(parts: &Parts, names: &HeaderNames) -> Result<(), AuthError> {
    let covered = |name: &str| names.iter().any(|signed| signed == name);
    if !covered("host") {
        return Err(AuthError::InvalidSignature(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned(),
        ));
    }
    for name in parts.headers.keys().map(http::HeaderName::as_str) {
        // CloudFront adds its own id to a request on the way to its origin.
        if name.starts_with("x-amz-") && name != "x-amz-cf-id" && !covered(name) {
            return Err(AuthError::InvalidSignature(format!(
                "'{name}' must be a 'SignedHeader' in the AWS Authorization."
            )));
        }
    }
    Ok(())
}

/// The last line of the canonical request. What the caller says about its body must be true.
fn payload_text(parts: &Parts, payload: Payload) -> Result<String, AuthError> {
    let (hash, may_be_unsigned) = match payload {
        Payload::Signed(hash) => (hash, false),
        Payload::MayBeUnsigned(hash) => (hash, true),
    };
    let hash = hash.to_string();
    match single(&parts.headers, &CONTENT_SHA256).map_err(AuthError::IncompleteSignature)? {
        None => Ok(hash),
        Some(said) if said == hash => Ok(hash),
        Some(UNSIGNED) if may_be_unsigned => Ok(UNSIGNED.to_owned()),
        Some(said) if said == UNSIGNED => Err(AuthError::InvalidSignature(
            "'UNSIGNED-PAYLOAD' is not accepted here: the signature must cover the request's body."
                .to_owned(),
        )),
        Some(_) => Err(AuthError::InvalidSignature(
            "The provided 'x-amz-content-sha256' header does not match what was computed.".to_owned(),
        )),
    }
}
