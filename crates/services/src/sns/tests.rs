//! The service over a store of its own, with a clock that stands still.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lambent_fabric::deliveries::{Delivery, IN_ORDER, What};
use lambent_fabric::{Courier as _, Verdict};
use lambent_identity::Principal;
use lambent_model::{
    AccountId, AwsAllowedFuture, AwsCall, AwsCallError, AwsCallFuture, AwsCaller, AwsRequest, Clock,
    ResourcePolicies as _, Scope, Timestamp,
};
use lambent_store::Store;
use lambent_wire::sns::types as t;

use super::call::Context;
use super::sign::testing::Counting;
use super::{Expirer, Parts, Signer, Sns};

#[derive(Default)]
struct Still(AtomicI64);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

struct Nobody;

impl AwsCall for Nobody {
    fn not_reachable(&self, _resource: &str) -> Option<String> {
        None
    }

    fn allowed(&self, _caller: &AwsCaller, _action: &str, _resource: &str) -> AwsAllowedFuture {
        Box::pin(std::future::ready(Ok(())))
    }

    fn call(&self, _request: AwsRequest) -> AwsCallFuture {
        Box::pin(std::future::ready(Err(AwsCallError::NoAnswer("nobody is there".into()))))
    }
}

struct World {
    _dir: tempfile::TempDir,
    clock: Arc<Still>,
    store: Store,
    sns: Sns,
    scope: Scope,
    principal: Principal,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let clock = Arc::new(Still::default());
        let account = AccountId::default_account();
        let sns = Sns::new(Parts {
            store: store.clone(),
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(Counting::default()),
            calls: Arc::new(Nobody),
            signer: Box::new(|| Signer::generate(&Counting::default()).map(|(signer, _)| signer)),
            base_url: "http://127.0.0.1:4566".into(),
        });
        let scope = Scope { account: account.clone(), region: "eu-west-1".parse().unwrap() };
        Self { _dir: dir, clock, store, sns, scope, principal: Principal::Root(account) }
    }

    fn context(&self) -> Context<'_> {
        Context { principal: &self.principal, scope: &self.scope, trace_id: Some("Root=1;Lineage=a:1") }
    }

    async fn topic(&self, name: &str, attributes: &[(&str, &str)]) -> String {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let input = t::CreateTopicInput {
            name: name.into(),
            attributes: Some(attributes.collect()),
            ..t::CreateTopicInput::default()
        };
        self.sns.create_topic(&self.context(), input).await.unwrap().topic_arn.unwrap()
    }

    async fn subscribe(&self, topic: &str, protocol: &str, endpoint: &str) -> String {
        let input = t::SubscribeInput {
            topic_arn: topic.into(),
            protocol: protocol.into(),
            endpoint: Some(endpoint.into()),
            return_subscription_arn: Some(true),
            ..t::SubscribeInput::default()
        };
        self.sns.subscribe(&self.context(), input).await.unwrap().subscription_arn.unwrap()
    }

    async fn publish(&self, topic: &str, group: Option<&str>, id: Option<&str>) -> t::PublishResponse {
        let input = t::PublishInput {
            topic_arn: Some(topic.into()),
            message: "hello".into(),
            message_group_id: group.map(str::to_owned),
            message_deduplication_id: id.map(str::to_owned),
            ..t::PublishInput::default()
        };
        self.sns.publish(&self.context(), input).await.unwrap()
    }

    async fn listed(&self, topic: &str) -> usize {
        let input = t::ListSubscriptionsByTopicInput { topic_arn: topic.into(), next_token: None };
        let answer = self.sns.list_subscriptions_by_topic(&self.context(), input).await.unwrap();
        answer.subscriptions.unwrap().len()
    }

    fn later(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }

    /// Removes what is over by now, and says how much that was.
    async fn expire(&self) -> usize {
        let expirer = Expirer(self.sns.clone());
        let taken = self.store.take("sns-expiry", self.clock.now(), 100, 1_000_000).await.unwrap();
        let count = taken.messages.len();
        for message in taken.messages {
            let lease = message.lease;
            let Verdict::Settled(mut writes) = expirer.attempt("sns-expiry".into(), message).await else {
                panic!("there is nothing that could fail")
            };
            writes.push(lambent_store::Write::Finish { lease });
            self.store.commit(writes).await.unwrap();
        }
        count
    }

    /// What is in the lanes, by their names.
    async fn deliveries(&self) -> BTreeMap<String, Vec<Delivery>> {
        let mut all = BTreeMap::new();
        for arrival in self.store.waiting().await.unwrap().iter().filter(|one| &*one.queue != "sns-expiry") {
            let taken = self.store.take(&arrival.queue, self.clock.now(), 100, 10_000_000).await.unwrap();
            let leases: Vec<_> = taken.messages.iter().map(|message| message.lease).collect();
            self.store.release(&leases);
            let delivery = |message: lambent_store::queue::Message| {
                Delivery::decode(&arrival.queue, message.due, message.body).unwrap()
            };
            all.insert(arrival.queue.to_string(), taken.messages.into_iter().map(delivery).collect());
        }
        all
    }
}

