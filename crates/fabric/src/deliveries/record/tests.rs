use bytes::Bytes;
use lambent_model::{AwsCaller, FunctionArn, Qualifier, Target, Timestamp};

use super::*;

fn record(kind: Kind, destination: &str, payload: &str) -> Record {
    let scope = Scope { account: "123456789012".parse().unwrap(), region: "eu-west-1".parse().unwrap() };
    let function = FunctionArn { scope, name: "f".into() };
    Record {
        kind,
        destination: destination.into(),
        target: Target { function, qualifier: Some(Qualifier::Alias("live".into())) },
        role: "arn:aws:iam::123456789012:role/r".into(),
        request_id: "5b1f7b0e-0000-4000-8000-000000000001".parse().unwrap(),
        id: "5b1f7b0e-0000-4000-8000-000000000002".parse().unwrap(),
        trace_id: "Root=1".into(),
        // 2026-01-31T12:34:56Z
        ended: Timestamp::from_millis(1_769_862_896_789),
        until: Timestamp::from_millis(1_769_862_999_000),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    }
}

fn sent(kind: Kind, destination: &str, payload: &str) -> (AwsRequest, Value) {
    let request = record(kind, destination, payload).request();
    let input = serde_json::from_str(&request.input).unwrap();
    (request, input)
}

fn dead(message: &str) -> Kind {
    Kind::DeadLetter { code: 200, message: message.into() }
}

const QUEUE: &str = "arn:aws:sqs:us-west-2:210987654321:q";
const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:t";

#[test]
fn a_dead_letter_is_the_event_with_three_attributes() {
    for destination in [QUEUE, TOPIC] {
        let (request, input) = sent(dead(&"\u{e9}".repeat(600)), destination, "{\"n\":1}");
        let body = if destination == QUEUE { "MessageBody" } else { "Message" };
        assert_eq!(input[body], "{\"n\":1}");
        let attributes = &input["MessageAttributes"];
        assert_eq!(attributes["RequestID"]["StringValue"], "5b1f7b0e-0000-4000-8000-000000000001");
        assert_eq!(attributes["ErrorCode"], json!({"DataType": "Number", "StringValue": "200"}));
        assert_eq!(attributes["ErrorMessage"]["StringValue"].as_str().unwrap().len(), 1024);
        assert_eq!(request.resource.as_deref(), Some(destination));
    }
    let (_, input) = sent(dead("a\0b\u{ffff}"), QUEUE, "{}");
    assert_eq!(input["MessageAttributes"]["ErrorMessage"]["StringValue"], "a\u{fffd}b\u{fffd}");
    let (_, input) = sent(dead(""), QUEUE, "{}");
    assert_eq!(input["MessageAttributes"]["ErrorMessage"]["StringValue"], "Unhandled");
}

#[test]
fn a_record_is_sent_as_each_service_takes_it() {
    let (request, input) = sent(Kind::Failure, QUEUE, "{}");
    assert_eq!(
        (request.scope.region.as_str(), request.scope.account.as_str()),
        ("us-west-2", "210987654321")
    );
    let caller = AwsCaller::Role {
        account: "123456789012".parse().unwrap(),
        role: "arn:aws:iam::123456789012:role/r".to_owned(),
        session: "f".to_owned(),
    };
    assert_eq!(request.caller, caller);
    assert_eq!(input, json!({"MessageBody": "{}"}));
    let bus = "arn:aws:events:eu-west-1:123456789012:event-bus/b";
    let (_, input) = sent(Kind::Success, bus, "{\"version\":\"1.0\"}");
    assert_eq!(
        input["Entries"][0],
        json!({
            "Source": "lambda", "DetailType": "Lambda Function Invocation Result - Success", "EventBusName": bus,
            "Resources": [bus, "arn:aws:lambda:eu-west-1:123456789012:function:f:live"],
            "Detail": "{\"version\":\"1.0\"}",
        })
    );
    let (_, input) = sent(Kind::Failure, bus, "{}");
    assert_eq!(input["Entries"][0]["DetailType"], "Lambda Function Invocation Result - Failure");
    let (request, input) = sent(Kind::Failure, "arn:aws:s3:::bucket", "{\"r\":1}");
    let key = "aws/lambda/async/f/2026/01/31/2026-01-31T12.34.56-5b1f7b0e-0000-4000-8000-000000000002";
    assert_eq!((&input["Bucket"], &input["Key"]), (&json!("bucket"), &json!(key)));
    assert_eq!(request.payload.as_deref(), Some(&b"{\"r\":1}"[..]));
    assert_eq!(request.scope.region.as_str(), "eu-west-1");
}

#[test]
fn a_record_too_large_for_a_topic_goes_without_its_payloads() {
    let whole = json!({"version": "1.0", "requestPayload": "x".repeat(TOPIC_BYTES), "responsePayload": 1})
        .to_string();
    let message = |kind, payload: &str| sent(kind, TOPIC, payload).1["Message"].as_str().unwrap().to_owned();
    assert_eq!(message(Kind::Failure, &whole), "{\"version\":\"1.0\"}");
    assert_eq!(message(dead("x"), &whole), whole, "an event is never cut");
    assert_eq!(message(Kind::Failure, "{\"requestPayload\":1}"), "{\"requestPayload\":1}");
}

#[test]
fn an_entry_of_an_event_bus_can_fail_in_a_good_answer() {
    let failed =
        br#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure","ErrorMessage":"later"}]}"#;
    assert_eq!(failed_entry("PutEvents", failed), Some(("InternalFailure".into(), "later".into())));
    assert_eq!(failed_entry("PutEvents", br#"{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}"#), None);
    assert_eq!(failed_entry("SendMessage", failed), None);
    let old = br#"{"nextSequenceToken":"1","rejectedLogEventsInfo":{"tooOldLogEventEndIndex":1}}"#;
    let (code, text) = failed_entry("PutLogEvents", old).unwrap();
    assert!(code == "InvalidParameter" && text.contains("tooOldLogEventEndIndex"), "{code}: {text}");
    assert_eq!(failed_entry("PutLogEvents", br#"{"nextSequenceToken":"1"}"#), None);
}
