//! From requests to inputs.

#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

use bytes::Bytes;
use http::Request;
use lambent_wire::{Call, Error, Service, lambda, logs};

fn decode<C: Call>(
    service: &'static Service,
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<C::Input, Error> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    service.route(&parts)?.decode::<C>(&parts, body.into())
}

fn create(body: impl Into<Bytes>) -> Result<lambda::CreateFunctionRequest, Error> {
    decode::<lambda::op::CreateFunction>(&lambda::SERVICE, "POST", "/2015-03-31/functions", &[], body)
}

#[test]
fn a_body_becomes_a_typed_input() {
    let input = create(
        r#"{"FunctionName":"first","FunctionName":"f","Runtime":"python3.13","Role":"arn:aws:iam::000000000000:role/r",
            "Handler":"a.b","Code":{"ZipFile":"UEsDBA==","Unknown":{"a":[1]}},"Timeout":3.0,"Layers":null,"Publish":true,
            "Environment":{"Variables":{"KEY":"va\u006cue"}},"VpcConfig":{"SubnetIds":[]},"Future":"x"}"#,
    )
    .unwrap();
    assert_eq!(input.function_name, "f");
    assert_eq!(input.runtime, Some(lambda::Runtime::Python3_13));
    assert_eq!(input.code.zip_file.unwrap()[..], *b"PK\x03\x04");
    assert_eq!((input.timeout, input.publish, input.layers), (Some(3), Some(true), None));
    assert_eq!(input.environment.unwrap().variables.unwrap()["KEY"], "value");
    assert_eq!(input.vpc_config.unwrap().subnet_ids, Some(Vec::new()));
}

#[test]
fn an_unknown_runtime_is_left_to_the_service() {
    let input = create(
        r#"{"FunctionName":"f","Role":"arn:aws:iam::000000000000:role/r","Code":{},"Runtime":"cobol"}"#,
    );
    assert_eq!(input.unwrap().runtime, Some(lambda::Runtime::Other("cobol".to_owned())));
}

