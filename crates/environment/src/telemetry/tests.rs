use lambent_model::Entropy;

use super::*;
use crate::record::{Phase, Verdict};

struct Counter;

impl Entropy for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

fn subject() -> Subject {
    Subject {
        function_name: "f".into(),
        function_version: "1".into(),
        runtime_version: "python:3.12".into(),
        runtime_version_arn: "arn".into(),
        initialization: crate::Initialization::OnDemand,
    }
}

fn subscription(schema: &str, types: &str) -> Subscription {
    let body = format!(
        r#"{{"schemaVersion":"{schema}","types":{types},"buffering":{{"maxItems":1000,"timeoutMs":25}},
            "destination":{{"protocol":"TCP","port":8080}}}}"#
    );
    parse(schema.starts_with("2020"), body.as_bytes()).unwrap()
}

fn records(batch: &[String]) -> Vec<Value> {
    batch.iter().map(|item| serde_json::from_str::<Value>(item).unwrap()["record"].clone()).collect()
}

const AT: Timestamp = Timestamp::from_millis(0);

#[tokio::test(start_paused = true)]
async fn late_subscriber_hears_what_came_before_and_one_of_another_type_does_not() {
    let id = ExtensionId::random(&Counter);
    let mut hub = Hub::new(LogFormat::Json);
    hub.platform(AT, &Record::InitStart { phase: Phase::Init }, &subject());
    hub.line(AT, Source::Extension, "from an extension");
    hub.line(AT, Source::Function, r#"{"level":"INFO"}"#);
    let delivery = hub.subscribe(id, subscription("2022-12-13", r#"["function"]"#), &subject()).unwrap();
    hub.line(AT, Source::Function, "no object");
    let batch = delivery.feed.batch().await.unwrap();
    assert_eq!(records(&batch), [json!({"level": "INFO"}), json!("no object")]);
    // Once more, and everything, as an older schema has it.
    let types = r#"["platform","function","extension"]"#;
    let again = hub.subscribe(id, subscription("2022-07-01", types), &subject()).unwrap();
    assert_eq!(delivery.feed.batch().await, None, "the first subscription is over");
    hub.close();
    let verdict = Verdict::Success;
    hub.platform(AT, &Record::InitRuntimeDone { phase: Phase::Init, verdict }, &subject());
    let batch = records(&again.feed.batch().await.unwrap());
    assert_eq!(batch[1..4], [json!("from an extension"), json!(r#"{"level":"INFO"}"#), json!("no object")]);
    assert_eq!((batch.len(), &batch[4]["status"]), (5, &json!("success")));
    let other = hub.subscribe(id, subscription("2020-08-15", types), &subject());
    assert_eq!(other.map(|_| ()), Err(SubscriptionError::OtherApi));
    hub.reopen();
    assert_eq!(again.feed.batch().await, None);
}

#[tokio::test(start_paused = true)]
async fn what_a_subscriber_does_not_take_is_dropped_and_confessed() {
    let mut hub = Hub::new(LogFormat::Text);
    let id = ExtensionId::random(&Counter);
    let delivery = hub.subscribe(id, subscription("2022-12-13", r#"["function"]"#), &subject()).unwrap();
    for n in 0..1500 {
        hub.line(AT, Source::Function, &n.to_string());
    }
    let batch = delivery.feed.batch().await.unwrap();
    let told = records(&batch);
    assert_eq!((told.len(), &told[999]), (1001, &json!("999")));
    assert_eq!(told[1000]["droppedRecords"], 500);
    assert!(told[1000]["reason"].as_str().unwrap().starts_with("Consumer seems to have fallen behind"));
    // An item that is larger than the buffer is told all the same.
    hub.line(AT, Source::Function, &"x".repeat(300_000));
    assert_eq!(delivery.feed.batch().await.unwrap().len(), 1);
    hub.flush();
    hub.line(AT, Source::Function, "after");
    assert_eq!(records(&delivery.feed.batch().await.unwrap()), [json!("after")]);
}
