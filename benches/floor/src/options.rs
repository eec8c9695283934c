//! The command line.

use anyhow::{Context as _, bail, ensure};

/// What to run and how often.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The most function processes at a time.
    pub(crate) environments: usize,
    /// Worker threads of the relay.
    pub(crate) threads: usize,
    /// The function's program and its arguments.
    pub(crate) program: Vec<String>,
}

impl Options {
    /// Reads `--environments N [--threads N] -- PROGRAM [ARGUMENT …]`.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let (mut environments, mut threads) = (1, 1);
        while let Some(argument) = arguments.next() {
            let mut number = || -> anyhow::Result<usize> {
                let value = arguments.next().with_context(|| format!("{argument} needs a number"))?;
                value
                    .parse()
                    .ok()
                    .filter(|n| *n > 0)
                    .with_context(|| format!("{argument} {value}: not a number"))
            };
            match argument.as_str() {
                "--environments" => environments = number()?,
                "--threads" => threads = number()?,
                "--" => {
                    let program: Vec<String> = arguments.collect();
                    ensure!(!program.is_empty(), "write the function's program after --");
                    return Ok(Self { environments, threads, program });
                }
                _ => bail!("unknown argument '{argument}'"),
            }
        }
        bail!("usage: bench-floor --environments N [--threads N] -- PROGRAM [ARGUMENT …]")
    }
}
