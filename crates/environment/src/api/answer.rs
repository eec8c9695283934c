//! What callers inside are answered.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;

use crate::machine::{MOST_EXTENSIONS, Refusal, Verdicted};

pub(super) type Answer = Response<Full<Bytes>>;

pub(super) fn verdict(verdict: Verdicted) -> Answer {
    match verdict {
        Verdicted::Accepted => {
            answer(StatusCode::ACCEPTED, Bytes::from_static(b"{\"status\":\"OK\"}\n"), "application/json")
        }
        Verdicted::InvalidRequestId => {
            error(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
        }
        Verdicted::InvalidState(state) => error(
            StatusCode::FORBIDDEN,
            "InvalidStateTransition",
            &format!("State transition is not allowed: the runtime's state is {state}"),
        ),
        Verdicted::TooLarge(limit) => error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            &format!("Exceeded maximum allowed payload size ({limit} bytes)."),
        ),
        Verdicted::Truncated => {
            error(StatusCode::BAD_REQUEST, "TruncatedHTTPRequest", "HTTP request detected as truncated")
        }
        Verdicted::Refused(refusal) => refused(refusal, ""),
        Verdicted::InvalidMode => error(
            StatusCode::BAD_REQUEST,
            "InvalidFunctionResponseMode",
            "Invalid function response mode: only \"streaming\" is known",
        ),
    }
}

pub(super) fn gone() -> Answer {
    error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "the environment has ended")
}

pub(super) fn error(status: StatusCode, error_type: &str, message: &str) -> Answer {
    let body = json!({ "errorMessage": message, "errorType": error_type }).to_string();
    answer(status, body.into(), "application/json")
}

pub(super) fn answer(status: StatusCode, body: Bytes, content_type: &'static str) -> Answer {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
    response
}

/// A refused call of the Extensions API; `who` is the identifier or name that it came with.
pub(super) fn refused(refusal: Refusal, who: &str) -> Answer {
    let (error_type, message) = match refusal {
        Refusal::RegistrationClosed => {
            ("Extension.RegistrationClosed", "Extension registration closed already".to_owned())
        }
        Refusal::NameTaken => {
            ("Extension.InvalidExtensionState", "Extension with this name already registered".to_owned())
        }
        Refusal::TooMany => {
            ("Extension.TooManyExtensions", format!("Extension limit ({MOST_EXTENSIONS}) reached"))
        }
        Refusal::ShutdownOfInternal => (
            "Extension.InvalidEventType",
            "SHUTDOWN: ShutdownEvent is not supported for internal extensions".to_owned(),
        ),
        Refusal::Unknown => ("Extension.UnknownExtensionIdentifier", format!("Unknown extension {who}")),
        Refusal::State { from, to } => (
            "Extension.InvalidExtensionState",
            format!(
                "State transition from {from} to {to} failed for extension {who}. Error: State transition is not allowed"
            ),
        ),
    };
    forbidden(error_type, &message)
}

/// How the Extensions API refuses.
pub(super) fn forbidden(error_type: &str, message: &str) -> Answer {
    error(StatusCode::FORBIDDEN, error_type, message)
}
