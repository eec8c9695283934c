//! Queues: how fast messages are sent to one of SQS, and received and deleted, against what the same database takes in bare
//! batches.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use super::events::{Bare, bare_batches, per_second};
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
    let queue = Queue::make(programs, &format!("http://{}/", server.address()))?;
    let in_ms = |measured: &load::Measured| measured.micros().into_iter().map(|micros| micros / 1000.0);

    let (mut sent, mut received, mut bare, mut answers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let requests = many * CLIENTS;
    for _ in 0..ROUNDS {
        bare.push(bare_batches(programs, requests * BATCH, BYTES, CLIENTS * BATCH, Bare::Rows)?);
        let measured = queue.send(CLIENTS, requests)?;
        sent.push(rate(requests, &measured));
        answers.extend(in_ms(&measured));
        received.push(rate(requests, &queue.take(CLIENTS, requests)?));
    }
    let alone = queue.send(1, few)?;
    let taken = queue.take(1, few)?;
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

/// Messages a second that any server of SQS takes and gives. Some close a connection with each answer.
pub(super) fn rates(programs: &Programs, url: &str) -> anyhow::Result<(f64, f64)> {
    const REQUESTS: usize = 50 * CLIENTS;
    let queue = Queue { reopen: true, ..Queue::make(programs, url)? };
    let sent = rate(REQUESTS, &queue.send(CLIENTS, REQUESTS)?);
    Ok((sent, rate(REQUESTS, &queue.take(CLIENTS, REQUESTS)?)))
}

fn rate(requests: usize, measured: &load::Measured) -> f64 {
    per_second(requests * BATCH, Duration::from_nanos(measured.wall_ns))
}

/// A queue with the requests that are made of it.
struct Queue<'a> {
    programs: &'a Programs,
    url: String,
    batch: String,
    receive: String,
    /// Whether a connection that the server closes is opened again.
    reopen: bool,
}

impl<'a> Queue<'a> {
    fn make(programs: &'a Programs, url: &str) -> anyhow::Result<Self> {
        let queue = format!("{url}000000000000/bench");
        let text = "x".repeat(BYTES);
        let entries: Vec<String> =
            (0..BATCH).map(|n| format!(r#"{{"Id": "{n}", "MessageBody": "{text}"}}"#)).collect();
        let made = Self {
            programs,
            url: url.to_owned(),
            batch: format!(r#"{{"QueueUrl": "{queue}", "Entries": [{}]}}"#, entries.join(",")),
            receive: format!(r#"{{"QueueUrl": "{queue}", "MaxNumberOfMessages": {BATCH}}}"#),
            reopen: false,
        };
        made.call("AmazonSQS.CreateQueue", r#"{"QueueName": "bench"}"#, 1, 1)?;
        Ok(made)
    }

    fn send(&self, clients: usize, requests: usize) -> anyhow::Result<load::Measured> {
        self.call("AmazonSQS.SendMessageBatch", &self.batch, clients, requests)
    }

    /// The load generator deletes what it receives.
    fn take(&self, clients: usize, requests: usize) -> anyhow::Result<load::Measured> {
        self.call("AmazonSQS.ReceiveMessage", &self.receive, clients, requests)
    }

    fn call(
        &self,
        target: &'static str,
        body: &str,
        connections: usize,
        requests: usize,
    ) -> anyhow::Result<load::Measured> {
        let (url, reopen) = (&self.url, self.reopen);
        let plan = Plan { target, connections, requests, reopen, echo: false, ..Plan::once(url, body) };
        load::run(self.programs, &plan)
    }
}
