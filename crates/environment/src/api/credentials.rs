//! The credentials of the function's role, fetched instead of given: what SDKs ask with `AWS_CONTAINER_CREDENTIALS_FULL_URI`
//! and `AWS_CONTAINER_AUTHORIZATION_TOKEN` (AWS Lambda Developer Guide, "Security best practices with Lambda SnapStart":
//! variables would be in the snapshot, and out of date; AWS SDKs and Tools Reference Guide, "Container credential
//! provider").

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::answer::{Answer, answer, error};
use crate::Function;

/// What is called.
pub(super) const PATH: &str = "/2021-04-23/credentials";

/// Whose credentials, and the token that has to be shown for them.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) token: String,
    pub(crate) function: Arc<Function>,
}

pub(super) fn handle(method: &Method, headers: &HeaderMap, credentials: Option<&Credentials>) -> Answer {
    if method != Method::GET {
        return error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "method not allowed");
    }
    let shown = headers.get("authorization").map(http::HeaderValue::as_bytes);
    let known = credentials.filter(|known| shown == Some(known.token.as_bytes()));
    // Anew for each who asks, with the whole of their time before them.
    let Some(keys) = known.and_then(|known| known.function.plan.credentials()) else {
        return error(
            StatusCode::NOT_FOUND,
            "NotFound",
            "the token is missing or wrong, or nothing is handed out here",
        );
    };
    let body = json!({
        "AccessKeyId": keys.access_key_id,
        "SecretAccessKey": keys.secret_access_key,
        "Token": keys.session_token,
        "Expiration": keys.expires.to_string(),
    });
    answer(StatusCode::OK, Bytes::from(body.to_string()), "application/json")
}
