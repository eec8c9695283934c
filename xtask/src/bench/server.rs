//! Lambent as its users run it: `lambent up` with its defaults, on a free port, with data of its own.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::Serialize;

use super::http;
use super::load::{self, Plan};
use super::prepare::{Place, Programs, output};
use super::process::{Running, argv0, cpu_time, descendants, resident};
use super::subject::Subject;

/// A full CPU (Developer Guide, "Configure Lambda function memory": 1,769 MB is one vCPU).
pub(crate) const MEMORY_MB: u32 = 1769;
/// A server that is not ready by now will not be.
const PATIENCE: Duration = Duration::from_secs(30);

/// In this time a server has heard of a function that was created.
const CALM: Duration = Duration::from_millis(300);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    process: Running,
    address: SocketAddr,
    lambent: PathBuf,
    /// From starting the process to the first healthy answer.
    pub(crate) ready_after: Duration,
}

impl Server {
    /// Starts a server with the benchmark's data and waits until it is healthy.
    pub(crate) fn start(place: &Place, programs: &Programs) -> anyhow::Result<Self> {
        Self::start_in(place, programs, &Place::data().join("main"))
    }

    /// The same with other data.
    pub(crate) fn start_in(place: &Place, programs: &Programs, data: &Path) -> anyhow::Result<Self> {
        Self::start_with(place, programs, data, &[])
    }

    /// The same with settings of its own.
    pub(crate) fn start_with(
        place: &Place,
        programs: &Programs,
        data: &Path,
        settings: &[&OsStr],
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(Place::data()).context("cannot make the folder for data")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot find a free port")?;
        let address = listener.local_addr()?;
        drop(listener);
        let log = place.bench.join("server.log");
        let file = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = lambent(&programs.lambent);
        command.args(["up", "--listen", &address.to_string(), "--data-dir"]).arg(data).args(settings);
        command.current_dir(&place.bench).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let began = Instant::now();
        let mut process = Running::start("lambent", &mut command)?;
        while !http::is_ready(address, "/_lambent/health") {
            process.check().with_context(|| explain(&log))?;
            if began.elapsed() > PATIENCE {
                bail!("lambent is not healthy after {PATIENCE:?}; {}", explain(&log));
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        let ready_after = began.elapsed();
        Ok(Self { process, address, lambent: programs.lambent.clone(), ready_after })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients invoke a function.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/2015-03-31/functions/{name}/invocations", self.address)
    }

    /// Where clients ask for a function.
    pub(crate) fn function_url(&self, name: &str) -> String {
        format!("http://{}/2015-03-31/functions/{name}", self.address)
    }

    /// Where clients list so many functions.
    pub(crate) fn list_url(&self, items: usize) -> String {
        format!("http://{}/2015-03-31/functions?MaxItems={items}", self.address)
    }

    /// Creates a function and waits until it is active.
    pub(crate) fn deploy(&self, subject: &Subject, name: &str) -> anyhow::Result<()> {
        self.deploy_with(&subject.runtime, subject.handler, &subject.folder, name, MEMORY_MB)
    }

    /// Creates a function whose package nobody has seen before.
    pub(crate) fn deploy_unseen(&self, place: &Place, subject: &Subject, name: &str) -> anyhow::Result<()> {
        let folder = place.bench.join("unseen");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let copied = copy_unseen(&subject.folder, &folder, name);
        let deployed = copied
            .and_then(|()| self.deploy_with(&subject.runtime, subject.handler, &folder, name, MEMORY_MB));
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        deployed
    }

    /// Waits until as many sandboxes have been made in advance as are wanted, and for a moment longer: the server may just
    /// not have heard of a new function.
    pub(crate) fn settle(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut since = began;
        while since.elapsed() < CALM && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
            if self.health("prewarmed")? != self.health("prewarm_wanted")? {
                since = Instant::now();
            }
        }
        Ok(())
    }

    /// How many environments there are.
    pub(crate) fn environments(&self) -> anyhow::Result<u64> {
        self.health("environments")
    }

    fn health(&self, number: &str) -> anyhow::Result<u64> {
        let health = http::json(self.address, "/_lambent/health")?;
        health[number].as_u64().with_context(|| format!("the server's health says no {number}"))
    }

    /// The same with a memory size.
    pub(crate) fn deploy_with(
        &self,
        runtime: &str,
        handler: &str,
        folder: &Path,
        name: &str,
        memory_mb: u32,
    ) -> anyhow::Result<()> {
        let mut command = self.client("deploy");
        command.args(["--name", name, "--runtime", runtime, "--handler", handler, "--timeout", "60"]);
        output(command.args(["--memory", &memory_mb.to_string()]).arg(folder)).map(drop)
    }

    /// Invokes a function and returns what it returns.
    pub(crate) fn invoke(&self, name: &str, event: &str) -> anyhow::Result<String> {
        output(self.client("invoke").args([name, "--payload", event]))
    }

    /// What a function has logged in the last hour that matches a filter pattern.
    pub(crate) fn logs(&self, name: &str, filter: &str) -> anyhow::Result<String> {
        output(self.client("logs").args([name, "--since", "1h", "--filter", filter]))
    }

    /// A command of the command line that talks to this server.
    fn client(&self, command: &str) -> Command {
        client_of(&self.lambent, command, self.address)
    }

    /// Deletes a function.
    pub(crate) fn delete(&self, programs: &Programs, name: &str) -> anyhow::Result<()> {
        let url = format!("http://{}/2015-03-31/functions/{name}", self.address);
        load::run(programs, &Plan { method: "DELETE", ..Plan::once(&url, "") }).map(drop)
    }

    /// Reserves concurrency for a function.
    pub(crate) fn reserve(&self, programs: &Programs, name: &str, concurrency: u32) -> anyhow::Result<()> {
        let url = format!("http://{}/2017-10-31/functions/{name}/concurrency", self.address);
        let body = format!("{{\"ReservedConcurrentExecutions\": {concurrency}}}");
        load::run(programs, &Plan { method: "PUT", echo: false, ..Plan::once(&url, &body) }).map(drop)
    }

    /// Invokes a function asynchronously, without a process of its own for it: what follows is timed.
    pub(crate) fn event(&self, name: &str, event: &str) -> anyhow::Result<()> {
        http::event(self.address, &format!("/2015-03-31/functions/{name}/invocations"), event)
    }

    /// The server's process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<ServerCpu> {
        let (launcher, functions) = self.children()?;
        Ok(ServerCpu {
            server: cpu_time(&[self.process.pid()])?,
            launcher: cpu_time(&launcher)?,
            functions: cpu_time(&functions)?,
        })
    }

