//! `lambent invoke`: the payload to standard output, all else to standard error.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use lambent_wire::Blob;
use lambent_wire::lambda::op::Invoke;
use lambent_wire::lambda::types::{InvocationRequest, InvocationResponse, InvocationType, LogType};
use serde_json::{Value, json};

use super::{Error, Report, blocking, milliseconds};
use crate::client::{Client, INVOKE_PATIENCE};
use crate::terminal::Style;
use crate::{ExitCode, InvokeArgs, Terminal, render};

/// The most that a synchronous invocation takes (AWS Lambda Developer Guide: "Lambda quotas", 6 MB). Below it the
/// server decides; above it there is no use in reading on.
const PAYLOAD_LIMIT: u64 = 6 * 1024 * 1024;

pub(super) async fn invoke(
    client: &Client,
    args: InvokeArgs,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let request = request(&args, payload(args.payload.as_deref()).await?)?;
    let begun = Instant::now();
    let waiting = format!("invoking {}", args.name);
    let call = client.call_with_headers::<Invoke>(&request, INVOKE_PATIENCE);
    let (response, headers) = terminal.waiting(&waiting, call).await?;
    let outcome = Outcome::read(response, &headers, begun.elapsed())?;
    if terminal.json {
        render::json(terminal, &outcome.to_json())?;
    } else {
        terminal.foreign(&outcome.payload)?;
        if let Some(log) = outcome.log_tail.as_ref().filter(|_| args.tail || outcome.function_error.is_some())
        {
            terminal.say(log.trim_end());
        }
        terminal.say(&outcome.summary(terminal));
    }
    Ok(if outcome.function_error.is_some() { ExitCode::FunctionError } else { ExitCode::Ok })
}

fn request(args: &InvokeArgs, payload: Option<Bytes>) -> Result<InvocationRequest, Error> {
    let client_context = args.client_context.as_deref().map(|text| {
        let parsed: Result<Value, _> = serde_json::from_str(text);
        parsed.map_err(|error| Error::Usage(format!("the client context is not JSON: {error}")))?;
        Ok::<_, Error>(STANDARD.encode(text))
    });
    let (invocation_type, log_type) = if args.asynchronous {
        (InvocationType::Event, None)
    } else {
        // Always asked for: when the function fails, its log is what one wants to see next.
        (InvocationType::RequestResponse, Some(LogType::Tail))
    };
    Ok(InvocationRequest {
        function_name: args.name.clone(),
        invocation_type: Some(invocation_type),
        log_type,
        client_context: client_context.transpose()?,
        payload: payload.map(Into::into),
        qualifier: args.qualifier.clone(),
        ..Default::default()
    })
}

/// The event: text as it stands, `@FILE`, or `-` for standard input.
async fn payload(argument: Option<&str>) -> Result<Option<Bytes>, Error> {
    let Some(text) = argument else { return Ok(None) };
    let file = match text.strip_prefix('@') {
        Some(path) => Some(PathBuf::from(path)),
        None if text == "-" => None,
        None => return Ok(Some(Bytes::copy_from_slice(text.as_bytes()))),
    };
    blocking(move || read_payload(file.as_deref())).await.map(Some)
}

fn read_payload(file: Option<&Path>) -> Result<Bytes, Error> {
    let mut bytes = Vec::new();
    let read = |source: &mut dyn Read, bytes: &mut Vec<u8>| source.take(PAYLOAD_LIMIT + 1).read_to_end(bytes);
    let result = match file {
        Some(path) => File::open(path).and_then(|mut file| read(&mut file, &mut bytes)),
        None => read(&mut io::stdin().lock(), &mut bytes),
    };
    let from = || file.unwrap_or(Path::new("standard input")).to_owned();
    let count = result.map_err(|source| Error::Payload { from: from(), source })?;
    if count as u64 > PAYLOAD_LIMIT {
        return Err(Error::PayloadSize { limit: PAYLOAD_LIMIT });
    }
    Ok(bytes.into())
}

/// What came back.
#[derive(Debug)]
struct Outcome {
    status: i32,
    payload: Bytes,
    function_error: Option<String>,
    version: Option<String>,
    log_tail: Option<String>,
    request_id: Option<String>,
    report: Option<Report>,
    round_trip: Duration,
}

impl Outcome {
    fn read(response: InvocationResponse, headers: &HeaderMap, round_trip: Duration) -> Result<Self, Error> {
        let log_tail = response.log_result.map(|text| {
            let decoded = STANDARD.decode(text);
            // The tail is cut at a byte, which may be within a character.
            decoded.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        });
        let what = |error| format!("the log tail is not base64: {error}");
        Ok(Self {
            status: response.status_code.unwrap_or(200),
            payload: response.payload.map(Blob::into_bytes).unwrap_or_default(),
            function_error: response.function_error,
            version: response.executed_version,
            log_tail: log_tail
                .transpose()
                .map_err(|e| Error::Answer { operation: "Invoke", what: what(e) })?,
            request_id: headers.get("x-amzn-requestid").and_then(|id| id.to_str().ok()).map(str::to_owned),
            report: Report::of(headers),
            round_trip,
        })
    }

    fn summary(&self, terminal: &Terminal) -> String {
        let mut parts = vec![match (&self.function_error, self.status) {
            (Some(error), _) => terminal.paint_message(Style::Bad, &format!("function error ({error})")),
            (None, 202) => terminal.paint_message(Style::Good, "accepted"),
            (None, _) => terminal.paint_message(Style::Good, "ok"),
        }];
        if let Some(report) = &self.report {
            parts.push(format!("duration {}", milliseconds(report.duration_ms)));
            parts.extend(report.init_duration_ms.map(|init| format!("init {}", milliseconds(init))));
            parts.push(format!("billed {:.0} ms", report.billed_duration_ms));
            parts.extend(report.max_memory_used_mb.map(|memory| format!("memory {memory:.0} MB")));
        }
        parts.push(format!("round trip {}", milliseconds(self.round_trip.as_secs_f64() * 1000.0)));
        parts.extend(self.version.as_ref().map(|version| format!("version {version}")));
        parts.extend(self.request_id.as_ref().map(|id| format!("request {id}")));
        parts.join(" · ")
    }

    /// All of it as one document. A payload that is no JSON stands there as text.
    fn to_json(&self) -> Value {
        let payload = serde_json::from_slice(&self.payload);
        json!({
            "StatusCode": self.status,
            "FunctionError": self.function_error,
            "ExecutedVersion": self.version,
            "RequestId": self.request_id,
            "Report": self.report,
            "RoundTripMs": self.round_trip.as_secs_f64() * 1000.0,
            "LogTail": self.log_tail,
            "Payload": payload.unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&self.payload))),
        })
    }
}
