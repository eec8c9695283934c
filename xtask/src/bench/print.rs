//! What a line in the log costs: CPU time of a handler that prints one against that of the same handler without.

use std::time::Duration;

use serde::Serialize;

use super::load::{Plan, Warm};
use super::options::Options;
use super::prepare::{Place, Programs};
use super::server::{MEMORY_MB, Server};
use super::stats::median;
use super::subject::Subject;
use super::warm::TINY;

/// CPU time of everything, in microseconds for each invocation; the medians of the rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Print {
    pub(crate) silent_us: f64,
    pub(crate) printing_us: f64,
    /// The median of the pairs of rounds.
    pub(crate) ratio: f64,
}

/// Alternates between the two; `None` for a language without such a handler.
pub(crate) fn measure(
    place: &Place,
    subject: &Subject,
    server: &Server,
    programs: &Programs,
    options: &Options,
) -> anyhow::Result<Option<Print>> {
    let Some(language) = subject.name.strip_prefix("bench-").filter(|language| *language != "rust") else {
        return Ok(None);
    };
    let name = format!("{}-print", subject.name);
    let folder = place.sources.join(format!("functions/{language}-print"));
    server.deploy_with(&subject.runtime, subject.handler, &folder, &name, MEMORY_MB)?;
    let (mut silent, mut printing) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        silent.push(round(&server.url(subject.name), server, programs, options)?);
        printing.push(round(&server.url(&name), server, programs, options)?);
    }
    let ratios: Vec<f64> = printing.iter().zip(&silent).map(|(printing, silent)| printing / silent).collect();
    let figures = (median(&silent), median(&printing), median(&ratios));
    let (Some(silent_us), Some(printing_us), Some(ratio)) = figures else { return Ok(None) };
    Ok(Some(Print { silent_us, printing_us, ratio }))
}

#[expect(clippy::cast_precision_loss, reason = "a round has thousands of requests, not 2^52")]
fn round(url: &str, server: &Server, programs: &Programs, options: &Options) -> anyhow::Result<f64> {
    let requests = options.requests;
    let plan = Plan { warm_up: requests / 5, requests, ..Plan::once(url, TINY) };
    let cpu = || -> anyhow::Result<Duration> {
        let cpu = server.cpu()?;
        Ok(cpu.server + cpu.launcher + cpu.functions)
    };
    let warm = Warm::up(programs, &plan)?;
    let before = cpu()?;
    warm.measure()?;
    Ok(cpu()?.saturating_sub(before).as_secs_f64() * 1e6 / requests as f64)
}
