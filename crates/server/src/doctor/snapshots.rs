//! Whether snapshots of initialised functions can be taken here, for SnapStart.
//!
//! The engine is CRIU: 4.2 is the first release that dumps the sockets of recent kernels. Its own `criu check` passes where a dump
//! fails, so a process is dumped.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::{Check, Status};

/// See the module's text.
const OLDEST: (u32, u32) = (4, 2);
/// A dump of a process that sleeps takes a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// What versions with SnapStart do without it.
const MEANWHILE: &str = "versions with SnapStart have OptimizationStatus Off: one environment of each that is in use is initialised ahead; install criu 4.2 or newer, or name a folder with it (--snapshots)";

/// What CRIU can do here.
pub(super) fn criu() -> Check {
    judge(probe())
}

/// What was found of CRIU.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Version(String),
    Fails { version: String, why: String },
    Works(String),
}

fn judge(found: Found) -> Check {
    let found = match found {
        Found::Nothing => "no criu".into(),
        Found::Version(version) => format!("criu {version}, older than 4.2"),
        Found::Fails { version, why } => format!("criu {version}, which cannot dump a process here: {why}"),
        Found::Works(version) => {
            let text = format!("criu {version}: versions with SnapStart in Python start from snapshots");
            return Check::new("snapshots", Status::Ok, text, None);
        }
    };
    // Functions work without, as they are.
    Check::new("snapshots", Status::Ok, format!("{found}; {MEANWHILE}"), None)
}

fn probe() -> Found {
    let Some(version) = run(Command::new("criu").arg("--version")).and_then(|output| version(&output)) else {
        return Found::Nothing;
    };
    if !is_new_enough(&version) {
        return Found::Version(version);
    }
    match dump() {
        Ok(()) => Found::Works(version),
        Err(why) => Found::Fails { version, why },
    }
}

/// `Version: 4.2`.
fn version(output: &Output) -> Option<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.lines().find_map(|line| line.strip_prefix("Version:"))?.trim().to_owned())
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST,
        (Some(Ok(major)), None) => major > OLDEST.0,
        _ => false,
    }
}

/// Dumps a process that sleeps, in a session of its own, into a folder that goes away.
fn dump() -> Result<(), String> {
    let folder = std::env::temp_dir().join(format!("lambent-doctor-{}", std::process::id()));
    std::fs::create_dir(&folder).map_err(|error| format!("no folder for it: {error}"))?;
    let dumped = dump_into(&folder);
    // What is left of it harms nobody, and the next start of the machine removes it.
    let _ = std::fs::remove_dir_all(&folder);
    dumped
}

fn dump_into(folder: &Path) -> Result<(), String> {
    let null = Stdio::null;
    let sleeper =
        Command::new("setsid").args(["sleep", "60"]).stdin(null()).stdout(null()).stderr(null()).spawn();
    let mut sleeper = sleeper.map_err(|error| format!("no process to dump: {error}"))?;
    let pid = sleeper.id().to_string();
    let mut criu = Command::new("criu");
    criu.args(["dump", "--tree", &pid, "--images-dir"]).arg(folder);
    let output = run(&mut criu);
    // It is gone where the dump succeeded.
    let _ = sleeper.kill();
    let _ = sleeper.wait();
    match output {
        Some(output) if output.status.success() => Ok(()),
        Some(output) => {
            let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let last = text.lines().last().unwrap_or("it does not say why").to_owned();
            Err(last)
        }
        None => Err(format!("there was no answer within {} seconds", PATIENCE.as_secs())),
    }
}

/// The output of a program that ends in time; `None` where it does not, or cannot be started.
fn run(command: &mut Command) -> Option<Output> {
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().ok()?;
    let until = Instant::now() + PATIENCE;
    while child.try_wait().ok()?.is_none() {
        if Instant::now() >= until {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_before_4_2_are_too_old() {
        for (version, expected) in [
            ("3.17.1", false),
            ("4.1.1", false),
            ("4.2", true),
            ("4.2.1", true),
            ("5.0", true),
            ("5", true),
            ("x", false),
        ] {
            assert_eq!(is_new_enough(version), expected, "{version}");
        }
    }

    #[test]
    fn the_line_says_what_versions_do_without_it() {
        for found in [
            Found::Nothing,
            Found::Version("3.17.1".into()),
            Found::Fails { version: "4.2.1".into(), why: "vdso".into() },
        ] {
            let check = judge(found);
            assert!(check.found.contains("OptimizationStatus Off"), "{}", check.found);
        }
        assert!(!judge(Found::Works("4.2.1".into())).found.contains("Off"));
    }
}
