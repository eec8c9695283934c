//! Each peer: where it comes from, how it is started, what it can do.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};

use super::FIRST;
use crate::bench::http;
use crate::bench::prepare::{Place, output, succeed};
use crate::bench::process::Running;
use crate::bench::subject::Subject;
use crate::test::prepare::venv;

/// Until one answers: some load hundreds of modules.
const PATIENCE: Duration = Duration::from_secs(60);
/// Releases on npm. The plug-in is the last that runs with version 3, which needs no account.
const SERVERLESS: &str = "3.40.0";
const OFFLINE: &str = "13.9.0";

/// A running one.
pub(super) struct Peer {
    /// With its version.
    pub(super) name: String,
    pub(super) address: SocketAddr,
    /// Where functions are invoked, which may be another port.
    pub(super) functions_at: SocketAddr,
    pub(super) functions: Functions,
    /// Whether it has SQS and S3.
    pub(super) services: bool,
    process: Running,
}

/// What it has of Lambda.
pub(super) enum Functions {
    None,
    /// They are created over the API.
    Deployed {
        runtime: String,
    },
    /// They are in its project.
    There {
        runtime: String,
        names: Vec<String>,
        compiled: bool,
    },
}

type Start = fn(&Place, &[Subject]) -> anyhow::Result<Peer>;
pub(super) const ALL: [Start; 4] = [ministack, moto, serverless_offline, cargo_lambda];

impl Peer {
    pub(super) fn end(self) -> anyhow::Result<()> {
        self.process.stop()
    }
}

fn ministack(place: &Place, _: &[Subject]) -> anyhow::Result<Peer> {
    let (python, version) = from_pypi("peers", "peers.txt", "ministack")?;
    let address = free()?;
    // Its functions run on the interpreter that it runs on.
    let text = "import sys; print('python%d.%d' % sys.version_info[:2])";
    let runtime = output(Command::new(&python).args(["-c", text]))?.trim().to_owned();
    let mut command = Command::new(python);
    command.args(["-c", "from ministack.app import main; main()"]);
    command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", address.port().to_string());
    let process =
        started("ministack", &mut command, place, || http::is_ready(address, "/_ministack/health"))?;
    let functions = Functions::Deployed { runtime };
    Ok(Peer {
        name: format!("ministack {version}"),
        address,
        functions_at: address,
        functions,
        services: true,
        process,
    })
}

fn moto(place: &Place, _: &[Subject]) -> anyhow::Result<Peer> {
    let (python, version) = from_pypi("conformance", "requirements.txt", "moto")?;
    let address = free()?;
    let mut command = Command::new(python);
    command.args(["-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p"]);
    command.arg(address.port().to_string());
    let process = started("moto", &mut command, place, || http::is_ready(address, "/moto-api/"))?;
    // Its functions need Docker.
    let functions = Functions::None;
    Ok(Peer {
        name: format!("moto {version}"),
        address,
        functions_at: address,
        functions,
        services: true,
        process,
    })
}

fn serverless_offline(place: &Place, subjects: &[Subject]) -> anyhow::Result<Peer> {
    let subject = subjects.iter().find(|subject| subject.runtime.starts_with("nodejs"));
    let subject = subject.context("serverless-offline needs Node.js")?;
    let folder = place.bench.join("serverless");
    std::fs::create_dir_all(&folder)?;
    if !folder.join("node_modules/serverless-offline/package.json").exists() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(&folder);
        succeed(npm.args([format!("serverless@{SERVERLESS}"), format!("serverless-offline@{OFFLINE}")]))?;
    }
    let names: Vec<String> = (0..FIRST).map(|n| format!("echo{n}")).collect();
    let mut text = format!(
        "service: bench\nframeworkVersion: \"3\"\nprovider: {{name: aws, runtime: {}, memorySize: 1769}}\nplugins: \
         [serverless-offline]\nfunctions:\n",
        subject.runtime
    );
    names.iter().for_each(|name| text.push_str(&format!("  {name}: {{handler: {}}}\n", subject.handler)));
    std::fs::write(folder.join("serverless.yml"), text)?;
    std::fs::copy(subject.folder.join("index.mjs"), folder.join("index.mjs"))?;
    let (address, functions_at) = (free()?, free()?);
    let mut command = Command::new("node");
    command.args(["node_modules/serverless/bin/serverless.js", "offline", "start", "--host", "127.0.0.1"]);
    command.args([
        "--httpPort",
        &address.port().to_string(),
        "--lambdaPort",
        &functions_at.port().to_string(),
    ]);
    command.env("SLS_TELEMETRY_DISABLED", "1").env("SLS_NOTIFICATIONS_MODE", "off").current_dir(&folder);
    let process =
        started("serverless-offline", &mut command, place, || TcpStream::connect(functions_at).is_ok())?;
    let names = names.into_iter().map(|name| format!("bench-dev-{name}")).collect();
    let functions = Functions::There { runtime: subject.label.clone(), names, compiled: false };
    let name = format!("serverless-offline {OFFLINE}");
    Ok(Peer { name, address, functions_at, functions, services: false, process })
}

fn cargo_lambda(place: &Place, _: &[Subject]) -> anyhow::Result<Peer> {
    let (python, version) = from_pypi("conformance", "requirements.txt", "cargo-lambda")?;
    let program = python.with_file_name("cargo-lambda");
    let address = free()?;
    let mut command = Command::new(program);
    command.args(["lambda", "watch", "--release", "--ignore-changes", "--invoke-address", "127.0.0.1"]);
    command.args(["--invoke-port", &address.port().to_string()]);
    command.env("CARGO_TARGET_DIR", place.bench.join("rust-echo"));
    command.current_dir(place.sources.join("functions/rust-echo"));
    let process = started("cargo-lambda", &mut command, place, || TcpStream::connect(address).is_ok())?;
    let functions =
        Functions::There { runtime: "Rust".to_owned(), names: vec!["bootstrap".to_owned()], compiled: true };
    let name = format!("cargo-lambda {version}");
    Ok(Peer { name, address, functions_at: address, functions, services: false, process })
}

/// The interpreter that has a package, which the tests use as well, and its pinned version.
fn from_pypi(suite: &str, requirements: &str, name: &str) -> anyhow::Result<(std::path::PathBuf, String)> {
    let file = crate::root().join("tests/conformance").join(requirements);
    let python = venv(suite, &file).map_err(|why| anyhow!(why))?;
    let text = std::fs::read_to_string(&file)?;
    let version =
        text.lines().find_map(|line| line.strip_prefix(name)?.split_once("==").map(|(_, version)| version));
    Ok((python, version.with_context(|| format!("{} pins no {name}", file.display()))?.to_owned()))
}

fn free() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot find a free port")?.local_addr()?)
}

fn started(
    name: &str,
    command: &mut Command,
    place: &Place,
    is_ready: impl Fn() -> bool,
) -> anyhow::Result<Running> {
    let log = place.bench.join(format!("{name}.log"));
    let file = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    command.stdin(Stdio::null()).stderr(file.try_clone()?).stdout(file);
    let mut process = Running::start(name, command)?;
    let began = Instant::now();
    while !is_ready() {
        process.check().with_context(|| said(&log))?;
        if began.elapsed() > PATIENCE {
            bail!("{name} does not answer after {PATIENCE:?}; {}", said(&log));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(process)
}

fn said(log: &Path) -> String {
    format!("what it said is in {}", log.display())
}
