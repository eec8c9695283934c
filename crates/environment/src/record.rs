//! Platform records: `INIT_START`, `START`, `END`, `REPORT`, `INIT_REPORT`, as text or JSON.
//!
//! Source: AWS Lambda Developer Guide, "Lambda Telemetry API Event schema reference" (JSON), "Using CloudWatch Logs
//! with Lambda" (text).

use std::fmt::Write as _;
use std::time::Duration;

use lambent_model::{RequestId, Timestamp};
use serde_json::{Value, json};

use crate::Initialization;

use lambent_model::Report;

/// `LoggingConfig.LogFormat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Tab-separated lines.
    Text,
    /// One JSON object a record.
    Json,
}

/// `LoggingConfig.SystemLogLevel`; applies to the JSON format alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SystemLogLevel {
    /// Everything.
    Debug,
    /// The default.
    Info,
    /// Failures only.
    Warn,
}

/// How an environment writes its platform records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logging {
    /// Text or JSON.
    pub format: LogFormat,
    /// The least level that is written.
    pub system_level: SystemLogLevel,
}

/// How an initialisation or invocation went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Success,
    Timeout,
    Error { error_type: String },
}

impl Verdict {
    fn status(&self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Timeout => "timeout",
            Self::Error { .. } => "error",
        }
    }

    fn error_type(&self) -> Option<&str> {
        match self {
            Self::Error { error_type } => Some(error_type),
            _ => None,
        }
    }
}

/// In which phase an initialisation ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Before any invocation had the environment.
    Init,
    /// Inside an invocation, after a failed initialisation or a reset ("suppressed init").
    Invoke,
}

/// One record that the platform writes into a function's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    InitStart {
        phase: Phase,
    },
    InitReport {
        duration: Duration,
        phase: Phase,
        verdict: Verdict,
    },
    Start {
        request_id: RequestId,
    },
    End {
        request_id: RequestId,
        duration: Duration,
        verdict: Verdict,
    },
    Report {
        request_id: RequestId,
        report: Report,
        verdict: Verdict,
    },
    /// The function wrote more than is kept of it.
    LogsDropped {
        records: u64,
        bytes: u64,
    },
}

/// What records say about the function they belong to.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) function_name: String,
    pub(crate) function_version: String,
    pub(crate) runtime_version: String,
    pub(crate) runtime_version_arn: String,
    pub(crate) initialization: Initialization,
}

/// Why [`Record::LogsDropped`].
const DROP_REASON: &str = "the function writes faster than its log takes (5 MiB or 50,000 records a second)";

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Milliseconds with at most two decimals, as a JSON number.
fn rounded(duration: Duration) -> Value {
    json!((millis(duration) * 100.0).round() / 100.0)
}

impl Record {
    /// The line for a log in the given format; `None` when the level filter holds it back.
    pub(crate) fn render(&self, logging: Logging, subject: &Subject, at: Timestamp) -> Option<String> {
        match logging.format {
            LogFormat::Text => self.text(subject),
            LogFormat::Json if self.level() >= logging.system_level => Some(self.json(subject, at)),
            LogFormat::Json => None,
        }
    }

    /// Developer Guide, "Log-level filtering": the level of each system log event.
    fn level(&self) -> SystemLogLevel {
        let failed = |verdict: &Verdict| *verdict != Verdict::Success;
        match self {
            Self::InitReport { verdict, .. } | Self::Report { verdict, .. } | Self::End { verdict, .. }
                if failed(verdict) =>
            {
                SystemLogLevel::Warn
            }
            Self::LogsDropped { .. } => SystemLogLevel::Warn,
            Self::InitReport { .. } | Self::End { .. } => SystemLogLevel::Debug,
            Self::InitStart { .. } | Self::Start { .. } | Self::Report { .. } => SystemLogLevel::Info,
        }
    }

