//! The metadata of the environment (AWS Lambda Developer Guide, "Using the Lambda metadata endpoint"): in which availability
//! zone it is.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::json;

use super::answer::{Answer, answer, error};

/// What is called.
pub(super) const PATH: &str = "/2026-01-15/metadata/execution-environment";
/// "private, max-age=43200, immutable": the zone of an environment never changes.
const CACHE: HeaderValue = HeaderValue::from_static("private, max-age=43200, immutable");

/// What an environment is told of itself, and the token that it has to show.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metadata {
    pub(crate) token: String,
    pub(crate) zone: String,
}

pub(super) fn handle(method: &Method, headers: &HeaderMap, metadata: &Metadata) -> Answer {
    if method != Method::GET {
        return error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "method not allowed");
    }
    let shown = headers.get("authorization").and_then(|header| header.to_str().ok());
    // Without a token nothing was handed out that could be shown.
    let token = shown.and_then(|shown| shown.strip_prefix("Bearer ")).filter(|token| !token.is_empty());
    if token != Some(metadata.token.as_str()) {
        return error(StatusCode::UNAUTHORIZED, "Unauthorized", "the bearer token is missing or wrong");
    }
    let body = json!({ "AvailabilityZoneID": metadata.zone }).to_string();
    let mut answer = answer(StatusCode::OK, Bytes::from(body), "application/json");
    answer.headers_mut().insert("cache-control", CACHE);
    answer
}

/// The id of a region's first zone: `use1-az1` for `us-east-1` (Amazon EC2 User Guide, "AZ IDs").
pub(crate) fn zone(region: &str) -> String {
    let mut id = String::new();
    for part in region.split('-') {
        id.push_str(match part {
            "north" => "n",
            "south" => "s",
            "east" => "e",
            "west" => "w",
            "central" => "c",
            "northeast" => "ne",
            "northwest" => "nw",
            "southeast" => "se",
            "southwest" => "sw",
            "gov" => "g",
            other => other,
        });
    }
    format!("{id}-az1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_named_as_on_aws() {
        for (region, id) in [
            ("us-east-1", "use1-az1"),
            ("eu-central-1", "euc1-az1"),
            ("ap-southeast-2", "apse2-az1"),
            ("us-gov-west-1", "usgw1-az1"),
        ] {
            assert_eq!(zone(region), id);
        }
    }

    #[test]
    fn only_who_shows_the_token_is_told() {
        let metadata = Metadata { token: "secret".into(), zone: "use1-az1".into() };
        let ask = |method: Method, shown: Option<&'static str>, metadata: &Metadata| {
            let mut headers = HeaderMap::new();
            shown.map(|shown| headers.insert("authorization", HeaderValue::from_static(shown)));
            handle(&method, &headers, metadata).status().as_u16()
        };
        assert_eq!(ask(Method::GET, Some("Bearer secret"), &metadata), 200);
        assert_eq!(ask(Method::POST, Some("Bearer secret"), &metadata), 405);
        for shown in [None, Some("secret"), Some("Bearer "), Some("Bearer other")] {
            assert_eq!(ask(Method::GET, shown, &metadata), 401, "{shown:?}");
            assert_eq!(ask(Method::GET, shown, &Metadata::default()), 401, "{shown:?}");
        }
    }
}
