//! What clients are answered, and what lies in the outbox afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use lambent_fabric::Dispatcher;
use lambent_fabric::deliveries::{Delivery, What};
use lambent_identity::Principal;
use lambent_identity::policy::{Access, Decision, Document, PolicyKind, Who};
use lambent_model::{
    AwsAllowedFuture, AwsCall, AwsCallError, AwsCallFuture, AwsCaller, AwsRequest, Clock, Entropy,
    ResourcePolicies, Scope, Timestamp,
};
use lambent_store::Store;
use lambent_store::queue::Place;
use serde_json::{Value, json};

use super::super::EventBridge;

/// Nobody is called; other accounts' buses are open to account 111111111111 alone.
struct Calls;

impl AwsCall for Calls {
    fn not_reachable(&self, resource: &str) -> Option<String> {
        resource.contains("unreachable").then(|| "nobody is there".to_owned())
    }

    fn allowed(&self, caller: &AwsCaller, action: &str, resource: &str) -> AwsAllowedFuture {
        assert_eq!(action, "events:PutEvents");
        let open = caller.account().as_str() == "111111111111" || resource.contains(":event-bus/open");
        let error = |status, code: &str, message: &str| {
            Err(AwsCallError::Service { status, code: code.to_owned(), message: message.to_owned() })
        };
        Box::pin(std::future::ready(match () {
            () if open => Ok(()),
            () if resource.ends_with(":event-bus/torn") => {
                error(500, "InternalFailure", "the store cannot be read")
            }
            () => error(403, "AccessDeniedException", "no policy allows it"),
        }))
    }

    fn call(&self, _: AwsRequest) -> AwsCallFuture {
        unreachable!("the outbox calls, and there is none here")
    }
}

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

struct Random(AtomicI64);

impl Entropy for Random {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
        bytes[..8].copy_from_slice(&self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    }
}