    fn text(&self, subject: &Subject) -> Option<String> {
        Some(match self {
            // A suppressed initialisation does not announce itself again in the text format.
            Self::InitStart { phase: Phase::Invoke } => return None,
            Self::InitStart { phase: Phase::Init } => format!(
                "INIT_START Runtime Version: {}\tRuntime Version ARN: {}",
                subject.runtime_version, subject.runtime_version_arn
            ),
            // "If the Init phase is successful, Lambda doesn't emit the INIT_REPORT log unless SnapStart or provisioned
            // concurrency is enabled" (Developer Guide, "Understanding the Lambda execution environment lifecycle").
            Self::InitReport { verdict: Verdict::Success, .. } if !subject.initialization.is_ahead() => {
                return None;
            }
            Self::InitReport { duration, phase, verdict } => {
                let phase = if *phase == Phase::Init { "init" } else { "invoke" };
                let mut line = format!(
                    "INIT_REPORT Init Duration: {:.2} ms\tPhase: {phase}\tStatus: {}",
                    millis(*duration),
                    verdict.status()
                );
                if let Some(error_type) = verdict.error_type() {
                    let _ = write!(line, "\tError Type: {error_type}");
                }
                line
            }
            Self::Start { request_id } => {
                format!("START RequestId: {request_id} Version: {}", subject.function_version)
            }
            Self::End { request_id, .. } => format!("END RequestId: {request_id}"),
            Self::Report { request_id, report, verdict } => report_text(*request_id, report, verdict),
            Self::LogsDropped { records, bytes } => format!(
                "LOGS_DROPPED\tDropped Records: {records}\tDropped Bytes: {bytes}\tReason: {DROP_REASON}"
            ),
        })
    }

    fn json(&self, subject: &Subject, at: Timestamp) -> String {
        let (kind, record) = match self {
            Self::InitStart { phase } => (
                "platform.initStart",
                json!({
                    "initializationType": subject.initialization.as_str(),
                    "phase": phase_name(*phase),
                    "runtimeVersion": subject.runtime_version,
                    "runtimeVersionArn": subject.runtime_version_arn,
                    "functionName": subject.function_name,
                    "functionVersion": subject.function_version,
                }),
            ),
            Self::InitReport { duration, phase, verdict } => (
                "platform.initReport",
                with_verdict(
                    json!({
                        "initializationType": subject.initialization.as_str(),
                        "phase": phase_name(*phase),
                        "metrics": { "durationMs": rounded(*duration) },
                    }),
                    verdict,
                ),
            ),
            Self::Start { request_id } => (
                "platform.start",
                json!({ "requestId": request_id.to_string(), "version": subject.function_version }),
            ),
            Self::End { request_id, duration, verdict } => (
                "platform.runtimeDone",
                with_verdict(
                    json!({
                        "requestId": request_id.to_string(),
                        "metrics": { "durationMs": rounded(*duration) },
                    }),
                    verdict,
                ),
            ),
            Self::Report { request_id, report, verdict } => {
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
                let record = json!({ "requestId": request_id.to_string(), "metrics": metrics });
                ("platform.report", with_verdict(record, verdict))
            }
            Self::LogsDropped { records, bytes } => (
                "platform.logsDropped",
                json!({ "droppedBytes": bytes, "droppedRecords": records, "reason": DROP_REASON }),
            ),
        };
        // Written by hand for the order of the keys, which is AWS's.
        format!(r#"{{"time":"{at}","type":"{kind}","record":{record}}}"#)
    }
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Init => "init",
        Phase::Invoke => "invoke",
    }
}

fn with_verdict(mut record: Value, verdict: &Verdict) -> Value {
    record["status"] = json!(verdict.status());
    if let Some(error_type) = verdict.error_type() {
        record["errorType"] = json!(error_type);
    }
    record
}

