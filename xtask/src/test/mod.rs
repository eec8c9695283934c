//! `cargo xtask test`: everything that CI runs, with one command and one line at the end.
//!
//! ```text
//! arguments ─▶ suites ─▶ prepare (packages, Python environment) ─▶ run each, stream it, count ─▶ N passed, N failed, …
//! ```
//! A failing suite does not stop the others; a suite that cannot run counts as failed.

use std::time::{Duration, Instant};

pub(crate) mod count;
pub(crate) mod criu;
pub(crate) mod host;
pub(crate) mod prepare;
pub(crate) mod process;
mod ruby;
mod suite;

use count::Count;
use suite::{SUITES, Suite};

const USAGE: &str = "usage: cargo xtask test [--only SUITE] [FILTER…]";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    only: Option<String>,
    filters: Vec<String>,
}

/// Runs the suites and prints the totals.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let request = parse(arguments)?;
    let suites = choose(&request)?;
    let mut total = Count::default();
    let mut times: Vec<(&str, Count, Duration)> = Vec::new();
    for suite in suites {
        println!("\n── {} ── {}", suite.name, suite.what);
        let began = Instant::now();
        let count = (suite.run)(&request.filters).unwrap_or_else(|problem| {
            println!("{}: {problem}", suite.name);
            Count::failed_suite()
        });
        total.add(count);
        times.push((suite.name, count, began.elapsed()));
    }
    println!();
    for (name, count, time) in &times {
        println!("{name:<12} {:>6.1} s  {count}", time.as_secs_f64());
    }
    println!("{total}");
    if total == Count::default() {
        return Err("no test has such a name".to_owned());
    }
    if total.failed > 0 { Err("some tests failed; see above".to_owned()) } else { Ok(()) }
}

fn parse(arguments: &[String]) -> Result<Request, String> {
    let mut request = Request { only: None, filters: Vec::new() };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--only" => {
                let name = rest.next().ok_or_else(|| format!("--only needs the name of a suite\n{USAGE}"))?;
                request.only = Some(name.clone());
            }
            option if option.starts_with('-') => return Err(format!("unknown option '{option}'\n{USAGE}")),
            filter => request.filters.push(filter.to_owned()),
        }
    }
    Ok(request)
}

/// The suites that were asked for. With a filter those alone that can tell tests apart by name.
fn choose(request: &Request) -> Result<Vec<&'static Suite>, String> {
    let filtered = !request.filters.is_empty();
    let Some(only) = &request.only else {
        return Ok(SUITES.iter().filter(|suite| suite.has_names || !filtered).collect());
    };
    let names: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
    let suite = SUITES
        .iter()
        .find(|suite| suite.name == only)
        .ok_or_else(|| format!("there is no suite '{only}'; there are {}", names.join(", ")))?;
    if filtered && !suite.has_names {
        return Err(format!("suite '{only}' is one check and takes no filter"));
    }
    Ok(vec![suite])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Request, String> {
        parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_choose_suites() {
        let names = |arguments: &[&str]| {
            choose(&parsed(arguments)?)
                .map(|suites| suites.iter().map(|suite| suite.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).expect("all of them").len(), SUITES.len());
        assert_eq!(names(&["--only", "tidy"]), Ok(vec!["tidy"]));
        assert_eq!(names(&["timeout"]), Ok(vec!["rust", "runtimes", "conformance"]));
        assert_eq!(names(&["--only", "rust", "timeout"]), Ok(vec!["rust"]));
        for wrong in [&["--only"][..], &["--only", "x"], &["--fast"], &["--only", "tidy", "timeout"]] {
            assert!(names(wrong).is_err(), "{wrong:?}");
        }
    }
}
