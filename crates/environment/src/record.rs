//! What the platform says of an environment's life: `INIT_START`, `START`, `END`, `REPORT` and their kin, for logs and for
//! the subscribers of telemetry.
//!
//! Source: AWS Lambda Developer Guide, "Lambda Telemetry API Event schema reference" (JSON), "Using CloudWatch Logs
//! with Lambda" (text).

use std::sync::Arc;
use std::time::Duration;

use lambent_model::{Invocation, Report, RequestId, Timestamp};

use crate::Initialization;
use crate::level::ApplicationLogLevel;
use crate::machine::Standing;

mod json;
mod text;

pub(crate) use json::envelope;

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

/// How an environment writes its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logging {
    /// Text or JSON.
    pub format: LogFormat,
    /// The least level of the platform's records that is written.
    pub system_level: SystemLogLevel,
    /// The least level of the function's records that is written; applies to the JSON format alone.
    pub application_level: ApplicationLogLevel,
}

impl Logging {
    /// Whether a record of the function's is written, whose frame says that it is of this level.
    pub(crate) fn takes(&self, level: Option<ApplicationLogLevel>, message: &str) -> bool {
        self.format == LogFormat::Text
            || self.application_level == ApplicationLogLevel::Trace
            || level.unwrap_or_else(|| ApplicationLogLevel::of_text(message)) >= self.application_level
    }
}

/// How an initialisation or invocation went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Success,
    Timeout,
    Error { error_type: String },
}

impl Verdict {
    pub(crate) fn status(&self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Timeout => "timeout",
            // "failure" is the platform's.
            Self::Error { error_type } if error_type.starts_with("Sandbox.") => "failure",
            Self::Error { .. } => "error",
        }
    }

    pub(crate) fn error_type(&self) -> Option<&str> {
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
    /// From a snapshot, before any invocation had the environment.
    Restore,
}

/// One event of the platform's. Each is worded in three ways: as a line of text ([`text`]), as a line of JSON and as a
/// record of telemetry ([`json`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    InitStart {
        phase: Phase,
    },
    /// The runtime has initialised the function, or failed to.
    InitRuntimeDone {
        phase: Phase,
        verdict: Verdict,
    },
    InitReport {
        duration: Duration,
        phase: Phase,
        verdict: Verdict,
    },
    Start {
        invocation: Arc<Invocation>,
    },
    /// The runtime has answered, or failed to.
    RuntimeDone {
        invocation: Arc<Invocation>,
        duration: Duration,
        verdict: Verdict,
        /// Bytes of the result.
        produced_bytes: Option<usize>,
        /// How long it took of that to send the result.
        sending: Duration,
        /// How long it took afterwards to ask for the next event, where that has been waited for.
        overhead: Option<Duration>,
    },
    /// A process has ended without which the environment cannot go on.
    Fault {
        request_id: Option<RequestId>,
        error_type: String,
        message: String,
    },
    End {
        request_id: RequestId,
    },
    Report {
        invocation: Arc<Invocation>,
        report: Report,
        verdict: Verdict,
        /// How long extensions took after the runtime was done, where they did.
        extensions: Option<Duration>,
    },
    /// How an extension's initialisation went.
    Extension(Standing),
    /// An extension subscribed to telemetry.
    Subscribed {
        api: Api,
        name: String,
        /// Among `platform`, `function` and `extension`.
        types: Vec<&'static str>,
    },
    /// Something was written faster than it was taken.
    LogsDropped {
        records: u64,
        bytes: u64,
        reason: &'static str,
    },
}

/// By which API an extension subscribed, which decides what it is told and in which words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// The Telemetry API.
    Telemetry,
    /// The Logs API that came before it. `runtime_done`: the version of its schema that has that event.
    Logs { runtime_done: bool },
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Invoke => "invoke",
            Self::Restore => "restore",
        }
    }
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

impl Record {
    /// The line for a log in the given format; `None` when the level filter holds it back.
    pub(crate) fn render(&self, logging: Logging, subject: &Subject, at: Timestamp) -> Option<String> {
        match logging.format {
            LogFormat::Text => self.text(subject),
            LogFormat::Json if self.level() >= logging.system_level => {
                self.telemetry(Api::Telemetry, subject, at)
            }
            LogFormat::Json => None,
        }
    }

