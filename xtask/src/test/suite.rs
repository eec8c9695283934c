//! The suites, in the order in which they fail soonest.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::count::{self, Count};
use super::prepare::{self, C_COMPILER, CONFORMANCE, JAVA, PYTHON, RUNTIMES};
use super::{criu, host, process, ruby};

/// One suite.
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    /// For the reader of the output.
    pub(crate) what: &'static str,
    /// Whether its tests have names that a filter can choose.
    pub(crate) has_names: bool,
    pub(crate) run: fn(&[String]) -> Result<Count, String>,
}

/// Every suite.
pub(crate) const SUITES: &[Suite] = &[
    Suite { name: "tidy", what: "rules that no compiler holds", has_names: false, run: tidy },
    Suite { name: "format", what: "cargo fmt --check", has_names: false, run: format },
    Suite { name: "codegen", what: "generated shapes match their models", has_names: false, run: codegen },
    Suite { name: "deny", what: "licences and advisories", has_names: false, run: deny },
    Suite { name: "clippy", what: "lints, warnings are errors", has_names: false, run: clippy },
    Suite { name: "rust", what: "cargo test --workspace", has_names: true, run: rust },
    Suite { name: "runtimes", what: "our runtime clients against AWS's", has_names: true, run: runtimes },
    Suite {
        name: "conformance",
        what: "the binary, by boto3 and the AWS CLI",
        has_names: true,
        run: conformance,
    },
    Suite { name: "vm", what: "the sandbox on another kernel", has_names: false, run: vm },
];

fn tidy(_: &[String]) -> Result<Count, String> {
    crate::tidy::run(&[]).map(|()| Count::check(true))
}

fn format(_: &[String]) -> Result<Count, String> {
    process::check(&mut cargo(&["fmt", "--all", "--check"]))
}

fn codegen(_: &[String]) -> Result<Count, String> {
    prepare::require(&[PYTHON])?;
    crate::codegen::run(&["--check".to_owned()]).map(|()| Count::check(true))
}

fn deny(_: &[String]) -> Result<Count, String> {
    if host::find("cargo-deny").is_none() {
        println!("skipped: cargo-deny is not installed (cargo install cargo-deny)");
        return Ok(Count::skipped_suite());
    }
    process::check(&mut cargo(&["deny", "check"]))
}

