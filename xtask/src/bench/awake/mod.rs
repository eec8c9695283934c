//! Keeps CPUs from sleeping. On an idle virtual machine each wake-up of a sleeping CPU adds 40 to 50 µs to whoever is
//! woken, floor and Lambent alike, which hides the difference between them.
//!
//! The kernel is asked to poll where it would sleep, if it can be ([`polling`]); else a thread of idle priority
//! occupies each CPU ([`spinners`]). The former is better, since the scheduler still knows an idle CPU when it sees
//! one. A CPU with a spinner is never idle, so that it fetches no waiting task from the other CPU before the next
//! tick: two CPUs then do the work of little more than one, and who loses most by it is chance.

mod polling;
mod spinners;

use serde::Serialize;

pub(crate) use spinners::{SPIN, spin};

/// How CPUs are kept from sleeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Means {
    /// They may sleep.
    None,
    /// They poll for work when they have none.
    Polling,
    /// A thread of idle priority on each.
    Spinners,
}

/// CPUs do not sleep before this is dropped.
#[derive(Debug)]
pub(crate) enum Awake {
    Polling(#[expect(dead_code, reason = "the request is withdrawn when it is dropped")] polling::Polling),
    Spinners(#[expect(dead_code, reason = "they end when it is dropped")] spinners::Spinners),
}

impl Awake {
    /// From now on, by the best means that there is.
    pub(crate) fn start() -> anyhow::Result<Self> {
        match polling::start()? {
            Some(polling) => Ok(Self::Polling(polling)),
            None => spinners::start().map(Self::Spinners),
        }
    }

    pub(crate) fn means(&self) -> Means {
        match self {
            Self::Polling(_) => Means::Polling,
            Self::Spinners(_) => Means::Spinners,
        }
    }
}
