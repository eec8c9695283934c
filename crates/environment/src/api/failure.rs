//! Error documents of a runtime: what it posts, and what it announces in a trailer.

use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use lambent_model::Failure;
use serde_json::json;

use super::BODY_TIMEOUT;

/// An error document may carry a long stack trace, not more.
const ERROR_LIMIT: usize = 1024 * 1024;

pub(super) fn trailer_failure(trailers: &HeaderMap) -> Option<Failure> {
    use base64::Engine as _;
    let error_type = error_type(trailers.get("lambda-runtime-function-error-type")?);
    let body = trailers
        .get("lambda-runtime-function-error-body")
        .and_then(|body| base64::engine::general_purpose::STANDARD.decode(body.as_bytes()).ok())
        .unwrap_or_default();
    Some(Failure { error_type, body: body.into() })
}

pub(super) async fn failure(request: Request<Incoming>) -> Option<Failure> {
    let (parts, body) = request.into_parts();
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, ERROR_LIMIT).collect()).await;
    let body = match collected {
        Ok(Ok(body)) => body.to_bytes(),
        // An over-long document still is an error; its text is not worth a megabyte.
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            json!({ "errorType": "Function.Unknown", "errorMessage": "error document larger than 1 MB" })
                .to_string()
                .into()
        }
        Ok(Err(_)) | Err(_) => return None,
    };
    let header = parts.headers.get("lambda-runtime-function-error-type");
    let error_type = header.map_or_else(|| "Runtime.Unknown".to_owned(), error_type);
    // "application/vnd.aws.lambda.error.cause+json" carries document and cause in one.
    let content_type = parts.headers.get("content-type").map(HeaderValue::as_bytes);
    if content_type == Some(b"application/vnd.aws.lambda.error.cause+json")
        && let Ok(serde_json::Value::Object(mut both)) = serde_json::from_slice(&body)
    {
        both.remove("errorCause");
        return Some(Failure { error_type, body: serde_json::Value::Object(both).to_string().into() });
    }
    Some(Failure { error_type, body })
}

/// Keeps `(Runtime|Function).Name`, replaces anything else by the unknown of its kind.
fn error_type(header: &HeaderValue) -> String {
    let text = header.to_str().unwrap_or_default();
    let named = |prefix: &str| {
        text.strip_prefix(prefix).is_some_and(|name| {
            name.len() > 1
                && name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.bytes().all(|byte| byte.is_ascii_alphabetic())
        })
    };
    if named("Runtime.") || named("Function.") {
        text.to_owned()
    } else if text.starts_with("Function.") {
        "Function.Unknown".to_owned()
    } else {
        "Runtime.Unknown".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_types_are_kept_or_unknown() {
        for (header, kept) in [
            ("Runtime.ImportModuleError", "Runtime.ImportModuleError"),
            ("Function.MyError", "Function.MyError"),
            ("Function.my-error", "Function.Unknown"),
            ("ValueError", "Runtime.Unknown"),
            ("Runtime.", "Runtime.Unknown"),
        ] {
            assert_eq!(error_type(&HeaderValue::from_static(header)), kept);
        }
    }
}
