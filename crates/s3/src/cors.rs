//! Cross-origin resource sharing: which pages of which sites may use a bucket from a browser (User Guide, "Using
//! cross-origin resource sharing (CORS)"; Fetch Standard, "HTTP CORS protocol"). Pure.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, VARY,
};
use http::{HeaderMap, HeaderValue};
use s3s::dto::{CORSConfiguration, CORSRule};
use s3s::{S3Error, S3ErrorCode, S3Result};

use crate::refuse;

/// Rules of a configuration.
const RULES: usize = 100;
const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];

/// What a browser asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) origin: &'a str,
    /// Of the request, or that which a preflight asks for.
    pub(crate) method: &'a str,
    /// `Access-Control-Request-Headers` of a preflight.
    pub(crate) headers: Option<&'a str>,
}

/// Whether a configuration may be put.
pub(crate) fn check(configuration: &CORSConfiguration) -> S3Result<()> {
    if configuration.cors_rules.is_empty() || configuration.cors_rules.len() > RULES {
        return Err(refuse::malformed_xml());
    }
    let invalid = |text: String| S3Error::with_message(S3ErrorCode::InvalidRequest, text);
    for rule in &configuration.cors_rules {
        if rule.allowed_methods.is_empty() || rule.allowed_origins.is_empty() {
            return Err(refuse::malformed_xml());
        }
        if let Some(method) = rule.allowed_methods.iter().find(|method| !METHODS.contains(&&***method)) {
            return Err(invalid(format!(
                "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            )));
        }
        let many = |text: &&String| text.matches('*').count() > 1;
        if let Some(origin) = rule.allowed_origins.iter().find(many) {
            return Err(invalid(format!("AllowedOrigin \"{origin}\" can not have more than one wildcard.")));
        }
        if let Some(header) = rule.allowed_headers.iter().flatten().find(many) {
            return Err(invalid(format!("AllowedHeader \"{header}\" can not have more than one wildcard.")));
        }
    }
    Ok(())
}

/// A text with at most one `*` for anything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((begin, end)) => {
            text.len() >= begin.len() + end.len() && text.starts_with(begin) && text.ends_with(end)
        }
    }
}

fn allows(rule: &CORSRule, question: &Question<'_>) -> bool {
    let headers =
        question.headers.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    let allowed = |name: &str| {
        let name = name.to_ascii_lowercase();
        rule.allowed_headers.iter().flatten().any(|pattern| matches(&pattern.to_ascii_lowercase(), &name))
    };
    rule.allowed_origins.iter().any(|pattern| matches(pattern, question.origin))
        && rule.allowed_methods.iter().any(|method| method == question.method)
        && headers.into_iter().all(allowed)
}

/// The first rule that allows what is asked for.
pub(crate) fn find<'c>(
    configuration: &'c CORSConfiguration,
    question: &Question<'_>,
) -> Option<&'c CORSRule> {
    configuration.cors_rules.iter().find(|rule| allows(rule, question))
}

/// The headers that say so.
pub(crate) fn headers(rule: &CORSRule, question: &Question<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name, text: &str| {
        // What a header cannot carry cannot be in what a browser sent either.
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    if rule.allowed_origins.iter().any(|pattern| pattern == "*") {
        set(ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    } else {
        set(ACCESS_CONTROL_ALLOW_ORIGIN, question.origin);
        set(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    set(ACCESS_CONTROL_ALLOW_METHODS, &rule.allowed_methods.join(", "));
    if let Some(asked) = question.headers {
        set(ACCESS_CONTROL_ALLOW_HEADERS, &asked.to_ascii_lowercase());
    }
    if let Some(exposed) = rule.expose_headers.as_ref().filter(|names| !names.is_empty()) {
        set(ACCESS_CONTROL_EXPOSE_HEADERS, &exposed.join(", "));
    }
    if let Some(seconds) = rule.max_age_seconds {
        set(ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
    }
    set(VARY, "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
    headers
}

/// The answer to a preflight that no rule allows.
pub(crate) fn forbidden(has_configuration: bool) -> S3Error {
    if has_configuration {
        refuse::custom(
            "AccessForbidden",
            http::StatusCode::FORBIDDEN,
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
        )
    } else {
        refuse::custom(
            "AccessForbidden",
            http::StatusCode::FORBIDDEN,
            "CORSResponse: CORS is not enabled for this bucket.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origins: &[&str], methods: &[&str], headers: &[&str]) -> CORSRule {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        CORSRule {
            allowed_headers: Some(texts(headers)),
            allowed_methods: texts(methods),
            allowed_origins: texts(origins),
            expose_headers: Some(texts(&["ETag"])),
            id: None,
            max_age_seconds: Some(3000),
        }
    }

    #[test]
    fn the_first_rule_that_allows_it() {
        let configuration = CORSConfiguration {
            cors_rules: vec![
                rule(&["http://www.example1.com"], &["PUT", "POST"], &["*"]),
                rule(&["https://*.example2.com"], &["GET"], &["x-amz-*"]),
                rule(&["*"], &["GET"], &[]),
            ],
        };
        let index = |origin, method, headers| {
            let question = Question { origin, method, headers };
            let found = find(&configuration, &question)?;
            configuration.cors_rules.iter().position(|rule| std::ptr::eq(rule, found))
        };
        assert_eq!(index("http://www.example1.com", "PUT", Some("Content-Type, x-anything")), Some(0));
        assert_eq!(index("https://a.example2.com", "GET", Some("X-Amz-Date")), Some(1));
        assert_eq!(index("https://a.example2.com", "GET", None), Some(1));
        assert_eq!(index("https://a.example2.com", "GET", Some("content-type")), None);
        assert_eq!(index("https://other.com", "GET", None), Some(2));
        assert_eq!(index("https://other.com", "DELETE", None), None);
        let question = Question { origin: "https://other.com", method: "GET", headers: None };
        let headers = headers(&configuration.cors_rules[2], &question);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(headers[ACCESS_CONTROL_EXPOSE_HEADERS], "ETag");
    }

    #[test]
    fn what_is_no_configuration() {
        let one = |rule| check(&CORSConfiguration { cors_rules: vec![rule] });
        assert!(one(rule(&["*"], &["GET"], &[])).is_ok());
        for bad in [
            rule(&["*"], &["PATCH"], &[]),
            rule(&["http://*.a.*"], &["GET"], &[]),
            rule(&["*"], &["GET"], &["*-*"]),
            rule(&[], &["GET"], &[]),
        ] {
            assert!(one(bad).is_err());
        }
    }
}
