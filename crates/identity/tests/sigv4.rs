//! Signature Version 4 against AWS's published test suite and against signatures made by botocore 1.44.5.

use bytes::Bytes;
use http::Request;
use http::request::Parts;
use lambent_identity::{AuthError, Credentials, Payload, Signed, parse, sign, verify};
use lambent_model::{Sha256, Timestamp};
use sha2::Digest;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30T12:36:00Z, the date of AWS's test suite.
const SUITE: Timestamp = Timestamp::from_millis(1_440_938_160_000);
/// 2026-01-31T12:00:05Z, the date of the vectors made with botocore.
const VECTORS: Timestamp = Timestamp::from_millis(1_769_860_805_000);

type Headers<'a> = &'a [(&'a str, &'a str)];

fn parts(method: &str, uri: &str, headers: Headers) -> Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("the test's request is valid").into_parts().0
}

fn payload(body: &str) -> Payload {
    Payload::Signed(Sha256(sha2::Sha256::digest(body).into()))
}

fn check(parts: &Parts, body: &str, secret: &str, now: Timestamp) -> Result<(), AuthError> {
    let signed = parse(parts)?.expect("the request is signed");
    verify(&signed, parts, payload(body), secret, now)
}

/// A request of AWS's suite: host and date are the same in all of them.
fn suite(method: &str, uri: &str, headers: Headers, signed_headers: &str, signature: &str) -> Parts {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders={signed_headers}, Signature={signature}"
    );
    let mut all = vec![("Host", "example.amazonaws.com"), ("X-Amz-Date", "20150830T123600Z")];
    all.extend_from_slice(headers);
    all.push(("Authorization", &authorization));
    parts(method, uri, &all)
}

