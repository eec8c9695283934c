//! Cold starts: the first invocation of a function that has just been created, of code that the server has never seen,
//! from the client's point of view. For the floor it is the first one through a fresh relay: starting the process, its
//! initialisation, the response.
//!
//! Before each, the server may make the sandboxes that it keeps waiting, as it would between the starts of most people's
//! functions. The bursts show what there is when it may not.

use serde::Serialize;

use super::floor::Floor;
use super::load::{self, Plan, in_micros};
use super::options::Options;
use super::prepare::{Place, Programs};
use super::server::Server;
use super::stats::Summary;
use super::subject::Subject;
use super::warm::TINY;

/// Milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Cold {
    pub(crate) floor_ms: Option<Summary>,
    pub(crate) lambent_ms: Option<Summary>,
    pub(crate) burst: Burst,
}

/// Many cold starts without a pause, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Burst {
    pub(crate) count: usize,
    /// The first invocations of one function, all at once: each needs an environment of its own.
    pub(crate) at_once_ms: Option<Summary>,
    /// From the first of these to the last answer.
    pub(crate) at_once_wall_ms: f64,
    /// The first invocation of each of as many functions, one after the other.
    pub(crate) once_each_ms: Option<Summary>,
}

/// Measures pairs of cold starts, then a burst of each kind.
pub(crate) fn measure(
    place: &Place,
    subject: &Subject,
    server: &Server,
    programs: &Programs,
    options: &Options,
) -> anyhow::Result<Cold> {
    let (mut floor_ms, mut lambent_ms) = (Vec::new(), Vec::new());
    // Until somebody wants a sandbox of this kind, none has to wait.
    server.deploy_unseen(place, subject, &format!("{}-cold", subject.name))?;
    for pair in 0..options.cold_starts {
        if let Ok(program) = &subject.floor {
            let floor = Floor::start(programs, subject, program, 1)?;
            floor_ms.push(first(programs, &floor.url(subject))?);
            floor.stop()?;
        }
        let name = format!("{}-cold-{pair}", subject.name);
        server.deploy_unseen(place, subject, &name)?;
        server.settle()?;
        lambent_ms.push(first(programs, &server.url(&name))?);
        server.delete(programs, &name)?;
    }
    server.delete(programs, &format!("{}-cold", subject.name))?;
    let burst = burst(place, subject, server, programs, options.burst)?;
    Ok(Cold { floor_ms: Summary::of(floor_ms), lambent_ms: Summary::of(lambent_ms), burst })
}

fn burst(
    place: &Place,
    subject: &Subject,
    server: &Server,
    programs: &Programs,
    count: usize,
) -> anyhow::Result<Burst> {
    let name = format!("{}-burst", subject.name);
    server.deploy_unseen(place, subject, &name)?;
    server.settle()?;
    let url = server.url(&name);
    let all = Plan { connections: count, requests: count, ..Plan::once(&url, TINY) };
    let at_once = load::run(programs, &all)?;
    server.delete(programs, &name)?;

    let names: Vec<String> = (0..count).map(|number| format!("{name}-{number}")).collect();
    for name in &names {
        server.deploy_unseen(place, subject, name)?;
    }
    server.settle()?;
    let once_each = names.iter().map(|name| first(programs, &server.url(name)));
    let once_each = once_each.collect::<anyhow::Result<Vec<f64>>>()?;
    for name in &names {
        server.delete(programs, name)?;
    }
    Ok(Burst {
        count,
        at_once_ms: Summary::of(at_once.micros().into_iter().map(|micros| micros / 1000.0).collect()),
        at_once_wall_ms: in_micros(at_once.wall_ns) / 1000.0,
        once_each_ms: Summary::of(once_each),
    })
}

/// How long one invocation takes, in milliseconds.
pub(crate) fn first(programs: &Programs, url: &str) -> anyhow::Result<f64> {
    let measured = load::run(programs, &Plan::once(url, TINY))?;
    Ok(measured.latencies_ns.iter().map(|ns| in_micros(*ns) / 1000.0).sum())
}