    /// Developer Guide, "Log-level filtering": the level of each system log event.
    fn level(&self) -> SystemLogLevel {
        let failed = |verdict: &Verdict| *verdict != Verdict::Success;
        match self {
            Self::InitReport { verdict, .. }
            | Self::InitRuntimeDone { verdict, .. }
            | Self::RuntimeDone { verdict, .. }
            | Self::Report { verdict, .. }
                if failed(verdict) =>
            {
                SystemLogLevel::Warn
            }
            Self::LogsDropped { .. } | Self::Fault { .. } => SystemLogLevel::Warn,
            Self::Extension(standing) if standing.error_type.is_some() => SystemLogLevel::Warn,
            Self::InitReport { .. }
            | Self::InitRuntimeDone { .. }
            | Self::RuntimeDone { .. }
            | Self::End { .. } => SystemLogLevel::Debug,
            Self::InitStart { .. }
            | Self::Start { .. }
            | Self::Report { .. }
            | Self::Extension(_)
            | Self::Subscribed { .. } => SystemLogLevel::Info,
        }
    }
}

#[cfg(test)]
mod tests {
    use lambent_model::MemorySize;
    use serde_json::Value;

    use super::*;

    fn logging(format: LogFormat, system_level: SystemLogLevel) -> Logging {
        Logging { format, system_level, application_level: ApplicationLogLevel::Info }
    }

    #[test]
    fn the_application_level_is_about_json_and_what_says_nothing_is_information() {
        let of = |format, application_level| Logging {
            application_level,
            ..logging(format, SystemLogLevel::Info)
        };
        let debug = r#"{"level":"debug","timestamp":"2024-11-02T16:51:31Z"}"#;
        let json = of(LogFormat::Json, ApplicationLogLevel::Info);
        assert!(json.takes(None, "printed") && !json.takes(None, debug));
        assert!(json.takes(Some(ApplicationLogLevel::Error), debug), "the frame's word counts");
        let quiet = of(LogFormat::Json, ApplicationLogLevel::Warn);
        assert!(!quiet.takes(None, "printed"));
        assert!(of(LogFormat::Json, ApplicationLogLevel::Trace).takes(None, debug));
        assert!(of(LogFormat::Text, ApplicationLogLevel::Fatal).takes(None, debug));
    }

    fn subject() -> Subject {
        Subject {
            function_name: "f".into(),
            function_version: "$LATEST".into(),
            runtime_version: "python:3.12.v7".into(),
            runtime_version_arn: "arn:aws:lambda:us-east-1::runtime:ab".into(),
            initialization: Initialization::OnDemand,
        }
    }

    fn invocation() -> Arc<Invocation> {
        Arc::new(Invocation {
            request_id: "00000000-0000-4000-8000-000000000001".parse().unwrap(),
            payload: bytes::Bytes::new(),
            invoked_arn: "arn".into(),
            trace_id: "Root=1-2-3;Sampled=0".into(),
            client_context: None,
            tenant_id: None,
            tail: false,
        })
    }

