//! What an extension asks for when it subscribes (AWS Lambda Developer Guide, "Lambda Telemetry API reference", "Lambda Logs
//! API").

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::record::Api;

/// The port of the Runtime API inside, which nobody else can listen on.
const RESERVED_PORT: u16 = 9001;

/// What somebody wants to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Types {
    pub(crate) platform: bool,
    pub(crate) function: bool,
    pub(crate) extension: bool,
}

impl Types {
    pub(crate) fn names(self) -> Vec<&'static str> {
        let named = [(self.platform, "platform"), (self.function, "function"), (self.extension, "extension")];
        named.into_iter().filter(|(wanted, _)| *wanted).map(|(_, name)| name).collect()
    }
}

/// When a batch is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Buffering {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
    pub(crate) timeout: Duration,
}

/// Where it is told, always on the sandbox's own loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// POST of a JSON array to this path.
    Http { port: u16, authority: String, path: String },
    /// A line of JSON for each record.
    Tcp { port: u16 },
}

impl Destination {
    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Http { port, .. } | Self::Tcp { port } => *port,
        }
    }
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) api: Api,
    /// Whether a log in JSON is told as objects.
    pub(crate) objects: bool,
    pub(crate) types: Types,
    pub(crate) buffering: Buffering,
    pub(crate) destination: Destination,
}

impl Subscription {
    pub(crate) fn same_api(&self, other: &Self) -> bool {
        matches!(
            (self.api, other.api),
            (Api::Telemetry, Api::Telemetry) | (Api::Logs { .. }, Api::Logs { .. })
        )
    }
}

/// Reads a subscription, of the Logs API or the Telemetry API. The error is for the extension.
pub(crate) fn parse(logs: bool, body: &[u8]) -> Result<Subscription, String> {
    let document: Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is no JSON: {error}"))?;
    let Value::Object(document) = document else { return Err("the body is no JSON object".into()) };
    let (api, objects) = schema(logs, &document)?;
    Ok(Subscription {
        api,
        objects,
        types: types(&document)?,
        buffering: buffering(&document)?,
        destination: destination(&document)?,
    })
}

fn schema(logs: bool, document: &Map<String, Value>) -> Result<(Api, bool), String> {
    let version = document.get("schemaVersion").ok_or("schemaVersion is not provided")?;
    match (logs, version.as_str()) {
        (false, Some("2022-07-01")) => Ok((Api::Telemetry, false)),
        (false, Some("2022-12-13" | "2025-01-29")) => Ok((Api::Telemetry, true)),
        (true, Some("2020-08-15")) => Ok((Api::Logs { runtime_done: false }, false)),
        (true, Some("2021-03-18")) => Ok((Api::Logs { runtime_done: true }, false)),
        _ => Err(format!("schemaVersion {version} is not supported")),
    }
}

fn types(document: &Map<String, Value>) -> Result<Types, String> {
    let names = document.get("types").and_then(Value::as_array).ok_or("types is not provided, or no list")?;
    let mut types = Types::default();
    for name in names {
        match name.as_str() {
            Some("platform") => types.platform = true,
            Some("function") => types.function = true,
            Some("extension") => types.extension = true,
            _ => return Err(format!("{name} is not one of the types platform, function and extension")),
        }
    }
    if names.is_empty() { Err("types should not be empty".into()) } else { Ok(types) }
}

fn buffering(document: &Map<String, Value>) -> Result<Buffering, String> {
    let none = Map::new();
    let given = match document.get("buffering") {
        None | Some(Value::Null) => &none,
        Some(Value::Object(given)) => given,
        Some(_) => return Err("buffering is no object".into()),
    };
    let number = |name: &str, default: u64, range: RangeInclusive<u64>| match given.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value.as_u64().filter(|number| range.contains(number)).ok_or_else(|| {
            format!("buffering.{name} has to be between {} and {}", range.start(), range.end())
        }),
    };
    let size = |number: u64| usize::try_from(number).expect("the bounds are small");
    Ok(Buffering {
        items: size(number("maxItems", 10_000, 1000..=10_000)?),
        bytes: size(number("maxBytes", 262_144, 262_144..=1_048_576)?),
        timeout: Duration::from_millis(number("timeoutMs", 1000, 25..=30_000)?),
    })
}

