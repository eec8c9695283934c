//! What clients are answered, and what lies in the outbox when a moment comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use lambent_fabric::Dispatcher;
use lambent_fabric::deliveries::{Delivery, What};
use lambent_model::{
    AwsAllowedFuture, AwsCall, AwsCallFuture, AwsCaller, AwsRequest, Clock, Entropy, Scope, Timestamp,
};
use lambent_store::Store;
use lambent_store::queue::Place;
use serde_json::{Value, json};

use super::super::Scheduler;
use crate::iam::Iam;

struct Calls;

impl AwsCall for Calls {
    fn not_reachable(&self, resource: &str) -> Option<String> {
        resource.contains("unreachable").then(|| "nobody is there".to_owned())
    }

    fn allowed(&self, _: &AwsCaller, _: &str, _: &str) -> AwsAllowedFuture {
        unreachable!("the gateway asks when the call is made")
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
        bytes[..8].copy_from_slice(&self.0.fetch_add(77_777, Ordering::Relaxed).to_le_bytes());
    }
}

struct World {
    service: Scheduler,
    store: Store,
    clock: Arc<Hands>,
    scope: Scope,
    _dir: tempfile::TempDir,
}

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
const ROLE: &str = "arn:aws:iam::000000000000:role/r";

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        // 2026-11-22T06:00:00Z
        let clock = Arc::new(Hands(AtomicI64::new(1_795_327_200_000)));
        let entropy: Arc<dyn Entropy> = Arc::new(Random(AtomicI64::new(1)));
        let iam = Iam::new(store.clone(), Arc::clone(&clock) as _, Arc::clone(&entropy));
        let service = Scheduler::new(store.clone(), Arc::clone(&clock) as _, entropy, Arc::new(Calls), iam);
        let scope = Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() };
        Self { service, store, clock, scope, _dir: dir }
    }

    async fn call(&self, method: &str, path: &str, input: Value) -> Result<Value, (String, String)> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .body(Bytes::from(if input.is_null() { String::new() } else { input.to_string() }))
            .unwrap();
        let id = "00000000-0000-4000-8000-000000000001";
        let response = self.service.call(&self.scope, request, id).await;
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        if response.status().is_success() {
            return Ok(body);
        }
        let code = response.headers()["x-amzn-errortype"].to_str().unwrap().to_owned();
        Err((code, body["Message"].as_str().or(body["message"].as_str()).unwrap_or_default().to_owned()))
    }

    async fn create(&self, name: &str, more: Value) -> Result<Value, (String, String)> {
        self.call("POST", &format!("/schedules/{name}"), schedule(more)).await
    }

    async fn get(&self, name: &str) -> Result<Value, (String, String)> {
        self.call("GET", &format!("/schedules/{name}"), Value::Null).await
    }

    /// The texts of the messages that the queue is sent.
    async fn sent(&self) -> Vec<String> {
        let queue = format!("delivery/{QUEUE}");
        let beginning = Place::before(Timestamp::from_millis(0));
        let end = Timestamp::from_micros(i64::MAX);
        let entries = self.store.entries(&queue, beginning, end, 1000, usize::MAX).await.unwrap();
        let text = |entry: lambent_store::queue::Entry| {
            let delivery = Delivery::decode(&queue, entry.place.due, entry.body).unwrap();
            let What::Call(call) = delivery.what else { panic!("a call") };
            assert!(matches!(&call.caller, AwsCaller::Role { role, .. } if role == ROLE));
            let input: Value = serde_json::from_str(&call.input).unwrap();
            input["MessageBody"].as_str().unwrap().to_owned()
        };
        entries.into_iter().map(text).collect()
    }

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

    async fn fired(&self, count: usize) -> String {
        self.work_until(async || {
            let sent = self.sent().await;
            (sent.len() == count).then(|| sent.last().cloned().unwrap_or_default())
        })
        .await
    }

    fn pass(&self, minutes: i64) {
        self.clock.0.fetch_add(minutes * 60_000, Ordering::Relaxed);
    }
}

fn schedule(more: Value) -> Value {
    let mut input = json!({
        "ScheduleExpression": "rate(5 minutes)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": QUEUE, "RoleArn": ROLE, "Input": "<aws.scheduler.scheduled-time>"},
    });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    input
}

