//! What clients are answered, and what is done about it, with a Lambda of the test's own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use lambent_model::{Clock, Entropy, Provisioning, ProvisioningStatus, Scope, Target as Invoked, Timestamp};
use lambent_store::Store;
use serde_json::{Value, json};

use super::super::{Autoscaling, Capacity, CapacityError, CapacityFuture};

const RESOURCE: &str = "function:f:live";

/// A Lambda that has one alias, and as many environments in use as the test says.
#[derive(Default)]
struct Lambda {
    state: Mutex<(u32, u32)>,
}

impl Capacity for Lambda {
    fn current(&self, target: &Invoked) -> CapacityFuture<'_, Option<Provisioning>> {
        let (requested, in_use) = *self.state.lock().unwrap();
        let found = target.qualified().ends_with("f:live");
        Box::pin(std::future::ready(match (found, requested) {
            (false, _) => Err(CapacityError::NotFound("Function not found".into())),
            (true, 0) => Ok(None),
            (true, requested) => Ok(Some(Provisioning {
                requested,
                allocated: requested,
                available: requested,
                in_use: in_use.min(requested),
                status: ProvisioningStatus::Ready,
                reason: None,
            })),
        }))
    }

    fn set(&self, _: &Invoked, wanted: u32) -> CapacityFuture<'_, ()> {
        let result = if wanted > 50 {
            Err(CapacityError::Refused("too much".into()))
        } else {
            self.state.lock().unwrap().0 = wanted;
            Ok(())
        };
        Box::pin(std::future::ready(result))
    }
}

struct System;

impl Clock for System {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
    }
}

/// Each id another one.
#[derive(Default)]
struct Counting(Mutex<u8>);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let mut count = self.0.lock().unwrap();
        *count = count.wrapping_add(1);
        bytes.fill(*count);
    }
}

struct World {
    service: Autoscaling,
    lambda: Arc<Lambda>,
    scope: Scope,
    _dir: tempfile::TempDir,
}

