//! Returns its event, with AWS's crate for functions in Rust; after `hold_ms` milliseconds where the event asks for that.

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    run(service_fn(|event: LambdaEvent<Value>| async move {
        if let Some(hold) = event.payload.get("hold_ms").and_then(Value::as_u64) {
            // Nothing else is to be done in this process meanwhile.
            std::thread::sleep(Duration::from_millis(hold));
        }
        Ok::<Value, Error>(event.payload)
    }))
    .await
}