const QUEUE: &str = "arn:aws:sqs:eu-west-1:000000000000:q";

#[tokio::test]
async fn a_message_is_a_delivery_for_each_subscription_in_the_topics_name() {
    let world = World::new();
    let topic = world.topic("t", &[]).await;
    let queue = world.subscribe(&topic, "sqs", QUEUE).await;
    let function = "arn:aws:lambda:eu-west-1:000000000000:function:f";
    let function = world.subscribe(&topic, "lambda", function).await;
    world.publish(&topic, None, None).await;
    let deliveries = world.deliveries().await;
    let names: Vec<&str> = deliveries.keys().map(String::as_str).collect();
    let mut expected = [format!("delivery/{queue}"), format!("delivery/{function}")];
    expected.sort();
    assert_eq!(names, expected);
    for delivery in deliveries.values().flatten() {
        let What::Call(call) = &delivery.what else { panic!("{delivery:?}") };
        let AwsCaller::Service { name, source, .. } = &call.caller else { panic!("{call:?}") };
        assert_eq!((name.as_str(), source), ("sns.amazonaws.com", &topic));
        assert_eq!(call.trace_id.as_deref(), Some("Root=1;Lineage=a:1"), "the chain goes on");
        assert!(delivery.retry.refusal_ends && delivery.retry.wait(100_014).is_some());
        assert_eq!(delivery.retry.wait(100_015), None, "a hundred thousand and fifteen times");
    }
}

#[tokio::test]
async fn two_who_subscribe_one_endpoint_at_once_share_it() {
    let world = World::new();
    let topic = world.topic("t", &[]).await;
    let (one, other) =
        tokio::join!(world.subscribe(&topic, "sqs", QUEUE), world.subscribe(&topic, "sqs", QUEUE));
    assert_eq!((one, world.listed(&topic).await), (other, 1));
}

#[tokio::test]
async fn what_nobody_confirms_is_gone_after_two_days() {
    let world = World::new();
    let topic = world.topic("t", &[]).await;
    world.subscribe(&topic, "http", "http://localhost/").await;
    let [(lane, asked)] = &world.deliveries().await.into_iter().collect::<Vec<_>>()[..] else {
        panic!("one question")
    };
    assert!(lane.starts_with("post/") && matches!(asked[0].what, What::Post(_)));
    world.later(48 * 3_600 - 1);
    assert_eq!((world.expire().await, world.listed(&topic).await), (0, 1));
    world.later(1);
    assert_eq!((world.expire().await, world.listed(&topic).await), (1, 0));
}

#[tokio::test]
async fn a_duplicate_is_one_for_five_minutes() {
    let world = World::new();
    let topic = world.topic("t.fifo", &[("FifoTopic", "true")]).await;
    world.subscribe(&topic, "sqs", &format!("{QUEUE}.fifo")).await;
    let first = world.publish(&topic, Some("g"), Some("d")).await;
    world.later(299);
    assert_eq!(world.publish(&topic, Some("g"), Some("d")).await, first);
    world.later(1);
    let second = world.publish(&topic, Some("g"), Some("d")).await;
    assert!(second.sequence_number > first.sequence_number);
    // The memory of the first goes; that of the second, which has its place, stays.
    assert_eq!(world.expire().await, 1);
    assert_eq!(world.publish(&topic, Some("g"), Some("d")).await, second);
    world.later(300);
    assert_eq!(world.expire().await, 1);
    let deliveries = world.deliveries().await;
    let [(lane, waiting)] = &deliveries.into_iter().collect::<Vec<_>>()[..] else { panic!("one lane") };
    assert!(lane.starts_with(&format!("delivery/{IN_ORDER}")) && lane.ends_with("/g"), "{lane}");
    assert_eq!(waiting.len(), 2);
}

#[tokio::test]
async fn numbers_go_on_after_a_restart_and_though_the_clock_is_set_back() {
    let world = World::new();
    let topic = world.topic("t.fifo", &[("FifoTopic", "true")]).await;
    world.subscribe(&topic, "sqs", &format!("{QUEUE}.fifo")).await;
    world.later(100);
    let first = world.publish(&topic, Some("g"), Some("1")).await;
    world.later(-50);
    world.publish(&topic, Some("g"), Some("2")).await;
    world.later(50);
    let waiting = world.deliveries().await.into_values().next().unwrap();
    assert_eq!(waiting[0].due, waiting[1].due, "the second is not due before the first");
    world.sns.inner.sequences.forget(&super::names::TopicArn::parse("", &topic).unwrap());
    let third = world.publish(&topic, Some("g"), Some("3")).await;
    assert!(third.sequence_number > first.sequence_number);
}

#[tokio::test]
async fn a_topics_policy_is_told_to_whoever_decides_by_it() {
    let world = World::new();
    let topic = world.topic("t", &[]).await;
    let policy = world.sns.policy(&topic).await.unwrap().unwrap();
    assert!(policy.contains("__default_policy_ID"));
    assert_eq!(world.sns.policy("arn:aws:sns:eu-west-1:000000000000:other").await, Ok(None));
    assert_eq!(world.sns.policy("no arn").await, Ok(None));
}
