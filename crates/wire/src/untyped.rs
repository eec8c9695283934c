//! The client's side of services whose shapes are not generated: an input as JSON becomes a request in the service's
//! own protocol. For the few operations by which the platform sends things on; clients of a whole API have
//! [`encode_request`](crate::encode_request).

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response};
use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value};

use crate::client::{ClientError, ENCODED, service_error};
use crate::{Protocol, Service, events, logs, sns, sqs};

/// How a service takes its requests.
#[derive(Clone, Copy)]
enum Style {
    /// As its model says: JSON with `X-Amz-Target`, or a form (Smithy: "AWS query protocol").
    Of(&'static Service),
    /// A path for each operation.
    Rest,
}

fn style(service: &str) -> Option<Style> {
    Some(match service {
        "sqs" => Style::Of(&sqs::SERVICE),
        "events" => Style::Of(&events::SERVICE),
        "logs" => Style::Of(&logs::SERVICE),
        "sns" => Style::Of(&sns::SERVICE),
        "s3" | "lambda" => Style::Rest,
        _ => return None,
    })
}

/// The services that [`request`] speaks, by their names in signatures.
pub const SERVICES: [&str; 6] = ["events", "lambda", "logs", "s3", "sns", "sqs"];

/// Path, headers and body of a request; host and signature are added by whoever sends it.
///
/// # Errors
/// When the service, or the operation of one with paths, is none that is spoken here, or the input does not fit.
pub fn request(
    service: &str,
    operation: &str,
    input: Map<String, Value>,
    payload: Option<Bytes>,
) -> Result<Request<Bytes>, String> {
    let style = style(service).ok_or_else(|| format!("the service {service} is not spoken"))?;
    let Style::Of(service) = style else {
        return rest(service, operation, &input, payload.unwrap_or_default());
    };
    let (body, content_type) = match service.protocol {
        Protocol::Query => {
            (form(operation, service.version, &input), "application/x-www-form-urlencoded; charset=utf-8")
        }
        protocol => (Value::Object(input).to_string(), protocol.content_type()),
    };
    let mut request = Request::new(Bytes::from(body));
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if service.protocol != Protocol::Query {
        let target = header(&format!("{}.{operation}", service.target_prefix))?;
        request.headers_mut().insert(HeaderName::from_static("x-amz-target"), target);
    }
    *request.method_mut() = Method::POST;
    Ok(request)
}

/// The body of a good answer.
///
/// # Errors
/// The service's error.
pub fn answer(service: &str, response: Response<Bytes>) -> Result<Bytes, ClientError> {
    let (parts, body) = response.into_parts();
    if parts.status.is_success() {
        return Ok(body);
    }
    Err(match style(service) {
        Some(Style::Of(service)) if service.protocol == Protocol::Query => {
            xml_error(&parts.headers, parts.status, &body)
        }
        Some(Style::Rest) if service == "s3" => xml_error(&parts.headers, parts.status, &body),
        _ => service_error(parts.status, &parts.headers, &body),
    })
}

/// `PutObject` of S3 by the path of the bucket, and an `Invoke` of Lambda.
fn rest(
    service: &str,
    operation: &str,
    input: &Map<String, Value>,
    payload: Bytes,
) -> Result<Request<Bytes>, String> {
    let text = |name: &str| match input.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
        _ => Err(format!("{operation} lacks {name}")),
    };
    let mut request = Request::new(payload);
    let uri = match (service, operation) {
        ("s3", "PutObject") => {
            *request.method_mut() = Method::PUT;
            let key: Vec<String> =
                text("Key")?.split('/').map(|part| utf8_percent_encode(part, ENCODED).to_string()).collect();
            format!("/{}/{}", utf8_percent_encode(text("Bucket")?, ENCODED), key.join("/"))
        }
        ("lambda", "Invoke") => {
            *request.method_mut() = Method::POST;
            let name = HeaderName::from_static("x-amz-invocation-type");
            request.headers_mut().insert(name, header(text("InvocationType")?)?);
            let function = utf8_percent_encode(text("FunctionName")?, ENCODED);
            format!("/2015-03-31/functions/{function}/invocations")
        }
        _ => return Err(format!("the operation {operation} of {service} is not spoken")),
    };
    let content_type = input.get("ContentType").and_then(Value::as_str).unwrap_or("application/octet-stream");
    request.headers_mut().insert(CONTENT_TYPE, header(content_type)?);
    *request.uri_mut() = uri.parse().map_err(|error| format!("{uri}: {error}"))?;
    Ok(request)
}

fn header(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| format!("{text:?} cannot stand in a header"))
}

/// Maps of the query protocol are written otherwise than structures, and JSON does not tell them apart: the member, and
/// what the model calls its keys and values.
const MAPS: [(&str, &str, &str); 1] = [("MessageAttributes", "Name", "Value")];

fn form(operation: &str, version: &str, input: &Map<String, Value>) -> String {
    let mut form = String::new();
    pair(&mut form, "Action", operation);
    pair(&mut form, "Version", version);
    members(&mut form, "", input);
    form
}

fn members(form: &mut String, prefix: &str, input: &Map<String, Value>) {
    for (name, value) in input {
        let path = format!("{prefix}{name}");
        match (value, MAPS.iter().find(|(map, ..)| map == name)) {
            (Value::Object(entries), Some((_, key, inner))) => {
                for (index, (name, value)) in entries.iter().enumerate() {
                    let entry = format!("{path}.entry.{}", index + 1);
                    pair(form, &format!("{entry}.{key}"), name);
                    member(form, &format!("{entry}.{inner}"), value);
                }
            }
            _ => member(form, &path, value),
        }
    }
}

