//! From no environment to many at the same time: every caller keeps its environment busy until all have one, so that none
//! can be used twice.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::load::{self, Plan, in_micros};
use super::options::Options;
use super::prepare::{Place, Programs};
use super::server::{MEMORY_MB, Server};
use super::stats::Summary;
use super::subject::Subject;

/// Longer than the last one takes to start; it is taken off what is reported.
const HOLD_MS: u32 = 8_000;
/// For what is deleted to be gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Crowd {
    pub(crate) count: usize,
    /// What each caller waited for beside its handler, in milliseconds.
    pub(crate) start_ms: Option<Summary>,
    /// From the first call to the last answer, the handler's time taken off.
    pub(crate) wall_ms: f64,
    /// Environments more than before, at the end.
    pub(crate) environments: u64,
    /// Environments that were left some time after the function was deleted.
    pub(crate) left: usize,
}

/// Measures one; `None` for a language without a handler that takes its time.
pub(crate) fn measure(
    place: &Place,
    subject: &Subject,
    server: &Server,
    programs: &Programs,
    options: &Options,
) -> anyhow::Result<Option<Crowd>> {
    let name = format!("{}-crowd", subject.name);
    let count = match subject.name {
        "bench-python" => options.crowd / 5,
        "bench-rust" => options.crowd,
        _ => return Ok(None),
    };
    eprintln!("measuring {count} environments of {} at the same time", subject.label);
    if subject.name == "bench-python" {
        let folder = place.sources.join("functions/python-hold");
        server.deploy_with(&subject.runtime, subject.handler, &folder, &name, MEMORY_MB)?;
    } else {
        server.deploy_unseen(place, subject, &name)?;
    }
    server.settle()?;
    let before = server.environments()?;
    let (url, body) = (server.url(&name), format!(r#"{{"hold_ms":{HOLD_MS}}}"#));
    let plan = Plan { connections: count, requests: count, ..Plan::once(&url, &body) };
    let measured = load::run(programs, &plan)?;
    let environments = server.environments()?.saturating_sub(before);
    server.delete(programs, &name)?;
    let without = |micros: f64| micros / 1000.0 - f64::from(HOLD_MS);
    Ok(Some(Crowd {
        count,
        start_ms: Summary::of(measured.micros().into_iter().map(without).collect()),
        wall_ms: without(in_micros(measured.wall_ns)),
        environments,
        left: left(server, before)?,
    }))
}

/// Waits until there are no more environments than before, and counts those that stay.
fn left(server: &Server, before: u64) -> anyhow::Result<usize> {
    let began = Instant::now();
    loop {
        let more = server.environments()?.saturating_sub(before);
        if more == 0 || began.elapsed() > PATIENCE {
            return Ok(usize::try_from(more).unwrap_or(usize::MAX));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
