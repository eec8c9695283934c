//! Other servers that do something of the same, in the same run (`--peers`): what users have instead.
//!
//! All are asked in the same way, by the same generator, one after the other, each as its own documentation says that it
//! is started; none of them isolates functions, and none keeps what it accepts over a crash.

mod start;

use std::net::SocketAddr;

use anyhow::Context as _;
use serde::Serialize;

use super::load::{self, Plan};
use super::options::Options;
use super::prepare::{Place, Programs};
use super::server::{Server, client_of};
use super::stats::Summary;
use super::subject::Subject;
use super::{objects, queues};
use start::{Functions, Peer};

const EVENT: &str = r#"{"key":"value"}"#;
/// Functions that are invoked for the first time.
const FIRST: usize = 5;

/// What one of them does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Found {
    pub(crate) name: String,
    /// What its functions run on; `None` without functions.
    pub(crate) runtime: Option<String>,
    /// The first invocation of a function, in milliseconds; `None` where it compiles the function first.
    pub(crate) first_ms: Option<Summary>,
    /// Warm, one connection, in microseconds.
    pub(crate) warm_us: Option<Summary>,
    /// Messages of 1 KB in a second, by 32 clients in batches of ten: sent, and received and deleted.
    pub(crate) sent: Option<f64>,
    pub(crate) received: Option<f64>,
    /// Objects of 1 KB in a second, by 8 clients.
    pub(crate) puts: Option<f64>,
    pub(crate) gets: Option<f64>,
}

/// Measures this server, then each peer that can be had here; what cannot be had is said.
pub(crate) fn measure(
    place: &Place,
    subjects: &[Subject],
    programs: &Programs,
    options: &Options,
) -> anyhow::Result<Vec<Found>> {
    let bench = Bench { programs, invocations: if options.quick { 200 } else { 1000 } };
    let mut all = Vec::new();
    for subject in subjects {
        eprintln!("measuring beside peers: Lambent, {}", subject.label);
        let server = Server::start_in(place, programs, &Place::data().join("peers"))?;
        let deploy = |name: &str| server.deploy_unseen(place, subject, name);
        let url = |name: &str| server.url(name);
        let (first, warm) = bench.functions(deploy, url, || server.settle())?;
        let mut found = Found::of("Lambent", Some(&subject.label), Some(first), Some(warm));
        if all.is_empty() {
            bench.services(&mut found, server.address());
        }
        server.stop()?;
        all.push(found);
    }
    for start in start::ALL {
        match start(place, subjects) {
            Ok(peer) => {
                let name = peer.name.clone();
                eprintln!("measuring beside peers: {name}");
                match bench.peer(subjects, peer) {
                    Ok(found) => all.push(found),
                    // Theirs, and no reason to lose what else was measured.
                    Err(why) => eprintln!("{name} could not be measured to the end: {why:#}"),
                }
            }
            Err(why) => eprintln!("a peer is not measured: {why:#}"),
        }
    }
    Ok(all)
}

struct Bench<'a> {
    programs: &'a Programs,
    invocations: usize,
}

impl Bench<'_> {
    fn peer(&self, subjects: &[Subject], peer: Peer) -> anyhow::Result<Found> {
        let url =
            |name: &str| format!("http://{}/2015-03-31/functions/{name}/invocations", peer.functions_at);
        let calm = || Ok(());
        let mut found = match &peer.functions {
            Functions::None => Found::of(&peer.name, None, None, None),
            Functions::Deployed { runtime } => {
                let subject = subjects.iter().find(|subject| subject.runtime.starts_with("python"));
                let subject = subject.context("there is no Python to compare with")?;
                let deploy = |name: &str| -> anyhow::Result<()> {
                    let mut command = client_of(&self.programs.lambent, "deploy", peer.address);
                    command.args(["--name", name, "--runtime", runtime, "--handler", subject.handler]);
                    super::prepare::output(command.arg(&subject.folder)).map(drop)
                };
                let (first, warm) = self.functions(deploy, url, calm)?;
                Found::of(&peer.name, Some(runtime), Some(first), Some(warm))
            }
            Functions::There { runtime, names, compiled } => {
                let first = self.first(names, url, calm)?;
                let warm = self.warm(&url(&names[0]))?;
                Found::of(&peer.name, Some(runtime), (!compiled).then_some(first), Some(warm))
            }
        };
        if peer.services {
            self.services(&mut found, peer.address);
        }
        peer.end()?;
        Ok(found)
    }

    /// The first invocations of functions that are made for it, and warm ones of one of them.
    fn functions(
        &self,
        deploy: impl Fn(&str) -> anyhow::Result<()>,
        url: impl Fn(&str) -> String,
        calm: impl Fn() -> anyhow::Result<()>,
    ) -> anyhow::Result<(Summary, Summary)> {
        let names: Vec<String> = (0..FIRST).map(|n| format!("peers-{n}")).collect();
        names.iter().try_for_each(|name| deploy(name))?;
        Ok((self.first(&names, &url, calm)?, self.warm(&url(&names[0]))?))
    }

    fn first(
        &self,
        names: &[String],
        url: impl Fn(&str) -> String,
        calm: impl Fn() -> anyhow::Result<()>,
    ) -> anyhow::Result<Summary> {
        let mut times = Vec::new();
        for name in names {
            calm()?;
            // Some give it back with other spaces in it.
            let url = url(name);
            let plan = Plan { echo: false, ..Plan::once(&url, EVENT) };
            times.extend(load::run(self.programs, &plan)?.micros().into_iter().map(|micros| micros / 1000.0));
        }
        Summary::of(times).context("there are functions")
    }

    fn warm(&self, url: &str) -> anyhow::Result<Summary> {
        let plan = Plan { echo: false, warm_up: 50, requests: self.invocations, ..Plan::once(url, EVENT) };
        Summary::of(load::run(self.programs, &plan)?.micros()).context("there are invocations")
    }

    /// Messages and objects, each whether or not the other could be measured: most of these servers are not ours.
    fn services(&self, found: &mut Found, address: SocketAddr) {
        match queues::rates(self.programs, &format!("http://{address}/")) {
            Ok((sent, received)) => (found.sent, found.received) = (Some(sent), Some(received)),
            Err(why) => eprintln!("messages of {} could not be measured: {why:#}", found.name),
        }
        match objects::rates(address) {
            Ok((puts, gets)) => (found.puts, found.gets) = (Some(puts), Some(gets)),
            Err(why) => eprintln!("objects of {} could not be measured: {why:#}", found.name),
        }
    }
}

impl Found {
    fn of(name: &str, runtime: Option<&str>, first_ms: Option<Summary>, warm_us: Option<Summary>) -> Self {
        Self {
            name: name.to_owned(),
            runtime: runtime.map(str::to_owned),
            first_ms,
            warm_us,
            sent: None,
            received: None,
            puts: None,
            gets: None,
        }
    }
}