fn report_text(request_id: RequestId, report: &Report, verdict: &Verdict) -> String {
    let mut line = format!(
        "REPORT RequestId: {request_id}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\t",
        millis(report.duration),
        report.billed_ms(),
        report.memory.0,
    );
    // Writing to a String cannot fail.
    if let Some(used) = report.max_memory_used_mb {
        let _ = write!(line, "Max Memory Used: {used} MB\t");
    }
    if let Some(init) = report.init {
        let _ = write!(line, "Init Duration: {:.2} ms\t", millis(init));
    }
    match verdict {
        Verdict::Success => {}
        Verdict::Timeout => line.push_str("Status: timeout"),
        Verdict::Error { error_type } => {
            let _ = write!(line, "Status: error\tError Type: {error_type}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use lambent_model::MemorySize;

    use super::*;

    fn subject() -> Subject {
        Subject {
            function_name: "f".into(),
            function_version: "$LATEST".into(),
            runtime_version: "python:3.12.v7".into(),
            runtime_version_arn: "arn:aws:lambda:us-east-1::runtime:ab".into(),
            initialization: Initialization::OnDemand,
        }
    }

    fn report() -> Record {
        Record::Report {
            request_id: "00000000-0000-4000-8000-000000000001".parse().unwrap(),
            report: Report {
                duration: Duration::from_micros(3_010),
                init: Some(Duration::from_micros(110_100)),
                memory: MemorySize(128),
                max_memory_used_mb: Some(36),
            },
            verdict: Verdict::Error { error_type: "Runtime.ExitError".into() },
        }
    }

    #[test]
    fn report_reads_as_on_aws() {
        let text = LogFormat::Text;
        let logging = Logging { format: text, system_level: SystemLogLevel::Info };
        assert_eq!(
            report().render(logging, &subject(), Timestamp::from_millis(0)).unwrap(),
            "REPORT RequestId: 00000000-0000-4000-8000-000000000001\tDuration: 3.01 ms\tBilled Duration: 114 ms\t\
             Memory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\tStatus: error\t\
             Error Type: Runtime.ExitError"
        );
    }

    #[test]
    fn json_report_carries_the_metrics() {
        let logging = Logging { format: LogFormat::Json, system_level: SystemLogLevel::Warn };
        let line = report().render(logging, &subject(), Timestamp::from_millis(0)).unwrap();
        assert!(
            line.starts_with(r#"{"time":"1970-01-01T00:00:00.000Z","type":"platform.report","record":{"#)
        );
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["type"], "platform.report");
        assert_eq!(value["record"]["metrics"]["billedDurationMs"], 114);
        assert_eq!(value["record"]["errorType"], "Runtime.ExitError");
    }

    #[test]
    fn an_initialisation_ahead_of_invocations_is_reported_when_it_succeeds_too() {
        let record = Record::InitReport {
            duration: Duration::from_millis(20),
            phase: Phase::Init,
            verdict: Verdict::Success,
        };
        let text = Logging { format: LogFormat::Text, system_level: SystemLogLevel::Info };
        let ahead = Subject { initialization: Initialization::ProvisionedConcurrency, ..subject() };
        let at = Timestamp::from_millis(0);
        assert_eq!(record.render(text, &subject(), at), None);
        assert_eq!(
            record.render(text, &ahead, at).unwrap(),
            "INIT_REPORT Init Duration: 20.00 ms\tPhase: init\tStatus: success"
        );
        let json = Logging { format: LogFormat::Json, system_level: SystemLogLevel::Debug };
        let line = record.render(json, &ahead, at).unwrap();
        assert!(line.contains(r#""initializationType":"provisioned-concurrency""#), "{line}");
    }

    #[test]
    fn system_level_holds_back_lesser_json_records() {
        let start = Record::Start { request_id: "00000000-0000-4000-8000-000000000001".parse().unwrap() };
        let quiet = Logging { format: LogFormat::Json, system_level: SystemLogLevel::Warn };
        assert_eq!(start.render(quiet, &subject(), Timestamp::from_millis(0)), None);
    }
}
