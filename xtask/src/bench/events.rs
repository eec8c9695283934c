//! Events: how fast they are accepted against what the same database takes in bare batches, how soon an idle server begins
//! one, and what many that wait cost.

use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde::Serialize;

use super::load::{self, Plan};
use super::options::Options;
use super::prepare::{Place, Programs, output};
use super::server::Server;
use super::stats::{Summary, median};
use super::subject::Subject;
use super::warm::TINY;

/// Clients that send at once.
const CLIENTS: usize = 64;
/// Bytes of an event.
const BYTES: usize = 1024;
/// Over how many functions the waiting events are spread.
const FUNCTIONS: usize = 50;
/// Pairs of rounds of accepting and of bare batches.
const ROUNDS: usize = 3;
/// Synchronous invocations of one look.
const REQUESTS: usize = 2000;
/// What Lambent keeps beside an event's payload: whose it is, its request and trace, when it came.
const HEADER_BYTES: usize = 230;
/// For how long handlers hold their environments, in seconds: shorter than a server may take to end, and so long
/// that few of them end while it is measured what waiting costs. What handlers do takes processor time by right.
const HOLD: u32 = 8;
/// After the last event: what accepting them has begun is over, the server's and the disk's.
const CALM: Duration = Duration::from_secs(5);
/// For so long it is looked at what the server does while nobody asks for anything.
const IDLE: Duration = Duration::from_secs(5);
/// An event that is not begun by now is lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Events {
    /// Events a second, the median of the rounds: accepted, written by the database alone into the same tables, and rows of
    /// a table with nothing beside it.
    pub(crate) accepted: f64,
    pub(crate) bare: f64,
    pub(crate) bare_rows: f64,
    /// From request to answer in milliseconds, over all rounds.
    pub(crate) answer_ms: Option<Summary>,
    /// On an idle server from the answer to the begin of the handler, in milliseconds; a handler that begins before its
    /// caller has the answer counts as zero.
    pub(crate) start_ms: Option<Summary>,
    /// Processor time of the server for an event that is accepted, in microseconds; the median of the rounds.
    pub(crate) accept_us: f64,
    /// Events that wait in the end, how many seconds those took that were sent to fill the queues, and the server's memory
    /// then.
    pub(crate) waiting: usize,
    pub(crate) filling_s: f64,
    pub(crate) server_bytes: u64,
    /// Warm invocations of another function in microseconds, before any event and beside those that wait.
    pub(crate) quiet_us: Option<Summary>,
    pub(crate) beside_us: Option<Summary>,
    /// What of a CPU the server uses while they wait and nobody asks for anything.
    pub(crate) idle_share: f64,
}

impl Events {
    /// How much of what the database takes is accepted.
    pub(crate) fn share(&self) -> f64 {
        self.accepted / self.bare
    }

    /// By how much those that wait slow another function's invocations down.
    pub(crate) fn slower(&self) -> Option<f64> {
        Some(self.beside_us.as_ref()?.p50 / self.quiet_us.as_ref()?.p50)
    }
}

