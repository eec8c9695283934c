//! The API as a client sees it: a JSON body in, a status and a JSON body out.

mod changes;
mod queries;

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::super::tests::{Counting, NOW_MS, StoppedClock, line, scope, stream};
use super::Logs;

struct Service {
    logs: Logs,
    clock: Arc<StoppedClock>,
    _dir: tempfile::TempDir,
}

impl Service {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = StoppedClock::new();
        let entropy = Arc::new(Counting::default());
        let logs = Logs::open(dir.path(), Arc::clone(&clock) as Arc<_>, entropy).unwrap();
        Self { logs, clock, _dir: dir }
    }

    /// Writes lines as (stream, milliseconds, text) into one group.
    fn write(&self, group: &str, lines: &[(&str, i64, &str)]) {
        for (name, after_ms, text) in lines {
            self.logs.sink().write(line(&stream(group, name), *after_ms, text));
        }
    }

    async fn ask(&self, operation: &str, input: Value) -> (u16, Value) {
        let (status, body) = self.send(operation, input).await;
        (status, serde_json::from_slice(&body).expect("answers are JSON"))
    }

    async fn send(&self, operation: &str, input: Value) -> (u16, Bytes) {
        let request = Request::post("/")
            .header("x-amz-target", format!("Logs_20140328.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .body(Bytes::from(input.to_string()))
            .unwrap();
        let response = self.logs.call(&scope(), request, "11111111-2222-4333-8444-555555555555").await;
        assert_eq!(response.headers()["x-amzn-requestid"], "11111111-2222-4333-8444-555555555555");
        (response.status().as_u16(), response.into_body())
    }

    async fn ok(&self, operation: &str, input: Value) -> Value {
        let (status, output) = self.ask(operation, input).await;
        assert_eq!(status, 200, "{output}");
        output
    }

    /// The status of an answer without a body.
    async fn empty(&self, operation: &str, input: Value) -> u16 {
        let (status, body) = self.send(operation, input).await;
        assert!(body.is_empty(), "{operation}: {}", String::from_utf8_lossy(&body));
        status
    }

    /// Puts events as (milliseconds, text) into the stream `s` of the group.
    async fn put(&self, events: &[(i64, &str)]) -> Value {
        let events: Vec<Value> = events
            .iter()
            .map(|(after_ms, message)| json!({"timestamp": NOW_MS + after_ms, "message": message}))
            .collect();
        self.ok("PutLogEvents", json!({"logGroupName": GROUP, "logStreamName": "s", "logEvents": events}))
            .await
    }

    /// The error's code and message.
    async fn refusal(&self, operation: &str, input: Value) -> (String, String) {
        let (status, output) = self.ask(operation, input).await;
        assert_eq!(status, 400, "{output}");
        let text = |key: &str| output[key].as_str().expect("errors have both").to_owned();
        (text("__type"), text("message"))
    }
}

/// The values of one member of each element of a list.
fn column<'a>(output: &'a Value, list: &str, member: &str) -> Vec<&'a str> {
    let rows = output[list].as_array().expect("a list");
    rows.iter().map(|row| row[member].as_str().expect("a text").trim_end()).collect()
}

const GROUP: &str = "/aws/lambda/f";
const ARN: &str = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f";

