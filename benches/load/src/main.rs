//! The benchmark's load generator.
//!
//! `bench-load URL [--host NAME] [--method METHOD] [--body TEXT] [--connections N] [--warm-up N] [--requests N] [--pause MS] [--echo]
//! [--event] [--reopen] [--target TARGET]`
//! opens the connections, sends the warm-up, prints `Warm` and waits for a line on its standard input. Then it sends
//! the requests, one at a time on each connection, and prints `{"wall_ns": …, "latencies_ns": […]}`. Whoever starts
//! it reads CPU clocks between the two, so that they cover the measured requests alone.
//!
//! With a target it is a call of SQS; of `AmazonSQS.ReceiveMessage` the messages are deleted, and both together are the request.
//!
//! The request is signed once: on a loopback address the server asks for a well-formed signature. Events are sent by as little
//! code as can be ([`raw`]).

use std::io::{BufRead as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::Context as _;

mod connection;
mod options;
mod raw;

use connection::{Connection, Job};
use options::Options;

fn main() -> anyhow::Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    // One thread: the generator must not take a second CPU from what it measures.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(options))
}

async fn run(options: Options) -> anyhow::Result<()> {
    let job = Job::new(&options)?;
    if options.event && !options.echo && !options.reopen && options.pause_ms == 0 {
        let mut connections = raw::Connections::open(job.authority(), job.bytes(), options.connections)?;
        connections.send(options.warm_up).context("warm-up")?;
        wait_for_the_start()?;
        let began = Instant::now();
        let latencies = connections.send(options.requests)?;
        return tell(began.elapsed(), latencies);
    }
    let mut connections = Vec::new();
    for _ in 0..options.connections {
        connections.push(Connection::open(&job).await?);
    }
    let (mut connections, _) = send(connections, &job, options.warm_up).await.context("warm-up")?;
    wait_for_the_start()?;
    let began = Instant::now();
    let latencies;
    (connections, latencies) = send(connections, &job, options.requests).await?;
    let wall = began.elapsed();
    drop(connections);
    tell(wall, latencies)
}

/// Blocks the only thread on purpose: nothing is under way, and the line is what everything waits for.
fn wait_for_the_start() -> anyhow::Result<()> {
    say("Warm")?;
    std::io::stdin().lock().read_line(&mut String::new()).context("cannot read the signal to start")?;
    Ok(())
}

fn tell(wall: Duration, latencies: Vec<Duration>) -> anyhow::Result<()> {
    let latencies: Vec<u64> = latencies.into_iter().map(nanoseconds).collect();
    say(&serde_json::json!({ "wall_ns": nanoseconds(wall), "latencies_ns": latencies }).to_string())
}

/// Sends `count` requests over all connections and gives these back, with how long each request took.
async fn send(
    connections: Vec<Connection>,
    job: &Job,
    count: usize,
) -> anyhow::Result<(Vec<Connection>, Vec<Duration>)> {
    let mut tasks = tokio::task::JoinSet::new();
    let all = connections.len();
    for (index, mut connection) in connections.into_iter().enumerate() {
        // The first ones take what does not divide evenly.
        let share = count / all + usize::from(index < count % all);
        let job = job.clone();
        tasks.spawn(async move {
            let latencies = connection.send(&job, share).await?;
            anyhow::Ok((connection, latencies))
        });
    }
    let (mut connections, mut latencies) = (Vec::new(), Vec::with_capacity(count));
    while let Some(ended) = tasks.join_next().await {
        let (connection, taken) = ended.context("a connection's task failed")??;
        connections.push(connection);
        latencies.extend(taken);
    }
    Ok((connections, latencies))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("cannot write to standard output")
}
