//! Errors on the wire: what a service answers instead of an output.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::operation::{Dialect, Protocol, Service};
use crate::{query_compatible, xml};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// Smithy: "awsQueryCompatible trait".
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");
pub(crate) const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Whose fault an error is; AWS prints it as `User` or `Service`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request was wrong; repeating it does not help.
    Client,
    /// The service failed.
    Server,
}

/// A modelled or common error, as generated.
#[derive(Debug)]
pub(crate) struct ErrorShape {
    pub(crate) code: &'static str,
    pub(crate) status: u16,
    pub(crate) fault: Fault,
    /// Whether the body has a member `Type`.
    pub(crate) typed: bool,
    /// `Message` or `message`, as the shape spells it.
    pub(crate) message: &'static str,
    pub(crate) extras: &'static [Extra],
}

/// A further member of an error.
#[derive(Debug)]
pub(crate) struct Extra {
    pub(crate) member: &'static str,
    /// The header that carries it, in lower case; in the body otherwise.
    pub(crate) header: Option<&'static str>,
}

/// An error that a client is to see. Built by the functions in `lambda::error`, `logs::error` and [`crate::common`].
#[derive(Debug, Clone, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Error {
    /// AWS's name for it: `ResourceNotFoundException`.
    pub code: &'static str,
    /// The HTTP status.
    pub status: StatusCode,
    /// What the member `Type` says; `None` leaves that member out.
    pub fault: Option<Fault>,
    /// The text for the client.
    pub message: String,
    shape: &'static ErrorShape,
    extras: Vec<(&'static str, Value)>,
}

impl Error {
    pub(crate) fn new(shape: &'static ErrorShape, message: impl Into<String>) -> Self {
        Self {
            code: shape.code,
            status: StatusCode::from_u16(shape.status).expect("models hold valid status codes"),
            fault: shape.typed.then_some(shape.fault),
            message: message.into(),
            shape,
            extras: Vec::new(),
        }
    }

    /// Sets a further member of the error's shape, under AWS's name for it.
    ///
    /// # Panics
    /// Where the shape has no such member, which is a mistake in the calling code.
    #[must_use]
    pub fn with_member(mut self, member: &'static str, value: impl Into<Value>) -> Self {
        let known = self.shape.extras.iter().any(|extra| extra.member == member);
        assert!(known, "{} has no member '{member}'", self.code);
        self.extras.push((member, value.into()));
        self
    }

    /// Sets `Reason`, which says what kind of throttling a `TooManyRequestsException` is.
    #[must_use]
    pub fn with_reason(self, reason: impl Into<String>) -> Self {
        self.with_member("Reason", reason.into())
    }

    /// Sets the header `Retry-After`, in whole seconds.
    #[must_use]
    pub fn with_retry_after_seconds(self, seconds: u64) -> Self {
        self.with_member("retryAfterSeconds", seconds.to_string())
    }

    /// Leaves `Type` out of the body, as AWS does in a few replies of errors whose shape has it.
    #[must_use]
    pub fn without_type(mut self) -> Self {
        self.fault = None;
        self
    }

    /// Whether a repetition may succeed.
    #[must_use]
    pub fn is_server_fault(&self) -> bool {
        self.shape.fault == Fault::Server
    }
}

impl Service {
    /// The response for an error, in the service's own protocol.
    #[must_use]
    pub fn error_response(&'static self, error: &Error, request_id: &str) -> Response<Bytes> {
        Dialect::from(self).error_response(error, request_id)
    }
}

impl Dialect {
    /// The response for an error.
    #[must_use]
    pub fn error_response(self, error: &Error, request_id: &str) -> Response<Bytes> {
        let Self { service, protocol } = self;
        let in_query = service.forms.then(|| query_compatible::code(error));
        let body = match protocol {
            Protocol::Query => {
                let code = in_query.map_or_else(|| xml::code(error.code), |(code, _)| code);
                xml::error(service, error, code, request_id).into_bytes()
            }
            protocol => serde_json::to_vec(&Body { error, protocol, forms: service.forms })
                .expect("strings and JSON values always serialise"),
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = match (protocol, in_query) {
            (Protocol::Query, Some((_, Some(status)))) => status,
            _ => status(error, protocol),
        };
        let length = HeaderValue::from(response.body().len());
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(protocol.content_type()));
        headers.insert(REQUEST_ID, crate::encode::request_id_value(request_id));
        match (protocol, in_query) {
            (Protocol::RestJson1, _) => {
                headers.insert(ERROR_TYPE, HeaderValue::from_static(error.code));
            }
            (Protocol::Json1_0 | Protocol::Json1_1, Some((code, _))) => {
                headers.insert(QUERY_ERROR, query_compatible::header(error, code));
            }
            _ => {}
        }
        for (header, value) in header_extras(error) {
            headers.insert(HeaderName::from_static(header), value);
        }
        response
    }
}

/// The JSON protocols answer 400 to every common error of the client (Amazon DynamoDB Developer Guide: "Error handling
/// with DynamoDB"; Amazon CloudWatch Logs API Reference: "Common Errors"); REST distinguishes, and so does the query
/// protocol (AWS Identity and Access Management API Reference: "Common Error Types"), to which an unknown operation is a
/// wrong parameter.
fn status(error: &Error, protocol: Protocol) -> StatusCode {
    let refusal = matches!(error.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    match protocol {
        Protocol::Json1_0 | Protocol::Json1_1 if refusal => StatusCode::BAD_REQUEST,
        Protocol::Query if error.code == "UnknownOperationException" => StatusCode::BAD_REQUEST,
        _ => error.status,
    }
}

fn header_extras(error: &Error) -> impl Iterator<Item = (&'static str, HeaderValue)> {
    error.extras.iter().filter_map(|(member, value)| {
        let extra = error.shape.extras.iter().find(|extra| extra.member == *member)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // Only whole numbers and AWS's own words are set as header members; both are visible ASCII.
        Some((extra.header?, HeaderValue::from_str(&text).expect("header members of errors are ASCII")))
    })
}

/// The body with the shape's own key set, and no other key.
struct Body<'a> {
    error: &'a Error,
    protocol: Protocol,
    /// Whether the service takes forms too: its errors have the namespace of its shapes.
    forms: bool,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let error = self.error;
        let mut map = serializer.serialize_map(None)?;
        if self.protocol != Protocol::RestJson1 {
            match self.forms {
                true => map.serialize_entry("__type", &query_compatible::qualified(error))?,
                false => map.serialize_entry("__type", error.code)?,
            }
        }
        for extra in error.shape.extras.iter().filter(|extra| extra.header.is_none()) {
            if let Some((_, value)) = error.extras.iter().rfind(|(member, _)| *member == extra.member) {
                map.serialize_entry(extra.member, value)?;
            }
        }
        match error.fault {
            Some(Fault::Client) => map.serialize_entry("Type", "User")?,
            Some(Fault::Server) => map.serialize_entry("Type", "Service")?,
            None => {}
        }
        map.serialize_entry(error.shape.message, &error.message)?;
        map.end()
    }
}