#[tokio::test]
async fn groups_are_listed_by_name() {
    let service = Service::new();
    for group in ["/aws/lambda/g", GROUP, "other"] {
        service.write(group, &[("s", 0, "hello")]);
    }
    let all = service.ok("DescribeLogGroups", json!({"limit": 2})).await;
    assert_eq!(
        all["logGroups"][0],
        json!({
            "logGroupName": GROUP,
            "creationTime": NOW_MS,
            "metricFilterCount": 0,
            "arn": format!("{ARN}:*"),
            "storedBytes": 32,
            "logGroupClass": "STANDARD",
            "logGroupArn": ARN,
        })
    );
    assert_eq!(column(&all, "logGroups", "logGroupName"), [GROUP, "/aws/lambda/g"]);
    let rest = service.ok("DescribeLogGroups", json!({"limit": 2, "nextToken": all["nextToken"]})).await;
    assert_eq!(column(&rest, "logGroups", "logGroupName"), ["other"]);
    assert_eq!(rest.get("nextToken"), None);

    for (input, expected) in [
        (json!({"logGroupNamePrefix": "/aws/lambda/f"}), vec![GROUP]),
        (json!({"logGroupNamePattern": "lambda"}), vec![GROUP, "/aws/lambda/g"]),
        (json!({"logGroupNamePattern": "Lambda"}), vec![]),
        (json!({"logGroupIdentifiers": ["other", "absent"]}), vec!["other"]),
        (json!({"logGroupClass": "INFREQUENT_ACCESS"}), vec![]),
        (json!({"includeLinkedAccounts": true, "accountIdentifiers": ["123456789012"]}), vec![]),
    ] {
        let output = service.ok("DescribeLogGroups", input.clone()).await;
        assert_eq!(column(&output, "logGroups", "logGroupName"), expected, "{input}");
    }
    let brief = service.ok("DescribeLogGroups", json!({"logGroupNamePattern": "other"})).await;
    let members: Vec<&String> = brief["logGroups"][0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["arn", "creationTime", "logGroupName"]);
}

#[tokio::test]
async fn streams_are_listed_by_name_or_time() {
    let service = Service::new();
    service.write(GROUP, &[("b", 1, "x"), ("a", 5, "x"), ("ab", 3, "x"), ("a", 2, "x")]);
    let first = service.ok("DescribeLogStreams", json!({"logGroupName": GROUP, "limit": 1})).await;
    assert_eq!(
        first["logStreams"],
        json!([{
            "logStreamName": "a",
            "creationTime": NOW_MS,
            "firstEventTimestamp": NOW_MS + 2,
            "lastEventTimestamp": NOW_MS + 5,
            "lastIngestionTime": NOW_MS,
            "arn": format!("{ARN}:log-stream:a"),
            "storedBytes": 0,
        }])
    );
    for (input, expected) in [
        (json!({}), ["a", "ab", "b"].as_slice()),
        (json!({"descending": true}), &["b", "ab", "a"]),
        (json!({"orderBy": "LastEventTime"}), &["b", "ab", "a"]),
        (json!({"orderBy": "LastEventTime", "descending": true}), &["a", "ab", "b"]),
        (json!({"logStreamNamePrefix": "a"}), &["a", "ab"]),
    ] {
        // One by one, so that the tokens of each order are followed, too.
        let mut input = input;
        input["logGroupIdentifier"] = json!(ARN);
        input["limit"] = json!(1);
        let mut names = Vec::new();
        loop {
            let output = service.ok("DescribeLogStreams", input.clone()).await;
            names.extend(column(&output, "logStreams", "logStreamName").iter().map(|n| (*n).to_owned()));
            let Some(token) = output.get("nextToken") else { break };
            input["nextToken"] = token.clone();
        }
        assert_eq!(names, expected, "{input}");
    }
}