#[tokio::test]
async fn a_schedule_fires_at_its_moments_until_it_is_over() {
    let world = World::new();
    let end = world.clock.now().seconds() + 25 * 60;
    let over = json!({"EndDate": end, "ActionAfterCompletion": "DELETE"});
    world.create("s", over).await.unwrap();
    assert_eq!(world.fired(1).await, "2026-11-22T06:00:00Z", "a rate without a start begins at once");
    world.pass(5);
    assert_eq!(world.fired(2).await, "2026-11-22T06:05:00Z");
    // What was missed is made up for once.
    world.pass(12);
    assert_eq!(world.fired(3).await, "2026-11-22T06:10:00Z");
    world.pass(3);
    assert_eq!(world.fired(4).await, "2026-11-22T06:20:00Z");
    world.pass(5);
    assert_eq!(world.fired(5).await, "2026-11-22T06:25:00Z", "its end is its last moment");
    world.work_until(async || world.get("s").await.is_err().then_some(())).await;
    let once = json!({"ScheduleExpression": "at(2026-11-22T08:00:00)", "ScheduleExpressionTimezone": "Europe/Berlin"});
    world.create("once", once).await.unwrap();
    world.pass(60);
    assert_eq!(world.fired(6).await, "2026-11-22T07:00:00Z");
    assert_eq!(world.get("once").await.unwrap()["State"], "ENABLED", "it stays");
    assert_eq!(world.store.waiting().await.unwrap().len(), 1, "nothing is left but the outbox");
}