/// Measures; `None` without the language of the functions. The server is left with what waits, so it comes last.
pub(crate) fn measure(
    place: &Place,
    subjects: &[Subject],
    server: &Server,
    programs: &Programs,
    options: &Options,
) -> anyhow::Result<Option<Events>> {
    let python = subjects.iter().find(|subject| subject.runtime.starts_with("python"));
    let (Some(python), Some(other)) = (python, subjects.last()) else { return Ok(None) };
    let (accepts, starts): (usize, usize) = if options.quick { (2_000, 20) } else { (20_000, 200) };
    let waiting = options.waiting;
    eprintln!("measuring events, of which {waiting} wait in the end");
    let url = server.url(other.name);
    let look = || -> anyhow::Result<Option<Summary>> {
        let plan = Plan { warm_up: 5, requests: REQUESTS, ..Plan::once(&url, TINY) };
        Ok(Summary::of(load::run(programs, &plan)?.micros()))
    };
    let quiet_us = look()?;
    let start_ms = starts_of(place, python, server, starts)?;

    let names: Vec<String> = (0..FUNCTIONS).map(|n| format!("bench-wait-{n}")).collect();
    let folder = place.sources.join("functions/python-sleep");
    for name in &names {
        server.deploy_with(&python.runtime, python.handler, &folder, name, 128)?;
        server.reserve(programs, name, 1)?;
    }
    let body = format!("{{\"seconds\": {HOLD}, \"pad\": \"{}\"}}", "x".repeat(BYTES - 25));
    let send = |name: &str, count: usize| {
        let url = server.url(name);
        let plan = Plan {
            connections: CLIENTS,
            requests: count,
            event: true,
            echo: false,
            ..Plan::once(&url, &body)
        };
        load::run(programs, &plan)
    };
    let (mut accepted, mut answers, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    let (mut bare, mut bare_rows) = (Vec::new(), Vec::new());
    for name in names.iter().cycle().take(ROUNDS) {
        bare.push(bare_batches(programs, accepts, BYTES + HEADER_BYTES, CLIENTS, Bare::Events)?);
        bare_rows.push(bare_batches(programs, accepts, BYTES, CLIENTS, Bare::Rows)?);
        let before = server.cpu()?.server;
        let measured = send(name, accepts)?;
        let used = server.cpu()?.server.saturating_sub(before);
        cpu.push(used.as_secs_f64() * 1e6 / count_of(accepts));
        accepted.push(per_second(accepts, Duration::from_nanos(measured.wall_ns)));
        answers.extend(measured.micros().into_iter().map(|micros| micros / 1000.0));
    }
    let each = waiting.saturating_sub(ROUNDS * accepts) / FUNCTIONS;
    let began = Instant::now();
    for name in &names {
        send(name, each)?;
    }
    let filling_s = began.elapsed().as_secs_f64();
    std::thread::sleep(CALM);
    let beside_us = look()?;
    let before = server.cpu()?.server;
    std::thread::sleep(IDLE);
    let idle = server.cpu()?.server.saturating_sub(before);
    Ok(Some(Events {
        accepted: median(&accepted).context("there are rounds")?,
        bare: median(&bare).context("there are rounds")?,
        bare_rows: median(&bare_rows).context("there are rounds")?,
        answer_ms: Summary::of(answers),
        start_ms,
        accept_us: median(&cpu).context("there are rounds")?,
        waiting: ROUNDS * accepts + each * FUNCTIONS,
        filling_s,
        server_bytes: server.memory()?.server_bytes,
        quiet_us,
        beside_us,
        idle_share: idle.as_secs_f64() / IDLE.as_secs_f64(),
    }))
}

#[expect(clippy::cast_precision_loss, reason = "counts below a billion")]
fn count_of(count: usize) -> f64 {
    count as f64
}

pub(super) fn per_second(count: usize, took: Duration) -> f64 {
    count_of(count) / took.as_secs_f64()
}

/// What the database writes by itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bare {
    /// Rows of a table with nothing beside it.
    Rows,
    /// What the store writes for an event.
    Events,
}

/// What the database takes by itself, in a file beside the server's.
pub(super) fn bare_batches(
    programs: &Programs,
    count: usize,
    bytes: usize,
    batch: usize,
    what: Bare,
) -> anyhow::Result<f64> {
    let folder = Place::data().join("bare-batches");
    let mut command = Command::new(&programs.batches);
    command.arg(&folder).args([count.to_string(), bytes.to_string(), batch.to_string()]);
    command.arg(match what {
        Bare::Rows => "rows",
        Bare::Events => "events",
    });
    let nanos: u64 = output(&mut command)?.trim().parse().context("bare batches tell their nanoseconds")?;
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    Ok(per_second(count, Duration::from_nanos(nanos)))
}

/// Sends one event after the other to a warm function that tells when it began.
fn starts_of(
    place: &Place,
    python: &Subject,
    server: &Server,
    count: usize,
) -> anyhow::Result<Option<Summary>> {
    const NAME: &str = "bench-begin";
    let folder = place.sources.join("functions/python-begin");
    server.deploy_with(&python.runtime, python.handler, &folder, NAME, 128)?;
    server.invoke(NAME, "{\"n\": -1}")?;
    let mut answered = Vec::new();
    for n in 0..count {
        server.event(NAME, &format!("{{\"n\": {n}}}"))?;
        answered.push(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros());
        // The next one finds an idle server again.
        std::thread::sleep(Duration::from_millis(20));
    }
    let times = beginnings(server, NAME, count)?;
    let waits = times.iter().zip(&answered).map(|(at, answered)| at.saturating_sub(*answered));
    Ok(Summary::of(waits.map(millis).collect()))
}

/// Microseconds as milliseconds.
pub(super) fn millis(micros: u128) -> f64 {
    load::in_micros(nanos(micros)) / 1000.0
}

/// When so many events of a function that tells it began, in microseconds of the epoch.
pub(super) fn beginnings(server: &Server, name: &str, count: usize) -> anyhow::Result<Vec<u128>> {
    let began = Instant::now();
    loop {
        let text = server.logs(name, "BEGAN")?;
        let mut times: Vec<Option<u128>> = vec![None; count];
        for line in text.lines().filter_map(|line| line.split("BEGAN ").nth(1)) {
            let mut words = line.split_whitespace();
            if let (Some(Ok(n)), Some(Ok(at))) =
                (words.next().map(str::parse::<usize>), words.next().map(str::parse::<u128>))
                && let Some(time) = times.get_mut(n)
            {
                *time = Some(at);
            }
        }
        if let Some(times) = times.into_iter().collect::<Option<Vec<u128>>>() {
            return Ok(times);
        }
        anyhow::ensure!(began.elapsed() < PATIENCE, "events of {name} were not begun within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn nanos(micros: u128) -> u64 {
    u64::try_from(micros * 1000).unwrap_or(u64::MAX)
}
