//! A web application of axum that knows nothing of Lambda.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json};
use axum::routing::{any, get};
use futures_util::stream;
use serde_json::json;

async fn hello(
    Path(name): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    body: String,
) -> impl IntoResponse {
    (StatusCode::CREATED, [("x-web", "axum")], Json(json!({ "name": name, "query": query, "body": body })))
}

async fn events() -> impl IntoResponse {
    let numbers = stream::unfold(0, |number| async move {
        if number > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        (number < 100).then(|| (Ok::<_, Infallible>(format!("data: {number}\n\n")), number + 1))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(numbers))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let application = axum::Router::new()
        .route("/ready", get(|| async { "ready" }))
        .route("/hello/{name}", any(hello))
        .route("/events", get(events));
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:8080").await?, application).await
}