#[tokio::test]
async fn what_was_changed_fires_as_it_is_now() {
    let world = World::new();
    let hourly = json!({"ScheduleExpression": "cron(0 * * * ? *)"});
    world.create("s", hourly.clone()).await.unwrap();
    let disabled = schedule(json!({"State": "DISABLED", "ScheduleExpression": "cron(0 * * * ? *)"}));
    world.call("PUT", "/schedules/s", disabled).await.unwrap();
    world.create("other", json!({"ScheduleExpression": "cron(30 * * * ? *)"})).await.unwrap();
    world.pass(61);
    assert_eq!(world.fired(1).await, "2026-11-22T06:30:00Z");
    world.call("PUT", "/schedules/s", schedule(hourly)).await.unwrap();
    world.call("DELETE", "/schedules/other", Value::Null).await.unwrap();
    world.pass(60);
    assert_eq!(world.fired(2).await, "2026-11-22T08:00:00Z");
    // Too old to be made up for.
    let mut input = schedule(json!({"ScheduleExpression": "at(2026-11-22T09:00:00)"}));
    input["Target"]["RetryPolicy"] = json!({"MaximumEventAgeInSeconds": 60});
    world.call("PUT", "/schedules/s", input).await.unwrap();
    let window = json!({"ScheduleExpression": "cron(0 9 * * ? *)", "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 10}});
    world.create("window", window).await.unwrap();
    world.pass(75);
    assert_eq!(world.fired(3).await, "2026-11-22T09:00:00Z", "the window's alone");
    let left = world.store.take("scheduler/schedules", world.clock.now(), 9, 999).await.unwrap();
    let next = Timestamp::from_millis(1_795_327_200_000 + 27 * 3_600_000);
    let due = left.next.unwrap();
    assert!(due >= next && due < next.plus(Duration::from_secs(600)), "{due} is within the window");
}

#[tokio::test]
async fn groups_go_with_their_schedules() {
    let world = World::new();
    let tags = json!({"Tags": [{"Key": "k", "Value": "v"}], "ClientToken": "t"});
    let made = world.call("POST", "/schedule-groups/g", tags.clone()).await.unwrap();
    assert_eq!(world.call("POST", "/schedule-groups/g", tags).await.unwrap(), made, "the same request");
    let conflict = world.call("POST", "/schedule-groups/g", json!({"ClientToken": "u"})).await.unwrap_err();
    assert_eq!(conflict.0, "ConflictException");
    for n in 0..300 {
        world.create(&format!("s{n:03}"), json!({"GroupName": "g"})).await.unwrap();
    }
    world.create("own", json!({})).await.unwrap();
    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let page =
            world.call("GET", &format!("/schedules?MaxResults=100{token}"), Value::Null).await.unwrap();
        names.extend(
            page["Schedules"].as_array().unwrap().iter().map(|one| one["Name"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["NextToken"].as_str() else { break };
        token = format!("&NextToken={next}");
    }
    assert_eq!((names.len(), &*names[0], &*names[300]), (301, "own", "s299"));
    let page = world
        .call("GET", "/schedules?ScheduleGroup=g&NamePrefix=s29&State=ENABLED", Value::Null)
        .await
        .unwrap();
    assert_eq!(page["Schedules"].as_array().unwrap().len(), 10);
    let arn = made["ScheduleGroupArn"].as_str().unwrap();
    assert_eq!(arn, "arn:aws:scheduler:us-east-1:000000000000:schedule-group/g");
    let path = format!("/tags/{}", arn.replace(':', "%3A").replace('/', "%2F"));
    world.call("POST", &path, json!({"Tags": [{"Key": "l", "Value": "w"}]})).await.unwrap();
    world.call("DELETE", &format!("{path}?TagKeys=k"), Value::Null).await.unwrap();
    let tags = world.call("GET", &path, Value::Null).await.unwrap();
    assert_eq!(tags["Tags"], json!([{"Key": "l", "Value": "w"}]));
    world.call("DELETE", "/schedule-groups/g", Value::Null).await.unwrap();
    assert_eq!(world.call("GET", "/schedule-groups/g", Value::Null).await.unwrap()["State"], "DELETING");
    assert_eq!(world.create("late", json!({"GroupName": "g"})).await.unwrap_err().0, "ConflictException");
    world
        .work_until(async || {
            world.call("GET", "/schedule-groups/g", Value::Null).await.is_err().then_some(())
        })
        .await;
    let page = world.call("GET", "/schedules", Value::Null).await.unwrap();
    assert_eq!(page["Schedules"].as_array().unwrap().len(), 1);
    let groups = world.call("GET", "/schedule-groups", Value::Null).await.unwrap();
    assert_eq!(groups["ScheduleGroups"][0]["Name"], "default");
}

#[tokio::test]
async fn what_cannot_be_kept_to_is_refused_and_the_rest_is_shown() {
    let world = World::new();
    let target = |arn: &str, more: Value| {
        let mut target = json!({"Arn": arn, "RoleArn": ROLE});
        target.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"Target": target})
    };
    for (more, part) in [
        (json!({"ScheduleExpression": "every day"}), "Invalid Schedule Expression every day."),
        (json!({"ScheduleExpressionTimezone": "Mars/Olympus"}), "ScheduleExpressionTimezone is not valid"),
        (json!({"StartDate": 20, "EndDate": 10}), "must come after"),
        (json!({"StartDate": 1_795_326_899}), "cannot be earlier than 5 minutes ago"),
        (json!({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}), "must be given"),
        (json!({"KmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k"}), "KMS"),
        (target("arn:aws:states:us-east-1:000000000000:stateMachine:s", json!({})), "not to states"),
        (target("arn:aws:scheduler:::aws-sdk:ec2:startInstances", json!({"Input": "{}"})), "not ec2"),
        (target("arn:aws:sqs:us-east-1:000000000000:unreachable", json!({})), "nobody is there"),
        (target(&format!("{QUEUE}.fifo"), json!({})), "MessageGroupId"),
        (target(QUEUE, json!({"KinesisParameters": {"PartitionKey": "p"}})), "KinesisParameters"),
    ] {
        let (code, message) = world.create("s", more.clone()).await.unwrap_err();
        assert!(code == "ValidationException" && message.contains(part), "{more}: {code} {message}");
    }
    assert_eq!(
        world.create("s", json!({"GroupName": "none"})).await.unwrap_err().0,
        "ResourceNotFoundException"
    );
    assert_eq!(world.get("s").await.unwrap_err().1, "Schedule s does not exist.");
    let token = json!({"ClientToken": "t", "Description": "d", "StartDate": 1_800_000_000});
    let made = world.create("s", token.clone()).await.unwrap();
    assert_eq!(world.create("s", token).await.unwrap(), made);
    assert_eq!(world.create("s", json!({"ClientToken": "u"})).await.unwrap_err().0, "ConflictException");
    let shown = world.get("s").await.unwrap();
    let expected = json!({
        "Arn": "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s",
        "GroupName": "default", "Name": "s", "State": "ENABLED", "Description": "d",
        "StartDate": 1_800_000_000.0, "CreationDate": 1_795_327_200.0, "LastModificationDate": 1_795_327_200.0,
        "ScheduleExpression": "rate(5 minutes)", "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"}, "ActionAfterCompletion": "NONE",
        "Target": {"Arn": QUEUE, "RoleArn": ROLE, "Input": "<aws.scheduler.scheduled-time>",
            "RetryPolicy": {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}},
    });
    assert_eq!(shown, expected);
}
