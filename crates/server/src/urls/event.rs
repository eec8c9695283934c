//! The event that a function gets of a request to its URL (AWS Lambda Developer Guide, "Invoking Lambda function URLs":
//! payload format version 2.0).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use http::request::Parts;
use lambent_model::{RequestId, Timestamp};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::host::UrlHost;
use super::serve::Peer;
use crate::tls::Secured;

/// What belongs to the connection and not to the request (RFC 9110, section 7.6.1).
const OF_THE_CONNECTION: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request that has come whole.
pub(super) struct Arrived<'a> {
    pub(super) parts: &'a Parts,
    pub(super) body: &'a [u8],
    pub(super) host: &'a UrlHost,
    pub(super) from: Peer,
    pub(super) request_id: RequestId,
    pub(super) trace_id: &'a str,
    pub(super) at: Timestamp,
    /// The caller and the function's account, of a signed request.
    pub(super) signed: Option<SignedBy<'a>>,
}

/// Who signed a request, where that has to be.
pub(super) struct SignedBy<'a> {
    pub(super) owner: &'a str,
    pub(super) access_key: &'a str,
    pub(super) account: &'a str,
    pub(super) arn: &'a str,
    /// The unique id of the caller; of a session with its name.
    pub(super) id: &'a str,
}

impl Arrived<'_> {
    /// The event, JSON.
    pub(super) fn event(&self) -> Vec<u8> {
        let uri = &self.parts.uri;
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            // As it came, percent signs and all: only HTTP APIs decode it.
            "rawPath": uri.path(),
            "rawQueryString": uri.query().unwrap_or_default(),
            "headers": self.headers(),
            "requestContext": self.context(),
        });
        let cookies = cookies(&self.parts.headers);
        if !cookies.is_empty() {
            event["cookies"] = cookies.into();
        }
        let query = uri.query().map(query).unwrap_or_default();
        if !query.is_empty() {
            event["queryStringParameters"] = query.into();
        }
        let (body, is_encoded) = body(&self.parts.headers, self.body);
        if let Some(body) = body {
            event["body"] = body.into();
        }
        event["isBase64Encoded"] = is_encoded.into();
        event.to_string().into_bytes()
    }

    fn context(&self) -> Value {
        let header = |name: &HeaderName| self.parts.headers.get(name).map(text);
        let mut http = json!({
            "method": self.parts.method.as_str(),
            "path": self.parts.uri.path(),
            "protocol": format!("{:?}", self.parts.version),
            "sourceIp": self.from.address.to_string(),
        });
        if let Some(agent) = header(&USER_AGENT) {
            http["userAgent"] = agent.into();
        }
        let mut context = json!({
            "accountId": self.signed.as_ref().map_or("anonymous", |signed| signed.owner),
            "apiId": self.host.id,
            "domainName": self.host.name,
            "domainPrefix": self.host.id,
            "http": http,
            "requestId": self.request_id.to_string(),
            "routeKey": "$default",
            "stage": "$default",
            "time": common_log_time(self.at),
            "timeEpoch": self.at.millis(),
        });
        if let Some(SignedBy { access_key, account, arn, id, .. }) = self.signed {
            context["authentication"] = Value::Null;
            context["authorizer"] = json!({ "iam": {
                "accessKey": access_key,
                "accountId": account,
                "callerId": id,
                "cognitoIdentity": null,
                "principalOrgId": null,
                "userArn": arn,
                "userId": id,
            }});
        }
        context
    }

    fn headers(&self) -> Value {
        let mut headers = Map::new();
        let mut add = |name: &str, value: String| match headers.get_mut(name) {
            Some(Value::String(known)) => *known = format!("{known},{value}"),
            _ => {
                headers.insert(name.to_owned(), value.into());
            }
        };
        for (name, value) in &self.parts.headers {
            // The signature has been verified, and is worth nothing but this request.
            let is_signature = self.signed.is_some() && name == AUTHORIZATION;
            if name == COOKIE || is_signature || OF_THE_CONNECTION.contains(&name.as_str()) {
                continue;
            }
            add(name.as_str(), text(value));
        }
        add("x-forwarded-for", self.from.address.to_string());
        if !self.parts.headers.contains_key(HOST) {
            let port = self.host.port.map_or_else(String::new, |port| format!(":{port}"));
            add("host", format!("{}{port}", self.host.name));
        }
        let mut set = |name: &str, value: String| headers.insert(name.to_owned(), value.into());
        let (scheme, port) = if self.from.secured.is_some() { ("https", 443) } else { ("http", 80) };
        set("x-forwarded-proto", scheme.to_owned());
        set("x-forwarded-port", self.host.port.unwrap_or(port).to_string());
        if let Some(Secured { version, suite }) = self.from.secured {
            set("x-amzn-tls-version", version.to_owned());
            set("x-amzn-tls-cipher-suite", suite.to_owned());
        }
        set("x-amzn-trace-id", self.trace_id.to_owned());
        headers.into()
    }
}

/// Bytes above ASCII are UTF-8 where they can be.
fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let values: Vec<String> = headers.get_all(COOKIE).iter().map(text).collect();
    let cookies = values.iter().flat_map(|value| value.split(';'));
    cookies.map(|cookie| cookie.trim().to_owned()).filter(|cookie| !cookie.is_empty()).collect()
}

