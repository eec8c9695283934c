//! Packages as large as a request may carry, one after the other: how much memory the server takes at most, and what
//! others notice of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

use super::connection::Connection;
use super::load::{Plan, Warm};
use super::options::Options;
use super::prepare::{Place, Programs};
use super::process::most_resident;
use super::server::Server;
use super::startup::millis;
use super::stats::{Summary, median};
use super::subject::Subject;

/// Nearly what AWS takes in a request (Developer Guide, "Lambda quotas": 50 MB), and something for a short run.
const FULL: usize = 50_000_000;
const QUICK: usize = 5_000_000;
/// Between an answer and the next request of those beside, so that their requests spread over several uploads.
const PAUSE_MS: usize = 1;

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Uploads {
    pub(crate) package_bytes: usize,
    pub(crate) before_bytes: u64,
    /// The most that the server's process ever had.
    pub(crate) most_bytes: u64,
    pub(crate) upload_ms: Option<Summary>,
    /// A client's latency for `GetFunction` of another function, without and beside uploads, in microseconds.
    pub(crate) quiet_us: Option<f64>,
    pub(crate) beside_us: Option<f64>,
}

/// Measures a server of its own, which has seen nothing large before; `None` without the language of the functions.
pub(crate) fn measure(
    place: &Place,
    subjects: &[Subject],
    programs: &Programs,
    options: &Options,
) -> anyhow::Result<Option<Uploads>> {
    let Some(subject) = subjects.iter().find(|subject| subject.runtime.starts_with("python")) else {
        return Ok(None);
    };
    let package_bytes = if options.quick { QUICK } else { FULL };
    eprintln!("measuring uploads of {} MB", package_bytes / 1_000_000);
    let server = Server::start_in(place, programs, &Place::data().join("uploads"))?;
    let mut connection = Connection::open(server.address())?;
    for name in ["uploads-quiet", "uploads-large"] {
        let body = serde_json::json!({
            "FunctionName": name, "Runtime": subject.runtime, "Handler": subject.handler,
            "Role": "arn:aws:iam::000000000000:role/bench", "Code": { "ZipFile": BASE64_STANDARD.encode(zip(&package(1_000, 0))) },
        });
        connection.until("lambda", "POST", "/2015-03-31/functions", &body)?;
    }
    let url = server.function_url("uploads-quiet");
    let latency = || latency_of(programs, options, &url);
    let quiet_us = latency()?;
    let before_bytes = server.memory()?.server_bytes;
    let ended = AtomicBool::new(false);
    let (beside_us, upload_ms) = thread::scope(|scope| {
        let uploading = scope.spawn(|| upload(&mut connection, package_bytes, &ended));
        let beside = latency();
        ended.store(true, Ordering::Relaxed);
        let uploaded = uploading.join().expect("the thread does not panic");
        anyhow::Ok((beside?, uploaded.context("an upload")?))
    })?;
    let most_bytes = most_resident(server.pid())?;
    server.stop()?;
    let upload_ms = Summary::of(upload_ms);
    Ok(Some(Uploads { package_bytes, before_bytes, most_bytes, upload_ms, quiet_us, beside_us }))
}

/// Uploads until it is told to end, and once at least; how long each took.
fn upload(connection: &mut Connection, bytes: usize, ended: &AtomicBool) -> anyhow::Result<Vec<f64>> {
    let mut took = Vec::new();
    while took.is_empty() || !ended.load(Ordering::Relaxed) {
        // What a server has already it need not unpack again.
        let body =
            serde_json::json!({ "ZipFile": BASE64_STANDARD.encode(zip(&package(bytes, took.len() + 1))) });
        let began = Instant::now();
        connection.until("lambda", "PUT", "/2015-03-31/functions/uploads-large/code", &body)?;
        took.push(millis(began.elapsed()));
    }
    Ok(took)
}

fn latency_of(programs: &Programs, options: &Options, url: &str) -> anyhow::Result<Option<f64>> {
    let requests = options.requests;
    let plan =
        Plan { method: "GET", warm_up: requests / 5, requests, pause_ms: PAUSE_MS, ..Plan::once(url, "") };
    Ok(median(&Warm::up(programs, &plan)?.measure()?.micros()))
}

/// Bytes that no compression makes smaller (Marsaglia, "Xorshift RNGs").
fn package(bytes: usize, number: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ number as u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(bytes / 8).flatten().collect()
}

/// A zip of one stored file (APPNOTE.TXT, 4.3).
fn zip(content: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"data.bin";
    let size = u32::try_from(content.len()).expect("a package has some megabytes").to_le_bytes();
    // Version 2.0, no flags, stored, the first of January 1980.
    let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 33, 0];
    common.extend(crc32fast::hash(content).to_le_bytes());
    common.extend([size, size].concat());
    common.extend([8, 0, 0, 0]);
    let local = [b"PK\x03\x04".as_slice(), &common, NAME].concat();
    let offset = u32::try_from(local.len() + content.len()).expect("a package has some megabytes");
    // No comment, the first disk, readable by everybody, at the beginning.
    let mut central = [b"PK\x01\x02\x14\x03".as_slice(), &common, &[0; 6]].concat();
    central.extend((0o100_644_u32 << 16).to_le_bytes());
    central.extend([0; 4]);
    central.extend(NAME);
    let mut end = b"PK\x05\x06\0\0\0\0\x01\0\x01\0".to_vec();
    end.extend(u32::try_from(central.len()).expect("it has one entry").to_le_bytes());
    end.extend(offset.to_le_bytes());
    end.extend([0, 0]);
    [local.as_slice(), content, &central, &end].concat()
}
