//! Which operation a request is for.

#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

use http::Request;
use http::request::Parts;
use lambent_wire::{Service, lambda, logs};

fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn check(service: &'static Service, parts: &Parts, expected: &str) {
    let outcome = service.route(parts);
    let found = match &outcome {
        Ok(matched) => matched.operation().name,
        Err(error) => error.code,
    };
    assert_eq!(found, expected, "{} {}", parts.method, parts.uri);
}

#[test]
fn paths_lead_to_operations() {
    for (method, uri, expected) in [
        ("POST", "/2015-03-31/functions", "CreateFunction"),
        ("POST", "/2015-03-31/functions/", "CreateFunction"),
        ("GET", "/2015-03-31/functions/?MaxItems=1", "ListFunctions"),
        ("GET", "/2015-03-31/functions/f", "GetFunction"),
        ("GET", "/2015-03-31/functions/f/", "GetFunction"),
        ("GET", "/2015-03-31/functions/f/configuration?Qualifier=1", "GetFunctionConfiguration"),
        ("PUT", "/2015-03-31/functions/f/code", "UpdateFunctionCode"),
        ("POST", "/2015-03-31/functions/f/invocations", "Invoke"),
        ("POST", "/2014-11-13/functions/f/invoke-async/", "InvokeAsync"),
        ("DELETE", "/2017-03-31/tags/arn%3Aaws%3Alambda?tagKeys=a&tagKeys=b", "UntagResource"),
        ("GET", "/2018-10-31/layers", "ListLayers"),
        ("GET", "/2018-10-31/layers?find=LayerVersion&Arn=x", "GetLayerVersionByArn"),
        ("GET", "/2018-10-31/layers?Arn=x&find=LayerVersion", "GetLayerVersionByArn"),
        ("GET", "/2018-10-31/layers?find=Other", "ListLayers"),
        (
            "GET",
            "/2019-09-30/functions/f/provisioned-concurrency?Qualifier=a",
            "GetProvisionedConcurrencyConfig",
        ),
        (
            "GET",
            "/2019-09-30/functions/f/provisioned-concurrency?List=ALL",
            "ListProvisionedConcurrencyConfigs",
        ),
        ("PUT", "/2019-09-25/functions/f/event-invoke-config", "PutFunctionEventInvokeConfig"),
        ("POST", "/2019-09-25/functions/f/event-invoke-config", "UpdateFunctionEventInvokeConfig"),
        ("GET", "/2025-12-01/durable-executions/a%2Fb%2Fc/history", "GetDurableExecutionHistory"),
        ("GET", "/2025-12-01/durable-executions/a/b/c/history", "UnknownOperationException"),
        ("PATCH", "/2015-03-31/functions", "UnknownOperationException"),
        ("POST", "/2015-03-31/functions//invocations", "UnknownOperationException"),
        ("GET", "/2015-03-31/functions/f//", "UnknownOperationException"),
        ("GET", "/", "UnknownOperationException"),
        ("GET", "/2015-03-31/functions/%ff", "SerializationException"),
    ] {
        check(&lambda::SERVICE, &parts(method, uri, &[]), expected);
    }
}

#[test]
fn an_encoded_slash_stays_in_its_label() {
    let parts = parts("GET", "/2017-03-31/tags/arn%3Aaws%3Alambda%2Fa%20b+c", &[]);
    let matched = lambda::SERVICE.route(&parts).unwrap();
    assert_eq!(matched.label("Resource"), Some("arn:aws:lambda/a b+c"));
    assert_eq!(matched.label("FunctionName"), None);
}

#[test]
fn targets_lead_to_operations() {
    for (method, path, target, expected) in [
        ("POST", "/", "Logs_20140328.FilterLogEvents", "FilterLogEvents"),
        ("POST", "/", "Logs_20140328.PutLogEvents", "PutLogEvents"),
        ("POST", "/", "Logs_20140328.Nothing", "UnknownOperationException"),
        ("POST", "/", "Logs_20140328FilterLogEvents", "UnknownOperationException"),
        ("POST", "/", "Other.FilterLogEvents", "UnknownOperationException"),
        ("GET", "/", "Logs_20140328.FilterLogEvents", "UnknownOperationException"),
        ("POST", "/x", "Logs_20140328.FilterLogEvents", "UnknownOperationException"),
    ] {
        check(&logs::SERVICE, &parts(method, path, &[("x-amz-target", target)]), expected);
    }
    check(&logs::SERVICE, &parts("POST", "/", &[]), "UnknownOperationException");
}

#[test]
fn an_operation_that_is_not_offered_is_known_and_says_so() {
    let parts = parts("GET", "/2018-10-31/layers", &[]);
    let operation = lambda::SERVICE.route(&parts).unwrap().operation();
    let error = operation.not_offered();
    assert_eq!((error.status.as_u16(), error.code), (501, "NotImplementedException"));
    assert_eq!(error.message, "lambent does not offer ListLayers yet; see docs/compatibility.md");
}

#[test]
fn the_whole_model_has_routes() {
    assert_eq!(lambda::SERVICE.operations.len(), 91);
    assert_eq!(lambda::SERVICE.operations.iter().filter(|operation| operation.typed).count(), 91);
    assert_eq!(logs::SERVICE.operations.len(), 118);
    assert_eq!(logs::SERVICE.operations.iter().filter(|operation| operation.typed).count(), 38);
}
