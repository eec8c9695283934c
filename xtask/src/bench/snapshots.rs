//! SnapStart: how long the first answer of an environment takes that comes from a snapshot, against one that is initialised
//! by the very same code.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::json;

use super::connection::Connection;
use super::options::Options;
use super::prepare::{Place, Programs, output};
use super::server::{MEMORY_MB, Server};
use super::startup::millis;
use super::stats::Summary;
use super::subject::Subject;

/// What is imported, from PyPI.
const PACKAGES: [&str; 3] = ["numpy==2.3.4", "pandas==2.3.3", "boto3==1.40.60"];
const NAME: &str = "bench-snapshots";
/// Environments of each kind, one after the other, each beside those before, which are held.
const ENVIRONMENTS: usize = 10;
/// For so long they are held, for each of them: an initialisation takes less.
const HELD: Duration = Duration::from_secs(3);
/// An initialisation takes two seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Snapshots {
    /// The first answer of an environment that is initialised, in milliseconds at the client.
    pub(crate) fresh_ms: Option<Summary>,
    /// The same of one that comes from the snapshot.
    pub(crate) restored_ms: Option<Summary>,
    /// From asking for the version to its snapshot.
    pub(crate) published_ms: f64,
}

/// Measures a server of its own; `None` where there is no CRIU, or no Python for it.
pub(crate) fn measure(
    place: &Place,
    subjects: &[Subject],
    programs: &Programs,
    options: &Options,
) -> anyhow::Result<Option<Snapshots>> {
    let Some(python) = subjects.iter().find(|subject| subject.runtime.starts_with("python")) else {
        return Ok(None);
    };
    let criu = match crate::test::criu::prepare() {
        Ok(criu) => criu,
        Err(why) => {
            eprintln!("snapshots are not measured: {why}");
            return Ok(None);
        }
    };
    let folder = match package(place, python) {
        Ok(folder) => folder,
        Err(why) => {
            eprintln!("snapshots are not measured: {why:#}");
            return Ok(None);
        }
    };
    eprintln!("measuring snapshots of {}", PACKAGES.join(", "));
    let data = Place::data().join("snapshots");
    let server = Server::start_with(place, programs, &data, &["--snapshots".as_ref(), criu.as_ref()])?;
    server.deploy_with(&python.runtime, "lambda_function.lambda_handler", &folder, NAME, MEMORY_MB)?;
    let count = if options.quick { ENVIRONMENTS / 2 } else { ENVIRONMENTS };
    // The first finds its files in no cache.
    let fresh = firsts(server.address(), "$LATEST", count + 1)?.split_off(1);
    let mut connection = Connection::open(server.address())?;
    let configuration = format!("/2015-03-31/functions/{NAME}/configuration");
    let settings = json!({"SnapStart": {"ApplyOn": "PublishedVersions"}});
    connection.until("lambda", "PUT", &configuration, &settings)?;
    let began = Instant::now();
    connection.until("lambda", "POST", &format!("/2015-03-31/functions/{NAME}/versions"), &json!({}))?;
    loop {
        let shown = connection.call("lambda", "GET", &format!("{configuration}?Qualifier=1"), &json!({}))?;
        let shown: serde_json::Value = serde_json::from_str(&shown).context("a version's configuration")?;
        match (shown["State"].as_str(), shown["SnapStart"]["OptimizationStatus"].as_str()) {
            (Some("Active"), Some("On")) => break,
            (Some("Active"), _) => {
                bail!("no snapshot was taken; {}", place.bench.join("server.log").display())
            }
            _ if began.elapsed() > PATIENCE => bail!("the version is not ready after {PATIENCE:?}"),
            _ => thread::sleep(Duration::from_millis(5)),
        }
    }
    let published_ms = millis(began.elapsed());
    let restored = firsts(server.address(), "1", count + 1)?.split_off(1);
    // A server that stops lets invocations finish.
    thread::sleep(held(count + 1));
    server.stop()?;
    Ok(Some(Snapshots { fresh_ms: Summary::of(fresh), restored_ms: Summary::of(restored), published_ms }))
}

/// The function with its packages, made once.
fn package(place: &Place, python: &Subject) -> anyhow::Result<PathBuf> {
    let folder = place.bench.join(format!("heavy-{}", python.runtime));
    let interpreter = python.floor.as_ref().map_err(|why| anyhow::anyhow!("{why}"))?;
    let interpreter = interpreter.first().context("the floor runs a program")?;
    if !folder.join("complete").exists() {
        let mut pip = Command::new(interpreter);
        pip.args(["-m", "pip", "install", "--quiet", "--upgrade", "--target"]).arg(&folder).args(PACKAGES);
        output(&mut pip)?;
        std::fs::write(folder.join("complete"), "").context("cannot finish the package")?;
    }
    let source = place.sources.join("functions/python-heavy/lambda_function.py");
    std::fs::copy(&source, folder.join("lambda_function.py"))
        .with_context(|| format!("cannot copy {}", source.display()))?;
    remove_tests(&folder)?;
    Ok(folder)
}

/// Tests make a third of these packages, which are to fit into a request.
fn remove_tests(folder: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)?.flatten().filter(|entry| entry.path().is_dir()) {
        match entry.file_name().to_str() {
            Some("tests" | "__pycache__") => std::fs::remove_dir_all(entry.path())?,
            _ => remove_tests(&entry.path())?,
        }
    }
    Ok(())
}

/// How long each of so many environments is held.
fn held(count: usize) -> Duration {
    HELD * u32::try_from(count).expect("a few")
}

/// The first answers of so many environments, in milliseconds. Each is then held while the next ones begin.
fn firsts(address: SocketAddr, qualifier: &str, count: usize) -> anyhow::Result<Vec<f64>> {
    let path = format!("/2015-03-31/functions/{NAME}/invocations?Qualifier={qualifier}");
    let mut connection = Connection::open(address)?;
    let mut took = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        connection.call("lambda", "POST", &path, &json!({}))?;
        took.push(millis(began.elapsed()));
        // Sent, and not waited for: a client that goes away cancels nothing.
        Connection::open(address)?.begin(
            "lambda",
            "POST",
            &path,
            &json!({"seconds": held(count).as_secs()}),
        )?;
        thread::sleep(Duration::from_millis(100));
    }
    Ok(took)
}
