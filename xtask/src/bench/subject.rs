//! The functions that are measured: the same handler in three languages, each with an official client for the floor.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde::Deserialize;

use super::official;
use super::prepare::{Place, Programs, output};

/// One function.
#[derive(Debug)]
pub(crate) struct Subject {
    /// How the tables call it: the interpreter and its version.
    pub(crate) label: String,
    /// The function's name at the server.
    pub(crate) name: &'static str,
    /// AWS's runtime id.
    pub(crate) runtime: String,
    /// The handler.
    pub(crate) handler: &'static str,
    /// The folder that is deployed, and the floor's working directory.
    pub(crate) folder: PathBuf,
    /// The official client, with its version.
    pub(crate) client: String,
    /// What the floor runs, or why it cannot.
    pub(crate) floor: Result<Vec<String>, String>,
}

#[derive(Debug, Deserialize)]
struct Catalogue {
    runtimes: Vec<Runtime>,
}

#[derive(Debug, Deserialize)]
struct Runtime {
    id: String,
    family: String,
    interpreter: Option<PathBuf>,
    version: Option<String>,
}

/// The three, without those whose interpreter Lambent does not find here: then there is nothing to compare.
pub(crate) fn all(place: &Place, programs: &Programs) -> anyhow::Result<Vec<Subject>> {
    let mut ask = Command::new(&programs.lambent);
    ask.args(["runtimes", "--json"]).env("LAMBENT_DATA_DIR", Place::data().join("main"));
    let catalogue: Catalogue =
        serde_json::from_str(&output(&mut ask)?).context("`lambent runtimes --json` cannot be read")?;
    let mut subjects = Vec::new();
    for family in ["python", "nodejs"] {
        // The newest one that is here, which is also what `lambent deploy` takes.
        match catalogue.runtimes.iter().find(|entry| entry.family == family && entry.interpreter.is_some()) {
            Some(found) => subjects.push(managed(place, family, found)?),
            None => eprintln!("no interpreter for {family} on this machine: not measured"),
        }
    }
    subjects.push(rust(place, programs)?);
    Ok(subjects)
}

fn managed(place: &Place, family: &str, found: &Runtime) -> anyhow::Result<Subject> {
    let interpreter = found.interpreter.as_deref().context("an interpreter was found")?;
    let version = found.version.as_deref().unwrap_or_default();
    let text = |path: &Path| path.to_str().map(str::to_owned).context("a path is not UTF-8");
    if family == "python" {
        let python = official::python(place, interpreter).and_then(|python| text(&python));
        let handler = "lambda_function.lambda_handler";
        return Ok(Subject {
            label: format!("Python {version}"),
            name: "bench-python",
            runtime: found.id.clone(),
            handler,
            folder: place.sources.join("functions/python-echo"),
            client: format!("awslambdaric {}", official::PYTHON),
            floor: python
                .map(|python| vec![python, "-m".into(), "awslambdaric".into(), handler.into()])
                .map_err(why),
        });
    }
    let handler = "index.handler";
    let node = text(interpreter)?;
    let client = official::nodejs(place, interpreter).and_then(|client| text(&client));
    Ok(Subject {
        label: format!("Node.js {version}"),
        name: "bench-nodejs",
        runtime: found.id.clone(),
        handler,
        folder: place.sources.join("functions/nodejs-echo"),
        client: format!("aws-lambda-ric {}", official::NODEJS),
        floor: client.map(|client| vec![node, client, handler.into()]).map_err(why),
    })
}

fn rust(place: &Place, programs: &Programs) -> anyhow::Result<Subject> {
    let folder = place.bench.join("rust-package");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let bootstrap = folder.join("bootstrap");
    std::fs::copy(&programs.rust_echo, &bootstrap)
        .with_context(|| format!("cannot write {}", bootstrap.display()))?;
    let program = bootstrap.to_str().context("the target folder's path is not UTF-8")?.to_owned();
    let lock = std::fs::read_to_string(place.sources.join("functions/rust-echo/Cargo.lock"))
        .context("the lock file of the function in Rust")?;
    let version = lock
        .split_once("name = \"lambda_runtime\"\nversion = \"")
        .and_then(|(_, rest)| rest.split('"').next());
    Ok(Subject {
        label: "Rust".to_owned(),
        name: "bench-rust",
        runtime: "provided.al2023".to_owned(),
        handler: "bootstrap",
        folder,
        client: format!("lambda_runtime {}", version.context("the lock file does not name lambda_runtime")?),
        floor: Ok(vec![program]),
    })
}

fn why(error: anyhow::Error) -> String {
    format!("{error:#}")
}
