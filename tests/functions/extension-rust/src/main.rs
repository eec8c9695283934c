//! An extension with AWS's own library: it keeps each event and each record, as the library has read it, in
//! /tmp/rust.jsonl. Where LOGS_API is set it takes them by the Logs API, and else by the Telemetry API.

use std::io::Write as _;

use lambda_extension::{
    Error, Extension, LambdaEvent, LambdaLog, LambdaTelemetry, LogBuffering, NextEvent, SharedService, service_fn,
};

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

async fn logs(records: Vec<LambdaLog>) -> Result<(), Error> {
    // The library's type can be shown and not be written.
    records.into_iter().try_for_each(|log| keep("log", serde_json::json!(format!("{:?}", log.record))))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let buffering = LogBuffering { timeout_ms: 25, max_bytes: 262_144, max_items: 1_000 };
    if std::env::var_os("LOGS_API").is_some() {
        return Extension::new()
            .with_events_processor(service_fn(events))
            .with_logs_processor(SharedService::new(service_fn(logs)))
            .with_log_types(&["platform", "function"])
            .with_log_buffering(buffering)
            .run()
            .await;
    }
    Extension::new()
        .with_events_processor(service_fn(events))
        .with_telemetry_processor(SharedService::new(service_fn(telemetry)))
        .with_telemetry_types(&["platform", "function"])
        .with_telemetry_buffering(buffering)
        .run()
        .await
}
