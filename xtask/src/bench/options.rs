//! What a run measures, and how long it takes.

use serde::Serialize;

/// What can be measured by itself.
const PARTS: [&str; 13] = [
    "runtimes",
    "shares",
    "logs",
    "streams",
    "inside",
    "environments",
    "events",
    "queues",
    "objects",
    "many",
    "uploads",
    "mappings",
    "snapshots",
];

const USAGE: &str = "usage: cargo xtask bench [--quick] [--peers] [--only PARTS] [--waiting EVENTS] [--awake | --no-awake]
  --quick      fewer rounds: about five minutes once everything is built
  --peers      beside other servers as well, from PyPI and npm
  --only       these alone, separated by commas: runtimes, shares, logs, streams, inside (URLs, extensions, telemetry),
               environments, events, queues, objects, many (functions), uploads, mappings, snapshots
  --waiting    how many events wait over 50 functions in the end: 1,000,000, or 20,000 with --quick
  --awake      keep every CPU from sleeping (the default): idle ones poll, or a thread of idle priority is on each
  --no-awake   do not: each wake-up of a sleeping CPU then counts, as on a machine that has nothing else to do";

/// The size of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Options {
    /// Whether this is the short run.
    pub(crate) quick: bool,
    /// Whether other servers are measured beside.
    pub(crate) peers: bool,
    /// What alone is measured; everything where nothing is named.
    pub(crate) only: Vec<String>,
    /// Whether CPUs are kept from sleeping.
    pub(crate) awake: bool,
    /// Pairs of rounds for each warm scenario.
    pub(crate) rounds: usize,
    /// Measured requests of a round on one connection.
    pub(crate) requests: usize,
    /// Pairs of cold starts for each runtime.
    pub(crate) cold_starts: usize,
    /// Cold starts of each burst.
    pub(crate) burst: usize,
    /// Starts of the server.
    pub(crate) server_starts: usize,
    /// Environments in Rust that are busy at the same time; of Python a fifth of it.
    pub(crate) crowd: usize,
    /// Functions of the large one of two servers.
    pub(crate) functions: usize,
    /// Environments at once, at the end.
    pub(crate) environments: usize,
    /// Events that wait in the end.
    pub(crate) waiting: usize,
}

impl Options {
    /// Reads the command line.
    pub(crate) fn parse(arguments: &[String]) -> anyhow::Result<Self> {
        let (mut quick, mut peers, mut awake, mut waiting, mut only) = (false, false, true, None, Vec::new());
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--waiting" => {
                    let events = arguments.next().and_then(|events| events.parse().ok());
                    let Some(events) = events else { anyhow::bail!("--waiting needs a number\n{USAGE}") };
                    waiting = Some(events);
                }
                "--only" => {
                    let parts = arguments.next().map(String::as_str).unwrap_or_default();
                    only = parts.split(',').map(str::to_owned).collect();
                    if let Some(part) = only.iter().find(|part| !PARTS.contains(&part.as_str())) {
                        anyhow::bail!("--only: '{part}' is no part\n{USAGE}");
                    }
                }
                "--quick" => quick = true,
                "--peers" => peers = true,
                "--awake" => awake = true,
                "--no-awake" => awake = false,
                _ => anyhow::bail!("unknown argument '{argument}'\n{USAGE}"),
            }
        }
        let (rounds, requests, cold_starts, burst, server_starts, crowd, functions, environments) =
            if quick { (3, 500, 5, 20, 5, 50, 500, 30) } else { (7, 1500, 20, 100, 10, 300, 10_000, 300) };
        Ok(Self {
            quick,
            peers,
            only,
            awake,
            rounds,
            requests,
            cold_starts,
            burst,
            server_starts,
            crowd,
            functions,
            environments,
            waiting: waiting.unwrap_or(if quick { 20_000 } else { 1_000_000 }),
        })
    }

    /// Whether a part is to be measured.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}
