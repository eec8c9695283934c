//! Logs: a flood of lines for a minute, what it does to the server's memory and to another function's invocations, and
//! how long a search through all of it takes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::load::{self, Plan};
use super::options::Options;
use super::prepare::{Place, Programs};
use super::server::{MEMORY_MB, Server};
use super::stats::Summary;
use super::subject::Subject;
use super::warm::TINY;

/// Lines a second: what one environment may log.
const RATE: usize = 50_000;
/// One invocation prints this long; its timeout is twice that.
const SECONDS: usize = 30;
/// Invocations of the other function in one look.
const REQUESTS: usize = 200;
const NAME: &str = "bench-flood";

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Logs {
    pub(crate) seconds: usize,
    /// What the function managed to print, in lines a second.
    pub(crate) rate: f64,
    /// Lines that were dropped and told in the stream.
    pub(crate) dropped: u64,
    /// Resident memory of the server before, and the most of it during the flood.
    pub(crate) before_bytes: u64,
    pub(crate) most_bytes: u64,
    /// Warm invocations of another function, in microseconds, without the flood and beside it.
    pub(crate) quiet_us: Option<Summary>,
    pub(crate) beside_us: Option<Summary>,
    /// One line in 100,000, found by its text among all of them, in milliseconds.
    pub(crate) search_ms: f64,
    pub(crate) found: usize,
}

#[derive(Deserialize)]
struct Answer {
    written: f64,
    seconds: f64,
}

/// Floods and looks; `None` without the language that the flood is written in.
pub(crate) fn measure(
    place: &Place,
    subjects: &[Subject],
    server: &Server,
    programs: &Programs,
    options: &Options,
) -> anyhow::Result<Option<Logs>> {
    let python = subjects.iter().find(|subject| subject.runtime.starts_with("python"));
    let (Some(python), Some(other)) = (python, subjects.last()) else { return Ok(None) };
    let seconds = if options.quick { 5 } else { 60 };
    eprintln!("measuring a flood of logs for {seconds} s");
    let folder = place.sources.join("functions/python-flood");
    server.deploy_with(&python.runtime, python.handler, &folder, NAME, MEMORY_MB)?;
    server.invoke(NAME, r#"{"rate": 1, "seconds": 0}"#)?;
    let url = server.url(other.name);
    let look = || -> anyhow::Result<Vec<f64>> {
        let plan = Plan { warm_up: 5, requests: REQUESTS, ..Plan::once(&url, TINY) };
        Ok(load::run(programs, &plan)?.micros())
    };
    let quiet = look()?;
    let before_bytes = server.memory()?.server_bytes;
    let over = AtomicBool::new(false);
    let (answers, beside, most_bytes) = thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let answers = flood(server, seconds);
            over.store(true, Ordering::Relaxed);
            answers
        });
        let (mut beside, mut most) = (Vec::new(), before_bytes);
        while !over.load(Ordering::Relaxed) {
            beside.extend(look()?);
            most = most.max(server.memory()?.server_bytes);
            thread::sleep(Duration::from_millis(200));
        }
        anyhow::Ok((flood.join().expect("the thread does not panic")?, beside, most))
    })?;
    let (written, took) = answers.iter().fold((0.0, 0.0), |sum, a| (sum.0 + a.written, sum.1 + a.seconds));
    let began = Instant::now();
    let found = server.logs(NAME, "needle")?;
    let search_ms = began.elapsed().as_secs_f64() * 1_000.0;
    Ok(Some(Logs {
        seconds,
        rate: written / took,
        dropped: dropped(&server.logs(NAME, "LOGS_DROPPED")?),
        before_bytes,
        most_bytes,
        quiet_us: Summary::of(quiet),
        beside_us: Summary::of(beside),
        search_ms,
        found: found.lines().filter(|line| line.contains("needle")).count(),
    }))
}

fn flood(server: &Server, seconds: usize) -> anyhow::Result<Vec<Answer>> {
    let mut answers = Vec::new();
    let mut left = seconds;
    while left > 0 {
        let part = left.min(SECONDS);
        let answer = server.invoke(NAME, &format!(r#"{{"rate": {RATE}, "seconds": {part}}}"#))?;
        answers.push(serde_json::from_str(&answer).with_context(|| format!("{NAME} said {answer}"))?);
        left -= part;
    }
    Ok(answers)
}

/// The sum of what the lines about losses say.
fn dropped(lines: &str) -> u64 {
    let counts = lines.lines().filter_map(|line| line.split("Dropped Records: ").nth(1));
    counts.filter_map(|rest| rest.split(char::is_whitespace).next()?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn losses_are_summed_up() {
        let lines =
            "x  LOGS_DROPPED\tDropped Records: 3\tDropped Bytes: 9\ny\nz  LOGS_DROPPED\tDropped Records: 4\t";
        assert_eq!(super::dropped(lines), 7);
    }
}
