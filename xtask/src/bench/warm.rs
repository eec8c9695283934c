//! Warm invocations: alternating rounds against the floor and against Lambent.

use std::time::Duration;

use serde::Serialize;

use super::floor::Floor;
use super::load::{Measured, Plan, Warm, in_micros};
use super::options::Options;
use super::prepare::Programs;
use super::server::Server;
use super::stats::{Summary, median};
use super::subject::Subject;

/// The small event.
pub(crate) const TINY: &str = r#"{"message":"hello"}"#;
/// Connections of the scenarios, and environments then: one for latency, the others for what the machine can do.
const CONNECTIONS: [usize; 3] = [1, 8, 32];

/// One scenario of one function.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Scenario {
    pub(crate) connections: usize,
    pub(crate) payload: &'static str,
    pub(crate) floor: Option<Side>,
    pub(crate) lambent: Side,
    /// Lambent's median over the floor's, the median of the pairs of rounds.
    pub(crate) ratio: Option<f64>,
}

/// One side of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Side {
    /// Latency over all rounds, in microseconds.
    pub(crate) latency_us: Summary,
    /// Responses per second, the median of the rounds.
    pub(crate) per_second: f64,
    /// CPU time of the relay, or of server and launcher, for each invocation; the median of the rounds.
    pub(crate) platform_cpu_us: f64,
    /// The launcher's part of it.
    pub(crate) launcher_cpu_us: f64,
    /// CPU time of the function's processes for each invocation; the median of the rounds.
    pub(crate) function_cpu_us: f64,
    /// The median latency of each round, in microseconds.
    pub(crate) round_p50_us: Vec<f64>,
}

/// CPU time by purpose: platform, launcher, function.
type Cpu = [Duration; 3];

/// Measures every scenario of one function.
pub(crate) fn measure(
    subject: &Subject,
    server: &Server,
    programs: &Programs,
    options: &Options,
) -> anyhow::Result<Vec<Scenario>> {
    let one_kb = one_kilobyte();
    let mut scenarios = Vec::new();
    // One connection first: afterwards there are as many environments as the busy scenarios needed.
    for connections in CONNECTIONS {
        // As many environments as connections on either side; Lambent makes them by itself.
        let program = subject.floor.as_ref().ok();
        let floor =
            program.map(|program| Floor::start(programs, subject, program, connections)).transpose()?;
        for (payload, body) in [("tiny", TINY), ("1 KB", one_kb.as_str())] {
            let scenario = Rounds { subject, server, floor: floor.as_ref(), programs, options };
            scenarios.push(scenario.measure(connections, payload, body)?);
        }
        floor.map(Floor::stop).transpose()?;
    }
    Ok(scenarios)
}

/// An event of 1,024 bytes with the usual mixture of strings and numbers.
fn one_kilobyte() -> String {
    let mut records = Vec::new();
    for id in 0..9 {
        records.push(format!(
            r#"{{"id":{id},"name":"record {id}","price":{id}.5,"tags":["red","blue"],"active":true}}"#
        ));
    }
    let text = format!(r#"{{"records":[{}],"filler":""#, records.join(","));
    let filler = "x".repeat(1024 - text.len() - 2);
    format!("{text}{filler}\"}}")
}

struct Rounds<'a> {
    subject: &'a Subject,
    server: &'a Server,
    floor: Option<&'a Floor>,
    programs: &'a Programs,
    options: &'a Options,
}

