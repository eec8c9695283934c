//! `lambent up --demo`: the examples, deployed and invoked through the public API, with the clock running.

use std::time::{Duration, Instant};

use lambent_wire::Blob;
use lambent_wire::lambda::op::{CreateFunction, Invoke, UpdateFunctionCode, UpdateFunctionConfiguration};
use lambent_wire::lambda::types::{
    CreateFunctionRequest, FunctionCode, InvocationRequest, Runtime, UpdateFunctionCodeRequest,
    UpdateFunctionConfigurationRequest,
};

use crate::Terminal;
use crate::client::{Client, INVOKE_PATIENCE};
use crate::commands::{Error, Report, find, milliseconds, settle};
use crate::render::Table;
use crate::terminal::Style;

/// Enough for a median that one slow answer does not move, few enough to be over at once.
const WARM_INVOCATIONS: usize = 21;
/// CPU follows memory. With the default of 128 MB a function has 7 % of a processor, and what an interpreter does in the
/// background after its start would be all that the warm figures show.
const MEMORY_MB: i32 = 1024;
/// How long the server may take to become ready.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// How long a sandbox for an example may take to be made in advance: many times what it takes. Without it the example
/// starts as well, only later.
const PREWARM_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks at whether it is made.
const PREWARM_LOOK: Duration = Duration::from_millis(50);

/// An example to deploy.
#[derive(Debug, Clone)]
pub struct DemoFunction {
    /// The function's name.
    pub name: String,
    /// AWS's runtime id.
    pub runtime: String,
    /// The handler.
    pub handler: String,
    /// The deployment package.
    pub zip: Vec<u8>,
    /// The event, JSON.
    pub event: Vec<u8>,
    /// Or why it is skipped: "no ruby3.4 on this machine".
    pub available: Result<(), String>,
}

/// How the demonstration went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DemoSummary {
    /// Functions that answered.
    pub passed: usize,
    /// Functions that could not be deployed or returned an error.
    pub failed: usize,
    /// Functions that this machine cannot run.
    pub skipped: usize,
}

/// What one function did.
struct Measured {
    result: String,
    cold: Duration,
    report: Option<Report>,
    warm_median: Duration,
}

/// Deploys the examples, invokes each cold once and warm several times, and prints a table and how to go on.
///
/// A function that fails is a row of the table, not the end of the demonstration.
///
/// # Errors
/// When the server does not become ready, or standard output is closed.
pub async fn demo(
    client: &Client,
    examples: &[DemoFunction],
    terminal: &Terminal,
) -> Result<DemoSummary, Error> {
    terminal.waiting("waiting for the server", ready(client)).await?;
    let mut table = Table::new(&["FUNCTION", "RUNTIME", "COLD", "INIT", "WARM", "RESULT"]);
    let mut summary = DemoSummary::default();
    for example in examples {
        let row = |cold: String, init: String, warm: String, result: String| {
            vec![example.name.clone(), example.runtime.clone(), cold, init, warm, result]
        };
        let without_times = |result| row("-".to_owned(), "-".to_owned(), "-".to_owned(), result);
        if let Err(reason) = &example.available {
            summary.skipped += 1;
            table.row(without_times(format!("skipped: {reason}")));
            continue;
        }
        let trying = format!("trying {} ({})", example.name, example.runtime);
        match terminal.waiting(&trying, Box::pin(measure(client, example))).await {
            Ok(measured) => {
                summary.passed += 1;
                let init = measured.report.and_then(|report| report.init_duration_ms);
                let init = init.map_or_else(|| "-".to_owned(), milliseconds);
                table.row(row(took(measured.cold), init, took(measured.warm_median), measured.result));
            }
            Err(reason) => {
                summary.failed += 1;
                table.row(without_times(format!("failed: {reason}")));
            }
        }
    }
    for line in table.lines(terminal) {
        terminal.line(&line)?;
    }
    for line in afterword(client, examples) {
        terminal.line(&terminal.paint(Style::Dim, &line))?;
    }
    Ok(summary)
}

