//! How much of a CPU a function gets: its memory as a part of 1,769 MB (Developer Guide, "Configure Lambda function
//! memory"). A loop without end measures its own CPU time.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::prepare::Place;
use super::server::{MEMORY_MB, Server};
use super::subject::Subject;

/// Many periods of the scheduler's limit, so that the first one, which may be whole, does not count.
const SECONDS: u32 = 5;

/// Shares of one CPU.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Shares {
    /// With 128 MB: 0.072 by AWS's rule.
    pub(crate) smallest: f64,
    /// With 1,769 MB: 1.
    pub(crate) whole: f64,
}

#[derive(Deserialize)]
struct Answer {
    share: f64,
}

/// Measures both, one after the other; `None` without the language that the loop is written in.
pub(crate) fn measure(
    place: &Place,
    subjects: &[Subject],
    server: &Server,
) -> anyhow::Result<Option<Shares>> {
    let Some(python) = subjects.iter().find(|subject| subject.runtime.starts_with("python")) else {
        return Ok(None);
    };
    eprintln!("measuring shares of CPU");
    let share = |memory: u32| {
        let name = format!("bench-burn-{memory}");
        let folder = place.sources.join("functions/python-burn");
        server.deploy_with(&python.runtime, python.handler, &folder, &name, memory)?;
        let answer = server.invoke(&name, &format!(r#"{{"seconds": {SECONDS}}}"#))?;
        let answer: Answer =
            serde_json::from_str(&answer).with_context(|| format!("{name} said {answer}"))?;
        anyhow::Ok(answer.share)
    };
    Ok(Some(Shares { smallest: share(128)?, whole: share(MEMORY_MB)? }))
}
