//! `cargo xtask prove`: what is too long, or needs too much of the machine, for every change.

mod api;
mod events;
mod fuzz;
mod power;
mod simulation;
mod soak;
mod vm;

/// One proof.
struct Proof {
    name: &'static str,
    /// For the usage text.
    what: &'static str,
    run: fn(&[String]) -> Result<(), String>,
}

const PROOFS: &[Proof] = &[
    Proof {
        name: "vm",
        what: "[FILTER…]  the sandbox's tests under cgroup v2, in an emulated machine with Debian's kernel",
        run: vm::run,
    },
    Proof {
        name: "fuzz",
        what: "[SECONDS [TARGET…]]  the readers of hostile bytes, driven by coverage, an hour each",
        run: fuzz::run,
    },
    Proof {
        name: "soak",
        what: "[ENVIRONMENTS]  2,000 environments made and destroyed, some by kill: nothing of them stays",
        run: soak::run,
    },
    Proof {
        name: "api",
        what: "  each bound of each parameter of the Lambda API, and a crash at each moment of each commit",
        run: api::run,
    },
    Proof {
        name: "events",
        what: "[KILLS [FUNCTIONS [EVENTS]]]  100 kills of the server while it takes and delivers 100,000 events: none is lost",
        run: events::run,
    },
    Proof {
        name: "power",
        what: "[RUNS]  2,000 cuts of the power under the store, on a file system that loses what was not synced",
        run: power::run,
    },
    Proof {
        name: "simulation",
        what: "[STEPS]  20,000,000 steps of queues, retries and crashes under a virtual clock",
        run: simulation::run,
    },
];

/// Runs the proof that is named first.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let usage = || {
        let lines = PROOFS.iter().map(|proof| format!("  cargo xtask prove {} {}", proof.name, proof.what));
        format!("usage:\n{}", lines.collect::<Vec<_>>().join("\n"))
    };
    let (name, rest) = arguments.split_first().ok_or_else(usage)?;
    let proof = PROOFS.iter().find(|proof| proof.name == name);
    (proof.ok_or_else(|| format!("there is no proof '{name}'\n{}", usage()))?.run)(rest)
}