async fn ready(client: &Client) -> Result<(), Error> {
    let begun = Instant::now();
    loop {
        match client.is_ready().await {
            Ok(true) => return Ok(()),
            Err(error) if begun.elapsed() > READY_LIMIT => return Err(error.into()),
            Ok(false) if begun.elapsed() > READY_LIMIT => {
                return Err(Error::NotReady {
                    name: "the server".to_owned(),
                    seconds: READY_LIMIT.as_secs(),
                });
            }
            Ok(false) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Deploys one example and measures it as a client sees it: over a warm connection, the whole round trip.
async fn measure(client: &Client, example: &DemoFunction) -> Result<Measured, String> {
    publish(client, example).await.map_err(|error| error.to_string())?;
    prewarmed(client).await.map_err(|error| error.to_string())?;
    let (cold, report, result) = timed(client, example).await?;
    let mut warm = Vec::with_capacity(WARM_INVOCATIONS);
    for _ in 0..WARM_INVOCATIONS {
        warm.push(timed(client, example).await?.0);
    }
    warm.sort();
    Ok(Measured { result: shortened(&result), cold, report, warm_median: warm[WARM_INVOCATIONS / 2] })
}

/// Waits until the server has made in advance what it wants to, as it has for a function that is not invoked in the moment in
/// which it is created. Twice, for the server may just not have heard of the function yet.
async fn prewarmed(client: &Client) -> Result<(), Error> {
    let begun = Instant::now();
    let mut looks = 0;
    while looks < 2 && begun.elapsed() < PREWARM_LIMIT {
        looks = if client.is_prewarmed().await? { looks + 1 } else { 0 };
        if looks < 2 {
            tokio::time::sleep(PREWARM_LOOK).await;
        }
    }
    Ok(())
}

/// Creates the example, or updates the one that an earlier demonstration left.
async fn publish(client: &Client, example: &DemoFunction) -> Result<(), Error> {
    let function_name = example.name.clone();
    let zip_file = Some(Blob::from(example.zip.clone()));
    let (runtime, handler) = (Some(Runtime::from(example.runtime.as_str())), Some(example.handler.clone()));
    if find(client, &example.name).await?.is_none() {
        let request = CreateFunctionRequest {
            function_name,
            runtime,
            handler,
            role: format!("arn:aws:iam::{}:role/lambent", client.settings().account()),
            code: FunctionCode { zip_file, ..Default::default() },
            description: Some("An example of lambent up --demo".to_owned()),
            memory_size: Some(MEMORY_MB),
            ..Default::default()
        };
        client.call::<CreateFunction>(&request).await?;
        settle(client, &example.name).await?;
        return Ok(());
    }
    let code =
        UpdateFunctionCodeRequest { function_name: function_name.clone(), zip_file, ..Default::default() };
    client.call::<UpdateFunctionCode>(&code).await?;
    settle(client, &example.name).await?;
    let configuration = UpdateFunctionConfigurationRequest {
        function_name,
        runtime,
        handler,
        memory_size: Some(MEMORY_MB),
        ..Default::default()
    };
    client.call::<UpdateFunctionConfiguration>(&configuration).await?;
    settle(client, &example.name).await?;
    Ok(())
}

async fn timed(
    client: &Client,
    example: &DemoFunction,
) -> Result<(Duration, Option<Report>, String), String> {
    let request = InvocationRequest {
        function_name: example.name.clone(),
        payload: Some(Blob::from(example.event.clone())),
        ..Default::default()
    };
    let begun = Instant::now();
    let called = client.call_with_headers::<Invoke>(&request, INVOKE_PATIENCE).await;
    let took = begun.elapsed();
    let (response, headers) = called.map_err(|error| error.to_string())?;
    let payload = response.payload.unwrap_or_default();
    let text = String::from_utf8_lossy(&payload).into_owned();
    match response.function_error {
        Some(kind) => Err(format!("{kind}: {}", shortened(&text))),
        None => Ok((took, Report::of(&headers), text)),
    }
}

fn took(duration: Duration) -> String {
    milliseconds(duration.as_secs_f64() * 1000.0)
}

/// At most fifty characters, so that a row stays a line.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(50) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What to try next, with the stock tools.
fn afterword(client: &Client, examples: &[DemoFunction]) -> Vec<String> {
    let settings = client.settings();
    let available = examples.iter().find(|example| example.available.is_ok());
    let mut lines = vec![
        String::new(),
        format!(
            "COLD and WARM (median of {WARM_INVOCATIONS}) are round trips as this client sees them; INIT is the server's."
        ),
        "The server keeps running. In another terminal, with the stock AWS CLI:".to_owned(),
        String::new(),
        format!(
            "  export AWS_ENDPOINT_URL=http://{} AWS_DEFAULT_REGION={}",
            settings.endpoint, settings.region
        ),
        "  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test".to_owned(),
        "  aws lambda list-functions".to_owned(),
    ];
    if let Some(DemoFunction { name, .. }) = available {
        lines.push(format!("  aws lambda invoke --function-name {name} /dev/stdout"));
        lines.push(format!("  lambent logs {name}"));
    }
    lines.push(String::new());
    lines
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Response;
    use serde_json::json;

    use super::*;
    use crate::client::{Settings, SystemClock};
    use crate::testing::FakeServer;

    fn example(name: &str, available: Result<(), String>) -> DemoFunction {
        DemoFunction {
            name: name.to_owned(),
            runtime: "python3.13".to_owned(),
            handler: "lambda_function.lambda_handler".to_owned(),
            zip: b"zip".to_vec(),
            event: b"{}".to_vec(),
            available,
        }
    }

    #[tokio::test]
    async fn each_example_is_a_row_and_failures_stop_nothing() {
        let server = FakeServer::start(|request, before| {
            let path = request.uri().path();
            let mut response = Response::new(Bytes::from(match path {
                "/2015-03-31/functions/works/invocations" => "\"hello\"".to_owned(),
                "/2015-03-31/functions/breaks/invocations" => "{\"errorType\":\"E\"}".to_owned(),
                _ => json!({ "State": "Active", "LastUpdateStatus": "Successful" }).to_string(),
            }));
            // Not ready at the first question.
            if before == 0 {
                *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            }
            if path.contains("breaks") {
                response.headers_mut().insert("x-amz-function-error", "Unhandled".parse().unwrap());
            }
            let report = r#"{"durationMs":1,"billedDurationMs":1,"initDurationMs":61.5}"#;
            response.headers_mut().insert("x-lambent-report", report.parse().unwrap());
            response
        })
        .await;
        let settings = Settings { endpoint: server.endpoint(), ..Settings::default() };
        let client = Client::new(settings, std::sync::Arc::new(SystemClock));
        let examples = [
            example("works", Ok(())),
            example("breaks", Ok(())),
            example("absent", Err("no ruby here".to_owned())),
        ];
        let (terminal, out, _) = Terminal::captured(false);
        let summary = demo(&client, &examples, &terminal).await.unwrap();
        assert_eq!(summary, DemoSummary { passed: 1, failed: 1, skipped: 1 });

        let text = out.text();
        let rows: Vec<Vec<&str>> =
            text.lines().take(4).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["FUNCTION", "RUNTIME", "COLD", "INIT", "WARM", "RESULT"]);
        // COLD, INIT and WARM are a number and a unit each.
        assert_eq!((rows[1][0], &rows[1][4..6], rows[1][8]), ("works", &["61.5", "ms"][..], "\"hello\""));
        assert_eq!(rows[2][2..], ["-", "-", "-", "failed:", "Unhandled:", "{\"errorType\":\"E\"}"]);
        assert_eq!(rows[3][2..], ["-", "-", "-", "skipped:", "no", "ruby", "here"]);
        assert!(text.contains("  aws lambda invoke --function-name works /dev/stdout\n"), "{text}");
        let invocations = server.requests().iter().filter(|r| r.uri().path().contains("works/inv")).count();
        assert_eq!(invocations, 1 + WARM_INVOCATIONS);
    }
}
