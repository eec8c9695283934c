//! What depends on the clock, against a clock that the test sets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use http::Request;
use lambent_identity::Principal;
use lambent_model::{AccountId, Clock, Entropy, Region, ResourcePolicies, Scope, Timestamp};
use lambent_sqs::{Caller, Later, Sqs};
use lambent_store::Store;
use lambent_wire::sqs::SERVICE;
use serde_json::{Value, json};

struct World {
    millis: AtomicI64,
    random: AtomicU64,
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis.load(Ordering::SeqCst))
    }
}

impl Entropy for World {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let next = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            *byte = next.to_be_bytes()[0];
        }
    }
}

struct Service {
    sqs: Sqs,
    store: Store,
    world: Arc<World>,
    dir: tempfile::TempDir,
}

impl Service {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = Arc::new(World { millis: AtomicI64::new(1_800_000_000_000), random: AtomicU64::new(7) });
        let (sqs, store) = Self::open(&dir, &world).await;
        Self { sqs, store, world, dir }
    }

    async fn open(dir: &tempfile::TempDir, world: &Arc<World>) -> (Sqs, Store) {
        let store = Store::open(dir.path()).unwrap();
        let sqs = Sqs::new(store.clone(), Arc::clone(world) as _, Arc::clone(world) as _, [3; 32]).await;
        (sqs.unwrap(), store)
    }

    /// The server ends and comes back.
    async fn restart(mut self) -> Self {
        self.store.clone().close().await.unwrap();
        (self.sqs, self.store) = Self::open(&self.dir, &self.world).await;
        self
    }

    fn pass(&self, seconds: i64) {
        self.world.millis.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    async fn call(&self, operation: &str, input: Value) -> Result<Value, String> {
        let request = Request::post("/")
            .header("x-amz-target", format!("AmazonSQS.{operation}"))
            .body(input.to_string().into())
            .unwrap();
        let (parts, body): (_, bytes::Bytes) = request.into_parts();
        let matched = SERVICE.route(&parts).unwrap();
        let account = AccountId::default_account();
        let caller = Caller {
            scope: Scope { account: account.clone(), region: Region::default_region() },
            principal: Principal::Root(account),
            is_service: false,
            sender: "me".into(),
            base_url: "http://localhost".into(),
        };
        let request = Request::from_parts(parts, body);
        let response = Later::resolve(self.sqs.call(&matched, &caller, request, "id").await).await;
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        match response.status().is_success() {
            true => Ok(body),
            false => Err(body["__type"].as_str().unwrap().rsplit('#').next().unwrap().to_owned()),
        }
    }

    async fn queue(&self, name: &str, attributes: Value) -> String {
        let input = json!({"QueueName": name, "Attributes": attributes});
        self.call("CreateQueue", input).await.unwrap()["QueueUrl"].as_str().unwrap().to_owned()
    }

    async fn send(&self, url: &str, more: Value) -> Result<Value, String> {
        let mut input = json!({"QueueUrl": url, "MessageBody": "text"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.call("SendMessage", input).await
    }

    async fn receive(&self, url: &str) -> Vec<Value> {
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "AttributeNames": ["All"]});
        let answer = self.call("ReceiveMessage", input).await.unwrap();
        answer["Messages"].as_array().cloned().unwrap_or_default()
    }

    async fn settle(
        &self,
        operation: &str,
        url: &str,
        message: &Value,
        seconds: i64,
    ) -> Result<Value, String> {
        let handle = &message["ReceiptHandle"];
        let input = json!({"QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": seconds});
        self.call(operation, input).await
    }
}

#[tokio::test]
async fn what_was_received_is_remembered_over_a_restart() {
    let service = Service::new().await;
    let url = service.queue("q", json!({"VisibilityTimeout": "30"})).await;
    service.send(&url, json!({})).await.unwrap();
    let [first] = &service.receive(&url).await[..] else { panic!() };
    let service = service.restart().await;
    assert!(service.receive(&url).await.is_empty(), "it is hidden still");
    // The handle of before opens the message after.
    service.settle("ChangeMessageVisibility", &url, first, 60).await.unwrap();
    service.pass(59);
    assert!(service.receive(&url).await.is_empty());
    service.pass(1);
    let [second] = &service.receive(&url).await[..] else { panic!() };
    assert_eq!(second["Attributes"]["ApproximateReceiveCount"], "2");
    service.settle("DeleteMessage", &url, second, 0).await.unwrap();
    service.pass(3600);
    assert!(service.restart().await.receive(&url).await.is_empty());
}

#[tokio::test]
async fn visibility_ends_twelve_hours_after_the_receive() {
    let service = Service::new().await;
    let url = service.queue("q", json!({"VisibilityTimeout": "43200"})).await;
    service.send(&url, json!({})).await.unwrap();
    let [message] = &service.receive(&url).await[..] else { panic!() };
    service.pass(100);
    let change = async |seconds| service.settle("ChangeMessageVisibility", &url, message, seconds).await;
    assert_eq!(change(43_101).await.unwrap_err(), "InvalidParameterValueException");
    change(43_100).await.unwrap();
    service.pass(43_100);
    assert_eq!(change(10).await.unwrap_err(), "InvalidParameterValueException");
    assert_eq!(change(0).await.unwrap_err(), "MessageNotInflight");
    // In a standard queue an old handle deletes for as long as nobody else has received the message.
    service.settle("DeleteMessage", &url, message, 0).await.unwrap();
    assert!(service.receive(&url).await.is_empty());
}

