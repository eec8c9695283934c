//! What a bucket's policy can ask of a request beside who asks for what. Pure.
//!
//! Service Authorization Reference, "Condition keys for Amazon S3"; IAM User Guide, "AWS global condition context keys".

use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, REFERER, USER_AGENT};
use http::request::Parts;
use lambent_model::Timestamp;
use percent_encoding::percent_decode_str;
use s3s::dto::TimestampFormat;

use crate::api::epoch_seconds;
use crate::tags;

/// Parameters of the query by the keys that stand for them.
const PARAMETERS: [(&str, &str); 4] = [
    ("prefix", "s3:prefix"),
    ("delimiter", "s3:delimiter"),
    ("max-keys", "s3:max-keys"),
    ("versionId", "s3:VersionId"),
];

/// Headers, whose keys are called as they are.
const HEADERS: [&str; 15] = [
    "if-match",
    "if-none-match",
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
];

/// Condition keys of a request with their values; of one with several values there are several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts(Vec<(String, String)>);

impl Facts {
    /// Of a request as its client sent it.
    pub(crate) fn of(parts: &Parts, now: Timestamp) -> Self {
        let mut facts = Vec::new();
        let mut note = |key: &str, value: &str| facts.push((key.to_owned(), value.to_owned()));
        note("aws:CurrentTime", &now.to_string());
        note("aws:EpochTime", &now.seconds().to_string());
        let headers = &parts.headers;
        for (name, key) in [(USER_AGENT, "aws:UserAgent"), (REFERER, "aws:Referer")] {
            if let Some(value) = text(headers, &name) {
                note(key, value);
            }
        }
        for name in HEADERS {
            if let Some(value) = text(headers, &HeaderName::from_static(name)) {
                note(&format!("s3:{name}"), value);
            }
        }
        let query = parts.uri.query().unwrap_or_default();
        for (name, key) in PARAMETERS {
            if let Some(value) = parameter(query, name) {
                note(key, &value);
            }
        }
        // What is no tag is refused by the operation.
        let tagging = text(headers, &HeaderName::from_static("x-amz-tagging"));
        for (key, value) in tags::of_header(tagging).unwrap_or_default() {
            note(&format!("s3:RequestObjectTag/{key}"), &value);
            note("s3:RequestObjectTagKeys", &key);
        }
        if let Some((kind, version)) = signature(headers, query) {
            note("s3:authType", kind);
            note("s3:signatureversion", version);
            if let Some(date) = signed_at(headers, query) {
                note("s3:signatureAge", &(now.seconds() - date).max(0).saturating_mul(1000).to_string());
            }
        }
        Self(facts)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| {
        let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
        (found == name).then_some(value)
    })?;
    Some(percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
}

/// How the request is signed, and by which version.
fn signature(headers: &HeaderMap, query: &str) -> Option<(&'static str, &'static str)> {
    let version = |is_four| if is_four { "AWS4-HMAC-SHA256" } else { "AWS" };
    if let Some(value) = text(headers, &AUTHORIZATION) {
        return Some(("REST-HEADER", version(!value.starts_with("AWS "))));
    }
    if query.contains("X-Amz-Signature=") || query.contains("Signature=") {
        return Some(("REST-QUERY-STRING", version(query.contains("X-Amz-Signature="))));
    }
    let is_form = text(headers, &CONTENT_TYPE).is_some_and(|kind| kind.starts_with("multipart/form-data"));
    is_form.then_some(("POST", version(true)))
}

/// `X-Amz-Date`, in seconds since the epoch.
fn signed_at(headers: &HeaderMap, query: &str) -> Option<i64> {
    let header = text(headers, &HeaderName::from_static("x-amz-date")).map(str::to_owned);
    let date = parameter(query, "X-Amz-Date").or(header)?;
    let (day, time) = date.strip_suffix('Z')?.split_once('T')?;
    let pair = |text: &str, at: usize| text.get(at..at + 2).map(str::to_owned);
    let day = format!("{}-{}-{}", day.get(..4)?, pair(day, 4)?, pair(day, 6)?);
    let time = format!("{}:{}:{}", pair(time, 0)?, pair(time, 2)?, pair(time, 4)?);
    let parsed = s3s::dto::Timestamp::parse(TimestampFormat::DateTime, &format!("{day}T{time}Z"));
    parsed.ok().map(|at| epoch_seconds(&at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(target: &str, headers: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut request = http::Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        Facts::of(&parts, Timestamp::from_millis(1_400_000_000_000)).0.split_off(2)
    }

    fn has(facts: &[(String, String)], expected: &[(&str, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(facts, expected);
    }

    #[test]
    fn what_a_policy_can_ask() {
        has(&facts("/b/k", &[]), &[]);
        has(
            &facts("/b?list-type=2&prefix=a%2Fb+c&max-keys=5", &[("user-agent", "aws-cli")]),
            &[("aws:UserAgent", "aws-cli"), ("s3:prefix", "a/b c"), ("s3:max-keys", "5")],
        );
        let put = [
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-tagging", "a=1&b=2"),
            ("authorization", "AWS4-HMAC-SHA256 Credential=x"),
            ("x-amz-date", "20140513T165250Z"),
        ];
        has(
            &facts("/b/k?versionId=x", &put),
            &[
                ("s3:x-amz-server-side-encryption", "AES256"),
                ("s3:VersionId", "x"),
                ("s3:RequestObjectTag/a", "1"),
                ("s3:RequestObjectTagKeys", "a"),
                ("s3:RequestObjectTag/b", "2"),
                ("s3:RequestObjectTagKeys", "b"),
                ("s3:authType", "REST-HEADER"),
                ("s3:signatureversion", "AWS4-HMAC-SHA256"),
                ("s3:signatureAge", "30000"),
            ],
        );
        let link = facts("/b/k?X-Amz-Date=20140513T165320Z&X-Amz-Signature=0", &[]);
        assert!(link.contains(&("s3:authType".into(), "REST-QUERY-STRING".into())));
        assert!(link.contains(&("s3:signatureAge".into(), "0".into())));
        let old = facts("/b/k?AWSAccessKeyId=a&Signature=s&Expires=1", &[]);
        assert!(old.contains(&("s3:signatureversion".into(), "AWS".into())));
    }
}
