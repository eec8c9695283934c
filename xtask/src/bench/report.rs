//! The result of a run, as it is written to the JSON file, and the goals it is held against.

use serde::Serialize;

use super::cold::Cold;
use super::environments::Environments;
use super::logs::Logs;
use super::machine::Machine;
use super::options::Options;
use super::share::Shares;
use super::startup::Startup;
use super::subject::Subject;
use super::warm::Scenario;

const READY_MS: f64 = 150.0;
const SERVER_MB: f64 = 30.0;
const RATIO: f64 = 1.3;
const ENVIRONMENT_MB: f64 = 1.0;
/// The queue of logs and the batch that is being written, 32 MB each, and a segment that is being closed.
const FLOOD_MB: f64 = 128.0;
/// 128 of 1,769 MB.
const SMALLEST_SHARE: f64 = 128.0 / 1769.0;

/// Everything that was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    pub(crate) options: Options,
    pub(crate) machine: Machine,
    pub(crate) startup: Startup,
    /// At the end.
    pub(crate) environments: Environments,
    pub(crate) shares: Option<Shares>,
    pub(crate) logs: Option<Logs>,
    pub(crate) rows: Vec<Row>,
    pub(crate) goals: Vec<Goal>,
}

/// What the measurements gave.
pub(crate) struct Parts {
    pub(crate) startup: Startup,
    pub(crate) environments: Environments,
    pub(crate) shares: Option<Shares>,
    pub(crate) logs: Option<Logs>,
    pub(crate) rows: Vec<Row>,
}

/// One function.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) label: String,
    pub(crate) runtime: String,
    /// The client on the floor.
    pub(crate) official_client: String,
    /// Why there is no floor.
    pub(crate) without_floor: Option<String>,
    pub(crate) cold: Cold,
    pub(crate) warm: Vec<Scenario>,
}

impl Row {
    pub(crate) fn new(subject: &Subject, cold: Cold, warm: Vec<Scenario>) -> Self {
        Self {
            label: subject.label.clone(),
            runtime: subject.runtime.clone(),
            official_client: subject.client.clone(),
            without_floor: subject.floor.as_ref().err().cloned(),
            cold,
            warm,
        }
    }
}

/// Something that Lambent wants to be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Goal {
    pub(crate) what: String,
    /// The most that is allowed.
    pub(crate) limit: f64,
    /// `None` where it could not be measured.
    pub(crate) measured: Option<f64>,
    pub(crate) verdict: Verdict,
}

/// What became of a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Verdict {
    Pass,
    Fail,
    Unknown,
}

impl Goal {
    fn new(what: impl Into<String>, limit: f64, measured: Option<f64>) -> Self {
        let verdict = match measured {
            Some(measured) if measured <= limit => Verdict::Pass,
            Some(_) => Verdict::Fail,
            None => Verdict::Unknown,
        };
        Self { what: what.into(), limit, measured, verdict }
    }
}

impl Report {
    pub(crate) fn new(options: &Options, machine: Machine, parts: Parts) -> Self {
        let Parts { startup, environments, shares, logs, rows } = parts;
        let ready = startup.ready_ms.as_ref().map(|ready| ready.p50);
        let idle = startup.idle.server_bytes.max(startup.after_invocations.server_bytes);
        let mut goals = vec![
            Goal::new("ready after start, p50, ms", READY_MS, ready),
            Goal::new("server's memory when idle, MB", SERVER_MB, Some(megabytes(idle))),
            Goal::new(
                format!("an environment beside its function, MB, of {}", environments.count),
                ENVIRONMENT_MB,
                Some(megabytes(environments.overhead_bytes())),
            ),
        ];
        let off = |of: fn(&Shares) -> f64| shares.as_ref().map(of);
        goals.push(Goal::new(
            "share of a CPU with 128 MB, off the rule, points",
            2.0,
            off(|shares| (shares.smallest - SMALLEST_SHARE).abs() * 100.0),
        ));
        goals.push(Goal::new(
            "share of a CPU with 1,769 MB, off the rule, points",
            2.0,
            off(|shares| (shares.whole - 1.0).abs() * 100.0),
        ));
        for row in &rows {
            // The first scenario: one connection, the small event.
            let ratio = row.warm.first().and_then(|scenario| scenario.ratio);
            goals.push(Goal::new(format!("warm p50 to the floor's, {}", row.label), RATIO, ratio));
        }
        goals.push(Goal::new(
            "server's memory gained by a flood of logs, MB",
            FLOOD_MB,
            logs.as_ref().map(|logs| megabytes(logs.most_bytes.saturating_sub(logs.before_bytes))),
        ));
        Self { options: options.clone(), machine, startup, environments, shares, logs, rows, goals }
    }
}

/// Bytes as megabytes of 1,048,576 bytes.
#[expect(clippy::cast_precision_loss, reason = "memory below 2^52 bytes")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_may_be_reached_but_not_passed() {
        assert_eq!(Goal::new("x", 1.3, Some(1.3)).verdict, Verdict::Pass);
        assert_eq!(Goal::new("x", 1.3, Some(1.31)).verdict, Verdict::Fail);
        assert_eq!(Goal::new("x", 1.3, None).verdict, Verdict::Unknown);
    }
}
