//! `cargo xtask prove fuzz`: the targets of the folder `fuzz`, driven by coverage for as long as one likes.
//!
//! The engine is LLVM's, which `libfuzzer-sys` brings along. It is guided by counters that any compiler of Rust can put
//! into the code (`sancov-module` is a pass of LLVM's, no option of a nightly compiler), so the toolchain of the
//! project builds it.

use std::path::Path;
use std::process::Command;

/// The programs of `fuzz/Cargo.toml`.
const TARGETS: [&str; 13] = [
    "frames",
    "lines",
    "runtime_api",
    "message",
    "zip",
    "log_pattern",
    "log_query",
    "log_segment",
    "wire_request",
    "topic",
    "wire_form",
    "wire_xml",
    "policy",
];

/// Seconds for each target, unless told otherwise.
const SECONDS: &str = "3600";

/// What makes the engine see which branches an input takes.
const FLAGS: [&str; 7] = [
    "--cfg",
    "fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    // Counters of one crate are one table.
    "-Ccodegen-units=1",
];

/// Builds the targets and runs each in turn: `[SECONDS [TARGET…]]`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let (seconds, chosen) = match arguments.split_first() {
        Some((seconds, chosen)) => (seconds.as_str(), chosen),
        None => (SECONDS, &[][..]),
    };
    seconds.parse::<u32>().map_err(|_| format!("{seconds:?} is no number of seconds"))?;
    if let Some(unknown) = chosen.iter().find(|name| !TARGETS.contains(&name.as_str())) {
        return Err(format!("there is no target {unknown:?}; there are {}", TARGETS.join(", ")));
    }
    let folder = crate::target_directory().join("fuzz");
    build(&folder)?;
    let targets =
        TARGETS.iter().filter(|name| chosen.is_empty() || chosen.iter().any(|other| other == *name));
    let failed: Vec<&str> = targets.copied().filter(|target| !holds(&folder, target, seconds)).collect();
    if failed.is_empty() {
        println!("fuzz: no fault found in {seconds} s of each target");
        return Ok(());
    }
    Err(format!(
        "fuzz: {} broke; the inputs are in {}",
        failed.join(", "),
        folder.join("artifacts").display()
    ))
}

fn build(folder: &Path) -> Result<(), String> {
    let mut command = crate::cargo();
    command.args(["build", "--release", "--locked", "--target", &triple()?, "--target-dir"]).arg(folder);
    command.current_dir(crate::root().join("fuzz")).env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err("the fuzz targets do not build, see above".to_owned()) }
}

/// With a target of its own the flags are not those of build scripts.
fn triple() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output =
        Command::new(rustc).arg("-vV").output().map_err(|error| format!("cannot run rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not say what it compiles for".to_owned())
}

/// Runs one target; false when it broke.
fn holds(folder: &Path, target: &str, seconds: &str) -> bool {
    println!("\n── {target} ──");
    let (corpus, artifacts) = (folder.join("corpus").join(target), folder.join("artifacts"));
    let ready = std::fs::create_dir_all(&corpus).and_then(|()| std::fs::create_dir_all(&artifacts));
    let program = triple().map(|triple| folder.join(triple).join("release").join(target));
    let (Ok(()), Ok(program)) = (ready, program) else {
        println!("cannot make {}", corpus.display());
        return false;
    };
    let mut command = Command::new(program);
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/{target}-", artifacts.display()))
        // Formats and not sizes are tried; memory is what a bound was forgotten for.
        .args(["-max_len=65536", "-rss_limit_mb=1024", "-timeout=30", "-print_final_stats=1"])
        .arg(&corpus)
        .env("LAMBENT_FUZZ_CORPUS", &corpus);
    command.status().is_ok_and(|status| status.success())
}
