//! The calls of extensions (AWS Lambda Developer Guide, "Using the Lambda Extensions API to create extensions", "Lambda
//! Telemetry API reference").

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use lambent_model::ExtensionId;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::answer::{Answer, answer, error, forbidden, gone, refused};
use super::{BODY_TIMEOUT, Registered, Requests};
use crate::machine::Events;
use crate::record::Api;
use crate::telemetry::{self, SubscriptionError};

/// A registration or a subscription is a few hundred bytes.
const BODY_LIMIT: usize = 64 * 1024;
/// "The file name of the extension", which file systems bound to as much.
const NAME_LIMIT: usize = 255;
/// An error's type is shown in the log.
const ERROR_TYPE_LIMIT: usize = 256;

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Register,
    Next,
    InitError,
    ExitError,
    Telemetry,
    Logs,
}

impl Call {
    /// `None` for a path of other APIs.
    pub(super) fn of(path: &str) -> Option<Self> {
        Some(match path.trim_end_matches('/') {
            "/2020-01-01/extension/register" => Self::Register,
            "/2020-01-01/extension/event/next" => Self::Next,
            "/2020-01-01/extension/init/error" => Self::InitError,
            "/2020-01-01/extension/exit/error" => Self::ExitError,
            "/2022-07-01/telemetry" => Self::Telemetry,
            "/2020-08-15/logs" => Self::Logs,
            _ => return None,
        })
    }

    fn method(self) -> Method {
        match self {
            Self::Next => Method::GET,
            Self::Telemetry | Self::Logs => Method::PUT,
            Self::Register | Self::InitError | Self::ExitError => Method::POST,
        }
    }
}

pub(super) async fn handle(call: Call, request: Request<Incoming>, requests: &Requests) -> Answer {
    if request.method() != call.method() {
        return error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "method not allowed");
    }
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    if call == Call::Register {
        return register(&headers, body, requests).await;
    }
    let id = match identifier(&headers) {
        Ok(id) => id,
        Err(answer) => return *answer,
    };
    match call {
        Call::Next => next(id, requests).await,
        Call::InitError | Call::ExitError => {
            failed(id, call == Call::InitError, &headers, body, requests).await
        }
        Call::Telemetry => subscribe(id, false, body, requests).await,
        Call::Logs => subscribe(id, true, body, requests).await,
        Call::Register => unreachable!("it is handled above"),
    }
}

fn identifier(headers: &HeaderMap) -> Result<ExtensionId, Box<Answer>> {
    let Some(header) = headers.get("lambda-extension-identifier").filter(|header| !header.is_empty()) else {
        return Err(Box::new(forbidden(
            "Extension.MissingExtensionIdentifier",
            "Missing Lambda-Extension-Identifier header",
        )));
    };
    let parsed = header.to_str().ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| {
        Box::new(forbidden("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"))
    })
}

async fn read(body: Incoming, requests: &Requests) -> Option<Bytes> {
    let _turn = requests.turn().await;
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_LIMIT).collect()).await;
    Some(collected.ok()?.ok()?.to_bytes())
}

async fn register(headers: &HeaderMap, body: Incoming, requests: &Requests) -> Answer {
    let text =
        |name| headers.get(name).and_then(|header: &HeaderValue| header.to_str().ok()).unwrap_or_default();
    let name = text("lambda-extension-name").to_owned();
    if name.is_empty() {
        return forbidden("Extension.InvalidExtensionName", "Empty extension name");
    }
    if name.len() > NAME_LIMIT {
        return forbidden("Extension.InvalidExtensionName", "The extension's name is longer than 255 bytes");
    }
    let account_wanted =
        text("lambda-extension-accept-feature").split(',').any(|name| name.trim() == "accountId");
    let Some(body) = read(body, requests).await else {
        return forbidden("Extension.InvalidRequestFormat", "The request's body is too large or was cut off");
    };
    let events = match events(&body) {
        Ok(events) => events,
        Err((error_type, message)) => return forbidden(error_type, &message),
    };
    match requests.extensions.register(name.clone(), events) {
        Ok(registered) => welcome(&registered, account_wanted),
        Err(refusal) => refused(refusal, &name),
    }
}

/// The events of a registration.
fn events(body: &[u8]) -> Result<Events, (&'static str, String)> {
    let format = |message: String| ("Extension.InvalidRequestFormat", message);
    let document: Value = serde_json::from_slice(body).map_err(|error| format(error.to_string()))?;
    let Value::Object(document) = document else { return Err(format("the body is no JSON object".into())) };
    if document
        .get("configurationKeys")
        .is_some_and(|keys| keys.as_array().is_none_or(|keys| !keys.is_empty()))
    {
        return Err(format("configurationKeys are deprecated; use environment variables instead".into()));
    }
    let names = match document.get("events") {
        None | Some(Value::Null) => &Vec::new(),
        Some(Value::Array(names)) => names,
        Some(_) => return Err(format("events is no list".into())),
    };
    let mut events = Events::default();
    for name in names {
        match name.as_str() {
            Some("INVOKE") => events.invoke = true,
            Some("SHUTDOWN") => events.shutdown = true,
            Some(other) => {
                return Err(("Extension.InvalidEventType", format!("{other}: ErrorInvalidEventType")));
            }
            None => return Err(format("an event's name is no string".into())),
        }
    }
    Ok(events)
}

