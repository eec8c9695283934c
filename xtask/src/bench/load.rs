//! One run of the load generator, a process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdout, Command, Stdio};

use anyhow::Context as _;
use serde::Deserialize;

use super::prepare::Programs;
use super::process::Running;

/// What to send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) url: &'a str,
    /// Whom the request is for, where that is another than whom it is sent to; empty otherwise.
    pub(crate) host: &'a str,
    pub(crate) method: &'a str,
    pub(crate) body: &'a str,
    pub(crate) connections: usize,
    pub(crate) warm_up: usize,
    pub(crate) requests: usize,
    /// Milliseconds between an answer and the next request.
    pub(crate) pause_ms: usize,
    /// Whether the body has to come back.
    pub(crate) echo: bool,
    /// Whether the function is invoked asynchronously.
    pub(crate) event: bool,
    /// Whether the server may close a connection after an answer, which costs the next request another.
    pub(crate) reopen: bool,
    /// `X-Amz-Target`, of a call of SQS; empty otherwise.
    pub(crate) target: &'a str,
}

impl<'a> Plan<'a> {
    /// A single `POST`, whose body has to come back unless it is empty.
    pub(crate) fn once(url: &'a str, body: &'a str) -> Self {
        Self {
            url,
            host: "",
            method: "POST",
            body,
            connections: 1,
            warm_up: 0,
            requests: 1,
            pause_ms: 0,
            echo: !body.is_empty(),
            event: false,
            reopen: false,
            target: "",
        }
    }
}

/// What the generator has measured.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Measured {
    /// From the first request to the last response.
    pub(crate) wall_ns: u64,
    /// Each request, from sending to the whole response.
    pub(crate) latencies_ns: Vec<u64>,
}

impl Measured {
    /// The latencies in microseconds.
    pub(crate) fn micros(&self) -> Vec<f64> {
        self.latencies_ns.iter().map(|ns| in_micros(*ns)).collect()
    }
}

/// Nanoseconds as microseconds.
#[expect(clippy::cast_precision_loss, reason = "exact for the first hundred days")]
pub(crate) fn in_micros(ns: u64) -> f64 {
    ns as f64 / 1000.0
}

/// A generator whose connections are open and warm.
#[derive(Debug)]
pub(crate) struct Warm {
    process: Running,
    out: BufReader<ChildStdout>,
}

impl Warm {
    /// Connects and sends the warm-up.
    pub(crate) fn up(programs: &Programs, plan: &Plan<'_>) -> anyhow::Result<Self> {
        let mut command = Command::new(&programs.load);
        command.arg(plan.url).args(["--method", plan.method, "--body", plan.body]);
        for (option, number) in [
            ("--connections", plan.connections),
            ("--warm-up", plan.warm_up),
            ("--requests", plan.requests),
            ("--pause", plan.pause_ms),
        ] {
            command.args([option, &number.to_string()]);
        }
        if plan.echo {
            command.arg("--echo");
        }
        if !plan.host.is_empty() {
            command.args(["--host", plan.host]);
        }
        if !plan.target.is_empty() {
            command.args(["--target", plan.target]);
        }
        if plan.event {
            command.arg("--event");
        }
        if plan.reopen {
            command.arg("--reopen");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Running::start("the load generator", &mut command)?;
        let mut out =
            BufReader::new(process.child.stdout.take().context("the generator's output is a pipe")?);
        let mut line = String::new();
        out.read_line(&mut line).context("cannot read from the load generator")?;
        anyhow::ensure!(line == "Warm\n", "the load generator failed, see above");
        Ok(Self { process, out })
    }

    /// Sends the measured requests.
    pub(crate) fn measure(mut self) -> anyhow::Result<Measured> {
        let start = self.process.child.stdin.as_mut().context("the generator's input is a pipe")?;
        start.write_all(b"\n").context("cannot start the load generator")?;
        let mut line = String::new();
        self.out.read_line(&mut line).context("cannot read from the load generator")?;
        serde_json::from_str(&line).context("the load generator failed, see above")
    }
}

/// Warms up and measures in one go.
pub(crate) fn run(programs: &Programs, plan: &Plan<'_>) -> anyhow::Result<Measured> {
    Warm::up(programs, plan)?.measure()
}
