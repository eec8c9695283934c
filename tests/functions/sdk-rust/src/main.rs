//! Invokes a function by AWS's SDK for Rust and prints each piece of its response when it comes: `sdk-rust URL FUNCTION
//! PAYLOAD`.

use std::io::Write as _;

use aws_sdk_lambda::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvokeWithResponseStreamResponseEvent as Event;
use aws_sdk_lambda::{Client, Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [url, function, payload] = std::env::args().skip(1).collect::<Vec<_>>().try_into().expect("three arguments");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(url)
        .build();
    let call = Client::from_conf(config).invoke_with_response_stream();
    let mut answer = call.function_name(function).payload(Blob::new(payload)).send().await?;
    println!("STATUS {} {}", answer.status_code, answer.executed_version().unwrap_or_default());
    while let Some(event) = answer.event_stream.recv().await? {
        match event {
            Event::PayloadChunk(chunk) => {
                let bytes = chunk.payload.map(Blob::into_inner).unwrap_or_default();
                println!("CHUNK {}", String::from_utf8(bytes)?);
            }
            Event::InvokeComplete(end) => println!("END {}", end.error_code().unwrap_or("well")),
            _ => println!("UNKNOWN"),
        }
        std::io::stdout().flush()?;
    }
    Ok(())
}
