//! What it costs a caller that an idle environment is frozen: invocations with pauses in which it is, and with pauses in
//! which it is not yet. A pause costs by itself, since caches and processors cool down: the floor, which freezes nothing,
//! says how much, and that is taken off.

use serde::Serialize;

use super::floor::Floor;
use super::load::{self, Plan};
use super::options::Options;
use super::prepare::Programs;
use super::server::Server;
use super::stats::median;
use super::subject::Subject;
use super::warm::TINY;

/// An environment is frozen after 5 ms (docs/adr/0011).
const SHORT_MS: usize = 2;
const LONG_MS: usize = 20;
const REQUESTS: usize = 100;

/// Medians of a client's latency, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Frozen {
    /// After pauses in which the environment was frozen, and after shorter ones.
    pub(crate) after_long_us: f64,
    pub(crate) after_short_us: f64,
    /// What the longer pause costs, and what of that the floor does not have; the medians of the rounds.
    pub(crate) difference_us: f64,
    pub(crate) added_us: Option<f64>,
}

/// Alternates between the floor and the server, short and long pauses.
pub(crate) fn measure(
    subject: &Subject,
    server: &Server,
    programs: &Programs,
    options: &Options,
) -> anyhow::Result<Option<Frozen>> {
    let program = subject.floor.as_ref().ok();
    let floor = program.map(|program| Floor::start(programs, subject, program, 1)).transpose()?;
    let (mut long, mut short, mut differences, mut added) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let of_floor = match &floor {
            Some(floor) => Some(pair(&floor.url(subject), programs)?),
            None => None,
        };
        let Some((after_short, after_long)) = pair(&server.url(subject.name), programs)? else { continue };
        short.push(after_short);
        long.push(after_long);
        differences.push(after_long - after_short);
        if let Some(Some((floor_short, floor_long))) = of_floor {
            added.push((after_long - after_short) - (floor_long - floor_short));
        }
    }
    floor.map(Floor::stop).transpose()?;
    let figures = (median(&long), median(&short), median(&differences));
    let (Some(after_long_us), Some(after_short_us), Some(difference_us)) = figures else { return Ok(None) };
    Ok(Some(Frozen { after_long_us, after_short_us, difference_us, added_us: median(&added) }))
}

/// Medians after short pauses and after long ones.
fn pair(url: &str, programs: &Programs) -> anyhow::Result<Option<(f64, f64)>> {
    let after = |pause_ms| -> anyhow::Result<Option<f64>> {
        let plan = Plan { warm_up: 10, requests: REQUESTS, pause_ms, ..Plan::once(url, TINY) };
        Ok(median(&load::run(programs, &plan)?.micros()))
    };
    Ok(after(SHORT_MS)?.zip(after(LONG_MS)?))
}