#[tokio::test]
async fn a_stream_is_read_forward_and_back() {
    let service = Service::new();
    let lines: Vec<(&str, i64, String)> = (1..=5).map(|n| ("s", n, n.to_string())).collect();
    let borrowed: Vec<(&str, i64, &str)> = lines.iter().map(|(s, n, text)| (*s, *n, text.as_str())).collect();
    service.write(GROUP, &borrowed);
    let get = async |extra: Value| {
        let mut input = json!({"logGroupName": GROUP, "logStreamName": "s", "limit": 2});
        input.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        service.ok("GetLogEvents", input).await
    };
    // Without a hint: the newest page, oldest first inside.
    let newest = get(json!({})).await;
    assert_eq!(column(&newest, "events", "message"), ["4", "5"]);
    assert_eq!(
        newest["events"][0],
        json!({"timestamp": NOW_MS + 4, "message": "4\n", "ingestionTime": NOW_MS})
    );
    let middle = get(json!({"nextToken": newest["nextBackwardToken"]})).await;
    assert_eq!(column(&middle, "events", "message"), ["2", "3"]);
    let oldest = get(json!({"nextToken": middle["nextBackwardToken"]})).await;
    assert_eq!(column(&oldest, "events", "message"), ["1"]);
    // At the end a token stays what it is, and the way back is open.
    let end = get(json!({"nextToken": oldest["nextBackwardToken"]})).await;
    assert_eq!(end["events"], json!([]));
    assert_eq!(end["nextBackwardToken"], oldest["nextBackwardToken"]);
    let again = get(json!({"nextToken": end["nextForwardToken"]})).await;
    assert_eq!(column(&again, "events", "message"), ["1", "2"]);

    let head = get(json!({"startFromHead": true, "startTime": NOW_MS + 2, "endTime": NOW_MS + 4})).await;
    assert_eq!(column(&head, "events", "message"), ["2", "3"], "the start is in, the end is out");

    // A follower sees what is written later, once.
    let last = get(json!({"startFromHead": true, "nextToken": newest["nextForwardToken"]})).await;
    assert_eq!((&last["events"], &last["nextForwardToken"]), (&json!([]), &newest["nextForwardToken"]));
    service.write(GROUP, &[("s", 5, "6")]);
    let later = get(json!({"startFromHead": true, "nextToken": last["nextForwardToken"]})).await;
    assert_eq!(column(&later, "events", "message"), ["6"]);
    let back = get(json!({"nextToken": last["nextBackwardToken"]})).await;
    assert_eq!(column(&back, "events", "message"), ["4", "5"]);
}

#[tokio::test]
async fn a_group_is_filtered_across_streams() {
    let service = Service::new();
    service.write(GROUP, &[("a1", 1, "1"), ("b", 2, "2"), ("a2", 2, "3"), ("a1", 3, "4"), ("b", 4, "5")]);
    for (input, expected) in [
        (json!({}), ["1", "2", "3", "4", "5"].as_slice()),
        (json!({"logStreamNames": ["b"]}), &["2", "5"]),
        (json!({"logStreamNamePrefix": "a"}), &["1", "3", "4"]),
        (json!({"logStreamNamePrefix": "none"}), &[]),
        (json!({"startTime": NOW_MS + 2, "endTime": NOW_MS + 3}), &["2", "3", "4"]),
        (json!({"startFromHead": false, "startTime": NOW_MS}), &["5", "4", "3", "2", "1"]),
        (json!({"interleaved": false, "filterPattern": "", "unmask": true}), &["1", "2", "3", "4", "5"]),
    ] {
        for limit in [1, 2, 100] {
            let mut input = input.clone();
            input["logGroupName"] = json!(GROUP);
            input["limit"] = json!(limit);
            let mut seen = Vec::new();
            loop {
                let output = service.ok("FilterLogEvents", input.clone()).await;
                assert_eq!(output["searchedLogStreams"], json!([]));
                seen.extend(column(&output, "events", "message").iter().map(|text| (*text).to_owned()));
                let Some(token) = output.get("nextToken") else { break };
                input["nextToken"] = token.clone();
            }
            assert_eq!(seen, expected, "{input}");
        }
    }
    // What `aws logs tail --follow` does: ask again from the newest time, and tell events apart by their ids.
    let input = json!({"logGroupName": GROUP, "startTime": NOW_MS + 4, "interleaved": true});
    let before = service.ok("FilterLogEvents", input.clone()).await;
    service.write(GROUP, &[("a1", 4, "6")]);
    let after = service.ok("FilterLogEvents", input).await;
    assert_eq!(before["events"][0], after["events"][0]);
    assert_eq!(column(&after, "events", "message"), ["5", "6"]);
    let ids = column(&after, "events", "eventId");
    assert!(ids[0] < ids[1] && ids[0].len() == 56);
    assert_eq!(column(&after, "events", "logStreamName"), ["b", "a1"]);
}