#[test]
fn aws_test_suite_verifies() {
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let plain = "host;x-amz-date";
    let two = "host;my-header1;x-amz-date";
    let cases: &[(&str, &str, &str, Headers, &str, &str, &str)] = &[
        ("get-vanilla", "GET", "/", &[], "", plain, vanilla),
        ("get-relative", "GET", "/example/..", &[], "", plain, vanilla),
        ("get-slash", "GET", "//", &[], "", plain, vanilla),
        ("get-slash-dot-slash", "GET", "/./", &[], "", plain, vanilla),
        (
            "get-slash-pointless-dot",
            "GET",
            "/./example",
            &[],
            "",
            plain,
            "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
        ),
        (
            "get-slashes",
            "GET",
            "//example//",
            &[],
            "",
            plain,
            "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
        ),
        (
            "get-unreserved",
            "GET",
            "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            &[],
            "",
            plain,
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
        (
            "get-vanilla-query-order-key-case",
            "GET",
            "/?Param2=value2&Param1=value1",
            &[],
            "",
            plain,
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "get-header-key-duplicate",
            "GET",
            "/",
            &[("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")],
            "",
            two,
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ),
        (
            "get-header-value-trim",
            "GET",
            "/",
            &[("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
            "",
            "host;my-header1;my-header2;x-amz-date",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            "post-vanilla",
            "POST",
            "/",
            &[],
            "",
            plain,
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "post-x-www-form-urlencoded",
            "POST",
            "/",
            &form,
            "Param1=value1",
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ];
    for (name, method, uri, headers, body, signed_headers, signature) in cases {
        let parts = suite(method, uri, headers, signed_headers, signature);
        assert_eq!(check(&parts, body, SECRET, SUITE), Ok(()), "{name}");
        // The case can fail: the same signature is none with another secret.
        assert!(matches!(
            check(&parts, body, "another", SUITE),
            Err(AuthError::SignatureDoesNotMatch { .. })
        ));
    }
}

fn authorization(region: &str, service: &str, signed_headers: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=123456789012/20260131/{region}/{service}/aws4_request, \
         SignedHeaders={signed_headers}, Signature={signature}"
    )
}

#[test]
fn botocore_headers_verify() {
    // An ARN in the path is percent-encoded by the client and encoded once more in the canonical request.
    let invoke = parts(
        "POST",
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af/invocations?Qualifier=%24LATEST",
        &[
            ("Host", "127.0.0.1:4566"),
            ("X-Amz-Invocation-Type", "Event"),
            ("Content-Type", "application/json"),
            ("User-Agent", "x/1"),
            ("X-Amzn-Trace-Id", "Root=1"),
            ("X-Amz-Date", "20260131T120005Z"),
            (
                "Authorization",
                &authorization(
                    "eu-central-1",
                    "lambda",
                    "content-type;host;x-amz-date;x-amz-invocation-type",
                    "90d1cc059cf4e8f9605ccd743c3e8b21d4573099c22ef10210aeeda801794bc2",
                ),
            ),
        ],
    );
    assert_eq!(check(&invoke, r#"{"a": 1}"#, SECRET, VECTORS), Ok(()));
    let Some(Signed::Header(header)) = parse(&invoke).expect("well formed") else { panic!("a header") };
    assert_eq!(header.credential.access_key, "123456789012");
    assert_eq!(header.credential.scope_region.as_str(), "eu-central-1");
    assert_eq!(header.credential.service, "lambda");
    assert_eq!(header.at, VECTORS);

    // botocore keeps a `Date` header instead of `X-Amz-Date` when the caller has set one.
    let dated = parts(
        "GET",
        "/2015-03-31/functions?MaxItems=2&Marker=a%2Fb%20c",
        &[
            ("Host", "localhost:4566"),
            ("Date", "Sat, 31 Jan 2026 12:00:05 -0000"),
            (
                "Authorization",
                &authorization(
                    "us-east-1",
                    "lambda",
                    "date;host",
                    "dc0b8dbf25700c93f675d8ec972d2c84ac760629e80ece30e3ec04c57c7d583a",
                ),
            ),
        ],
    );
    // AWSRequest sent the query as it stands here, and botocore sorts what it is given.
    assert_eq!(check(&dated, "", SECRET, VECTORS), Ok(()));
}

#[test]
fn our_signature_is_botocores() {
    let token = "IQoJb3JpZ2luX2VjEXAMPLE//=";
    let mut request = Request::post("http://localhost:4566/")
        .header("X-Amz-Target", "Logs_20140328.FilterLogEvents")
        .header("Content-Type", "application/x-amz-json-1.1")
        .body(Bytes::from_static(b"{}"))
        .expect("a valid request");
    let credentials = Credentials {
        access_key: "123456789012".to_owned(),
        secret: SECRET.to_owned(),
        session_token: Some(token.to_owned()),
    };
    let region = "us-east-1".parse().expect("a region");
    let expected = authorization(
        "us-east-1",
        "logs",
        "content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
        "5fcd40b10c9c679a592c5994807d83b25e2f6285afd8a22439dd79e7cba5be50",
    );
    // Signing twice is how a retry looks.
    for _ in 0..2 {
        sign(&mut request, &credentials, &region, "logs", VECTORS).expect("it has a host");
        assert_eq!(request.headers()["authorization"], expected.as_str());
    }
    let (parts, _) = request.into_parts();
    assert_eq!(check(&parts, "{}", SECRET, VECTORS), Ok(()));
    let signed = parse(&parts).expect("well formed").expect("signed");
    assert_eq!(signed.session_token(), Some(token));
}

const PRESIGNED: &str = "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256\
    &X-Amz-Credential=123456789012%2F20260131%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Date=20260131T120005Z\
    &X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Security-Token=tok%2B%2F%3D\
    &X-Amz-Signature=5f302025f62198e3462ef9bfdeb9f1f5443ab5e10843087d5d39a80bde15ecb1";

fn presigned(uri: &str) -> Parts {
    parts("GET", uri, &[("Host", "localhost:4566")])
}

#[test]
fn presigned_urls_verify_until_they_expire() {
    let url = presigned(PRESIGNED);
    assert_eq!(parse(&url).expect("well formed").expect("signed").session_token(), Some("tok+/="));
    let after = |seconds: i64| Timestamp::from_millis(VECTORS.millis() + seconds * 1000);
    assert_eq!(check(&url, "", SECRET, after(60)), Ok(()));
    assert_eq!(check(&url, "", SECRET, after(-900)), Ok(()));
    for now in [after(61), after(-901)] {
        assert!(matches!(check(&url, "", SECRET, now), Err(AuthError::RequestExpired(_))));
    }
    for (from, to) in [("Expires=60", "Expires=600"), ("GetCaller", "GetOther"), ("tok%2B", "tok%2C")] {
        let forged = presigned(&PRESIGNED.replace(from, to));
        let answer = check(&forged, "", SECRET, VECTORS);
        assert!(matches!(answer, Err(AuthError::SignatureDoesNotMatch { .. })), "{to}: {answer:?}");
    }
}

#[test]
fn malformed_queries_are_refused() {
    for (from, to, code, words) in [
        ("X-Amz-Expires=60&", "", "IncompleteSignature", "must include 'X-Amz-Expires'"),
        ("Expires=60", "Expires=0", "IncompleteSignature", "at least 1 second"),
        ("Expires=60", "Expires=604801", "IncompleteSignature", "less than a week"),
        ("Expires=60", "Expires=-1", "IncompleteSignature", "should be a number"),
        (
            "Expires=60",
            "Expires=60&X-Amz-Expires=61",
            "IncompleteSignature",
            "'X-Amz-Expires' must not be repeated",
        ),
        (
            "&X-Amz-Signature",
            "&X-Amz-Signature=0&X-Amz-Signature",
            "IncompleteSignature",
            "'X-Amz-Signature'",
        ),
        (
            "HMAC-SHA256",
            "HMAC-SHA512",
            "IncompleteSignature",
            "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA512'",
        ),
        ("aws4_request", "aws5", "SignatureDoesNotMatch", "valid terminator: 'aws4_request', not 'aws5'"),
        ("%2Fsts", "", "IncompleteSignature", "exactly 5 slash-delimited elements"),
        ("20260131%2F", "20260130%2F", "SignatureDoesNotMatch", "'20260130' != '20260131'"),
        ("20260131T120005Z", "2026-01-31", "IncompleteSignature", "ISO-8601 'basic format'"),
        (
            "SignedHeaders=host",
            "SignedHeaders=range",
            "SignatureDoesNotMatch",
            "'Host' or ':authority' must be",
        ),
    ] {
        let uri = PRESIGNED.replace(from, to);
        assert_ne!(uri, PRESIGNED);
        let error = check(&presigned(&uri), "", SECRET, VECTORS).expect_err(to);
        assert_eq!(error.query_code(), code, "{to}");
        assert!(error.to_string().contains(words), "{to}: {error}");
    }
}

#[test]
fn malformed_headers_are_refused() {
    let scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";
    let date = ("X-Amz-Date", "20150830T123600Z");
    let cases: &[(String, Headers, &str)] = &[
        ("Bearer hush".to_owned(), &[date], "not a valid key=value pair"),
        (
            "AWS4-HMAC-SHA256".to_owned(),
            &[],
            "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' \
             parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires \
             existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256",
        ),
        (
            format!("AWS4-HMAC-SHA256 Credential={scope}, Signature=00"),
            &[date],
            "Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4-HMAC-SHA256",
        ),
        (
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00, Signature=01"),
            &[date],
            "Authorization header repeats 'Signature'.",
        ),
        (
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;host, Signature=00"),
            &[date],
            "each once",
        ),
        (
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"),
            &[date, date],
            "Header 'x-amz-date' must not be repeated.",
        ),
        (
            format!("AWS4-ECDSA-P256-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"),
            &[date],
            "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'.",
        ),
    ];
    for (authorization, headers, words) in cases {
        let mut all = vec![("Host", "example.amazonaws.com"), ("Authorization", authorization.as_str())];
        all.extend_from_slice(headers);
        let error = parse(&parts("GET", "/", &all)).expect_err(authorization);
        assert_eq!(error.json_code(), "IncompleteSignature", "{authorization}");
        assert!(error.to_string().contains(words), "{authorization}: {error}");
        assert!(!error.to_string().contains("hush"), "the answer repeats what may be a password");
    }

    assert_eq!(parse(&parts("GET", "/?Action=x", &[("Host", "h")])), Ok(None));
    let both = parts("GET", PRESIGNED, &[("Host", "h"), ("Authorization", "AWS4-HMAC-SHA256 Credential=x")]);
    assert!(parse(&both).expect_err("one place too many").to_string().contains("Only one auth mechanism"));
}

#[test]
fn clock_and_coverage_are_checked() {
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let plain = suite("GET", "/", &[], "host;x-amz-date", vanilla);
    let at = |seconds: i64| Timestamp::from_millis(SUITE.millis() + seconds * 1000);
    for seconds in [-900, 0, 900] {
        assert_eq!(check(&plain, "", SECRET, at(seconds)), Ok(()), "{seconds}");
    }
    for seconds in [-901, 901] {
        let error = check(&plain, "", SECRET, at(seconds)).expect_err("out of date");
        assert_eq!((error.json_code(), error.status().as_u16()), ("RequestExpired", 400), "{seconds}");
    }

    // A body, a header or a body hash that the signature does not speak of.
    assert!(matches!(check(&plain, "x", SECRET, SUITE), Err(AuthError::SignatureDoesNotMatch { .. })));
    let extra = |name, value| suite("GET", "/", &[(name, value)], "host;x-amz-date", vanilla);
    assert_eq!(check(&extra("accept", "*/*"), "", SECRET, SUITE), Ok(()));
    let target = check(&extra("x-amz-target", "Logs.Delete"), "", SECRET, SUITE);
    assert!(target.expect_err("not covered").to_string().contains("'x-amz-target' must be"));

    let hashed = |hash| {
        let headers = "host;x-amz-content-sha256;x-amz-date";
        suite("GET", "/", &[("x-amz-content-sha256", hash)], headers, vanilla)
    };
    for hash in ["UNSIGNED-PAYLOAD", &"0".repeat(64)] {
        let error = check(&hashed(hash), "", SECRET, SUITE).expect_err("a hash that is not the body's");
        assert_eq!(error.json_code(), "InvalidSignatureException");
        assert!(matches!(error, AuthError::InvalidSignature(_)), "{hash}");
    }
}

#[test]
fn unsigned_payloads_pass_where_allowed() {
    // Signed by botocore with `payload_signing_enabled` off, as it does for `v4-unsigned-body` over TLS.
    let request = parts(
        "POST",
        "/upload",
        &[
            ("Host", "localhost"),
            ("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"),
            ("X-Amz-Date", "20260131T120005Z"),
            (
                "Authorization",
                &authorization(
                    "us-east-1",
                    "lambda",
                    "host;x-amz-content-sha256;x-amz-date",
                    "4f68e91f4fe503bb433ff31ae2c6a6d933f865fa36558bac83720b36a784276b",
                ),
            ),
        ],
    );
    let Payload::Signed(hash) = payload("anything") else { panic!("made above") };
    let signed = parse(&request).expect("well formed").expect("signed");
    assert_eq!(verify(&signed, &request, Payload::MayBeUnsigned(hash), SECRET, VECTORS), Ok(()));
    assert!(verify(&signed, &request, Payload::Signed(hash), SECRET, VECTORS).is_err());
}