    /// Memory now.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let (launcher, functions) = self.children()?;
        let sum = |pids: Vec<u32>| pids.into_iter().map(resident).sum::<anyhow::Result<u64>>();
        Ok(Memory {
            server_bytes: resident(self.process.pid())?,
            launcher_bytes: sum(launcher)?,
            function_processes: functions.len(),
        })
    }

    /// Ends it and keeps its data.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.process.stop()
    }

    /// The processes in sandboxes.
    pub(crate) fn functions(&self) -> anyhow::Result<Vec<u32>> {
        Ok(self.children()?.1)
    }

    /// The launcher, and everything that it has started.
    fn children(&self) -> anyhow::Result<(Vec<u32>, Vec<u32>)> {
        let all = descendants(self.process.pid())?;
        Ok(all.into_iter().partition(|pid| argv0(*pid) == "lambent-launcher"))
    }
}

/// CPU time of the server's processes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerCpu {
    pub(crate) server: Duration,
    pub(crate) launcher: Duration,
    /// All sandboxes: init, the client, the function.
    pub(crate) functions: Duration,
}

/// A command of the command line that talks to a server.
pub(crate) fn client_of(program: &Path, command: &str, address: SocketAddr) -> Command {
    let mut client = lambent(program);
    client.args([command, "--endpoint", &format!("http://{address}")]);
    client.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    client
}

/// Resident memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Memory {
    pub(crate) server_bytes: u64,
    pub(crate) launcher_bytes: u64,
    /// Processes in sandboxes at that time.
    pub(crate) function_processes: usize,
}

/// The program without settings of the caller's own.
fn lambent(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("LAMBENT_") || name.starts_with("AWS_")) {
            command.env_remove(name);
        }
    }
    command
}

/// Copies a function's folder and adds a file that makes it another package than any before.
fn copy_unseen(from: &Path, to: &Path, name: &str) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        // What the floor's Python leaves beside its module (`__pycache__`) is not part of the function.
        if entry.file_type()?.is_dir() {
            continue;
        }
        std::fs::copy(entry.path(), to.join(entry.file_name()))
            .with_context(|| format!("cannot copy {}", entry.path().display()))?;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    std::fs::write(to.join("nonce.txt"), format!("{name} {}", now.as_nanos()))
        .context("cannot write the nonce")
}

/// The end of the server's log.
fn explain(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    format!("the end of {}:\n{}", log.display(), lines[lines.len().saturating_sub(20)..].join("\n"))
}