#[tokio::test]
async fn refusals_name_the_cause() {
    let service = Service::new();
    service.write(GROUP, &[("s", 0, "x")]);
    let absent_group = "The specified log group does not exist.";
    let absent_stream = "The specified log stream does not exist.";
    let (absent, wrong) = ("ResourceNotFoundException", "InvalidParameterException");
    let elsewhere = ARN.replace("us-east-1", "us-east-2");
    for (operation, input, code, message) in [
        ("DescribeLogStreams", json!({"logGroupName": "no"}), absent, absent_group),
        ("GetLogEvents", json!({"logGroupName": "no", "logStreamName": "s"}), absent, absent_group),
        ("GetLogEvents", json!({"logGroupName": GROUP, "logStreamName": "no"}), absent, absent_stream),
        ("FilterLogEvents", json!({"logGroupName": "no"}), absent, absent_group),
        ("FilterLogEvents", json!({"logGroupIdentifier": elsewhere}), absent, absent_group),
        (
            "FilterLogEvents",
            json!({"logGroupName": GROUP, "logStreamNames": ["s", "no"]}),
            absent,
            absent_stream,
        ),
        (
            "FilterLogEvents",
            json!({"logGroupName": GROUP, "logGroupIdentifier": GROUP}),
            wrong,
            "only one of",
        ),
        ("FilterLogEvents", json!({}), wrong, "either logGroupName or logGroupIdentifier"),
        (
            "FilterLogEvents",
            json!({"logGroupIdentifier": "arn:aws:s3:::b"}),
            wrong,
            "is not the ARN of a log group",
        ),
        (
            "FilterLogEvents",
            json!({"logGroupName": GROUP, "filterPattern": "{ $.a }"}),
            wrong,
            "Invalid filter pattern: '}' is not expected",
        ),
        (
            "FilterLogEvents",
            json!({"logGroupName": GROUP, "logStreamNames": ["s"], "logStreamNamePrefix": "s"}),
            wrong,
            "only one of logStreamNames and logStreamNamePrefix",
        ),
        ("FilterLogEvents", json!({"logGroupName": GROUP, "startFromHead": false}), wrong, "2024-01-01"),
        (
            "FilterLogEvents",
            json!({"logGroupName": GROUP, "nextToken": "x"}),
            wrong,
            "The specified nextToken is invalid.",
        ),
        (
            "DescribeLogStreams",
            json!({"logGroupName": GROUP, "orderBy": "LastEventTime", "logStreamNamePrefix": "s"}),
            wrong,
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        ),
        (
            "DescribeLogGroups",
            json!({"logGroupNamePrefix": "a", "logGroupNamePattern": "a"}),
            wrong,
            "mutually exclusive",
        ),
        (
            "DescribeLogGroups",
            json!({"limit": 51}),
            wrong,
            "1 validation error detected: Value '51' at 'limit'",
        ),
    ] {
        let (found, text) = service.refusal(operation, input.clone()).await;
        assert!(found == code && text.contains(message), "{operation} {input}: {found}: {text}");
    }
    let (status, body) = service.ask("CreateDelivery", json!({})).await;
    assert_eq!((status, &body["__type"]), (501, &json!("NotImplementedException")));
}

#[tokio::test]
async fn a_closed_service_says_so() {
    let service = Service::new();
    service.logs.clone().close().await.unwrap();
    let (status, body) = service.ask("DescribeLogGroups", json!({})).await;
    assert_eq!((status, &body["__type"]), (500, &json!("ServiceUnavailableException")), "{body}");
    assert!(service.logs.flush().await.is_ok(), "nothing was left to write");
}
