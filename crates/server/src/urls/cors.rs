//! What browsers of other origins are told (AWS Lambda Developer Guide, "Cross-origin resource sharing (CORS)" of
//! function URLs; Fetch Standard, "CORS protocol").

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS as CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS as ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS as ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN as ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS as EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE as MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD as REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use lambent_lambda::Cors;

/// Whether a browser asks what it may do.
pub(super) fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(ORIGIN)
        && parts.headers.contains_key(REQUEST_METHOD)
}

/// The answer to that. One that is not allowed to do it learns so by what is missing.
pub(super) fn preflight(cors: &Cors, parts: &Parts) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    let wanted =
        parts.headers.get(REQUEST_METHOD).and_then(|method| method.to_str().ok()).unwrap_or_default();
    let methods = cors.allow_methods.as_deref().unwrap_or_default();
    let is_allowed = methods.iter().any(|method| method == "*" || method.eq_ignore_ascii_case(wanted));
    let Some(origin) = allowed_origin(cors, &parts.headers).filter(|_| is_allowed) else { return response };
    headers.insert(ALLOW_ORIGIN, origin);
    list(headers, ALLOW_METHODS, cors.allow_methods.as_deref());
    list(headers, ALLOW_HEADERS, cors.allow_headers.as_deref());
    credentials(headers, cors);
    if let Some(seconds) = cors.max_age_s {
        headers.insert(MAX_AGE, seconds.into());
    }
    response
}

/// Puts the configured headers in the place of the function's own: "the CORS configuration on the function URL takes
/// precedence".
pub(super) fn apply(cors: &Cors, request: &HeaderMap, answer: &mut HeaderMap) {
    for name in [ALLOW_ORIGIN, ALLOW_METHODS, ALLOW_HEADERS, CREDENTIALS, EXPOSE_HEADERS, MAX_AGE] {
        answer.remove(name);
    }
    if !request.contains_key(ORIGIN) {
        return;
    }
    answer.append(VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = allowed_origin(cors, request) else { return };
    answer.insert(ALLOW_ORIGIN, origin);
    list(answer, EXPOSE_HEADERS, cors.expose_headers.as_deref());
    credentials(answer, cors);
}

fn allowed_origin(cors: &Cors, request: &HeaderMap) -> Option<HeaderValue> {
    let origin = request.get(ORIGIN)?;
    let text = origin.to_str().ok()?;
    let origins = cors.allow_origins.as_deref()?;
    if origins.iter().any(|allowed| allowed == "*") {
        // With credentials a browser does not take the star (Fetch Standard, "CORS protocol and credentials").
        let with_credentials = cors.allow_credentials == Some(true);
        return Some(if with_credentials { origin.clone() } else { HeaderValue::from_static("*") });
    }
    origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(text)).then(|| origin.clone())
}

fn credentials(headers: &mut HeaderMap, cors: &Cors) {
    if cors.allow_credentials == Some(true) {
        headers.insert(CREDENTIALS, HeaderValue::from_static("true"));
    }
}

fn list(headers: &mut HeaderMap, name: HeaderName, values: Option<&[String]>) {
    let joined = values.unwrap_or_default().join(",");
    // What was configured was checked for its length, not for being a header.
    if let Ok(value) = HeaderValue::from_str(&joined)
        && !joined.is_empty()
    {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str], credentials: bool) -> Cors {
        let owned = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
        Cors {
            allow_credentials: Some(credentials),
            allow_headers: owned(&["x-one", "x-two"]),
            allow_methods: owned(&["GET", "PUT"]),
            allow_origins: owned(origins),
            expose_headers: owned(&["x-three"]),
            max_age_s: Some(60),
        }
    }

    fn parts(origin: &str, method: &str) -> Parts {
        let request = http::Request::options("/").header(ORIGIN, origin).header(REQUEST_METHOD, method);
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_preflight_is_answered_by_the_configuration() {
        let listed = cors(&["https://a.example"], true);
        let asked = parts("https://a.example", "PUT");
        assert!(is_preflight(&asked));
        let headers = preflight(&listed, &asked).into_parts().0.headers;
        for (name, value) in [
            (ALLOW_ORIGIN, "https://a.example"),
            (ALLOW_METHODS, "GET,PUT"),
            (ALLOW_HEADERS, "x-one,x-two"),
            (CREDENTIALS, "true"),
            (MAX_AGE, "60"),
            (VARY, "Origin"),
        ] {
            assert_eq!(headers[&name], value, "{name}");
        }
        for (origin, method) in [("https://b.example", "PUT"), ("https://a.example", "DELETE")] {
            let refused = preflight(&listed, &parts(origin, method));
            assert!(!refused.headers().contains_key(ALLOW_ORIGIN), "{origin} {method}");
        }
    }

    #[test]
    fn any_origin_is_a_star_unless_cookies_are_meant() {
        let asked = parts("https://a.example", "GET");
        assert_eq!(preflight(&cors(&["*"], false), &asked).headers()[ALLOW_ORIGIN], "*");
        assert_eq!(preflight(&cors(&["*"], true), &asked).headers()[ALLOW_ORIGIN], "https://a.example");
    }

    #[test]
    fn the_configuration_replaces_what_the_function_says() {
        let request = parts("https://b.example", "GET").headers;
        let mut answer = HeaderMap::new();
        answer.insert(ALLOW_ORIGIN, HeaderValue::from_static("https://b.example"));
        apply(&cors(&["https://a.example"], false), &request, &mut answer);
        assert!(!answer.contains_key(ALLOW_ORIGIN));
        apply(&cors(&["https://b.example"], false), &request, &mut answer);
        assert_eq!(
            (&answer[ALLOW_ORIGIN], &answer[EXPOSE_HEADERS]),
            (&"https://b.example".parse::<HeaderValue>().unwrap(), &"x-three".parse().unwrap())
        );
    }
}
