//! Signs requests, for our own clients.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, HeaderName};
use http::{HeaderValue, Request};
use lambent_model::{Region, Timestamp};

use crate::canonical::{request as canonical_request, sha256};
use crate::date::basic;
use crate::signature::{ALGORITHM, signature, string_to_sign};
use crate::{Credential, Credentials, HeaderNames};

/// A request that cannot be signed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignError {
    /// Neither a `Host` header nor an absolute URI says where the request goes.
    #[error("the request has no host to sign, give it an absolute URI or a host header")]
    NoHost,
    /// A credential cannot be written into a header.
    #[error("the {0} holds characters that a header cannot carry")]
    NotAHeaderValue(&'static str),
}

/// Adds `X-Amz-Date`, `X-Amz-Security-Token`, `Host` where they are missing and the `Authorization` header. Signing
/// again replaces them.
///
/// # Errors
///
/// [`SignError`] when the request has no host or a credential is not fit for a header.
pub fn sign(
    request: &mut Request<Bytes>,
    credentials: &Credentials,
    region: &Region,
    service: &str,
    now: Timestamp,
) -> Result<(), SignError> {
    let value = |text: &str, what| HeaderValue::from_str(text).map_err(|_| SignError::NotAHeaderValue(what));
    let date = basic(now);
    if !request.headers().contains_key(HOST) {
        let host = request.uri().authority().ok_or(SignError::NoHost)?.as_str();
        let host = value(host, "host")?;
        request.headers_mut().insert(HOST, host);
    }
    let headers = request.headers_mut();
    headers.remove(AUTHORIZATION);
    headers.insert("x-amz-date", value(&date, "date")?);
    headers.remove("x-amz-security-token");
    if let Some(token) = &credentials.session_token {
        headers.insert("x-amz-security-token", value(token, "session token")?);
    }
    let names = HeaderNames::of(headers.keys().filter(|name| is_signed(name)));

    let credential = Credential {
        access_key: credentials.access_key.clone(),
        date: date[..8].to_owned(),
        scope_region: region.clone(),
        service: service.to_owned(),
    };
    let (parts, body) = std::mem::take(request).into_parts();
    let canonical = canonical_request(&parts, &names, &sha256(&body).to_string());
    *request = Request::from_parts(parts, body);
    let signature =
        signature(&credentials.secret, &credential, &string_to_sign(&credential, &date, &canonical));
    let authorization = format!(
        "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={signature}",
        credential.access_key,
        credential.scope(),
        names.as_str(),
    );
    request.headers_mut().insert(AUTHORIZATION, value(&authorization, "access key")?);
    Ok(())
}

/// Whether a header is signed: not when something on the way may change it.
fn is_signed(name: &HeaderName) -> bool {
    const CHANGED_ON_THE_WAY: [&str; 6] =
        ["connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id", "accept-encoding"];
    !CHANGED_ON_THE_WAY.contains(&name.as_str())
}