/// "If there are multiple values for a parameter, they are separated by commas."
fn query(text: &str) -> Map<String, Value> {
    let mut parameters = Map::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        match parameters.get_mut(&name) {
            Some(Value::String(known)) => *known = format!("{known},{value}"),
            _ => {
                parameters.insert(name, value.into());
            }
        }
    }
    parameters
}

/// `application/x-www-form-urlencoded`'s decoding; a percent sign that begins nothing stays.
fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// The body as a text, and whether that is base64: what is not said to be text, or is none, is.
fn body(headers: &HeaderMap, body: &[u8]) -> (Option<String>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let content_type = headers.get(CONTENT_TYPE).map(text).unwrap_or_default().to_ascii_lowercase();
    let is_said_to_be_text =
        ["text", "json", "xml", "javascript"].iter().any(|kind| content_type.contains(kind));
    match std::str::from_utf8(body) {
        Ok(text) if is_said_to_be_text => (Some(text.to_owned()), false),
        _ => (Some(STANDARD.encode(body)), true),
    }
}

/// `01/Jan/2026:00:00:00 +0000`.
fn common_log_time(at: Timestamp) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (year, month, day, hour, minute, second) = at.civil();
    let month = MONTHS[month as usize - 1];
    format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
}

#[cfg(test)]
mod tests {
    use super::super::host::Domains;
    use super::*;

    fn event(request: http::request::Builder, body: &[u8], signed: Option<SignedBy<'_>>) -> Value {
        let host = Domains::new(&[]).parse("id1.lambda-url.us-east-1.localhost:4566").unwrap();
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let arrived = Arrived {
            parts: &parts,
            body,
            host: &host,
            from: Peer { address: "127.0.0.1".parse().unwrap(), secured: None },
            request_id: "00000000-0000-4000-8000-000000000001".parse().unwrap(),
            trace_id: "Root=1-2-3",
            at: Timestamp::from_millis(1_767_225_600_000),
            signed,
        };
        serde_json::from_slice(&arrived.event()).unwrap()
    }

    #[test]
    fn a_request_is_the_guides_event() {
        let request = http::Request::post("/pa2%Fth/1?x=1&x=2&y=a%20b+c&z&%zz=%")
            .header("Host", "id1.lambda-url.us-east-1.localhost:4566")
            .header("X-One", "a")
            .header("x-one", "b")
            .header("cookie", "k=v; l=w")
            .header("connection", "keep-alive")
            .header("user-agent", "curl")
            .header("content-type", "application/json");
        let event = event(request, "{\"ä\":1}".as_bytes(), None);
        let expected = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/pa2%Fth/1",
            "rawQueryString": "x=1&x=2&y=a%20b+c&z&%zz=%",
            "cookies": ["k=v", "l=w"],
            "headers": {
                "host": "id1.lambda-url.us-east-1.localhost:4566",
                "x-one": "a,b",
                "user-agent": "curl",
                "content-type": "application/json",
                "x-forwarded-for": "127.0.0.1",
                "x-forwarded-proto": "http",
                "x-forwarded-port": "4566",
                "x-amzn-trace-id": "Root=1-2-3",
            },
            "queryStringParameters": {"x": "1,2", "y": "a b c", "z": "", "%zz": "%"},
            "requestContext": {
                "accountId": "anonymous",
                "apiId": "id1",
                "domainName": "id1.lambda-url.us-east-1.localhost",
                "domainPrefix": "id1",
                "http": {
                    "method": "POST",
                    "path": "/pa2%Fth/1",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1",
                    "userAgent": "curl",
                },
                "requestId": "00000000-0000-4000-8000-000000000001",
                "routeKey": "$default",
                "stage": "$default",
                "time": "01/Jan/2026:00:00:00 +0000",
                "timeEpoch": 1_767_225_600_000_u64,
            },
            "body": "{\"ä\":1}",
            "isBase64Encoded": false,
        });
        assert_eq!(event, expected);
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let event = event(http::Request::get("/"), b"", None);
        for absent in ["body", "cookies", "queryStringParameters"] {
            assert!(event.get(absent).is_none(), "{absent}");
        }
        assert_eq!(event["rawQueryString"], "");
    }

    #[test]
    fn bodies_are_base64_unless_they_are_text() {
        for (content_type, bytes, shown, is_encoded) in [
            ("text/plain; charset=utf-8", &b"hi"[..], "hi", false),
            ("application/xml", b"<x/>", "<x/>", false),
            ("application/json", b"\xff", "/w==", true),
            ("application/octet-stream", b"hi", "aGk=", true),
            ("application/x-www-form-urlencoded", b"a=1", "YT0x", true),
            ("multipart/form-data; boundary=x", b"--x", "LS14", true),
        ] {
            let event = event(http::Request::post("/").header("content-type", content_type), bytes, None);
            assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!(shown), &json!(is_encoded)));
        }
    }

    #[test]
    fn a_signed_request_names_its_caller_and_not_its_signature() {
        let arn = "arn:aws:iam::111111111111:root";
        let signed = SignedBy {
            owner: "000000000000",
            access_key: "AKIA",
            account: "111111111111",
            arn,
            id: "111111111111",
        };
        let event = event(http::Request::get("/").header("authorization", "AWS4"), b"", Some(signed));
        let context = &event["requestContext"];
        assert_eq!(context["accountId"], "000000000000");
        assert_eq!(context["authorizer"]["iam"]["userArn"], arn);
        assert!(event["headers"].get("authorization").is_none());
    }
}
