//! Cold starts: the first invocation of a function that has just been created, seen from the client. For the floor it
//! is the first one through a fresh relay: starting the process, its initialisation, the response.

use serde::Serialize;

use super::floor::Floor;
use super::load::{self, Plan, in_micros};
use super::options::Options;
use super::prepare::Programs;
use super::server::Server;
use super::stats::Summary;
use super::subject::Subject;
use super::warm::TINY;

/// Milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Cold {
    pub(crate) floor_ms: Option<Summary>,
    pub(crate) lambent_ms: Option<Summary>,
}

/// Measures pairs of cold starts.
pub(crate) fn measure(
    subject: &Subject,
    server: &Server,
    programs: &Programs,
    options: &Options,
) -> anyhow::Result<Cold> {
    let (mut floor_ms, mut lambent_ms) = (Vec::new(), Vec::new());
    for pair in 0..options.cold_starts {
        if let Ok(program) = &subject.floor {
            let floor = Floor::start(programs, subject, program, 1)?;
            floor_ms.push(first(programs, &floor.url(subject))?);
            floor.stop()?;
        }
        let name = format!("{}-cold-{pair}", subject.name);
        server.deploy(subject, &name)?;
        lambent_ms.push(first(programs, &server.url(&name))?);
        server.delete(programs, &name)?;
    }
    Ok(Cold { floor_ms: Summary::of(floor_ms), lambent_ms: Summary::of(lambent_ms) })
}

/// How long one invocation takes, in milliseconds.
pub(crate) fn first(programs: &Programs, url: &str) -> anyhow::Result<f64> {
    let measured = load::run(programs, &Plan::once(url, TINY))?;
    Ok(measured.latencies_ns.iter().map(|ns| in_micros(*ns) / 1000.0).sum())
}
