//! An extension with AWS's own library: it keeps each event and each record, as the library has read it, in
//! /tmp/rust.jsonl.

use std::io::Write as _;

use lambda_extension::{Error, Extension, LambdaEvent, LambdaTelemetry, NextEvent, SharedService, service_fn};

fn keep(kind: &str, what: serde_json::Value) -> Result<(), Error> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open("/tmp/rust.jsonl")?;
    writeln!(file, "{}", serde_json::json!([kind, what]))?;
    Ok(())
}

async fn events(event: LambdaEvent) -> Result<(), Error> {
    match event.next {
        NextEvent::Invoke(invoke) => keep("invoke", serde_json::json!(invoke.request_id)),
        NextEvent::Shutdown(shutdown) => {
            keep("shutdown", serde_json::json!(shutdown.shutdown_reason))?;
            println!("rust ends: {}", std::fs::read_to_string("/tmp/rust.jsonl")?.replace('\n', "\u{1e}"));
            Ok(())
        }
    }
}

async fn telemetry(records: Vec<LambdaTelemetry>) -> Result<(), Error> {
    records.into_iter().try_for_each(|record| keep("telemetry", serde_json::to_value(record)?))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    Extension::new()
        .with_events_processor(service_fn(events))
        .with_telemetry_processor(SharedService::new(service_fn(telemetry)))
        .with_telemetry_types(&["platform", "function"])
        .with_telemetry_buffering(lambda_extension::LogBuffering { timeout_ms: 25, max_bytes: 262_144, max_items: 1_000 })
        .run()
        .await
}
