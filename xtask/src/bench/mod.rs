//! `cargo xtask bench`: Lambent against a floor, in one run on one machine.
//!
//! The floor (`benches/floor`) is a bare relay that hands the same events to the official clients of the same
//! interpreters, without isolation. Rounds against the floor and against Lambent alternate, so that what the machine
//! does meanwhile meets both; the figure to look at is the ratio. docs/benchmarks.md says how to read the result.
//!
//! ```text
//! options → prepare (build, official clients) → awake → start-up → for each runtime: cold, warm, print, frozen, crowd → shares of CPU → logs → streams → URLs, extensions, telemetry → many environments → events → objects → queues → many functions → uploads → mappings, waiting → snapshots → peers → report
//! ```
//!
//! Every process is owned by a guard that ends it by its id, also when a measurement fails.

use anyhow::Context as _;

mod awake;
mod cold;
mod connection;
mod crowd;
mod environments;
mod events;
mod floor;
mod frozen;
mod http;
mod inside;
mod load;
mod logs;
mod machine;
mod many;
mod mappings;
mod objects;
mod official;
mod options;
mod peers;
mod prepare;
mod print;
mod process;
mod queues;
mod report;
mod server;
mod share;
mod snapshots;
mod startup;
mod stats;
mod stream;
mod subject;
mod table;
mod uploads;
mod warm;

use options::Options;
use report::Report;

/// Measures and prints; `--help` says what can be chosen.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    if let [flag, cpu] = arguments
        && flag == awake::SPIN
    {
        return awake::spin(cpu.parse().context("the spinner's CPU")?);
    }
    let options = Options::parse(arguments)?;
    let place = prepare::Place::new()?;
    let programs = prepare::build(&place)?;
    let _data = prepare::Data;
    let subjects = subject::all(&place, &programs)?;

    let awake = options.awake.then(awake::Awake::start).transpose()?;
    let before = machine::load_average()?;
    let (server, startup) = startup::measure(&place, &programs, &subjects, &options)?;
    let mut rows = Vec::new();
    for subject in subjects.iter().filter(|_| options.wants("runtimes")) {
        eprintln!("measuring {}", subject.label);
        let cold = cold::measure(&place, subject, &server, &programs, &options)?;
        let warm = warm::measure(subject, &server, &programs, &options)?;
        let print = print::measure(&place, subject, &server, &programs, &options)?;
        let frozen = frozen::measure(subject, &server, &programs, &options)?;
        let crowd = crowd::measure(&place, subject, &server, &programs, &options)?;
        rows.push(report::Row::new(subject, report::Measured { cold, warm, print, frozen, crowd }));
    }
    let last = subjects.last().context("there is always the function in Rust")?;
    let shares = chosen(&options, "shares", || share::measure(&place, &subjects, &server))?;
    let logs = chosen(&options, "logs", || logs::measure(&place, &subjects, &server, &programs, &options))?;
    let streams = chosen(&options, "streams", || stream::measure(&place, &subjects, &server, &options))?;
    let inside =
        chosen(&options, "inside", || inside::measure(&place, &subjects, &server, &programs, &options))?;
    let environments = chosen(&options, "environments", || {
        environments::measure(last, &server, &programs, &options).map(Some)
    })?;
    let events =
        chosen(&options, "events", || events::measure(&place, &subjects, &server, &programs, &options))?;
    let queues = chosen(&options, "queues", || queues::measure(&server, &programs, &options).map(Some))?;
    let objects = chosen(&options, "objects", || objects::measure(&server, &options).map(Some))?;
    server.stop()?;
    let many = chosen(&options, "many", || many::measure(&place, &subjects, &programs, &options))?;
    let uploads = chosen(&options, "uploads", || uploads::measure(&place, &subjects, &programs, &options))?;
    let mappings =
        chosen(&options, "mappings", || mappings::measure(&place, &subjects, &programs, &options))?;
    let snapshots =
        chosen(&options, "snapshots", || snapshots::measure(&place, &subjects, &programs, &options))?;
    let peers = match options.peers {
        true => peers::measure(&place, &subjects, &programs, &options)?,
        false => Vec::new(),
    };
    let means = awake.as_ref().map_or(awake::Means::None, awake::Awake::means);
    drop(awake);

    let machine = machine::describe(before, means)?;
    let report = Report::new(
        &options,
        machine,
        report::Parts {
            startup,
            environments,
            shares,
            logs,
            streams,
            inside,
            events,
            objects,
            queues,
            many,
            uploads,
            peers,
            mappings,
            snapshots,
            rows,
        },
    );
    let file = place.bench.join("latest.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&report)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    print!("{}", table::render(&report));
    println!("\nThe same as JSON, with every round: {}", file.display());
    Ok(())
}

/// What a part measures, if it is wanted.
fn chosen<T>(
    options: &Options,
    part: &str,
    measure: impl FnOnce() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<Option<T>> {
    if options.wants(part) { measure() } else { Ok(None) }
}
