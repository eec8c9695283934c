//! The client's side: a typed input as a request, a response as a typed output.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::encode::scalar_text;
use crate::error::{ERROR_TYPE, Error, REQUEST_ID};
use crate::operation::{Call, Operation, Protocol, Segment};
use crate::shape::{Place, Scalar};
use crate::tree::Tree;
use crate::xml::read::Element;
use crate::{Blob, common, form};

/// RFC 3986's unreserved characters; SigV4 wants everything else encoded.
pub(crate) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why there is no output.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// The service answered an error.
    #[error("{code}: {message}")]
    Service {
        /// AWS's name for it: `ResourceNotFoundException`.
        code: String,
        /// The service's text.
        message: String,
        /// The HTTP status.
        status: StatusCode,
        /// The request's id, where the service named one.
        request_id: Option<String>,
    },
    /// The response is not what the model says.
    #[error("cannot read the response to {operation} (status {status}): {reason}")]
    Malformed {
        /// Whose response it is.
        operation: &'static str,
        /// The HTTP status.
        status: StatusCode,
        /// What is wrong with it.
        reason: String,
    },
}

/// Path, query, headers and body of a request; host and signature are added by whoever sends it.
///
/// # Errors
/// `ValidationException` for a member that cannot stand where it belongs: an empty label, a header with a line break.
pub fn encode_request<C: Call>(input: &C::Input) -> Result<Request<Bytes>, Error> {
    let operation = C::OPERATION;
    let serialised = serde_json::to_value(input);
    let mut members = match serialised.map_err(|error| unfit(operation, &error.to_string()))? {
        Value::Object(members) => members,
        other => return Err(unfit(operation, &format!("the input is {other} and not a structure"))),
    };
    let mut headers = HeaderMap::new();
    let uri = match operation.service.protocol {
        Protocol::RestJson1 => {
            rest_headers(operation, &mut members, &mut headers)?;
            rest_uri(operation, &mut members)?
        }
        Protocol::Json1_0 | Protocol::Json1_1 => {
            let target = format!("{}.{}", operation.service.target_prefix, operation.name);
            let target = HeaderValue::from_str(&target).expect("the model's names are ASCII");
            headers.insert(HeaderName::from_static("x-amz-target"), target);
            "/".to_owned()
        }
        Protocol::Query => "/".to_owned(),
    };
    let body = request_body::<C>(input, members, &mut headers);
    let mut request = Request::new(body);
    *request.method_mut() = operation.route.method.parse().expect("the model's methods are valid");
    *request.uri_mut() = uri.parse().map_err(|error| unfit(operation, &format!("{uri}: {error}")))?;
    *request.headers_mut() = headers;
    Ok(request)
}

fn unfit(operation: &Operation, reason: &str) -> Error {
    common::validation_exception(format!("cannot encode a request for {}: {reason}", operation.name))
}

fn rest_uri(operation: &Operation, members: &mut Map<String, Value>) -> Result<String, Error> {
    let mut uri = String::new();
    for segment in operation.route.path {
        uri.push('/');
        match segment {
            Segment::Literal(literal) => uri.push_str(literal),
            Segment::Label(label) => {
                let value = label_value(operation, members, label)?;
                uri.extend(utf8_percent_encode(&value, ENCODED));
            }
            Segment::Greedy(label) => {
                let value = label_value(operation, members, label)?;
                let parts: Vec<String> =
                    value.split('/').map(|part| utf8_percent_encode(part, ENCODED).to_string()).collect();
                uri.push_str(&parts.join("/"));
            }
        }
    }
    let mut separator = '?';
    let mut pair = |key: &str, value: &str| {
        let (key, value) = (utf8_percent_encode(key, ENCODED), utf8_percent_encode(value, ENCODED));
        // Writing into a string cannot fail.
        let _ = write!(uri, "{separator}{key}={value}");
        separator = '&';
    };
    for (key, value) in operation.route.query {
        pair(key, value);
    }
    for member in operation.members() {
        let Place::Query(name) = member.place else { continue };
        match members.remove(member.key) {
            Some(Value::Array(values)) => values.iter().for_each(|value| pair(name, &scalar_text(value))),
            Some(value) => pair(name, &scalar_text(&value)),
            None => {}
        }
    }
    Ok(uri)
}

fn label_value(
    operation: &Operation,
    members: &mut Map<String, Value>,
    label: &'static str,
) -> Result<String, Error> {
    let member = operation.members().iter().find(|member| member.place == Place::Label(label));
    let value = member.and_then(|member| members.remove(member.key)).map(|value| scalar_text(&value));
    let value = value.filter(|value| !value.is_empty());
    value.ok_or_else(|| unfit(operation, &format!("'{label}' is missing or empty")))
}