#[tokio::test]
async fn in_a_fifo_queue_a_handle_is_worth_something_while_its_message_is_hidden() {
    let service = Service::new().await;
    let url = service.queue("q.fifo", json!({"FifoQueue": "true", "VisibilityTimeout": "10"})).await;
    let more = json!({"MessageGroupId": "g", "MessageDeduplicationId": "d"});
    service.send(&url, more.clone()).await.unwrap();
    let [message] = &service.receive(&url).await[..] else { panic!() };
    service.pass(10);
    let refused = service.settle("DeleteMessage", &url, message, 0).await;
    assert_eq!(refused.unwrap_err(), "InvalidParameterValueException");
    let [again] = &service.receive(&url).await[..] else { panic!() };
    service.settle("DeleteMessage", &url, again, 0).await.unwrap();
    // Five minutes after it was sent, and not before, the same may come again.
    service.pass(289);
    service.send(&url, more.clone()).await.unwrap();
    assert!(service.receive(&url).await.is_empty());
    service.pass(2);
    service.send(&url, more).await.unwrap();
    assert_eq!(service.receive(&url).await.len(), 1);
}

#[tokio::test]
async fn the_delay_of_a_fifo_queue_is_that_of_what_is_in_it_already() {
    let service = Service::new().await;
    let attributes = json!({"FifoQueue": "true", "ContentBasedDeduplication": "true", "DelaySeconds": "100"});
    let url = service.queue("q.fifo", attributes).await;
    service.send(&url, json!({"MessageGroupId": "g"})).await.unwrap();
    service.pass(50);
    assert!(service.receive(&url).await.is_empty());
    let count = json!({"QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessagesDelayed"]});
    let shown = service.call("GetQueueAttributes", count).await.unwrap();
    assert_eq!(shown["Attributes"]["ApproximateNumberOfMessagesDelayed"], "1");
    let input = json!({"QueueUrl": url, "Attributes": {"DelaySeconds": "50"}});
    service.call("SetQueueAttributes", input).await.unwrap();
    assert_eq!(service.receive(&url).await.len(), 1);
}

#[tokio::test]
async fn what_is_past_its_retention_is_gone() {
    let service = Service::new().await;
    let url = service.queue("q", json!({"MessageRetentionPeriod": "60"})).await;
    let other = service.queue("other", json!({})).await;
    service.send(&url, json!({})).await.unwrap();
    service.send(&other, json!({})).await.unwrap();
    service.pass(60);
    service.send(&url, json!({"MessageBody": "new"})).await.unwrap();
    assert_eq!(service.receive(&url).await.len(), 2, "a minute is over after it");
    service.pass(31);
    let received = service.receive(&url).await;
    assert_eq!(received.len(), 1);
    assert_eq!(received[0]["Body"], "new");
    // What nobody asks for is removed by the task.
    service.pass(3600);
    let stop = async {
        loop {
            let count = json!({"QueueUrl": url, "AttributeNames": ["All"]});
            let shown = service.call("GetQueueAttributes", count).await.unwrap();
            if shown["Attributes"]["ApproximateNumberOfMessages"] == "0" {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    service.sqs.run(stop).await;
    assert_eq!(service.receive(&other).await.len(), 1);
}

#[tokio::test]
async fn names_rest_and_purges_are_rare() {
    let service = Service::new().await;
    let url = service.queue("q", json!({})).await;
    service.send(&url, json!({})).await.unwrap();
    let at = json!({"QueueUrl": url});
    service.call("PurgeQueue", at.clone()).await.unwrap();
    service.pass(59);
    assert_eq!(service.call("PurgeQueue", at.clone()).await.unwrap_err(), "PurgeQueueInProgress");
    service.pass(1);
    service.call("PurgeQueue", at.clone()).await.unwrap();
    service.call("DeleteQueue", at.clone()).await.unwrap();
    let create = json!({"QueueName": "q"});
    assert_eq!(service.call("DeleteQueue", at).await.unwrap_err(), "QueueDoesNotExist");
    service.pass(59);
    assert_eq!(service.call("CreateQueue", create.clone()).await.unwrap_err(), "QueueDeletedRecently");
    service.pass(1);
    service.call("CreateQueue", create).await.unwrap();
    assert!(service.receive(&url).await.is_empty());
}

#[tokio::test]
async fn a_queues_policy_is_given_out_by_its_arn() {
    let service = Service::new().await;
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*",
    }]});
    service.queue("q", json!({"Policy": policy.to_string()})).await;
    let arn = |name: &str| format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    assert_eq!(service.sqs.policy(&arn("q")).await, Ok(Some(policy.to_string())));
    assert_eq!(service.sqs.policy(&arn("other")).await, Ok(None));
}

#[tokio::test]
async fn receives_that_wait_are_answered_when_the_server_stops() {
    let service = Service::new().await;
    let url = service.queue("q", json!({})).await;
    let waiting = service.call("ReceiveMessage", json!({"QueueUrl": url, "WaitTimeSeconds": 20}));
    let stop = async {
        tokio::task::yield_now().await;
        service.sqs.stop_waiting();
    };
    let (answer, ()) = tokio::join!(waiting, stop);
    assert_eq!(answer.unwrap(), json!({}));
}
