//! A function with AWS's own library.

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
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