fn clippy(_: &[String]) -> Result<Count, String> {
    prepare::require(&[C_COMPILER])?;
    process::check(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn rust(filters: &[String]) -> Result<Count, String> {
    prepare::require(&[C_COMPILER])?;
    let mut command = cargo(&["test", "--workspace", "--no-fail-fast", "--quiet"]);
    // After `--` the test programs take any number of filters, cargo itself only one.
    command.arg("--").args(filters).envs(criu_root());
    process::counted(&mut command, count::of_cargo, !filters.is_empty())
}

fn runtimes(filters: &[String]) -> Result<Count, String> {
    prepare::require(RUNTIMES)?;
    prepare::tools(JAVA);
    let folder = crate::root().join("runtimes/tests");
    let cache = crate::target_directory().join("test-runtimes");
    let mut environment = ruby_on_path()?;
    environment.push(("LAMBENT_TEST_CACHE", cache.clone()));
    environment.push(("LAMBENT_TEST_CLIENTS", embedded_clients(&cache.join("runtimes"))?));
    let python = prepare::venv("runtimes", &folder.join("requirements.txt"))?;
    let mut fetch = Command::new(python);
    fetch.arg(folder.join("prepare.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    fetch.envs(environment.iter().map(|(name, value)| (name, value)));
    // What cannot be had is named here and by the tests that are skipped for it.
    process::check(&mut fetch)?;
    let mut count = pytest("runtimes", &folder, &[], filters, &environment)?;
    if filters.is_empty() {
        // Once more for clients that have waited for their function, as they do in a sandbox made in advance.
        environment.push(("LAMBENT_TEST_WAITING", PathBuf::from("1")));
        let sample = ["test_differential and (python3.13 or nodejs24)".to_owned()];
        count.add(pytest("runtimes", &folder, &[], &sample, &environment)?);
    }
    Ok(count)
}

/// Writes the clients as the binary has them, and returns their folder.
fn embedded_clients(folder: &Path) -> Result<PathBuf, String> {
    let mut command =
        cargo(&["run", "--quiet", "--package", "lambent-runtimes", "--example", "clients", "--"]);
    command.arg(folder).stderr(std::process::Stdio::inherit());
    let output = command.output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if !output.status.success() {
        return Err("the runtime clients cannot be written".to_owned());
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

fn conformance(filters: &[String]) -> Result<Count, String> {
    prepare::require(&[C_COMPILER, PYTHON])?;
    prepare::tools(CONFORMANCE);
    if process::check(&mut cargo(&["build", "--package", "lambent"]))?.failed > 0 {
        return Err("the binary does not build".to_owned());
    }
    let mut environment = vec![("LAMBENT_TEST_BINARY", crate::target_directory().join("debug/lambent"))];
    environment.extend(host::aws().map(|aws| ("LAMBENT_TEST_AWS", aws)));
    environment.push(("LAMBENT_TEST_CACHE", crate::target_directory().join("test-functions")));
    environment.extend(ruby_on_path()?);
    environment.extend(criu_root());
    match prepare::venv("peers", &crate::root().join("tests/conformance/peers.txt")) {
        Ok(python) => environment.push(("LAMBENT_TEST_MINISTACK", python)),
        // The tests that want it are skipped and say so.
        Err(problem) => println!("missing: servers to compare with: {problem}"),
    }
    let folder = crate::root().join("tests/conformance");
    // A file's tests share what they have made, and stay together, in the order that `conftest.py` gives.
    let two = ["-m", "not alone", "--numprocesses", "2", "--dist", "loadfile", "--no-loadscope-reorder"];
    let mut count = pytest("conformance", &folder, &two, filters, &environment)?;
    count.add(pytest("conformance", &folder, &["-m", "alone"], filters, &environment)?);
    Ok(count)
}

/// Where CRIU is. Without one the tests that want it are skipped and say so.
fn criu_root() -> Option<(&'static str, PathBuf)> {
    match criu::prepare() {
        Ok(root) => Some(("LAMBENT_TEST_CRIU", root)),
        Err(problem) => {
            println!("missing: CRIU: {problem}");
            None
        }
    }
}

/// The search path with a Ruby of which AWS has a runtime. Without one the tests that want it are skipped and say so.
fn ruby_on_path() -> Result<Vec<(&'static str, PathBuf)>, String> {
    let ruby = match ruby::prepare() {
        Ok(ruby) => ruby,
        Err(problem) => {
            println!("missing: Ruby: {problem}");
            return Ok(Vec::new());
        }
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = ruby.parent().map(Path::to_path_buf).into_iter().chain(std::env::split_paths(&path));
    let joined = std::env::join_paths(folders).map_err(|error| format!("cannot extend PATH: {error}"))?;
    Ok(vec![("PATH", PathBuf::from(joined))])
}

/// An emulated processor takes too long for every change.
fn vm(_: &[String]) -> Result<Count, String> {
    println!("skipped: cargo xtask prove vm");
    Ok(Count::skipped_suite())
}

fn pytest(
    suite: &str,
    folder: &Path,
    options: &[&str],
    filters: &[String],
    environment: &[(&str, PathBuf)],
) -> Result<Count, String> {
    if !folder.is_dir() {
        return Err(format!("there is no {}", folder.display()));
    }
    let python = prepare::venv(suite, &folder.join("requirements.txt"))?;
    let mut command = Command::new(python);
    command
        .args(["-m", "pytest", "-p", "no:cacheprovider", "--durations=10", "-rs"])
        .args(options)
        .arg(folder);
    // Bytecode would be written beside the sources, by root.
    command.env("PYTHONDONTWRITEBYTECODE", "1").envs(environment.iter().map(|(name, value)| (name, value)));
    if !filters.is_empty() {
        command.args(["-k", &filters.join(" or ")]);
    }
    process::counted(&mut command, count::of_pytest, !filters.is_empty())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = crate::cargo();
    command.args(arguments);
    command
}
