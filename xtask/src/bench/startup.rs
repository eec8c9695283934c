//! The server by itself: how soon it is ready, and how much memory it holds.

use std::time::Duration;

use serde::Serialize;

use super::load::{self, Plan};
use super::options::Options;
use super::prepare::{Place, Programs};
use super::server::{Memory, Server};
use super::stats::Summary;
use super::subject::Subject;
use super::warm::TINY;

/// Invocations before the second look at the memory.
pub(crate) const INVOCATIONS: usize = 1000;
/// Long enough for what a start or a load leaves behind (caches, log writes) to be done with; nothing waits for it.
const SETTLE: Duration = Duration::from_secs(1);

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Startup {
    /// The very first start, which makes the data folder, in milliseconds.
    pub(crate) first_ms: f64,
    /// Starts with a data folder that holds functions, in milliseconds.
    pub(crate) ready_ms: Option<Summary>,
    /// Idle, a second after a start.
    pub(crate) idle: Memory,
    /// Idle, a second after [`INVOCATIONS`] invocations on one connection.
    pub(crate) after_invocations: Memory,
}

/// Starts servers one after the other, leaves the last one running, with every subject deployed.
pub(crate) fn measure(
    place: &Place,
    programs: &Programs,
    subjects: &[Subject],
    options: &Options,
) -> anyhow::Result<(Server, Startup)> {
    eprintln!("measuring {} starts of the server", options.server_starts);
    let mut server = Server::start(place, programs)?;
    let first_ms = millis(server.ready_after);
    for subject in subjects {
        server.deploy(subject, subject.name)?;
    }
    let mut ready = Vec::new();
    for _ in 0..options.server_starts {
        server.stop()?;
        server = Server::start(place, programs)?;
        ready.push(millis(server.ready_after));
    }
    std::thread::sleep(SETTLE);
    let idle = server.memory()?;
    // Any function will do: it is the server's memory that counts.
    if let Some(subject) = subjects.first() {
        let url = server.url(subject.name);
        load::run(programs, &Plan { requests: INVOCATIONS, ..Plan::once(&url, TINY) })?;
    }
    std::thread::sleep(SETTLE);
    let after_invocations = server.memory()?;
    Ok((server, Startup { first_ms, ready_ms: Summary::of(ready), idle, after_invocations }))
}

/// A duration in milliseconds.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