impl Rounds<'_> {
    fn measure(&self, connections: usize, payload: &'static str, body: &str) -> anyhow::Result<Scenario> {
        // A busy round is shorter for each request, so that it can have more of them.
        let requests = self.options.requests * if connections == 1 { 1 } else { 3 };
        let plan = Plan { connections, warm_up: requests / 5, requests, ..Plan::once("", body) };
        let lambent_url = self.server.url(self.subject.name);
        let (mut floor_rounds, mut lambent_rounds) = (Vec::new(), Vec::new());
        for _ in 0..self.options.rounds {
            if let Some(floor) = self.floor {
                let url = floor.url(self.subject);
                floor_rounds.push(self.round(&Plan { url: &url, ..plan }, || {
                    floor.cpu().map(|cpu| [cpu.relay, Duration::ZERO, cpu.functions])
                })?);
            }
            lambent_rounds.push(self.round(&Plan { url: &lambent_url, ..plan }, || {
                self.server.cpu().map(|cpu| [cpu.server + cpu.launcher, cpu.launcher, cpu.functions])
            })?);
        }
        let floor = side(&floor_rounds);
        let lambent = side(&lambent_rounds).expect("there is at least one round");
        let ratio = floor.as_ref().and_then(|floor| paired_ratio(&lambent.round_p50_us, &floor.round_p50_us));
        Ok(Scenario { connections, payload, floor, lambent, ratio })
    }

    fn round(&self, plan: &Plan<'_>, cpu: impl Fn() -> anyhow::Result<Cpu>) -> anyhow::Result<Round> {
        let warm = Warm::up(self.programs, plan)?;
        let before = cpu()?;
        let measured = warm.measure()?;
        let after = cpu()?;
        let spent = std::array::from_fn(|index| after[index].saturating_sub(before[index]));
        Ok(Round { measured, cpu: spent })
    }
}

/// One round against one side.
#[derive(Debug)]
struct Round {
    measured: Measured,
    cpu: Cpu,
}

/// The median over pairs of rounds of the first's latency in terms of the second's.
fn paired_ratio(first: &[f64], second: &[f64]) -> Option<f64> {
    median(&first.iter().zip(second).map(|(first, second)| first / second).collect::<Vec<_>>())
}

#[expect(clippy::cast_precision_loss, reason = "a round has thousands of requests, not 2^52")]
fn side(rounds: &[Round]) -> Option<Side> {
    let over = |figure: &dyn Fn(&Round, f64) -> f64| {
        let figures: Vec<f64> =
            rounds.iter().map(|round| figure(round, round.measured.latencies_ns.len() as f64)).collect();
        median(&figures)
    };
    let cpu = |index: usize| over(&|round, requests| round.cpu[index].as_secs_f64() * 1e6 / requests);
    Some(Side {
        latency_us: Summary::of(rounds.iter().flat_map(|round| round.measured.micros()).collect())?,
        per_second: over(&|round, requests| requests * 1e6 / in_micros(round.measured.wall_ns))?,
        platform_cpu_us: cpu(0)?,
        launcher_cpu_us: cpu(1)?,
        function_cpu_us: cpu(2)?,
        round_p50_us: rounds.iter().filter_map(|round| median(&round.measured.micros())).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_json_of_one_kilobyte() {
        let event = one_kilobyte();
        assert_eq!(event.len(), 1024);
        serde_json::from_str::<serde_json::Value>(&event).unwrap();
    }

    #[test]
    fn figures_are_for_each_invocation() {
        let round = |ms: u64| Round {
            measured: Measured { wall_ns: 4_000_000, latencies_ns: vec![1_000_000, 3_000_000] },
            cpu: [Duration::from_millis(ms), Duration::ZERO, Duration::from_millis(2 * ms)],
        };
        let side = side(&[round(1), round(2), round(9)]).unwrap();
        assert_eq!(side.latency_us.p50, 2000.0);
        assert_eq!(side.per_second, 500.0);
        assert_eq!((side.platform_cpu_us, side.launcher_cpu_us, side.function_cpu_us), (1000.0, 0.0, 2000.0));
        assert_eq!(side.round_p50_us, [2000.0, 2000.0, 2000.0]);
    }

    #[test]
    fn ratios_are_taken_within_pairs() {
        // The machine was slower for the whole second pair, which says nothing about either side.
        assert_eq!(paired_ratio(&[120.0, 240.0, 110.0], &[100.0, 200.0, 100.0]), Some(1.2));
        assert_eq!(paired_ratio(&[120.0], &[]), None);
    }
}
