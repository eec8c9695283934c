//! A web application of axum behind AWS's own library.

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use lambda_http::Error;
use serde_json::{Value, json};
use std::collections::HashMap;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let application = Router::new()
        .route("/hello/{name}", get(hello))
        .route("/echo", post(|Json(body): Json<Value>| async move { (StatusCode::CREATED, Json(body)) }));
    if std::env::var_os("STREAM").is_some() {
        return lambda_http::run_with_streaming_response(application).await;
    }
    lambda_http::run(application).await
}

async fn hello(Path(name): Path<String>, Query(query): Query<HashMap<String, String>>) -> Json<Value> {
    Json(json!({ "hello": name, "query": query }))
}
