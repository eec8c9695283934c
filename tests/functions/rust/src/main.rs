//! A function with AWS's own library.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handle)).await
}

/// Counted by a thread in the background.
static TICKS: AtomicU64 = AtomicU64::new(0);

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    if let Some(seconds) = event.payload["seconds"].as_f64() {
        return Ok(tick(seconds).await);
    }
    println!("printed by the function");
    if let Some(text) = event.payload["fail"].as_str() {
        return Err(text.into());
    }
    tokio::time::sleep(Duration::from_secs(event.payload["sleep"].as_u64().unwrap_or(0))).await;
    Ok(json!({
        "value": event.payload["value"],
        "greeting": std::env::var("GREETING").ok(),
        "request_id": event.context.request_id,
    }))
}

async fn tick(seconds: f64) -> Value {
    let before = TICKS.load(Ordering::Relaxed);
    if before == 0 {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_millis(10));
                TICKS.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    json!({ "before": before, "after": TICKS.load(Ordering::Relaxed) })
}