    fn report() -> Record {
        Record::Report {
            invocation: invocation(),
            extensions: None,
            report: Report {
                duration: Duration::from_micros(3_010),
                restore: None,
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
        let logging = logging(text, SystemLogLevel::Info);
        assert_eq!(
            report().render(logging, &subject(), Timestamp::from_millis(0)).unwrap(),
            "REPORT RequestId: 00000000-0000-4000-8000-000000000001\tDuration: 3.01 ms\tBilled Duration: 114 ms\t\
             Memory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\tStatus: error\t\
             Error Type: Runtime.ExitError"
        );
    }

    #[test]
    fn json_report_carries_the_metrics() {
        let logging = logging(LogFormat::Json, SystemLogLevel::Warn);
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
        let text = logging(LogFormat::Text, SystemLogLevel::Info);
        let ahead = Subject { initialization: Initialization::ProvisionedConcurrency, ..subject() };
        let at = Timestamp::from_millis(0);
        assert_eq!(record.render(text, &subject(), at), None);
        assert_eq!(
            record.render(text, &ahead, at).unwrap(),
            "INIT_REPORT Init Duration: 20.00 ms\tPhase: init\tStatus: success"
        );
        let json = logging(LogFormat::Json, SystemLogLevel::Debug);
        let line = record.render(json, &ahead, at).unwrap();
        assert!(line.contains(r#""initializationType":"provisioned-concurrency""#), "{line}");
    }

    #[test]
    fn system_level_holds_back_lesser_json_records() {
        let start = Record::Start { invocation: invocation() };
        let quiet = logging(LogFormat::Json, SystemLogLevel::Warn);
        assert_eq!(start.render(quiet, &subject(), Timestamp::from_millis(0)), None);
    }

    /// All of an invocation's and initialisation's records, as a subscriber of either API has them.
    #[test]
    fn subscribers_are_told_in_the_words_of_their_api() {
        let at = Timestamp::from_millis(1_000);
        let verdict = Verdict::Success;
        let report = match report() {
            Record::Report { report, .. } => report,
            other => panic!("{other:?}"),
        };
        let standing =
            Standing { name: "x".into(), state: "Ready", events: vec!["INVOKE"], error_type: None };
        let records = [
            Record::InitStart { phase: Phase::Init },
            Record::InitRuntimeDone { phase: Phase::Init, verdict: verdict.clone() },
            Record::Extension(standing),
            Record::InitReport {
                duration: Duration::from_millis(7),
                phase: Phase::Invoke,
                verdict: Verdict::Timeout,
            },
            Record::Start { invocation: invocation() },
            Record::RuntimeDone {
                invocation: invocation(),
                duration: Duration::from_millis(3),
                verdict: verdict.clone(),
                produced_bytes: Some(2),
                sending: Duration::from_millis(1),
                overhead: Some(Duration::from_millis(4)),
            },
            Record::Fault {
                request_id: Some(invocation().request_id),
                error_type: "Runtime.ExitError".into(),
                message: "Runtime exited".into(),
            },
            Record::End { request_id: invocation().request_id },
            Record::Report {
                invocation: invocation(),
                report,
                verdict,
                extensions: Some(Duration::from_millis(5)),
            },
        ];
        let told = |api| -> Vec<String> {
            let envelopes = records.iter().filter_map(|record| record.telemetry(api, &subject(), at));
            envelopes
                .map(|text| text.replace(r#"{"time":"1970-01-01T00:00:01.000Z","type":"platform."#, ""))
                .collect()
        };
        let id = "00000000-0000-4000-8000-000000000001";
        let tracing = r#""tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1-2-3;Sampled=0"}"#;
        let metrics = r#""metrics":{"billedDurationMs":114,"durationMs":3.01,"initDurationMs":110.1,"maxMemoryUsedMB":36,"memorySizeMB":128}"#;
        assert_eq!(
            told(Api::Telemetry),
            [
                r#"initStart","record":{"functionName":"f","functionVersion":"$LATEST","initializationType":"on-demand","phase":"init","runtimeVersion":"python:3.12.v7","runtimeVersionArn":"arn:aws:lambda:us-east-1::runtime:ab"}}"#.to_owned(),
                r#"initRuntimeDone","record":{"initializationType":"on-demand","phase":"init","status":"success"}}"#.into(),
                r#"extension","record":{"events":["INVOKE"],"name":"x","state":"Ready"}}"#.into(),
                r#"initReport","record":{"initializationType":"on-demand","metrics":{"durationMs":7.0},"phase":"invoke","status":"timeout"}}"#.into(),
                format!(r#"start","record":{{"requestId":"{id}",{tracing},"version":"$LATEST"}}}}"#),
                format!(
                    r#"runtimeDone","record":{{"metrics":{{"durationMs":3.0,"producedBytes":2}},"requestId":"{id}","spans":[{{"durationMs":2.0,"name":"responseLatency","start":"1970-01-01T00:00:00.993Z"}},{{"durationMs":1.0,"name":"responseDuration","start":"1970-01-01T00:00:00.995Z"}},{{"durationMs":4.0,"name":"runtimeOverhead","start":"1970-01-01T00:00:00.996Z"}}],"status":"success",{tracing}}}}}"#
                ),
                format!(
                    r#"report","record":{{{metrics},"requestId":"{id}","spans":[{{"durationMs":5.0,"name":"extensionOverhead","start":"1970-01-01T00:00:00.995Z"}}],"status":"success",{tracing}}}}}"#
                ),
            ]
        );
        assert_eq!(
            told(Api::Logs { runtime_done: true }),
            [
                r#"extension","record":{"events":["INVOKE"],"name":"x","state":"Ready"}}"#.to_owned(),
                format!(r#"start","record":{{"requestId":"{id}","version":"$LATEST"}}}}"#),
                format!(r#"runtimeDone","record":{{"requestId":"{id}","status":"success"}}}}"#),
                format!(r#"fault","record":"RequestId: {id} Error: Runtime exited\nRuntime.ExitError"}}"#),
                format!(r#"end","record":{{"requestId":"{id}"}}}}"#),
                format!(r#"report","record":{{{metrics},"requestId":"{id}"}}}}"#),
            ]
        );
        assert_eq!(told(Api::Logs { runtime_done: false }).len(), 5);
    }
}
