//! Platform records as lines of text (AWS Lambda Developer Guide, "Using CloudWatch Logs with Lambda").

use std::fmt::Write as _;
use std::time::Duration;

use lambent_model::{Report, RequestId};

use super::{Api, Phase, Record, Subject, Verdict};

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

impl Record {
    /// `None` for what the text format does not tell.
    pub(super) fn text(&self, subject: &Subject) -> Option<String> {
        Some(match self {
            // A suppressed initialisation does not announce itself again in the text format.
            Self::InitStart { phase: Phase::Invoke }
            | Self::InitRuntimeDone { .. }
            | Self::RuntimeDone { .. }
            // REPORT says it, and the function's caller has been told.
            | Self::Fault { .. } => return None,
            Self::InitStart { phase: Phase::Init } => format!(
                "INIT_START Runtime Version: {}\tRuntime Version ARN: {}",
                subject.runtime_version, subject.runtime_version_arn
            ),
            Self::InitStart { phase: Phase::Restore } => format!(
                "RESTORE_START Runtime Version: {}\tRuntime Version ARN: {}",
                subject.runtime_version, subject.runtime_version_arn
            ),
            // "Monitoring for Lambda SnapStart".
            Self::InitReport { duration, phase: Phase::Restore, verdict } => restore_report(*duration, verdict),
            // "If the Init phase is successful, Lambda doesn't emit the INIT_REPORT log unless SnapStart or provisioned
            // concurrency is enabled" (Developer Guide, "Understanding the Lambda execution environment lifecycle").
            Self::InitReport { verdict: Verdict::Success, .. } if !subject.initialization.is_ahead() => {
                return None;
            }
            Self::InitReport { duration, phase, verdict } => init_report(*duration, *phase, verdict),
            Self::Start { invocation } => {
                format!("START RequestId: {} Version: {}", invocation.request_id, subject.function_version)
            }
            Self::End { request_id } => format!("END RequestId: {request_id}"),
            Self::Report { invocation, report, verdict, .. } => {
                report_text(invocation.request_id, report, verdict)
            }
            Self::Extension(standing) => {
                let (name, state, events) = (&standing.name, standing.state, standing.events.join(", "));
                let mut line = format!("EXTENSION\tName: {name}\tState: {state}\tEvents: [{events}]");
                if let Some(error_type) = &standing.error_type {
                    let _ = write!(line, "\tError Type: {error_type}");
                }
                line
            }
            Self::Subscribed { api, name, types } => {
                let kind = if *api == Api::Telemetry { "TELEMETRY" } else { "LOGS" };
                let types: Vec<String> = types.iter().map(|name| capitalised(name)).collect();
                format!("{kind}\tName: {name}\tState: Subscribed\tTypes: [{}]", types.join(", "))
            }
            Self::LogsDropped { records, bytes, reason } => {
                format!("LOGS_DROPPED\tDropped Records: {records}\tDropped Bytes: {bytes}\tReason: {reason}")
            }
        })
    }
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn init_report(duration: Duration, phase: Phase, verdict: &Verdict) -> String {
    let mut line = format!(
        "INIT_REPORT Init Duration: {:.2} ms\tPhase: {}\tStatus: {}",
        millis(duration),
        phase.name(),
        verdict.status()
    );
    if let Some(error_type) = verdict.error_type() {
        let _ = write!(line, "\tError Type: {error_type}");
    }
    line
}

fn restore_report(duration: Duration, verdict: &Verdict) -> String {
    let mut line = format!("RESTORE_REPORT Restore Duration: {:.2} ms", millis(duration));
    if *verdict != Verdict::Success {
        let _ = write!(line, "\tStatus: {}", verdict.status());
    }
    if let Some(error_type) = verdict.error_type() {
        let _ = write!(line, "\tError Type: {error_type}");
    }
    line
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
    if let Some(restore) = report.restore {
        let billed = restore.as_micros().div_ceil(1000);
        let _ = write!(
            line,
            "Restore Duration: {:.2} ms\tBilled Restore Duration: {billed} ms\t",
            millis(restore)
        );
    }
    match verdict {
        Verdict::Success => {}
        Verdict::Timeout => line.push_str("Status: timeout"),
        Verdict::Error { error_type } => {
            let _ = write!(line, "Status: {}\tError Type: {error_type}", verdict.status());
        }
    }
    line
}