fn rest_headers(
    operation: &Operation,
    members: &mut Map<String, Value>,
    headers: &mut HeaderMap,
) -> Result<(), Error> {
    for member in operation.members() {
        let Place::Header(name) = member.place else { continue };
        if let Some(value) = members.remove(member.key) {
            let value = HeaderValue::from_str(&scalar_text(&value))
                .map_err(|error| unfit(operation, &format!("{}: {error}", member.name)))?;
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    Ok(())
}

/// The body of what path, query and headers have left, with its content type.
fn request_body<C: Call>(
    input: &C::Input,
    mut members: Map<String, Value>,
    headers: &mut HeaderMap,
) -> Bytes {
    let operation = C::OPERATION;
    if operation.service.protocol == Protocol::Query {
        let content_type = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        headers.insert(CONTENT_TYPE, content_type);
        return Bytes::from(form::encode(operation, &members));
    }
    let json = HeaderValue::from_static(operation.service.protocol.content_type());
    let places = || operation.members().iter().map(|member| member.place);
    if places().any(|place| place == Place::RawBody) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        return C::input_payload_ref(input).map(|payload| payload.bytes().clone()).unwrap_or_default();
    }
    let whole = operation.members().iter().find(|member| member.place == Place::WholeBody);
    let body = match whole {
        Some(member) => members.remove(member.key).unwrap_or_else(|| Value::Object(Map::new())),
        None if operation.service.protocol != Protocol::RestJson1
            || places().any(|place| place == Place::Body) =>
        {
            Value::Object(members)
        }
        None => return Bytes::new(),
    };
    headers.insert(CONTENT_TYPE, json);
    Bytes::from(body.to_string())
}

/// Reads a response.
///
/// # Errors
/// The service's error, or that the response is not what the model says.
pub fn decode_response<C: Call>(response: Response<Bytes>) -> Result<C::Output, ClientError> {
    let (parts, body) = response.into_parts();
    let malformed = |reason: String| ClientError::Malformed {
        operation: C::OPERATION.name,
        status: parts.status,
        reason,
    };
    if C::OPERATION.service.protocol == Protocol::Query {
        let root = Element::parse(&body).map_err(malformed)?;
        return match parts.status.is_success() {
            true => {
                let none = Element::default();
                let result = root.child(&format!("{}Result", C::OPERATION.name)).unwrap_or(&none);
                C::Output::deserialize(result).map_err(|error| malformed(error.to_string()))
            }
            false => Err(query_error(parts.status, &root)),
        };
    }
    if !parts.status.is_success() {
        return Err(service_error(parts.status, &parts.headers, &body));
    }
    let bindings = C::OPERATION.output;
    let raw = bindings.iter().any(|binding| binding.place == Place::RawBody);
    let document = if raw || body.is_empty() {
        Tree::Map(Vec::new())
    } else {
        Tree::parse(&body).map_err(|error| malformed(error.to_string()))?
    };
    let whole = bindings.iter().find(|binding| binding.place == Place::WholeBody);
    let mut fields = match (whole, document) {
        (Some(binding), document) => vec![(Cow::Borrowed(binding.key), document)],
        (None, Tree::Map(fields)) => fields,
        (None, _) => return Err(malformed("the body is not a JSON object".to_owned())),
    };
    for binding in bindings {
        let value = match binding.place {
            Place::Status => Some(Tree::Integer(parts.status.as_u16().into())),
            Place::Header(name) => match parts.headers.get(name) {
                Some(value) => Some(
                    header_tree(value, binding.scalar)
                        .map_err(|error| malformed(format!("{name}: {error}")))?,
                ),
                None => None,
            },
            _ => None,
        };
        fields.extend(value.map(|value| (Cow::Borrowed(binding.key), value)));
    }
    let mut output =
        C::Output::deserialize(Tree::Map(fields)).map_err(|error| malformed(error.to_string()))?;
    if let Some(payload) = C::output_payload(&mut output) {
        *payload = (!body.is_empty()).then(|| Blob::from(body));
    }
    Ok(output)
}

fn header_tree(value: &HeaderValue, scalar: Scalar) -> Result<Tree<'_>, String> {
    let text = std::str::from_utf8(value.as_bytes()).map_err(|error| error.to_string())?;
    match scalar {
        Scalar::Text => Ok(Tree::String(text.into())),
        Scalar::Number => {
            text.parse().map(Tree::Integer).map_err(|_| format!("'{text}' is not a whole number"))
        }
        Scalar::Boolean => text.parse().map(Tree::Boolean).map_err(|_| format!("'{text}' is not a boolean")),
    }
}

fn query_error(status: StatusCode, root: &Element) -> ClientError {
    let part = |name| root.child("Error").and_then(|error| error.text_of(name)).map(str::to_owned);
    ClientError::Service {
        code: part("Code").unwrap_or_else(|| status.as_u16().to_string()),
        message: part("Message").unwrap_or_else(|| status.canonical_reason().unwrap_or_default().to_owned()),
        status,
        request_id: root.text_of("RequestId").map(str::to_owned),
    }
}

pub(crate) fn service_error(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ClientError {
    // A body that is no JSON comes from a proxy, not from the service; code and message then fall back to the status.
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let header =
        |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let code = header(&ERROR_TYPE).or_else(|| text("__type")).or_else(|| text("code"));
    let code = code.map_or_else(|| status.as_u16().to_string(), |code| bare_code(&code).to_owned());
    let message = text("message").or_else(|| text("Message"));
    let message = message.unwrap_or_else(|| status.canonical_reason().unwrap_or_default().to_owned());
    ClientError::Service { code, message, status, request_id: header(&REQUEST_ID) }
}

/// `aws.protocoltests#FooError:http://…` is `FooError` (Smithy: "AWS restJson1 protocol", operation error serialization).
fn bare_code(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or(code);
    code.rsplit('#').next().unwrap_or(code)
}