fn member(form: &mut String, path: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(inner) => members(form, &format!("{path}."), inner),
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                member(form, &format!("{path}.member.{}", index + 1), value);
            }
        }
        Value::String(text) => pair(form, path, text),
        scalar => pair(form, path, &scalar.to_string()),
    }
}

fn pair(form: &mut String, name: &str, value: &str) {
    let separator = if form.is_empty() { "" } else { "&" };
    let (name, value) = (utf8_percent_encode(name, ENCODED), utf8_percent_encode(value, ENCODED));
    // Writing into a string cannot fail.
    let _ = write!(form, "{separator}{name}={value}");
}

/// Code and message of an error in XML. Of a foreign answer nothing else is wanted, so it is searched and not parsed.
fn xml_error(headers: &HeaderMap, status: http::StatusCode, body: &[u8]) -> ClientError {
    let body = String::from_utf8_lossy(body);
    let text = |tag: &str| {
        let (_, rest) = body.split_once(&format!("<{tag}>"))?;
        let (text, _) = rest.split_once(&format!("</{tag}>"))?;
        Some(unescaped(text))
    };
    let request_id = headers.get("x-amzn-requestid").and_then(|value| value.to_str().ok());
    ClientError::Service {
        code: text("Code").unwrap_or_else(|| status.as_u16().to_string()),
        message: text("Message").unwrap_or_else(|| status.canonical_reason().unwrap_or_default().to_owned()),
        status,
        request_id: text("RequestId").or_else(|| request_id.map(str::to_owned)),
    }
}

/// The five entities that XML has by itself; the ampersand last, so that nothing is read twice.
fn unescaped(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn encoded(service: &str, operation: &str, input: Value) -> Request<Bytes> {
        let Value::Object(input) = input else { panic!("inputs are objects") };
        request(service, operation, input, Some(Bytes::from_static(b"body"))).unwrap()
    }

    #[test]
    fn each_service_is_spoken_to_in_its_own_protocol() {
        let sqs = encoded("sqs", "SendMessage", json!({"MessageBody": "x"}));
        assert_eq!(sqs.headers()["x-amz-target"], "AmazonSQS.SendMessage");
        assert_eq!(sqs.headers()["content-type"], "application/x-amz-json-1.0");
        assert_eq!(sqs.body(), "{\"MessageBody\":\"x\"}");
        let events = encoded("events", "PutEvents", json!({"Entries": []}));
        assert_eq!(events.headers()["x-amz-target"], "AWSEvents.PutEvents");
        let logs = encoded("logs", "PutLogEvents", json!({"logGroupName": "g"}));
        assert_eq!(logs.headers()["x-amz-target"], "Logs_20140328.PutLogEvents");
        let s3 =
            encoded("s3", "PutObject", json!({"Bucket": "b", "Key": "a b/c", "ContentType": "text/plain"}));
        assert_eq!((s3.method().as_str(), s3.uri().path()), ("PUT", "/b/a%20b/c"));
        assert_eq!(
            (s3.headers()["content-type"].as_bytes(), &s3.body()[..]),
            (&b"text/plain"[..], &b"body"[..])
        );
        let name = "arn:aws:lambda:us-east-1:000000000000:function:f:1";
        let lambda = encoded("lambda", "Invoke", json!({"FunctionName": name, "InvocationType": "Event"}));
        assert_eq!(lambda.headers()["x-amz-invocation-type"], "Event");
        assert!(lambda.uri().path().ends_with("%3Afunction%3Af%3A1/invocations"), "{}", lambda.uri());
        for (service, operation) in [("iam", "ListRoles"), ("s3", "GetObject"), ("s3", "PutObject")] {
            assert!(request(service, operation, Map::new(), None).is_err(), "{service} {operation}");
        }
        assert!(SERVICES.iter().all(|service| style(service).is_some()));
    }

    #[test]
    fn a_form_has_lists_and_maps_as_the_query_protocol_does() {
        let input = json!({
            "TopicArn": "arn:t",
            "Message": "a&b=\u{e9}",
            "MessageAttributes": {"Name": {"DataType": "String", "StringValue": "v"}},
            "Some": ["x", {"Inner": true}],
            "Nothing": null,
        });
        let form = encoded("sns", "Publish", input);
        let mut pairs: Vec<&str> = std::str::from_utf8(form.body()).unwrap().split('&').collect();
        pairs.sort_unstable();
        assert_eq!(
            pairs,
            [
                "Action=Publish",
                "Message=a%26b%3D%C3%A9",
                "MessageAttributes.entry.1.Name=Name",
                "MessageAttributes.entry.1.Value.DataType=String",
                "MessageAttributes.entry.1.Value.StringValue=v",
                "Some.member.1=x",
                "Some.member.2.Inner=true",
                "TopicArn=arn%3At",
                "Version=2010-03-31",
            ]
        );
    }

    #[test]
    fn errors_are_read_in_either_format() {
        let refused = |service: &str, body: &'static str| {
            let response = Response::builder().status(404).body(Bytes::from_static(body.as_bytes())).unwrap();
            match answer(service, response).unwrap_err() {
                ClientError::Service { code, message, .. } => (code, message),
                other => panic!("{other}"),
            }
        };
        let xml =
            "<ErrorResponse><Error><Code>NotFound</Code><Message>a &lt;b&gt; &amp;lt;</Message></Error>";
        assert_eq!(refused("sns", xml), ("NotFound".into(), "a <b> &lt;".into()));
        assert_eq!(refused("s3", "no xml"), ("404".into(), "Not Found".into()));
        let json = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"gone"}"#;
        assert_eq!(refused("sqs", json), ("QueueDoesNotExist".into(), "gone".into()));
    }
}
