//! Outputs and errors as responses, and what a client reads back.

#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

use bytes::Bytes;
use http::Response;
use lambent_wire::{
    Blob, Call, ClientError, Empty, Error, Service, common, decode_response, encode, lambda, logs,
};

const REQUEST_ID: &str = "6b1ee0a5-0000-4000-8000-000000000001";

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

/// Encodes, checks status and body, and returns the response.
fn check<C: Call>(output: &C::Output, status: u16, body: &str) -> Response<Bytes> {
    let response = encode::<C>(output, REQUEST_ID);
    assert_eq!((response.status().as_u16(), std::str::from_utf8(response.body()).unwrap()), (status, body));
    assert_eq!(header(&response, "x-amzn-RequestId"), Some(REQUEST_ID));
    response
}

#[test]
fn outputs_take_the_status_of_the_model_or_of_their_member() {
    let created = lambda::FunctionConfiguration { function_name: Some("f".to_owned()), ..Default::default() };
    let response = check::<lambda::op::CreateFunction>(&created, 201, r#"{"FunctionName":"f"}"#);
    assert_eq!(header(&response, "content-type"), Some("application/json"));
    check::<lambda::op::GetFunctionConfiguration>(&created, 200, r#"{"FunctionName":"f"}"#);
    check::<lambda::op::GetFunctionConcurrency>(&Default::default(), 200, "{}");
    let deleted = lambda::DeleteFunctionResponse { status_code: Some(204) };
    let response = check::<lambda::op::DeleteFunction>(&deleted, 204, "");
    assert_eq!((header(&response, "content-type"), header(&response, "content-length")), (None, None));
    check::<lambda::op::TagResource>(&Empty {}, 204, "");
    let events = logs::FilterLogEventsResponse { events: Some(Vec::new()), ..Default::default() };
    let response = check::<logs::op::FilterLogEvents>(&events, 200, r#"{"events":[]}"#);
    assert_eq!(header(&response, "content-type"), Some("application/x-amz-json-1.1"));
}

#[test]
fn a_stream_begins_with_headers_alone() {
    let output = lambda::InvokeWithResponseStreamResponse {
        status_code: Some(200),
        executed_version: Some("3".to_owned()),
        ..Default::default()
    };
    let response = check::<lambda::op::InvokeWithResponseStream>(&output, 200, "");
    assert_eq!(header(&response, "content-type"), Some("application/vnd.amazon.eventstream"));
    assert_eq!(header(&response, "X-Amz-Executed-Version"), Some("3"));
    assert_eq!(header(&response, "content-length"), None, "the events follow");
}

#[test]
fn an_invocation_answers_bytes_and_headers() {
    let payload = Bytes::from_static(b"{\"verbatim\" : 1}");
    let output = lambda::InvocationResponse {
        status_code: Some(200),
        executed_version: Some("$LATEST".to_owned()),
        function_error: Some("Unhandled".to_owned()),
        payload: Some(Blob::from(payload.clone())),
        ..Default::default()
    };
    let response = check::<lambda::op::Invoke>(&output, 200, "{\"verbatim\" : 1}");
    assert_eq!(response.body().as_ptr(), payload.as_ptr());
    assert_eq!(header(&response, "content-type"), Some("application/json"));
    assert_eq!(header(&response, "X-Amz-Executed-Version"), Some("$LATEST"));
    assert_eq!(header(&response, "X-Amz-Function-Error"), Some("Unhandled"));
    assert_eq!(header(&response, "X-Amz-Log-Result"), None);
    assert_eq!(decode_response::<lambda::op::Invoke>(response).unwrap(), output);
    let accepted = lambda::InvocationResponse { status_code: Some(202), ..Default::default() };
    let response = check::<lambda::op::Invoke>(&accepted, 202, "");
    assert_eq!(header(&response, "content-length"), Some("0"));
    assert_eq!(decode_response::<lambda::op::Invoke>(response).unwrap(), accepted);
}

#[test]
fn an_output_that_fits_no_header_is_an_internal_failure() {
    let output =
        lambda::InvocationResponse { function_error: Some("a\r\nb: c".to_owned()), ..Default::default() };
    let response = encode::<lambda::op::Invoke>(&output, REQUEST_ID);
    assert_eq!((response.status().as_u16(), header(&response, "b")), (500, None));
    assert_eq!(header(&response, "x-amzn-errortype"), Some("InternalFailure"));
}

#[test]
fn a_client_reads_what_the_server_wrote() {
    let output = lambda::ListFunctionsResponse {
        next_marker: Some("m".to_owned()),
        functions: Some(vec![lambda::FunctionConfiguration {
            runtime: Some(lambda::Runtime::Nodejs22X),
            code_size: Some(1 << 40),
            architectures: Some(vec![lambda::Architecture::Arm64]),
            ..Default::default()
        }]),
    };
    let response = encode::<lambda::op::ListFunctions>(&output, REQUEST_ID);
    assert_eq!(decode_response::<lambda::op::ListFunctions>(response).unwrap(), output);
    let newer = Response::new(Bytes::from_static(
        br#"{"Functions":[{"Runtime":"newer1.x","New":{}}],"NextMarker":null}"#,
    ));
    let output = decode_response::<lambda::op::ListFunctions>(newer).unwrap();
    assert_eq!(output.functions.unwrap()[0].runtime, Some(lambda::Runtime::Other("newer1.x".to_owned())));
    let html = Response::new(Bytes::from_static(b"<html>"));
    let error = decode_response::<lambda::op::ListFunctions>(html).unwrap_err();
    assert!(matches!(error, ClientError::Malformed { operation: "ListFunctions", .. }), "{error}");
}

/// Checks one error's response, and that a client reads code, message and request id out of it.
fn check_error(service: &'static Service, error: &Error, status: u16, body: &str) -> Response<Bytes> {
    let response = service.error_response(error, REQUEST_ID);
    assert_eq!((response.status().as_u16(), std::str::from_utf8(response.body()).unwrap()), (status, body));
    assert_eq!(header(&response, "x-amzn-RequestId"), Some(REQUEST_ID));
    match decode_response::<lambda::op::ListFunctions>(response.clone()).unwrap_err() {
        ClientError::Service { code, message, request_id, .. } => {
            assert_eq!((code.as_str(), message.as_str()), (error.code, error.message.as_str()));
            assert_eq!(request_id.as_deref(), Some(REQUEST_ID));
        }
        other => panic!("{other}"),
    }
    response
}

#[test]
fn rest_errors_have_exactly_the_keys_of_their_shape() {
    let lambda = &lambda::SERVICE;
    let not_found = lambda::error::resource_not_found_exception("gone");
    let response = check_error(lambda, &not_found, 404, r#"{"Type":"User","Message":"gone"}"#);
    assert_eq!(header(&response, "x-amzn-ErrorType"), Some("ResourceNotFoundException"));
    assert_eq!(header(&response, "content-type"), Some("application/json"));
    let invalid = lambda::error::invalid_parameter_value_exception("bad");
    check_error(lambda, &invalid, 400, r#"{"Type":"User","message":"bad"}"#);
    check_error(lambda, &invalid.without_type(), 400, r#"{"message":"bad"}"#);
    check_error(
        lambda,
        &lambda::error::service_exception("oops"),
        500,
        r#"{"Type":"Service","Message":"oops"}"#,
    );
    check_error(lambda, &common::validation_exception("v"), 400, r#"{"message":"v"}"#);
    check_error(lambda, &common::access_denied("no"), 403, r#"{"message":"no"}"#);
    check_error(lambda, &common::request_entity_too_large("big"), 413, r#"{"message":"big"}"#);
    check_error(lambda, &common::unknown_operation("what"), 404, r#"{"message":"what"}"#);
    let throttled = lambda::error::too_many_requests_exception("Rate Exceeded.")
        .with_reason(lambda::ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded)
        .with_retry_after_seconds(1);
    let body = r#"{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}"#;
    assert_eq!(header(&check_error(lambda, &throttled, 429, body), "retry-after"), Some("1"));
}

#[test]
fn json_errors_name_their_type_in_the_body() {
    let logs = &logs::SERVICE;
    let not_found = logs::error::resource_not_found_exception("gone");
    let body = r#"{"__type":"ResourceNotFoundException","message":"gone"}"#;
    let response = check_error(logs, &not_found, 400, body);
    assert_eq!(header(&response, "content-type"), Some("application/x-amz-json-1.1"));
    assert_eq!(header(&response, "x-amzn-errortype"), None);
    check_error(
        logs,
        &common::access_denied("no"),
        400,
        r#"{"__type":"AccessDeniedException","message":"no"}"#,
    );
    let unavailable = logs::error::service_unavailable_exception("later");
    check_error(logs, &unavailable, 500, r#"{"__type":"ServiceUnavailableException","message":"later"}"#);
}

#[test]
#[should_panic(expected = "ResourceNotFoundException has no member 'Reason'")]
fn a_member_that_the_shape_lacks_is_a_mistake() {
    let _ = lambda::error::resource_not_found_exception("gone").with_reason("x");
}

#[test]
fn a_client_understands_foreign_error_spellings() {
    for (headers, body, expected) in [
        (Some("FooException:http://internal/coral"), "{}", ("FooException", "Bad Gateway")),
        (None, r#"{"__type":"com.amazon#FooException","Message":"m"}"#, ("FooException", "m")),
        (None, "<html>", ("502", "Bad Gateway")),
    ] {
        let mut response = Response::builder().status(502);
        if let Some(code) = headers {
            response = response.header("x-amzn-errortype", code);
        }
        let response = response.body(Bytes::from_static(body.as_bytes())).unwrap();
        match decode_response::<lambda::op::Invoke>(response).unwrap_err() {
            ClientError::Service { code, message, .. } => {
                assert_eq!((code.as_str(), message.as_str()), expected)
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_service_with_two_protocols_answers_in_the_one_it_was_asked_in() {
    use lambent_wire::sqs::{self, op};
    let request = |target: bool| {
        let request = http::Request::post("/");
        let request =
            if target { request.header("x-amz-target", "AmazonSQS.ReceiveMessage") } else { request };
        request.body(()).unwrap().into_parts().0
    };
    let message = sqs::Message {
        message_id: Some("1".to_owned()),
        body: Some("<b>".to_owned()),
        attributes: Some([("SenderId".to_owned(), "me".to_owned())].into()),
        ..Default::default()
    };
    let output = sqs::ReceiveMessageResult { messages: Some(vec![message.clone(), message]) };
    let json = sqs::SERVICE.dialect(&request(true).headers);
    let form = sqs::SERVICE.dialect(&request(false).headers);
    let answer = json.encode::<op::ReceiveMessage>(&output, REQUEST_ID);
    assert_eq!(answer.headers()["content-type"], "application/x-amz-json-1.0");
    assert!(answer.body().starts_with(b"{\"Messages\":[{\"MessageId\":\"1\""), "{answer:?}");
    // As the sample response in the Amazon SQS API Reference of the query protocol, `ReceiveMessage`.
    let answer = form.encode::<op::ReceiveMessage>(&output, REQUEST_ID);
    assert_eq!(answer.headers()["content-type"], "text/xml");
    let one = "<Message><MessageId>1</MessageId><Body>&lt;b&gt;</Body><Attribute><Name>SenderId</Name>\
               <Value>me</Value></Attribute></Message>";
    let expected = format!(
        "<ReceiveMessageResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><ReceiveMessageResult>{one}{one}\
         </ReceiveMessageResult><ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata>\
         </ReceiveMessageResponse>\n"
    );
    assert_eq!(String::from_utf8_lossy(answer.body()), expected);

    let error = sqs::error::queue_does_not_exist("The specified queue does not exist.");
    let answer = json.error_response(&error, REQUEST_ID);
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.headers()["x-amzn-query-error"], "AWS.SimpleQueueService.NonExistentQueue;Sender");
    assert_eq!(
        answer.body(),
        "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"The specified queue does not exist.\"}"
    );
    let answer = form.error_response(&error, REQUEST_ID);
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    assert!(text.contains("<Code>AWS.SimpleQueueService.NonExistentQueue</Code>"), "{text}");
}
