//! The answer that a function's result becomes (AWS Lambda Developer Guide, "Invoking Lambda function URLs": response
//! payload format).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use http::{Response, StatusCode};
use serde_json::{Map, Value};

/// Headers that are the server's: AWS passes a function's on under another name (API Gateway Developer Guide, "Amazon
/// API Gateway important notes", has the like; of function URLs it is observed).
const REMAPPED: [&str; 10] = [
    "authorization",
    "connection",
    "content-length",
    "content-md5",
    "date",
    "expect",
    "host",
    "server",
    "user-agent",
    "www-authenticate",
];
/// Headers of a connection, of which the function has none.
const DROPPED: [&str; 7] =
    ["keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// The result is nothing that an answer could be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The answer of a buffered function.
pub(super) fn of_result(result: &[u8]) -> Result<Response<Bytes>, Malformed> {
    match serde_json::from_slice(result).map_err(|_| Malformed)? {
        Value::Object(members) if members.contains_key("statusCode") => structured(members),
        // "If your function returns valid JSON and doesn't return a statusCode", that is the body of a 200.
        Value::String(text) => Ok(inferred(text.into())),
        _ => Ok(inferred(compact(result).into())),
    }
}

fn inferred(body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

fn structured(mut members: Map<String, Value>) -> Result<Response<Bytes>, Malformed> {
    let is_encoded = match members.remove("isBase64Encoded") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(is_encoded)) => is_encoded,
        Some(_) => return Err(Malformed),
    };
    let body = match members.remove("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::String(text)) if is_encoded => STANDARD.decode(text).map_err(|_| Malformed)?.into(),
        Some(Value::String(text)) => text.into(),
        Some(_) => return Err(Malformed),
    };
    Ok(head(&members)?.map(|()| body))
}

/// Status, headers and cookies, of a result or of a prelude. Without a status it is 200.
pub(super) fn head(members: &Map<String, Value>) -> Result<Response<()>, Malformed> {
    let mut response = Response::new(());
    *response.status_mut() = match members.get("statusCode") {
        None | Some(Value::Null) => StatusCode::OK,
        Some(status) => status_of(status)?,
    };
    let headers = response.headers_mut();
    match members.get("headers") {
        None | Some(Value::Null) => {}
        Some(Value::Object(given)) => given.iter().try_for_each(|(name, value)| add(headers, name, value))?,
        Some(_) => return Err(Malformed),
    }
    match members.get("cookies") {
        None | Some(Value::Null) => {}
        Some(Value::Array(cookies)) => cookies.iter().try_for_each(|cookie| {
            let cookie = cookie.as_str().ok_or(Malformed)?;
            headers.append(SET_COOKIE, HeaderValue::from_str(cookie).map_err(|_| Malformed)?);
            Ok(())
        })?,
        Some(_) => return Err(Malformed),
    }
    headers.entry(CONTENT_TYPE).or_insert(JSON);
    Ok(response)
}

/// A number or its digits. Below 200 it would be no final answer (RFC 9110, section 15.2).
fn status_of(value: &Value) -> Result<StatusCode, Malformed> {
    let code = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let code = code.and_then(|code| u16::try_from(code).ok()).filter(|code| (200..600).contains(code));
    code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Malformed)
}

/// Values with line breaks, which would end the header, are refused with everything else that is no value.
fn add(headers: &mut HeaderMap, name: &str, value: &Value) -> Result<(), Malformed> {
    let lower = name.to_ascii_lowercase();
    if DROPPED.contains(&&*lower) {
        return Ok(());
    }
    let value = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null => return Ok(()),
        _ => return Err(Malformed),
    };
    let name = if REMAPPED.contains(&&*lower) { format!("x-amzn-remapped-{lower}") } else { lower };
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Malformed)?;
    headers.append(name, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| Malformed)?);
    Ok(())
}

/// JSON without the blanks between its parts, and in its order.
fn compact(json: &[u8]) -> Vec<u8> {
    let (mut in_text, mut is_escaped) = (false, false);
    let keep = |byte: &u8| {
        if in_text {
            in_text = is_escaped || *byte != b'"';
            is_escaped = !is_escaped && *byte == b'\\';
            return true;
        }
        in_text = *byte == b'"';
        !byte.is_ascii_whitespace()
    };
    json.iter().copied().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(result: &str) -> Option<(u16, String, String)> {
        let response = of_result(result.as_bytes()).ok()?;
        let mut headers: Vec<String> = Vec::new();
        for (name, value) in response.headers() {
            headers.push(format!("{name}: {}", value.to_str().unwrap()));
        }
        let body = String::from_utf8_lossy(response.body()).into_owned();
        Some((response.status().as_u16(), headers.join("\n"), body))
    }

    #[test]
    fn results_become_answers() {
        let json = "content-type: application/json";
        for (result, status, headers, body) in [
            (r#"{"b": 1, "a": "x \" y"}"#, 200, json, r#"{"b":1,"a":"x \" y"}"#),
            (r#" "hello" "#, 200, json, "hello"),
            ("[1, 2]", 200, json, "[1,2]"),
            ("null", 200, json, "null"),
            (r#"{"statusCode": 201}"#, 201, json, ""),
            (r#"{"statusCode": "418", "body": "tea"}"#, 418, json, "tea"),
            (
                r#"{"statusCode": 200, "headers": {"Content-Type": "text/html", "X-N": 5, "x-b": true}, "body": "<p>"}"#,
                200,
                "content-type: text/html\nx-n: 5\nx-b: true",
                "<p>",
            ),
            (r#"{"statusCode": 200, "body": "aGk=", "isBase64Encoded": true}"#, 200, json, "hi"),
            (
                r#"{"statusCode": 200, "cookies": ["a=1; Path=/", "b=2"], "headers": {"content-type": "x/y"}}"#,
                200,
                "content-type: x/y\nset-cookie: a=1; Path=/\nset-cookie: b=2",
                "",
            ),
            (
                r#"{"statusCode": 401, "headers": {"WWW-Authenticate": "Basic", "Connection": "close", "Te": "x"}}"#,
                401,
                "x-amzn-remapped-connection: close\nx-amzn-remapped-www-authenticate: Basic\ncontent-type: application/json",
                "",
            ),
        ] {
            let (found, found_headers, found_body) = answer(result).unwrap_or_else(|| panic!("{result}"));
            let sorted = |text: &str| {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            assert_eq!(
                (found, sorted(&found_headers), &*found_body),
                (status, sorted(headers), body),
                "{result}"
            );
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for result in [
            "hello",
            "",
            r#"{"statusCode": 99}"#,
            r#"{"statusCode": 101}"#,
            r#"{"statusCode": 600}"#,
            r#"{"statusCode": "ok"}"#,
            r#"{"statusCode": 200, "headers": {"a": "x\r\nset-cookie: y"}}"#,
            r#"{"statusCode": 200, "headers": {"a b": "x"}}"#,
            r#"{"statusCode": 200, "headers": {"a": ["x"]}}"#,
            r#"{"statusCode": 200, "headers": ["a"]}"#,
            r#"{"statusCode": 200, "cookies": "a"}"#,
            r#"{"statusCode": 200, "cookies": ["a\nb"]}"#,
            r#"{"statusCode": 200, "body": {"a": 1}}"#,
            r#"{"statusCode": 200, "body": "%%", "isBase64Encoded": true}"#,
        ] {
            assert!(of_result(result.as_bytes()).is_err(), "{result}");
        }
    }
}
