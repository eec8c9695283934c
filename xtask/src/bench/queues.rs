//! Queues: how fast messages are sent to one of SQS, and received and deleted, against what the same database takes in bare
//! batches.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use super::events::{bare_batches, per_second};
use super::load::{self, Plan};
use super::options::Options;
use super::prepare::Programs;
use super::server::Server;
use super::stats::{Summary, median};

/// Clients at once, and messages of one batch, which is the most that SQS takes.
const CLIENTS: usize = 32;
const BATCH: usize = 10;
/// Bytes of a message.
const BYTES: usize = 1024;
/// Pairs of rounds of messages and of bare batches.
const ROUNDS: usize = 3;

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Queues {
    /// Messages a second, the median of the rounds: sent, received and deleted, and rows of the database alone.
    pub(crate) sent: f64,
    pub(crate) received: f64,
    pub(crate) bare: f64,
    /// The same by one client that waits for each answer.
    pub(crate) sent_alone: f64,
    pub(crate) received_alone: f64,
    /// From request to answer in milliseconds, of a batch that is sent by one client, and by all.
    pub(crate) alone_ms: Option<Summary>,
    pub(crate) answer_ms: Option<Summary>,
}

/// Measures with batches of ten messages of 1 KB.
pub(crate) fn measure(server: &Server, programs: &Programs, options: &Options) -> anyhow::Result<Queues> {
    let (many, few) = if options.quick { (20, 20) } else { (200, 200) };
    eprintln!("measuring queues, {} messages a round", many * CLIENTS * BATCH);
    let url = format!("http://{}/", server.address());
    let queue = format!("{url}000000000000/bench");
    let call = |target: &'static str, body: &str, connections: usize, requests: usize| {
        let plan = Plan { target, connections, requests, echo: false, ..Plan::once(&url, body) };
        load::run(programs, &plan)
    };
    call("AmazonSQS.CreateQueue", r#"{"QueueName": "bench"}"#, 1, 1)?;
    let text = "x".repeat(BYTES);
    let entries: Vec<String> =
        (0..BATCH).map(|n| format!(r#"{{"Id": "{n}", "MessageBody": "{text}"}}"#)).collect();
    let batch = format!(r#"{{"QueueUrl": "{queue}", "Entries": [{}]}}"#, entries.join(","));
    let receive = format!(r#"{{"QueueUrl": "{queue}", "MaxNumberOfMessages": {BATCH}}}"#);
    let send = |clients, requests| call("AmazonSQS.SendMessageBatch", &batch, clients, requests);
    // The load generator deletes what it receives.
    let take = |clients, requests| call("AmazonSQS.ReceiveMessage", &receive, clients, requests);
    let rate = |requests: usize, measured: &load::Measured| {
        per_second(requests * BATCH, Duration::from_nanos(measured.wall_ns))
    };
    let in_ms = |measured: &load::Measured| measured.micros().into_iter().map(|micros| micros / 1000.0);

    let (mut sent, mut received, mut bare, mut answers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let requests = many * CLIENTS;
    for _ in 0..ROUNDS {
        bare.push(bare_batches(programs, requests * BATCH, CLIENTS * BATCH)?);
        let measured = send(CLIENTS, requests)?;
        sent.push(rate(requests, &measured));
        answers.extend(in_ms(&measured));
        received.push(rate(requests, &take(CLIENTS, requests)?));
    }
    let alone = send(1, few)?;
    let taken = take(1, few)?;
    Ok(Queues {
        sent: median(&sent).context("there are rounds")?,
        received: median(&received).context("there are rounds")?,
        bare: median(&bare).context("there are rounds")?,
        sent_alone: rate(few, &alone),
        received_alone: rate(few, &taken),
        alone_ms: Summary::of(in_ms(&alone).collect()),
        answer_ms: Summary::of(answers),
    })
}