impl World {
    fn new(scale: f64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let lambda = Arc::<Lambda>::default();
        let service = Autoscaling::new(
            store,
            Arc::new(System),
            Arc::<Counting>::default(),
            Arc::clone(&lambda) as Arc<dyn Capacity>,
            scale,
        );
        let scope = Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() };
        Self { service, lambda, scope, _dir: dir }
    }

    async fn call(&self, operation: &str, input: Value) -> Result<Value, (String, String)> {
        let request = Request::post("/")
            .header("x-amz-target", format!("AnyScaleFrontendService.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .body(Bytes::from(input.to_string()))
            .unwrap();
        let response = self.service.call(&self.scope, request, "00000000-0000-4000-8000-000000000001").await;
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        if response.status().is_success() {
            return Ok(body);
        }
        let code =
            body["__type"].as_str().unwrap_or_default().rsplit('#').next().unwrap_or_default().to_owned();
        let message = body["message"].as_str().or(body["Message"].as_str()).unwrap_or_default();
        Err((code, message.to_owned()))
    }

    async fn register(&self, min: u32, max: u32) -> Value {
        self.call("RegisterScalableTarget", with(json!({ "MinCapacity": min, "MaxCapacity": max })))
            .await
            .unwrap()
    }

    async fn track(&self, target: f64) -> Value {
        let config = json!({
            "TargetValue": target,
            "PredefinedMetricSpecification": { "PredefinedMetricType": "LambdaProvisionedConcurrencyUtilization" },
        });
        let input = json!({
            "PolicyName": "p",
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": config,
        });
        self.call("PutScalingPolicy", with(input)).await.unwrap()
    }

    async fn until(&self, requested: u32) {
        let reached = async {
            while self.lambda.state.lock().unwrap().0 != requested {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), reached).await;
        assert!(waited.is_ok(), "{} of {requested}", self.lambda.state.lock().unwrap().0);
    }
}

/// The members that nearly all inputs have.
fn with(mut input: Value) -> Value {
    input["ServiceNamespace"] = json!("lambda");
    input["ResourceId"] = json!(RESOURCE);
    input["ScalableDimension"] = json!("lambda:function:ProvisionedConcurrency");
    input
}

#[tokio::test]
async fn targets_policies_actions_and_tags_are_kept_and_go_together() {
    let world = World::new(1.0);
    let arn = world.register(1, 10).await["ScalableTargetARN"].as_str().unwrap().to_owned();
    assert!(arn.starts_with("arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/"));
    assert_eq!(world.register(2, 10).await["ScalableTargetARN"], json!(arn), "it stays the same one");
    let policy = world.track(0.7).await;
    assert!(policy["PolicyARN"].as_str().unwrap().ends_with("resource/lambda/function:f:live:policyName/p"));
    let action = json!({
        "ScheduledActionName": "a",
        "Schedule": "cron(0 8 * * ? *)",
        "Timezone": "Europe/Berlin",
        "ScalableTargetAction": { "MinCapacity": 5 },
    });
    world.call("PutScheduledAction", with(action)).await.unwrap();
    world.call("TagResource", json!({ "ResourceARN": arn, "Tags": { "k": "v", "l": "w" } })).await.unwrap();
    world.call("UntagResource", json!({ "ResourceARN": arn, "TagKeys": ["l"] })).await.unwrap();
    let namespace = json!({ "ServiceNamespace": "lambda" });
    let targets = world.call("DescribeScalableTargets", namespace.clone()).await.unwrap();
    assert_eq!(targets["ScalableTargets"][0]["MinCapacity"], 2);
    let policies = world.call("DescribeScalingPolicies", namespace.clone()).await.unwrap();
    let shown = &policies["ScalingPolicies"][0]["TargetTrackingScalingPolicyConfiguration"];
    assert_eq!(shown["TargetValue"], 0.7);
    let actions = world.call("DescribeScheduledActions", namespace.clone()).await.unwrap();
    assert_eq!(actions["ScheduledActions"][0]["Timezone"], "Europe/Berlin");
    let tags = world.call("ListTagsForResource", json!({ "ResourceARN": arn })).await.unwrap();
    assert_eq!(tags["Tags"], json!({ "k": "v" }));
    world.call("DeregisterScalableTarget", with(json!({}))).await.unwrap();
    for (operation, list) in [
        ("DescribeScalableTargets", "ScalableTargets"),
        ("DescribeScalingPolicies", "ScalingPolicies"),
        ("DescribeScheduledActions", "ScheduledActions"),
    ] {
        assert_eq!(world.call(operation, namespace.clone()).await.unwrap()[list], json!([]));
    }
}

#[tokio::test]
async fn what_is_not_scaled_here_is_refused_in_aws_words() {
    let world = World::new(1.0);
    let unsupported = "Unsupported service namespace, resource type or scalable dimension";
    let other = |key: &str, value: &str| {
        let mut input = with(json!({ "MinCapacity": 1, "MaxCapacity": 2 }));
        input[key] = json!(value);
        input
    };
    let tracked = |config: Value| {
        with(json!({
            "PolicyName": "p",
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": config,
        }))
    };
    let metric = json!({ "PredefinedMetricType": "LambdaProvisionedConcurrencyUtilization" });
    let validation = "ValidationException";
    let cases: BTreeMap<&str, (&str, Value, &str, &str)> = BTreeMap::from([
        ("namespace", ("RegisterScalableTarget", other("ServiceNamespace", "ecs"), validation, unsupported)),
        (
            "dimension",
            (
                "RegisterScalableTarget",
                other("ScalableDimension", "ecs:service:DesiredCount"),
                validation,
                unsupported,
            ),
        ),
        ("resource", ("RegisterScalableTarget", other("ResourceId", "function:f"), validation, unsupported)),
        (
            "function",
            (
                "RegisterScalableTarget",
                other("ResourceId", "function:g:live"),
                validation,
                "Lambda function doesn't exist: function:g:live",
            ),
        ),
        (
            "bounds",
            (
                "RegisterScalableTarget",
                with(json!({ "MinCapacity": 3, "MaxCapacity": 2 })),
                validation,
                "Maximum capacity cannot be less than minimum capacity",
            ),
        ),
        (
            "absent",
            (
                "DeregisterScalableTarget",
                with(json!({})),
                "ObjectNotFoundException",
                "No scalable target registered for service namespace: lambda, resource ID: function:f:live, scalable \
                 dimension: lambda:function:ProvisionedConcurrency",
            ),
        ),
        (
            "step scaling",
            (
                "PutScalingPolicy",
                with(json!({ "PolicyName": "p", "PolicyType": "StepScaling" })),
                validation,
                "lambent does not support StepScaling, which needs CloudWatch alarms; use the policy type \
                 TargetTrackingScaling",
            ),
        ),
        (
            "target value",
            (
                "PutScalingPolicy",
                tracked(json!({ "TargetValue": 70.0, "PredefinedMetricSpecification": metric })),
                validation,
                "Target value of LambdaProvisionedConcurrencyUtilization must be greater than 0 and at most 1",
            ),
        ),
    ]);
    for (what, (operation, input, code, message)) in cases {
        assert_eq!(world.call(operation, input).await, Err((code.into(), message.into())), "{what}");
    }
    world.register(1, 2).await;
    let action = with(json!({
        "ScheduledActionName": "a",
        "Schedule": "every day",
        "ScalableTargetAction": { "MinCapacity": 5 },
    }));
    let refused = world.call("PutScheduledAction", action).await.unwrap_err();
    assert_eq!(refused.1, "Schedule expression every day is not valid");
}

#[tokio::test]
async fn capacity_follows_use_bounds_and_schedules() {
    // A minute is 60 ms.
    let world = World::new(0.001);
    world.lambda.state.lock().unwrap().0 = 2;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let service = world.service.clone();
    let running = tokio::spawn(async move {
        service
            .run(async {
                let _gone = stopped.await;
            })
            .await;
    });
    world.register(4, 10).await;
    world.track(0.5).await;
    world.until(4).await;
    *world.lambda.state.lock().unwrap() = (4, 4);
    world.until(8).await;
    world.lambda.state.lock().unwrap().1 = 0;
    world.until(4).await;
    let now = System.now().millis() / 1000;
    let at = jiff::Timestamp::from_second(now + 1).unwrap().to_zoned(jiff::tz::TimeZone::UTC).datetime();
    let action = json!({
        "ScheduledActionName": "a",
        "Schedule": format!("at({at})"),
        "ScalableTargetAction": { "MinCapacity": 9, "MaxCapacity": 9 },
    });
    world.call("PutScheduledAction", with(action)).await.unwrap();
    world.until(9).await;
    world.register(60, 70).await;
    let failed = async {
        loop {
            let input = json!({ "ServiceNamespace": "lambda", "MaxResults": 1 });
            let activities = world.call("DescribeScalingActivities", input).await.unwrap();
            if activities["ScalingActivities"][0]["StatusCode"] == "Failed" {
                return activities;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let activities = tokio::time::timeout(Duration::from_secs(60), failed).await.unwrap();
    let message = &activities["ScalingActivities"][0]["StatusMessage"];
    assert_eq!(message, "Failed to set provisioned concurrency to 60. Reason: too much");
    assert!(activities["NextToken"].is_string(), "the earlier ones are on the next page");
    drop(stop);
    running.await.unwrap();
}
