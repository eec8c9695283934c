//! A server with thousands of functions of three versions each, against one with ten: an operation on one function is to
//! cost the same, a page of a list what its length says.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use super::connection::Connection;
use super::load::{Plan, Warm, in_micros};
use super::options::Options;
use super::prepare::{Place, Programs};
use super::server::{MEMORY_MB, Server};
use super::startup::millis;
use super::stats::{Summary, median};
use super::subject::Subject;
use super::warm::TINY;

/// A zip of `benches/functions/python-echo`, in Base64.
const PACKAGE: &str = concat!(
    "UEsDBBQAAAAAAAAAIVx7R5BaNQAAADUAAAASAAAAbGFtYmRhX2Z1bmN0aW9uLnB5ZGVmIGxhbWJkYV9oYW5kbGVyKGV2ZW50",
    "LCBjb250ZXh0KToKICAgIHJldHVybiBldmVudApQSwECFAMUAAAAAAAAACFce0eQWjUAAAA1AAAAEgAAAAAAAAAAAAAApIEA",
    "AAAAbGFtYmRhX2Z1bmN0aW9uLnB5UEsFBgAAAAABAAEAQAAAAGUAAAAAAA==",
);
/// Beside `$LATEST`.
const VERSIONS: usize = 3;
const FEW: usize = 10;
/// Clients that create at the same time: commits are made in groups.
const CLIENTS: usize = 16;
const STARTS: usize = 3;
/// As in the other measurements of memory.
const SETTLE: Duration = Duration::from_secs(1);

/// One of the two servers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Side {
    pub(crate) functions: usize,
    pub(crate) ready_ms: Option<Summary>,
    pub(crate) memory_bytes: u64,
    /// CPU time of the server for each, in microseconds; the medians of the rounds.
    pub(crate) get_us: Option<f64>,
    pub(crate) invoke_us: Option<f64>,
    /// A client's latency for pages of ten and of fifty functions, in microseconds.
    pub(crate) list_us: [Option<f64>; 2],
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Many {
    pub(crate) few: Side,
    pub(crate) many: Side,
}

/// Measures both, each with a server and a data folder of its own; `None` without the language of the functions.
pub(crate) fn measure(
    place: &Place,
    subjects: &[Subject],
    programs: &Programs,
    options: &Options,
) -> anyhow::Result<Option<Many>> {
    let Some(python) = subjects.iter().find(|subject| subject.runtime.starts_with("python")) else {
        return Ok(None);
    };
    let few = side(place, python, programs, options, FEW)?;
    Ok(Some(Many { few, many: side(place, python, programs, options, options.functions)? }))
}

fn side(
    place: &Place,
    subject: &Subject,
    programs: &Programs,
    options: &Options,
    functions: usize,
) -> anyhow::Result<Side> {
    eprintln!("measuring a server with {functions} functions");
    let data = Place::data().join(format!("many-{functions}"));
    let server = Server::start_in(place, programs, &data)?;
    create(server.address(), subject, functions)?;
    server.stop()?;
    let (mut ready, mut running) = (Vec::new(), None);
    for _ in 0..STARTS {
        running.take().map(Server::stop).transpose()?;
        let server = Server::start_in(place, programs, &data)?;
        ready.push(millis(server.ready_after));
        running = Some(server);
    }
    let server = running.context("it has been started")?;
    let middle = name_of(functions / 2);
    let invoke = Plan::once("", TINY);
    let get = Plan { method: "GET", ..Plan::once("", "") };
    let (invoke_url, get_url) = (server.url(&middle), server.function_url(&middle));
    let cpu = |plan: Plan<'_>| cpu_of(&server, programs, options, &plan);
    let list = |items: usize| latency_of(programs, options, &server.list_url(items));
    let invoke_us = cpu(Plan { url: &invoke_url, ..invoke })?;
    let get_us = cpu(Plan { url: &get_url, ..get })?;
    let list_us = [list(10)?, list(50)?];
    thread::sleep(SETTLE);
    let memory_bytes = server.memory()?.server_bytes;
    server.stop()?;
    Ok(Side { functions, ready_ms: Summary::of(ready), memory_bytes, get_us, invoke_us, list_us })
}

#[expect(clippy::cast_precision_loss, reason = "a round has thousands of requests, not 2^52")]
fn cpu_of(
    server: &Server,
    programs: &Programs,
    options: &Options,
    plan: &Plan<'_>,
) -> anyhow::Result<Option<f64>> {
    let requests = options.requests;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let warm = Warm::up(programs, &Plan { warm_up: requests / 5, requests, ..*plan })?;
        let before = server.cpu()?.server;
        warm.measure()?;
        rounds.push(server.cpu()?.server.saturating_sub(before).as_secs_f64() * 1e6 / requests as f64);
    }
    Ok(median(&rounds))
}

fn latency_of(programs: &Programs, options: &Options, url: &str) -> anyhow::Result<Option<f64>> {
    let requests = options.requests / 5;
    let plan = Plan { method: "GET", warm_up: requests / 5, requests, ..Plan::once(url, "") };
    let measured = Warm::up(programs, &plan)?.measure()?;
    Ok(median(&measured.latencies_ns.iter().map(|ns| in_micros(*ns)).collect::<Vec<_>>()))
}

fn name_of(number: usize) -> String {
    format!("one-of-many-{number:05}")
}

/// Creates the functions and their versions.
fn create(address: SocketAddr, subject: &Subject, functions: usize) -> anyhow::Result<()> {
    let one = |client: usize| -> anyhow::Result<()> {
        let mut connection = Connection::open(address)?;
        for number in (client..functions).step_by(CLIENTS) {
            let name = name_of(number);
            let body = serde_json::json!({
                "FunctionName": name, "Runtime": subject.runtime, "Handler": subject.handler, "MemorySize": MEMORY_MB,
                "Role": "arn:aws:iam::000000000000:role/bench", "Timeout": 60, "Code": { "ZipFile": PACKAGE },
            });
            connection.until("lambda", "POST", "/2015-03-31/functions", &body)?;
            let path = format!("/2015-03-31/functions/{name}");
            for version in 0..VERSIONS {
                // Versions that differ in nothing are one (Developer Guide, "Manage Lambda function versions").
                let body = serde_json::json!({ "Description": format!("version {version}") });
                connection.until("lambda", "PUT", &format!("{path}/configuration"), &body)?;
                connection.until("lambda", "POST", &format!("{path}/versions"), &serde_json::json!({}))?;
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let one = &one;
        let clients: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || one(client))).collect();
        let mut ended = clients.into_iter().map(|client| client.join().expect("the thread does not panic"));
        ended.try_for_each(|ended| ended)
    })
}