fn destination(document: &Map<String, Value>) -> Result<Destination, String> {
    let given = document.get("destination").and_then(Value::as_object);
    let given = given.ok_or("destination is not provided, or no object")?;
    let destination = match given.get("protocol").and_then(Value::as_str) {
        Some("HTTP") => http(given)?,
        Some("TCP") => {
            let port = given.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
            Destination::Tcp { port: port.ok_or("destination.port is not provided, or no port")? }
        }
        _ => return Err("destination.protocol has to be HTTP or TCP".into()),
    };
    match destination.port() {
        0 => Err("destination has no port".into()),
        RESERVED_PORT => Err(format!("port {RESERVED_PORT} is reserved")),
        _ => Ok(destination),
    }
}

fn http(given: &Map<String, Value>) -> Result<Destination, String> {
    let uri = given.get("URI").and_then(Value::as_str).ok_or("destination.URI is not provided")?;
    if given.get("method").is_some_and(|method| method != "POST") {
        return Err("destination.method has to be POST".into());
    }
    if given.get("encoding").is_some_and(|encoding| encoding != "JSON") {
        return Err("destination.encoding has to be JSON".into());
    }
    let uri: http::Uri = uri.parse().map_err(|error| format!("destination.URI is no URI: {error}"))?;
    if uri.scheme_str() != Some("http") {
        return Err("the URI's scheme has to be http".into());
    }
    // Nothing else is reached: the connection is made inside, to the loopback.
    if !matches!(uri.host(), Some("sandbox.localdomain" | "sandbox")) {
        return Err("the URI's host has to be sandbox.localdomain".into());
    }
    let port = uri.port_u16().ok_or("URI port is not provided")?;
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
    Ok(Destination::Http { port, authority, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscribe(change: impl FnOnce(&mut Value)) -> Result<Subscription, String> {
        let mut document = serde_json::json!({
            "schemaVersion": "2022-12-13",
            "types": ["platform", "extension"],
            "destination": { "protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/a?b" },
        });
        change(&mut document);
        parse(false, document.to_string().as_bytes())
    }

    #[test]
    fn what_is_left_out_has_awss_defaults() {
        let subscription = subscribe(|_| ()).unwrap();
        let buffering = Buffering { items: 10_000, bytes: 262_144, timeout: Duration::from_secs(1) };
        assert_eq!(subscription.buffering, buffering);
        assert_eq!(subscription.types, Types { platform: true, function: false, extension: true });
        let authority = "sandbox.localdomain:8080".to_owned();
        assert_eq!(
            subscription.destination,
            Destination::Http { port: 8080, authority, path: "/a?b".into() }
        );
        assert!(subscription.objects);
    }

    #[test]
    fn what_is_wrong_is_said() {
        type Change = fn(&mut Value);
        let cases: [(Change, &str); 14] = [
            (|v| v["schemaVersion"] = Value::Null, "schemaVersion null is not supported"),
            (|v| v["schemaVersion"] = "2020-08-15".into(), "schemaVersion \"2020-08-15\" is not supported"),
            (|v| v["types"] = Value::Array(vec![]), "types should not be empty"),
            (
                |v| v["types"][0] = "logs".into(),
                "\"logs\" is not one of the types platform, function and extension",
            ),
            (
                |v| v["buffering"] = serde_json::json!({ "maxItems": 999 }),
                "buffering.maxItems has to be between 1000 and 10000",
            ),
            (
                |v| v["buffering"] = serde_json::json!({ "timeoutMs": "25" }),
                "buffering.timeoutMs has to be between 25 and 30000",
            ),
            (
                |v| v["buffering"] = serde_json::json!({ "maxBytes": 1_048_577 }),
                "buffering.maxBytes has to be between 262144 and 1048576",
            ),
            (|v| v["destination"] = Value::Null, "destination is not provided, or no object"),
            (|v| v["destination"]["protocol"] = "UDP".into(), "destination.protocol has to be HTTP or TCP"),
            (
                |v| v["destination"]["URI"] = "http://169.254.169.254:80/".into(),
                "the URI's host has to be sandbox.localdomain",
            ),
            (
                |v| v["destination"]["URI"] = "http://sandbox.localdomain@example.com:1/".into(),
                "the URI's host has to be sandbox.localdomain",
            ),
            (|v| v["destination"]["URI"] = "http://sandbox.localdomain/".into(), "URI port is not provided"),
            (
                |v| v["destination"]["URI"] = "http://sandbox.localdomain:9001/".into(),
                "port 9001 is reserved",
            ),
            (
                |v| v["destination"] = serde_json::json!({ "protocol": "TCP", "port": 70_000 }),
                "destination.port is not provided, or no port",
            ),
        ];
        for (change, message) in cases {
            assert_eq!(subscribe(change), Err(message.to_owned()));
        }
        assert!(parse(true, b"[]").is_err());
    }
}
