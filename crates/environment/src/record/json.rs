//! Platform records as JSON, the same for logs in that format and for subscribers (AWS Lambda Developer Guide, "Lambda
//! Telemetry API Event schema reference" and "Accessing real-time telemetry data for extensions using the Logs API").

use std::time::Duration;

use lambent_model::{Invocation, Report, Timestamp};
use serde_json::{Value, json};

use super::{Api, Phase, Record, Subject, Verdict};

/// Milliseconds with at most two decimals, as a JSON number.
fn rounded(duration: Duration) -> Value {
    json!((duration.as_secs_f64() * 100_000.0).round() / 100.0)
}

/// One event for a subscriber, and one line of a log in JSON.
pub(crate) fn envelope(at: Timestamp, kind: &str, record: &Value) -> String {
    // Written by hand for the order of the keys, which is AWS's.
    format!(r#"{{"time":"{at}","type":"{kind}","record":{record}}}"#)
}

impl Record {
    /// The event as a subscriber is told; `None` for what this API does not tell.
    pub(crate) fn telemetry(&self, api: Api, subject: &Subject, at: Timestamp) -> Option<String> {
        let (kind, record) = match api {
            Api::Telemetry => self.json(subject, at)?,
            Api::Logs { runtime_done } => self.older_json(subject, at, runtime_done)?,
        };
        Some(envelope(at, kind, &record))
    }

    fn json(&self, subject: &Subject, at: Timestamp) -> Option<(&'static str, Value)> {
        Some(match self {
            Self::InitStart { phase } => {
                let (kind, mut record) = match phase {
                    Phase::Restore => ("platform.restoreStart", json!({})),
                    _ => ("platform.initStart", init(*phase, subject)),
                };
                record["runtimeVersion"] = json!(subject.runtime_version);
                record["runtimeVersionArn"] = json!(subject.runtime_version_arn);
                record["functionName"] = json!(subject.function_name);
                record["functionVersion"] = json!(subject.function_version);
                (kind, record)
            }
            Self::InitRuntimeDone { phase: Phase::Restore, verdict } => {
                ("platform.restoreRuntimeDone", with_verdict(json!({}), verdict))
            }
            Self::InitReport { duration, phase: Phase::Restore, verdict } => {
                let mut record = with_verdict(json!({}), verdict);
                record["metrics"] = json!({ "durationMs": rounded(*duration) });
                ("platform.restoreReport", record)
            }
            Self::InitRuntimeDone { phase, verdict } => {
                ("platform.initRuntimeDone", with_verdict(init(*phase, subject), verdict))
            }
            Self::InitReport { duration, phase, verdict } => {
                let mut record = with_verdict(init(*phase, subject), verdict);
                record["metrics"] = json!({ "durationMs": rounded(*duration) });
                ("platform.initReport", record)
            }
            Self::Start { invocation } => {
                let mut record = of_invocation(invocation);
                record["version"] = json!(subject.function_version);
                ("platform.start", record)
            }
            Self::RuntimeDone { invocation, duration, verdict, produced_bytes, sending, overhead } => {
                let mut record = with_verdict(of_invocation(invocation), verdict);
                record["metrics"] = json!({ "durationMs": rounded(*duration) });
                if let Some(bytes) = produced_bytes {
                    record["metrics"]["producedBytes"] = json!(bytes);
                    record["spans"] = spans(at, *duration, *sending, *overhead);
                }
                ("platform.runtimeDone", record)
            }
            // The Telemetry API has no such events.
            Self::End { .. } | Self::Fault { .. } => return None,
            Self::Report { invocation, report, verdict, extensions } => {
                let mut record = with_verdict(of_invocation(invocation), verdict);
                record["metrics"] = metrics(report);
                if let Some(extensions) = *extensions {
                    record["spans"] = json!([span("extensionOverhead", at, extensions, extensions)]);
                }
                ("platform.report", record)
            }
            Self::Extension(standing) => {
                let mut record =
                    json!({ "name": standing.name, "state": standing.state, "events": standing.events });
                if let Some(error_type) = &standing.error_type {
                    record["errorType"] = json!(error_type);
                }
                ("platform.extension", record)
            }
            Self::Subscribed { api, name, types } => {
                let kind = match api {
                    Api::Telemetry => "platform.telemetrySubscription",
                    Api::Logs { .. } => "platform.logsSubscription",
                };
                (kind, json!({ "name": name, "state": "Subscribed", "types": types }))
            }
            Self::LogsDropped { records, bytes, reason } => (
                "platform.logsDropped",
                json!({ "droppedBytes": bytes, "droppedRecords": records, "reason": reason }),
            ),
        })
    }

    /// As the Logs API has it: fewer events, with less in each.
    fn older_json(
        &self,
        subject: &Subject,
        at: Timestamp,
        runtime_done: bool,
    ) -> Option<(&'static str, Value)> {
        match self {
            Self::InitStart { .. } | Self::InitRuntimeDone { .. } | Self::InitReport { .. } => None,
            Self::Start { invocation } => {
                let id = invocation.request_id.to_string();
                Some(("platform.start", json!({ "requestId": id, "version": subject.function_version })))
            }
            Self::RuntimeDone { invocation, verdict, .. } => {
                let record =
                    json!({ "requestId": invocation.request_id.to_string(), "status": verdict.status() });
                runtime_done.then_some(("platform.runtimeDone", record))
            }
            Self::End { request_id } => {
                Some(("platform.end", json!({ "requestId": request_id.to_string() })))
            }
            Self::Report { invocation, report, .. } => {
                let id = invocation.request_id.to_string();
                Some(("platform.report", json!({ "requestId": id, "metrics": metrics(report) })))
            }
            Self::Fault { request_id, error_type, message } => {
                let of = request_id.map_or_else(String::new, |id| format!("RequestId: {id} "));
                Some(("platform.fault", json!(format!("{of}Error: {message}\n{error_type}"))))
            }
            Self::Extension(_) | Self::Subscribed { .. } | Self::LogsDropped { .. } => self.json(subject, at),
        }
    }
}

fn init(phase: Phase, subject: &Subject) -> Value {
    json!({ "initializationType": subject.initialization.as_str(), "phase": phase.name() })
}

fn of_invocation(invocation: &Invocation) -> Value {
    let mut record = json!({ "requestId": invocation.request_id.to_string() });
    if let Some(tenant) = &invocation.tenant_id {
        record["tenantId"] = json!(tenant);
    }
    if !invocation.trace_id.is_empty() {
        record["tracing"] = json!({ "type": "X-Amzn-Trace-Id", "value": invocation.trace_id });
    }
    record
}

fn with_verdict(mut record: Value, verdict: &Verdict) -> Value {
    record["status"] = json!(verdict.status());
    if let Some(error_type) = verdict.error_type() {
        record["errorType"] = json!(error_type);
    }
    record
}

fn metrics(report: &Report) -> Value {
    let mut metrics = json!({
        "durationMs": rounded(report.duration),
        "billedDurationMs": report.billed_ms(),
        "memorySizeMB": report.memory.0,
    });
    if let Some(used) = report.max_memory_used_mb {
        metrics["maxMemoryUsedMB"] = json!(used);
    }
    if let Some(init) = report.init {
        metrics["initDurationMs"] = rounded(init);
    }
    metrics
}

/// How the time of an invocation was spent, one span behind the other: until the result's first byte, until its last, and
/// until the runtime asked for the next event.
fn spans(at: Timestamp, duration: Duration, sending: Duration, overhead: Option<Duration>) -> Value {
    let sending = sending.min(duration);
    let after = overhead.unwrap_or_default();
    let mut spans = vec![
        span("responseLatency", at, duration + after, duration - sending),
        span("responseDuration", at, sending + after, sending),
    ];
    spans.extend(overhead.map(|overhead| span("runtimeOverhead", at, overhead, overhead)));
    spans.into()
}

/// A span that began `ago` before the event.
fn span(name: &str, at: Timestamp, ago: Duration, duration: Duration) -> Value {
    let ago = i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
    let start = Timestamp::from_micros(at.micros().saturating_sub(ago));
    json!({ "name": name, "start": start.to_string(), "durationMs": rounded(duration) })
}