#[test]
fn what_cannot_be_read_is_a_serialization_exception() {
    for (body, expected) in [
        ("{", "cannot parse the request body as JSON: EOF"),
        ("{} {}", "cannot parse the request body as JSON: trailing characters"),
        ("[]", "the request body is not a JSON object"),
        ("null", "the request body is not a JSON object"),
        (r#"{"FunctionName":1}"#, "NUMBER_VALUE can not be converted to a String (at 'functionName')"),
        (r#"{"Timeout":"3"}"#, "STRING_VALUE can not be converted to an Integer (at 'timeout')"),
        (r#"{"Timeout":3.5}"#, "DECIMAL_VALUE can not be converted to an Integer (at 'timeout')"),
        (r#"{"Timeout":3000000000}"#, "NUMBER_VALUE can not be converted to an Integer (at 'timeout')"),
        (r#"{"Publish":"true"}"#, "STRING_VALUE can not be converted to a Boolean (at 'publish')"),
        (r#"{"Code":[]}"#, "START_ARRAY can not be converted to a Structure (at 'code')"),
        (r#"{"Layers":["a",{}]}"#, "START_OBJECT can not be converted to a String (at 'layers.2.member')"),
        (r#"{"Environment":{"Variables":{"K":1}}}"#, "NUMBER_VALUE can not be converted to a String"),
        (
            r#"{"FunctionName":"f","Role":"arn:aws:iam::000000000000:role/r","Code":{"ZipFile":"!"}}"#,
            "cannot read the request: invalid base64",
        ),
    ] {
        let error = create(body).expect_err(body);
        assert_eq!((error.code, error.status.as_u16()), ("SerializationException", 400), "{body}");
        assert!(error.message.starts_with(expected), "{body}: {}", error.message);
    }
}

#[test]
fn a_document_of_too_many_values_is_refused() {
    let many = format!("{{\"Layers\":[{}0]}}", "0,".repeat(600_000));
    let error = create(many).expect_err("the bound is below this");
    assert!(error.message.contains("more than 500000 values"), "{}", error.message);
    let deep = format!("{{\"Layers\":{}", "[".repeat(100_000));
    assert_eq!(create(deep).expect_err("nesting is bounded").code, "SerializationException");
}

#[test]
fn an_invocation_takes_its_payload_without_a_copy() {
    let body = Bytes::from_static(b"not even JSON");
    let headers =
        [("X-Amz-Invocation-Type", "Event"), ("x-amz-log-type", "Tail"), ("X-Amz-Client-Context", "e30=")];
    let uri = "/2015-03-31/functions/f/invocations?Qualifier=%24LATEST";
    let input = decode::<lambda::op::Invoke>(&lambda::SERVICE, "POST", uri, &headers, body.clone()).unwrap();
    assert_eq!(input.function_name, "f");
    assert_eq!(input.invocation_type, Some(lambda::InvocationType::Event));
    assert_eq!(input.log_type, Some(lambda::LogType::Tail));
    assert_eq!(input.client_context.as_deref(), Some("e30="));
    assert_eq!(input.qualifier.as_deref(), Some("$LATEST"));
    assert_eq!(input.payload.unwrap().bytes().as_ptr(), body.as_ptr());
    let input = decode::<lambda::op::Invoke>(&lambda::SERVICE, "POST", uri, &[], "").unwrap();
    assert_eq!((input.payload, input.invocation_type), (None, None));
}

#[test]
fn a_query_list_is_repeated_and_decoded() {
    let uri = "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af?tagKeys=a+b&tagKeys=c%2Bd";
    let input = decode::<lambda::op::UntagResource>(&lambda::SERVICE, "DELETE", uri, &[], "").unwrap();
    assert_eq!(input.resource, "arn:aws:lambda:us-east-1:000000000000:function:f");
    assert_eq!(input.tag_keys, ["a b", "c+d"]);
}

#[test]
fn query_numbers_are_parsed() {
    type List = lambda::op::ListFunctions;
    let list = |query: &str| {
        decode::<List>(&lambda::SERVICE, "GET", &format!("/2015-03-31/functions?{query}"), &[], "ignored")
    };
    assert_eq!(list("MaxItems=7&Marker=").unwrap().max_items, Some(7));
    assert_eq!(list("MaxItems=7&Marker=").unwrap().marker.as_deref(), Some(""));
    assert_eq!(list("Future=1").unwrap().max_items, None);
    for query in ["MaxItems=seven", "MaxItems=", "Marker=%ff"] {
        assert_eq!(list(query).expect_err(query).code, "SerializationException");
    }
}

#[test]
fn a_json_protocol_reads_the_body_alone() {
    let target = [("x-amz-target", "Logs_20140328.FilterLogEvents")];
    let body = r#"{"logGroupName":"/aws/lambda/f","startTime":1767225600123,"logStreamNames":["a"]}"#;
    let input = decode::<logs::op::FilterLogEvents>(&logs::SERVICE, "POST", "/", &target, body).unwrap();
    assert_eq!(input.start_time, Some(1_767_225_600_123));
    assert_eq!(input.log_stream_names, Some(vec!["a".to_owned()]));
    let empty = decode::<logs::op::FilterLogEvents>(&logs::SERVICE, "POST", "/", &target, "").unwrap();
    assert_eq!(empty.log_group_name, None);
}

#[test]
fn debug_output_holds_no_secrets() {
    let input = create(
        r#"{"FunctionName":"f","Role":"arn:aws:iam::000000000000:role/r","Code":{"ZipFile":"UEsDBA=="},
            "Environment":{"Variables":{"KEY":"hush"}}}"#,
    );
    let debug = format!("{:?}", input.unwrap());
    assert!(!debug.contains("hush") && debug.contains("***") && debug.contains("Blob(4 bytes)"), "{debug}");
}