struct World {
    service: EventBridge,
    store: Store,
    clock: Arc<Hands>,
    scope: Scope,
    _dir: tempfile::TempDir,
}

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:t";
const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";
/// An account in which it is S3 that calls.
const SERVICE: &str = "333333333333";
const DEFAULT: &str = "arn:aws:events:us-east-1:000000000000:event-bus/default";

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        // 2026-11-22T06:00:00Z
        let clock = Arc::new(Hands(AtomicI64::new(1_795_327_200_000)));
        let entropy = Arc::new(Random(AtomicI64::new(1)));
        let service = EventBridge::new(store.clone(), Arc::clone(&clock) as _, entropy, Arc::new(Calls));
        let scope = Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() };
        Self { service, store, clock, scope, _dir: dir }
    }

    async fn call(&self, operation: &str, input: Value) -> Result<Value, (String, String)> {
        self.call_of("000000000000", operation, input).await
    }

    async fn call_of(&self, account: &str, operation: &str, input: Value) -> Result<Value, (String, String)> {
        let request = Request::post("/")
            .header("x-amz-target", format!("AWSEvents.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amzn-trace-id", "Root=1-a;Lineage=68fd508a:5")
            .body(Bytes::from(input.to_string()))
            .unwrap();
        let scope = Scope { account: account.parse().unwrap(), region: self.scope.region.clone() };
        let principal = Principal::Root(scope.account.clone());
        let id = "00000000-0000-4000-8000-000000000001";
        let response = self.service.call(&scope, &principal, account == SERVICE, request, id).await;
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        if response.status().is_success() {
            return Ok(body);
        }
        let code = body["__type"].as_str().unwrap_or_default().rsplit('#').next().unwrap_or_default();
        let message = body["message"].as_str().or(body["Message"].as_str()).unwrap_or_default();
        Err((code.to_owned(), message.to_owned()))
    }

    async fn rule(&self, name: &str, input: Value, targets: Value) {
        let mut input = input;
        input["Name"] = name.into();
        let bus = input.get("EventBusName").cloned();
        self.call("PutRule", input).await.unwrap();
        let mut input = json!({"Rule": name, "Targets": targets});
        if let Some(bus) = bus {
            input["EventBusName"] = bus;
        }
        self.call("PutTargets", input).await.unwrap();
    }

    async fn put(&self, entry: Value) -> Value {
        let answer = self.call("PutEvents", json!({"Entries": [entry]})).await.unwrap();
        assert_eq!(answer["FailedEntryCount"], 0, "{answer}");
        answer["Entries"][0]["EventId"].clone()
    }

    /// What lies in a target's lane.
    async fn lane(&self, arn: &str) -> Vec<Delivery> {
        let queue = format!("delivery/{arn}");
        let beginning = Place::before(Timestamp::from_millis(0));
        let end = Timestamp::from_micros(i64::MAX);
        let entries = self.store.entries(&queue, beginning, end, 1000, usize::MAX).await.unwrap();
        entries
            .into_iter()
            .map(|entry| Delivery::decode(&queue, entry.place.due, entry.body).unwrap())
            .collect()
    }

    async fn calls(&self, arn: &str) -> Vec<AwsRequest> {
        let call = |delivery: Delivery| match delivery.what {
            What::Call(call) => call,
            What::Post(post) => panic!("{post:?}"),
        };
        self.lane(arn).await.into_iter().map(call).collect()
    }

    /// Has the courier work until there is something, or nothing more is to be expected.
    async fn work_until<T>(&self, found: impl AsyncFn() -> Option<T>) -> T {
        let courier = Arc::new(self.service.courier());
        let dispatcher = Dispatcher::new(self.store.clone(), Arc::clone(&self.clock) as _, courier);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let working = tokio::spawn(dispatcher.run(async move {
            let _stopped = stopped.await;
        }));
        let looking = async {
            loop {
                if let Some(found) = found().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(60), looking).await.expect("it happens");
        drop(stop);
        working.await.unwrap().unwrap();
        found
    }
}

fn entry(detail: &Value) -> Value {
    json!({"Source": "shop", "DetailType": "Order", "Detail": detail.to_string(), "Resources": ["r"]})
}

fn text(call: &AwsRequest) -> String {
    match &call.payload {
        Some(payload) => String::from_utf8(payload.to_vec()).unwrap(),
        None => {
            let input: Value = serde_json::from_str(&call.input).unwrap();
            input["MessageBody"].as_str().or(input["Message"].as_str()).unwrap().to_owned()
        }
    }
}

#[tokio::test]
async fn an_event_becomes_a_delivery_for_each_target_of_each_rule_that_it_meets() {
    let world = World::new();
    let role = "arn:aws:iam::000000000000:role/r";
    let targets = json!([
        {"Id": "f", "Arn": FUNCTION, "DeadLetterConfig": {"Arn": DEAD},
         "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60}},
        {"Id": "q", "Arn": format!("{QUEUE}.fifo"), "InputPath": "$.detail",
         "SqsParameters": {"MessageGroupId": "g"}, "RoleArn": role},
        {"Id": "t", "Arn": TOPIC,
         "InputTransformer": {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": "\"<aws.events.rule-name>: <n>\""}},
    ]);
    let pattern = r#"{"source":["shop"],"detail":{"n":[{"numeric":[">",1]}]}}"#;
    world.rule("big", json!({"EventPattern": pattern}), targets).await;
    world
        .rule(
            "off",
            json!({"EventPattern": pattern, "State": "DISABLED"}),
            json!([{"Id": "f", "Arn": FUNCTION}]),
        )
        .await;
    world.put(entry(&json!({"n": 1}))).await;
    assert_eq!(world.calls(FUNCTION).await, [], "it does not meet the rule");
    let id = world.put(entry(&json!({"n": 2}))).await;
    let event: Value = serde_json::from_str(&text(&world.calls(FUNCTION).await[0])).unwrap();
    let expected = json!({
        "version": "0", "id": id, "detail-type": "Order", "source": "shop", "account": "000000000000",
        "time": "2026-11-22T06:00:00Z", "region": "us-east-1", "resources": ["r"], "detail": {"n": 2},
    });
    assert_eq!(event, expected);
    let rule = "arn:aws:events:us-east-1:000000000000:rule/big";
    let [to_function] = &world.lane(FUNCTION).await[..] else { panic!("one") };
    let What::Call(call) = &to_function.what else { panic!("a call") };
    let AwsCaller::Service { name, source, .. } = &call.caller else { panic!("{:?}", call.caller) };
    assert_eq!((&**name, &**source), ("events.amazonaws.com", rule));
    assert_eq!(call.trace_id.as_deref(), Some("Root=1-a;Lineage=68fd508a:5"));
    assert_eq!(to_function.until, world.clock.now().plus(Duration::from_secs(60)));
    assert_eq!((to_function.retry.wait(1).is_some(), to_function.retry.wait(2)), (true, None));
    let letter = to_function.dead_letter.as_ref().unwrap();
    let input: Value = serde_json::from_str(&letter.input).unwrap();
    assert_eq!(input["MessageAttributes"]["RULE_ARN"]["StringValue"], rule);
    assert_eq!(input["MessageAttributes"]["TARGET_ARN"]["StringValue"], FUNCTION);
    let to_queue = &world.calls(&format!("{QUEUE}.fifo")).await[0];
    assert_eq!(to_queue.input, r#"{"MessageBody":"{\"n\":2}","MessageGroupId":"g"}"#);
    assert!(matches!(&to_queue.caller, AwsCaller::Role { role: found, .. } if found == role));
    assert_eq!(text(&world.calls(TOPIC).await[0]), r#""big: 2""#);
    let names = world.call("ListRuleNamesByTarget", json!({"TargetArn": FUNCTION})).await.unwrap();
    assert_eq!(names["RuleNames"], json!(["big", "off"]));
}

#[tokio::test]
async fn a_log_group_is_given_one_log_event_with_the_time_of_the_event() {
    let world = World::new();
    let group = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/events/shop";
    let made = format!("{group}-made");
    let transformer = |template: &str| {
        let paths = json!({"at": "$.time", "n": "$.detail.n", "gone": "$.detail.gone"});
        json!({"InputPathsMap": paths, "InputTemplate": template})
    };
    let good = transformer(r#"{"timestamp": <at>, "message": "n is <n>"}"#);
    let bad = transformer(r#"{"timestamp": <gone>, "message": "n is <n>"}"#);
    let targets = json!([
        {"Id": "whole", "Arn": group, "DeadLetterConfig": {"Arn": DEAD}},
        {"Id": "made", "Arn": made, "InputTransformer": good},
        {"Id": "bad", "Arn": group, "InputTransformer": bad, "DeadLetterConfig": {"Arn": DEAD}},
    ]);
    world.rule("r", json!({"EventPattern": r#"{"source":["shop"]}"#}), targets).await;
    let mut entry = entry(&json!({"n": 7}));
    entry["Time"] = 1_795_327_100.into();
    world.put(entry).await;
    let input = |call: &AwsRequest| serde_json::from_str::<Value>(&call.input).unwrap();
    let [call] = &world.calls(group).await[..] else { panic!("one") };
    assert_eq!(
        (&*call.service, &*call.operation, call.resource.as_deref()),
        ("logs", "PutLogEvents", Some(group))
    );
    let AwsCaller::Service { name, source, .. } = &call.caller else { panic!("{:?}", call.caller) };
    assert_eq!(
        (&**name, &**source),
        ("events.amazonaws.com", "arn:aws:events:us-east-1:000000000000:rule/r")
    );
    let whole = input(call);
    assert_eq!(whole["logGroupName"], "/aws/events/shop");
    assert_eq!(whole["logEvents"][0]["timestamp"], 1_795_327_100_000_i64);
    let event: Value = serde_json::from_str(whole["logEvents"][0]["message"].as_str().unwrap()).unwrap();
    assert_eq!(event["detail"], json!({"n": 7}));
    let [call] = &world.calls(&made).await[..] else { panic!("one") };
    let expected = json!([{"timestamp": 1_795_327_100_000_i64, "message": "n is 7"}]);
    assert_eq!(input(call)["logEvents"], expected);
    let [letter] = &world.calls(DEAD).await[..] else { panic!("one, of what became no log event") };
    assert_eq!(input(letter)["MessageAttributes"]["ERROR_CODE"]["StringValue"], "INVALID_PARAMETER");
    for (wrong, text) in [
        (json!({"Input": "{}"}), "neither Input nor InputPath"),
        (json!({"InputPath": "$.detail"}), "neither Input nor InputPath"),
        (json!({"InputTransformer": transformer("\"<n>\"")}), "InputTemplate for a log group"),
        (json!({"RoleArn": "arn:aws:iam::000000000000:role/r"}), "RoleArn is not supported"),
        (json!({"SqsParameters": {"MessageGroupId": "g"}}), "SqsParameters not valid"),
    ] {
        let mut target = json!({"Id": "1", "Arn": group});
        target.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        let refused = world.call("PutTargets", json!({"Rule": "r", "Targets": [target]})).await.unwrap_err();
        assert!(refused.1.contains(text), "{refused:?}");
    }
}

#[tokio::test]
async fn entries_fail_by_themselves() {
    let world = World::new();
    world
        .rule(
            "all",
            json!({"EventPattern": r#"{"source":[{"exists":true}]}"#}),
            json!([{"Id": "f", "Arn": FUNCTION}]),
        )
        .await;
    let good = entry(&json!({}));
    let with = |member: &str, value: Value| {
        let mut entry = good.clone();
        entry[member] = value;
        entry
    };
    let entries = json!([
        good,
        with("Source", json!("aws.ec2")),
        with("Detail", json!("[1]")),
        with("Detail", json!("{")),
        with("DetailType", json!("")),
        with("EventBusName", json!("nowhere")),
        with("EventBusName", json!("arn:aws:events:us-east-1:222222222222:event-bus/default")),
    ]);
    let answer = world.call("PutEvents", json!({"Entries": entries})).await.unwrap();
    let codes: Vec<_> =
        answer["Entries"].as_array().unwrap().iter().map(|entry| entry["ErrorCode"].as_str()).collect();
    let expected = [
        None,
        Some("NotAuthorizedForSourceException"),
        Some("MalformedDetail"),
        Some("MalformedDetail"),
        Some("InvalidArgument"),
        None,
        Some("AccessDeniedException"),
    ];
    assert_eq!(codes, expected, "{answer}");
    assert_eq!(answer["FailedEntryCount"], 5);
    assert_eq!(world.lane(FUNCTION).await.len(), 1);
    let entries = json!([with("Source", json!("aws.s3"))]);
    let answer = world.call_of(SERVICE, "PutEvents", json!({"Entries": entries})).await.unwrap();
    assert_eq!(answer["FailedEntryCount"], 0, "a service of this server: {answer}");
    let default = world.service.policy(DEFAULT).await.unwrap().unwrap();
    let caller = Access {
        who: Who::Service("s3.amazonaws.com"),
        action: "events:PutEvents",
        resource: DEFAULT,
        keys: &[("aws:SourceAccount", "000000000000")],
    };
    let document = Document::parse(&default, PolicyKind::Resource).unwrap();
    assert_eq!(document.decision(&caller), Decision::Allow);
    let other = Access { keys: &[("aws:SourceAccount", "222222222222")], ..caller };
    assert_eq!(document.decision(&other), Decision::Silent);
    let large = with("Detail", json!(json!({"a": "x".repeat(1024 * 1024)}).to_string()));
    let refused = world.call("PutEvents", json!({"Entries": [large]})).await.unwrap_err();
    assert_eq!(refused.1, "Total size of the entries in the request is over the limit.");
}

#[tokio::test]
async fn buses_forward_without_end_and_without_circles() {
    let world = World::new();
    for name in ["a", "b"] {
        world.call("CreateEventBus", json!({"Name": name})).await.unwrap();
    }
    let arn = |name: &str| format!("arn:aws:events:us-east-1:000000000000:event-bus/{name}");
    let pattern = json!({"EventPattern": r#"{"source":["shop"]}"#});
    let on = |bus: &str| json!({"EventBusName": bus, "EventPattern": pattern["EventPattern"]});
    world.rule("to-a", pattern.clone(), json!([{"Id": "1", "Arn": arn("a")}])).await;
    world.rule("to-b", on("a"), json!([{"Id": "1", "Arn": arn("b")}])).await;
    let back = json!([{"Id": "1", "Arn": arn("a")}, {"Id": "2", "Arn": FUNCTION}]);
    world.rule("back", on(&arn("b")), back).await;
    let id = world.put(entry(&json!({}))).await;
    let [call] = &world.calls(FUNCTION).await[..] else { panic!("once") };
    let event: Value = serde_json::from_str(&text(call)).unwrap();
    assert_eq!(event["id"], id, "it is the same event");
    // What is not there, or of an account that does not open its bus, has a dead letter at once.
    let far = |name: &str| format!("arn:aws:events:us-east-1:222222222222:event-bus/{name}");
    world.call_of("222222222222", "CreateEventBus", json!({"Name": "open"})).await.unwrap();
    let targets = json!([
        {"Id": "1", "Arn": arn("gone"), "DeadLetterConfig": {"Arn": DEAD}},
        {"Id": "2", "Arn": far("default"), "DeadLetterConfig": {"Arn": DEAD}},
        {"Id": "3", "Arn": far("open"), "DeadLetterConfig": {"Arn": DEAD}},
    ]);
    world.rule("out", pattern, targets).await;
    world.put(entry(&json!({}))).await;
    let codes: Vec<String> = world
        .calls(DEAD)
        .await
        .iter()
        .map(|call| {
            let input: Value = serde_json::from_str(&call.input).unwrap();
            input["MessageAttributes"]["ERROR_CODE"]["StringValue"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(codes, ["NO_RESOURCE", "NO_PERMISSIONS"]);
    // That nobody can tell who may is no refusal: the event is not taken, and its sender tries again.
    world.call_of("222222222222", "CreateEventBus", json!({"Name": "torn"})).await.unwrap();
    let target = json!([{"Id": "1", "Arn": far("torn"), "DeadLetterConfig": {"Arn": DEAD}}]);
    world.rule("out", json!({"EventPattern": r#"{"source":["shop"]}"#}), target).await;
    let failed = world.call("PutEvents", json!({"Entries": [entry(&json!({}))]})).await;
    assert_eq!(failed.unwrap_err().0, "InternalException");
    let refused = world.call("DeleteEventBus", json!({"Name": "b"})).await.unwrap_err();
    assert_eq!(refused.1, "Event bus can't be deleted since it has rules.");
}

#[tokio::test]
async fn a_rule_fires_at_its_moments_and_not_after_it_was_changed() {
    let world = World::new();
    world
        .rule("tick", json!({"ScheduleExpression": "rate(5 minutes)"}), json!([{"Id": "f", "Arn": FUNCTION}]))
        .await;
    let pass = |minutes: i64| world.clock.0.fetch_add(minutes * 60_000, Ordering::Relaxed);
    let fired = async |count: usize| {
        world
            .work_until(async || {
                let calls = world.calls(FUNCTION).await;
                (calls.len() == count).then(|| {
                    let event: Value = serde_json::from_str(&text(calls.last().unwrap())).unwrap();
                    event["time"].as_str().unwrap().to_owned()
                })
            })
            .await
    };
    pass(5);
    assert_eq!(fired(1).await, "2026-11-22T06:05:00Z");
    // What was missed is made up for once, with the first moment that was missed.
    pass(17);
    assert_eq!(fired(2).await, "2026-11-22T06:10:00Z");
    pass(3);
    assert_eq!(fired(3).await, "2026-11-22T06:25:00Z", "the countdown goes on as it was");
    world.call("DisableRule", json!({"Name": "tick"})).await.unwrap();
    world.call("PutRule", json!({"Name": "tick", "ScheduleExpression": "cron(0 7 * * ? *)"})).await.unwrap();
    pass(35);
    assert_eq!(fired(4).await, "2026-11-22T07:00:00Z");
    let event: Value = serde_json::from_str(&text(&world.calls(FUNCTION).await[3])).unwrap();
    assert_eq!(
        (&event["source"], &event["detail-type"], &event["detail"]),
        (&json!("aws.events"), &json!("Scheduled Event"), &json!({}))
    );
}

#[tokio::test]
async fn archives_keep_what_they_ask_for_and_replays_put_it_again() {
    let world = World::new();
    let start = world.clock.now().seconds();
    let archive = json!({"ArchiveName": "kept", "EventSourceArn": DEFAULT, "RetentionDays": 1,
        "EventPattern": r#"{"detail":{"keep":[true]}}"#});
    let arn = world.call("CreateArchive", archive).await.unwrap()["ArchiveArn"].clone();
    for n in 0..120 {
        world.put(entry(&json!({"keep": n % 2 == 0, "n": n}))).await;
    }
    let shown = world.call("DescribeArchive", json!({"ArchiveName": "kept"})).await.unwrap();
    assert_eq!(shown["EventCount"], 60);
    let all = json!({"EventPattern": r#"{"source":["shop"]}"#});
    world.rule("again", all.clone(), json!([{"Id": "f", "Arn": FUNCTION}])).await;
    world.rule("other", all, json!([{"Id": "q", "Arn": QUEUE}])).await;
    let replay = json!({"ReplayName": "r", "EventSourceArn": arn, "EventStartTime": start, "EventEndTime": start + 60,
        "Destination": {"Arn": DEFAULT, "FilterArns": ["arn:aws:events:us-east-1:000000000000:rule/again"]}});
    let started = world.call("StartReplay", replay).await.unwrap();
    assert_eq!(started["State"], "STARTING");
    world
        .work_until(async || {
            let shown = world.call("DescribeReplay", json!({"ReplayName": "r"})).await.unwrap();
            (shown["State"] == "COMPLETED").then_some(())
        })
        .await;
    let calls = world.calls(FUNCTION).await;
    let events: Vec<Value> = calls.iter().map(|call| serde_json::from_str(&text(call)).unwrap()).collect();
    let found: Vec<i64> = events.iter().map(|event| event["detail"]["n"].as_i64().unwrap()).collect();
    assert_eq!(found, (0..120).step_by(2).collect::<Vec<_>>(), "each once, in their order");
    assert!(events.iter().all(|event| event["replay-name"] == "r"));
    assert_eq!(world.calls(QUEUE).await, [], "the rule was not named");
    let shown = world.call("DescribeArchive", json!({"ArchiveName": "kept"})).await.unwrap();
    assert_eq!(shown["EventCount"], 60, "what is replayed is not archived again");
    // A day later they are too old.
    world.clock.0.fetch_add(25 * 3_600_000, Ordering::Relaxed);
    world
        .work_until(async || {
            let shown = world.call("DescribeArchive", json!({"ArchiveName": "kept"})).await.unwrap();
            (shown["EventCount"] == 0).then_some(())
        })
        .await;
}

#[tokio::test]
async fn what_cannot_be_kept_to_is_refused() {
    let world = World::new();
    world.call("CreateEventBus", json!({"Name": "a"})).await.unwrap();
    world.call("PutRule", json!({"Name": "r", "EventPattern": r#"{"source":["s"]}"#})).await.unwrap();
    let targets = |target: Value| json!({"Rule": "r", "Targets": [target]});
    let target = |arn: &str, more: Value| {
        let mut target = json!({"Id": "1", "Arn": arn});
        target.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        targets(target)
    };
    for (operation, input, code, part) in [
        ("PutRule", json!({"Name": "x"}), "ValidationException", "EventPattern or ScheduleExpression"),
        (
            "PutRule",
            json!({"Name": "x", "EventPattern": "{\"a\": 1}"}),
            "InvalidEventPatternException",
            "Event pattern is not valid. Reason: \"a\" must be an object or an array",
        ),
        (
            "PutRule",
            json!({"Name": "x", "ScheduleExpression": "rate(1 minute)", "EventBusName": "a"}),
            "ValidationException",
            "only on the default event bus",
        ),
        (
            "PutRule",
            json!({"Name": "x", "ScheduleExpression": "rate(1 minutes)"}),
            "ValidationException",
            "ScheduleExpression is not valid",
        ),
        (
            "PutRule",
            json!({"Name": "x", "EventPattern": "{\"a\":[1]}", "EventBusName": "nowhere"}),
            "ResourceNotFoundException",
            "Event bus nowhere does not exist.",
        ),
        (
            "DescribeRule",
            json!({"Name": "x"}),
            "ResourceNotFoundException",
            "Rule x does not exist on EventBus default.",
        ),
        (
            "PutTargets",
            target("arn:aws:states:us-east-1:000000000000:stateMachine:s", json!({})),
            "ValidationException",
            "not to states",
        ),
        (
            "PutTargets",
            target("arn:aws:sqs:us-east-1:000000000000:unreachable", json!({})),
            "ValidationException",
            "nobody is there",
        ),
        (
            "PutTargets",
            target(&format!("{QUEUE}.fifo"), json!({})),
            "ValidationException",
            "SqsParameters must be specified",
        ),
        (
            "PutTargets",
            target(FUNCTION, json!({"Input": "{}", "InputPath": "$.a"})),
            "ValidationException",
            "Only one of Input",
        ),
        (
            "PutTargets",
            target(FUNCTION, json!({"DeadLetterConfig": {"Arn": TOPIC}})),
            "ValidationException",
            "no standard queue",
        ),
        (
            "PutTargets",
            target(FUNCTION, json!({"EcsParameters": {"TaskDefinitionArn": "a"}})),
            "ValidationException",
            "EcsParameters",
        ),
        ("CreateEventBus", json!({"Name": "a"}), "ResourceAlreadyExistsException", "already exists"),
        ("CreateEventBus", json!({"Name": "k", "KmsKeyIdentifier": "key"}), "ValidationException", "KMS"),
        (
            "CreateEventBus",
            json!({"Name": "l", "LogConfig": {"Level": "INFO"}}),
            "ValidationException",
            "no logs",
        ),
        (
            "DeleteEventBus",
            json!({"Name": "default"}),
            "ValidationException",
            "Cannot delete event bus default.",
        ),
        ("PutPermission", json!({"Policy": "{}"}), "ValidationException", "Policy is not valid"),
        (
            "RemovePermission",
            json!({"StatementId": "s"}),
            "ResourceNotFoundException",
            "does not have a policy",
        ),
        (
            "StartReplay",
            json!({"ReplayName": "p", "EventSourceArn": "arn:aws:events:us-east-1:000000000000:archive/none", "EventStartTime": 1, "EventEndTime": 2, "Destination": {"Arn": DEFAULT}}),
            "ResourceNotFoundException",
            "Archive none does not exist.",
        ),
        (
            "TestEventPattern",
            json!({"EventPattern": "{\"a\":[1]}", "Event": "{}"}),
            "ValidationException",
            "id is a required field",
        ),
        ("CreateConnection", json!({}), "NotImplementedException", ""),
    ] {
        let (found, message) = world.call(operation, input.clone()).await.unwrap_err();
        assert!(found == code && message.contains(part), "{operation} {input}: {found} {message}");
    }
    let many: Vec<Value> = (0..6).map(|n| json!({"Id": n.to_string(), "Arn": FUNCTION})).collect();
    let refused = world.call("PutTargets", json!({"Rule": "r", "Targets": many})).await.unwrap_err();
    assert_eq!(refused.0, "LimitExceededException");
}

#[tokio::test]
async fn settings_are_shown_as_they_were_given() {
    let world = World::new();
    let tags = json!([{"Key": "k", "Value": "v"}]);
    world.call("CreateEventBus", json!({"Name": "a", "Description": "d", "Tags": tags})).await.unwrap();
    let put = json!({"Name": "r", "EventBusName": "a", "EventPattern": r#"{"source":["s"]}"#, "Tags": tags});
    let rule = world.call("PutRule", put).await.unwrap()["RuleArn"].clone();
    assert_eq!(rule, "arn:aws:events:us-east-1:000000000000:rule/a/r");
    world
        .call("TagResource", json!({"ResourceARN": rule, "Tags": [{"Key": "l", "Value": "w"}]}))
        .await
        .unwrap();
    world.call("UntagResource", json!({"ResourceARN": rule, "TagKeys": ["k"]})).await.unwrap();
    let shown = world.call("ListTagsForResource", json!({"ResourceARN": rule})).await.unwrap();
    assert_eq!(shown["Tags"], json!([{"Key": "l", "Value": "w"}]));
    let target = json!({
        "Id": "1", "Arn": FUNCTION, "RoleArn": "arn:aws:iam::000000000000:role/r",
        "InputTransformer": {"InputPathsMap": {"a": "$.detail.a"}, "InputTemplate": "{\"a\": <a>}"},
        "RetryPolicy": {"MaximumRetryAttempts": 0}, "DeadLetterConfig": {"Arn": DEAD},
    });
    world.call("PutTargets", json!({"Rule": "r", "EventBusName": "a", "Targets": [target]})).await.unwrap();
    let shown = world.call("ListTargetsByRule", json!({"Rule": "r", "EventBusName": "a"})).await.unwrap();
    assert_eq!(shown["Targets"], json!([target]));
    world.call("PutPermission", json!({"EventBusName": "a", "Principal": "111111111111", "StatementId": "s", "Action": "events:PutEvents"})).await.unwrap();
    let shown = world.call("DescribeEventBus", json!({"Name": "a"})).await.unwrap();
    let policy: Value = serde_json::from_str(shown["Policy"].as_str().unwrap()).unwrap();
    assert_eq!(policy["Statement"][0]["Principal"]["AWS"], "arn:aws:iam::111111111111:root");
    let bus = "arn:aws:events:us-east-1:000000000000:event-bus/a";
    let foreign =
        json!({"Entries": [{"Source": "s", "DetailType": "t", "Detail": "{}", "EventBusName": bus}]});
    for (account, failed) in [("111111111111", 0), ("222222222222", 1)] {
        let answer = world.call_of(account, "PutEvents", foreign.clone()).await.unwrap();
        assert_eq!(answer["FailedEntryCount"], failed, "{account}");
    }
    let [call] = &world.calls(FUNCTION).await[..] else { panic!("one") };
    assert!(text(call) == "{\"a\": }" && call.scope.account.as_str() == "000000000000", "{call:?}");
    world.call("RemovePermission", json!({"EventBusName": "a", "StatementId": "s"})).await.unwrap();
    let listed = world.call("ListEventBuses", json!({"Limit": 1})).await.unwrap();
    assert_eq!(listed["EventBuses"][0]["Name"], "a");
    let listed = world.call("ListEventBuses", json!({"NextToken": listed["NextToken"]})).await.unwrap();
    assert_eq!(listed["EventBuses"], json!([{"Name": "default", "Arn": DEFAULT}]));
    world.call("RemoveTargets", json!({"Rule": "r", "EventBusName": "a", "Ids": ["1"]})).await.unwrap();
    world.call("DeleteRule", json!({"Name": "r", "EventBusName": "a"})).await.unwrap();
    world.call("DeleteEventBus", json!({"Name": "a"})).await.unwrap();
    assert_eq!(world.call("ListRules", json!({})).await.unwrap()["Rules"], json!([]));
}