fn welcome(registered: &Registered, account_wanted: bool) -> Answer {
    let mut body = json!({
        "functionName": registered.function_name,
        "functionVersion": registered.function_version,
        "handler": registered.handler,
    });
    if account_wanted {
        body["accountId"] = json!(registered.account_id);
    }
    let mut response = answer(StatusCode::OK, body.to_string().into(), "application/json");
    insert(&mut response, "lambda-extension-identifier", &registered.identifier.to_string());
    response
}

fn insert(response: &mut Response<Full<Bytes>>, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("an identifier has digits, letters and hyphens");
    response.headers_mut().insert(name, value);
}

async fn next(id: ExtensionId, requests: &Requests) -> Answer {
    let (poller, event) = oneshot::channel();
    if let Err(refusal) = requests.extensions.next(id, poller) {
        return refused(refusal, &id.to_string());
    }
    let Ok(event) = event.await else { return gone() };
    let mut response = answer(StatusCode::OK, event.body, "application/json");
    insert(&mut response, "lambda-extension-event-identifier", &event.id);
    response
}

async fn failed(
    id: ExtensionId,
    init: bool,
    headers: &HeaderMap,
    body: Incoming,
    requests: &Requests,
) -> Answer {
    let header = headers.get("lambda-extension-function-error-type").and_then(|header| header.to_str().ok());
    let Some(error_type) = header.filter(|text| !text.is_empty()) else {
        return forbidden("Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found");
    };
    let error_type: String = error_type.chars().take(ERROR_TYPE_LIMIT).collect();
    // The document says no more than the type does, to anybody.
    let _document = read(body, requests).await;
    match requests.extensions.error(id, init, error_type) {
        Ok(()) => {
            answer(StatusCode::ACCEPTED, Bytes::from_static(b"{\"status\":\"OK\"}\n"), "application/json")
        }
        Err(refusal) => refused(refusal, &id.to_string()),
    }
}

async fn subscribe(id: ExtensionId, logs: bool, body: Incoming, requests: &Requests) -> Answer {
    let invalid = |message: &str| error(StatusCode::BAD_REQUEST, "ValidationError", message);
    let Some(body) = read(body, requests).await else {
        return invalid("the request's body is too large or was cut off");
    };
    let subscription = match telemetry::parse(logs, &body) {
        Ok(subscription) => subscription,
        Err(message) => return invalid(&message),
    };
    let api = subscription.api;
    match requests.extensions.subscribe(id, subscription) {
        Ok(()) => answer(StatusCode::OK, Bytes::from_static(b"\"OK\""), "application/json"),
        Err(SubscriptionError::Unknown(id)) => refused(crate::machine::Refusal::Unknown, &id.to_string()),
        Err(SubscriptionError::Closed) => {
            let (error_type, name) = match api {
                Api::Telemetry => ("Telemetry.SubscriptionClosed", "Telemetry API"),
                Api::Logs { .. } => ("Logs.SubscriptionClosed", "Logs API"),
            };
            forbidden(error_type, &format!("{name} subscription is closed already"))
        }
        Err(SubscriptionError::OtherApi) => {
            invalid("this extension has subscribed by the other of the Logs and the Telemetry API")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registrations_are_read_as_on_aws() {
        let read = |body: &str| events(body.as_bytes()).map_err(|(error_type, _)| error_type);
        let both = Events { invoke: true, shutdown: true };
        assert_eq!(read(r#"{"events":["INVOKE","SHUTDOWN"]}"#), Ok(both));
        assert_eq!(read(r#"{"events":[]}"#), Ok(Events::default()));
        assert_eq!(read("{}"), Ok(Events::default()));
        for (body, error) in [
            ("", "Extension.InvalidRequestFormat"),
            ("[]", "Extension.InvalidRequestFormat"),
            (r#"{"events":"INVOKE"}"#, "Extension.InvalidRequestFormat"),
            (r#"{"events":[1]}"#, "Extension.InvalidRequestFormat"),
            (r#"{"events":[],"configurationKeys":["x"]}"#, "Extension.InvalidRequestFormat"),
            (r#"{"events":["INVOKE","Invoke"]}"#, "Extension.InvalidEventType"),
        ] {
            assert_eq!(read(body), Err(error), "{body}");
        }
    }
}
