//! From a typed output to a response.

use std::marker::PhantomData;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Map, Value};

use crate::common;
use crate::error::REQUEST_ID;
use crate::operation::{Call, Dialect, Operation, Protocol};
use crate::shape::Place;
use crate::xml;

/// The response that carries an output. The status is the model's, unless an output member is bound to it and set.
#[must_use]
pub fn encode<C: Call>(output: &C::Output, request_id: &str) -> Response<Bytes> {
    Dialect::from(C::OPERATION.service).encode::<C>(output, request_id)
}

impl Dialect {
    /// The same in the protocol of the request that is answered, where the service has more than one.
    #[must_use]
    pub fn encode<C: Call>(self, output: &C::Output, request_id: &str) -> Response<Bytes> {
        let result = made::<C>(self.protocol, output, request_id)
            .and_then(|made| finished(C::OPERATION, self.protocol, made, request_id));
        result.unwrap_or_else(|reason| {
            let message = format!("cannot encode the response of {}: {reason}", C::OPERATION.name);
            self.error_response(&common::internal_failure(message), request_id)
        })
    }
}

/// What the type of an output is needed for; the rest is the same for all of them, and there are hundreds.
enum Made {
    /// The body, if there is one.
    Body(Option<Bytes>),
    /// All members, some of which are bound to other places, and the one that is the raw body.
    Members(Value, Option<Bytes>),
}

/// How an operation's output may be written: settled when this is compiled, so that none brings the code for others.
struct Ways<C>(PhantomData<C>);

impl<C: Call> Ways<C> {
    const XML: bool = matches!(C::OPERATION.service.protocol, Protocol::Query) || C::OPERATION.service.forms;
    const BOUND: bool = !C::OPERATION.output.is_empty();
}

fn made<C: Call>(protocol: Protocol, output: &C::Output, request_id: &str) -> Result<Made, String> {
    let operation = C::OPERATION;
    if Ways::<C>::XML && protocol == Protocol::Query {
        let result = operation.has_output.then_some(output);
        let body = xml::response(operation, result, request_id).map_err(|error| error.to_string())?;
        return Ok(Made::Body(Some(body.into())));
    }
    if !operation.has_output {
        return Ok(Made::Body(None));
    }
    if Ways::<C>::BOUND {
        let members = serde_json::to_value(output).map_err(|error| error.to_string())?;
        // The payload is shared, not copied.
        let payload = C::output_payload_ref(output).map(|payload| payload.bytes().clone());
        return Ok(Made::Members(members, payload));
    }
    let body = serde_json::to_vec(output).map_err(|error| error.to_string())?;
    Ok(Made::Body(Some(body.into())))
}

fn finished(
    operation: &Operation,
    protocol: Protocol,
    made: Made,
    request_id: &str,
) -> Result<Response<Bytes>, String> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = model_status(operation)?;
    // Room for what is set here and what a server adds; growing in steps would hash every name again.
    *response.headers_mut() = HeaderMap::with_capacity(12);
    response.headers_mut().insert(REQUEST_ID, request_id_value(request_id));
    let body = match made {
        Made::Body(body) => body,
        Made::Members(members, payload) => bound_members(operation, members, payload, &mut response)?,
    };
    // 204 has neither body nor content (RFC 9110, "204 No Content"). The events of a stream follow one by one, from
    // whoever has them, and nobody knows how long they will be.
    if response.status() == StatusCode::NO_CONTENT || is_stream(operation) {
        return Ok(response);
    }
    if let Some(body) = body {
        let content_type = HeaderValue::from_static(protocol.content_type());
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        *response.body_mut() = body;
    }
    let length = HeaderValue::from(response.body().len());
    response.headers_mut().insert(CONTENT_LENGTH, length);
    Ok(response)
}

fn model_status(operation: &Operation) -> Result<StatusCode, String> {
    StatusCode::from_u16(operation.route.status).map_err(|error| error.to_string())
}

fn is_stream(operation: &Operation) -> bool {
    operation.output.iter().any(|binding| binding.place == Place::EventStream)
}

/// The content type of event streams (Smithy: "Event streams", Amazon event stream specification).
const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// Sets status and headers from the bound members and returns the body that is left.
fn bound_members(
    operation: &Operation,
    members: Value,
    payload: Option<Bytes>,
    response: &mut Response<Bytes>,
) -> Result<Option<Bytes>, String> {
    let mut members = match members {
        Value::Object(members) => members,
        other => return Err(format!("the output is {other} and not a structure")),
    };
    let mut whole = None;
    let mut raw = false;
    for binding in operation.output {
        let value = members.remove(binding.key);
        match (binding.place, value) {
            (Place::Status, Some(value)) => *response.status_mut() = status(&value)?,
            (Place::Header(name), Some(value)) => {
                let value = HeaderValue::from_str(&scalar_text(&value))
                    .map_err(|error| format!("{name}: {error}"))?;
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
            (Place::WholeBody, value) => whole = Some(value.unwrap_or_else(|| Value::Object(Map::new()))),
            (Place::RawBody, _) => raw = true,
            (Place::EventStream, _) => {
                let content_type = HeaderValue::from_static(EVENT_STREAM);
                response.headers_mut().entry(CONTENT_TYPE).or_insert(content_type);
            }
            _ => {}
        }
    }
    if raw {
        return Ok(payload);
    }
    let body = whole.unwrap_or(Value::Object(members));
    serde_json::to_vec(&body).map(|body| Some(body.into())).map_err(|error| error.to_string())
}

fn status(value: &Value) -> Result<StatusCode, String> {
    let code = value.as_u64().and_then(|code| u16::try_from(code).ok());
    code.and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or_else(|| format!("{value} is not a status code"))
}

/// A scalar as it stands in a header, a label or a query string.
pub(crate) fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Request ids are UUIDs; should one ever not be fit for a header, the response must still go out.
pub(crate) fn request_id_value(request_id: &str) -> HeaderValue {
    HeaderValue::from_str(request_id).unwrap_or(HeaderValue::from_static("invalid-request-id"))
}
