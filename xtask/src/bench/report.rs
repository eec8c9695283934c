//! The result of a run, as it is written to the JSON file, and the goals it is held against.

use serde::Serialize;

use super::cold::Cold;
use super::crowd::Crowd;
use super::environments::Environments;
use super::events::Events;
use super::frozen::Frozen;
use super::inside::Inside;
use super::logs::Logs;
use super::machine::Machine;
use super::many::{Many, Side};
use super::mappings::Mappings;
use super::objects::Objects;
use super::options::Options;
use super::peers::Found;
use super::print::Print;
use super::queues::Queues;
use super::share::Shares;
use super::snapshots::Snapshots;
use super::startup::Startup;
use super::stream::Streams;
use super::subject::Subject;
use super::uploads::Uploads;
use super::warm::Scenario;

const READY_MS: f64 = 150.0;
const SERVER_MB: f64 = 30.0;
/// What a caller may see of its environment having been frozen, and what a printed line may cost of CPU time.
const FROZEN_US: f64 = 100.0;
const PRINT: f64 = 1.15;
const MANY: f64 = 1.15;
const MANY_READY_MS: f64 = 300.0;
const MANY_MB: f64 = 100.0;
const UPLOAD_MEMORY: f64 = 2.5;
const UPLOAD_BESIDE: f64 = 1.3;
const ENVIRONMENT_MB: f64 = 1.0;
/// The queue of logs and the batch that is being written, 16 MB each, and a segment that is being closed.
const FLOOD_MB: f64 = 80.0;
const STREAM_MB_PER_SECOND: f64 = 400.0;
/// A few pieces, and what an allocator keeps.
const STREAM_MB: f64 = 8.0;
/// A few slices of it, and what an allocator keeps.
const OBJECT_MB: f64 = 16.0;
/// 128 of 1,769 MB.
const SMALLEST_SHARE: f64 = 128.0 / 1769.0;

/// Everything that was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    pub(crate) options: Options,
    pub(crate) machine: Machine,
    pub(crate) startup: Startup,
    /// At the end.
    pub(crate) environments: Option<Environments>,
    pub(crate) shares: Option<Shares>,
    pub(crate) logs: Option<Logs>,
    pub(crate) streams: Option<Streams>,
    pub(crate) inside: Option<Inside>,
    pub(crate) events: Option<Events>,
    pub(crate) queues: Option<Queues>,
    pub(crate) objects: Option<Objects>,
    pub(crate) many: Option<Many>,
    pub(crate) uploads: Option<Uploads>,
    /// Empty unless they were asked for.
    pub(crate) peers: Vec<Found>,
    pub(crate) mappings: Option<Mappings>,
    pub(crate) snapshots: Option<Snapshots>,
    pub(crate) rows: Vec<Row>,
    pub(crate) goals: Vec<Goal>,
}

/// What the measurements gave.
pub(crate) struct Parts {
    pub(crate) startup: Startup,
    pub(crate) environments: Option<Environments>,
    pub(crate) shares: Option<Shares>,
    pub(crate) logs: Option<Logs>,
    pub(crate) streams: Option<Streams>,
    pub(crate) inside: Option<Inside>,
    pub(crate) events: Option<Events>,
    pub(crate) queues: Option<Queues>,
    pub(crate) objects: Option<Objects>,
    pub(crate) many: Option<Many>,
    pub(crate) uploads: Option<Uploads>,
    /// Empty unless they were asked for.
    pub(crate) peers: Vec<Found>,
    pub(crate) mappings: Option<Mappings>,
    pub(crate) snapshots: Option<Snapshots>,
    pub(crate) rows: Vec<Row>,
}

/// One function.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) label: String,
    pub(crate) runtime: String,
    /// The client on the floor.
    pub(crate) official_client: String,
    /// Why there is no floor.
    pub(crate) without_floor: Option<String>,
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

/// What was measured of one function.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Measured {
    pub(crate) cold: Cold,
    pub(crate) warm: Vec<Scenario>,
    pub(crate) print: Option<Print>,
    pub(crate) frozen: Option<Frozen>,
    pub(crate) crowd: Option<Crowd>,
}

impl Row {
    pub(crate) fn new(subject: &Subject, measured: Measured) -> Self {
        Self {
            label: subject.label.clone(),
            runtime: subject.runtime.clone(),
            official_client: subject.client.clone(),
            without_floor: subject.floor.as_ref().err().cloned(),
            measured,
        }
    }
}

/// Something that Lambent wants to be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Goal {
    pub(crate) what: String,
    /// The most that is allowed.
    pub(crate) limit: f64,
    /// `None` where it could not be measured.
    pub(crate) measured: Option<f64>,
    pub(crate) verdict: Verdict,
}

/// What became of a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Verdict {
    Pass,
    Fail,
    Unknown,
}

impl Goal {
    fn new(what: impl Into<String>, limit: f64, measured: Option<f64>) -> Self {
        let verdict = match measured {
            Some(measured) if measured <= limit => Verdict::Pass,
            Some(_) => Verdict::Fail,
            None => Verdict::Unknown,
        };
        Self { what: what.into(), limit, measured, verdict }
    }
}

impl Report {
    pub(crate) fn new(options: &Options, machine: Machine, parts: Parts) -> Self {
        let Parts {
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
        } = parts;
        let ready = startup.ready_ms.as_ref().map(|ready| ready.p50);
        let idle = startup.idle.server_bytes.max(startup.after_invocations.server_bytes);
        let mut goals = vec![
            Goal::new("ready after start, p50, ms", READY_MS, ready),
            Goal::new("server's memory when idle, MB", SERVER_MB, Some(megabytes(idle))),
        ];
        goals.extend(environments.iter().map(|environments| {
            Goal::new(
                format!("an environment beside its function, MB, of {}", environments.count),
                ENVIRONMENT_MB,
                Some(megabytes(environments.overhead_bytes())),
            )
        }));
        let off = |of: fn(&Shares) -> f64| shares.as_ref().map(of);
        goals.push(Goal::new(
            "share of a CPU with 128 MB, off the rule, points",
            2.0,
            off(|shares| (shares.smallest - SMALLEST_SHARE).abs() * 100.0),
        ));
        goals.push(Goal::new(
            "share of a CPU with 1,769 MB, off the rule, points",
            2.0,
            off(|shares| (shares.whole - 1.0).abs() * 100.0),
        ));
        goals.extend(rows.iter().map(cold_goal));
        goals.extend(rows.iter().flat_map(warm_goals));
        goals.push(Goal::new(
            "server's memory gained by a flood of logs, MB",
            FLOOD_MB,
            logs.as_ref().map(|logs| megabytes(logs.most_bytes.saturating_sub(logs.before_bytes))),
        ));
        goals.extend(stream_goals(streams.as_ref()));
        goals.extend(inside_goals(inside.as_ref()));
        goals.extend(event_goals(events.as_ref()));
        goals.extend(queues.iter().flat_map(queue_goals));
        goals.extend(objects.iter().map(|objects| {
            let gained = objects.most_bytes.saturating_sub(objects.before_bytes);
            Goal::new("server's memory gained by an object in parts, MB", OBJECT_MB, Some(megabytes(gained)))
        }));
        goals.extend(many.iter().flat_map(many_goals));
        goals.extend(uploads.iter().flat_map(|uploads| upload_goals(uploads, options)));
        goals.extend(mapping_goals(mappings.as_ref()));
        goals.push(snapshot_goal(snapshots.as_ref()));
        // What was not asked for is no goal that could not be measured.
        goals.retain(|goal| options.only.is_empty() || goal.verdict != Verdict::Unknown);
        Self {
            options: options.clone(),
            machine,
            startup,
            environments,
            shares,
            logs,
            streams,
            inside,
            events,
            queues,
            objects,
            many,
            uploads,
            peers,
            mappings,
            snapshots,
            rows,
            goals,
        }
    }
}

/// What thousands of functions may cost those who use one.
fn many_goals(many: &Many) -> Vec<Goal> {
    let Many { few, many } = many;
    let times = |of: fn(&Side) -> Option<f64>| of(many).zip(of(few)).map(|(many, few)| many / few);
    let named = |what: &str| format!("{what}, {} functions", many.functions);
    vec![
        Goal::new(named("CPU time of GetFunction to that with few"), MANY, times(|side| side.get_us)),
        Goal::new(named("CPU time of Invoke to that with few"), MANY, times(|side| side.invoke_us)),
        Goal::new(
            named("ready after start, p50, ms"),
            MANY_READY_MS,
            many.ready_ms.as_ref().map(|ready| ready.p50),
        ),
        Goal::new(named("server's memory, MB"), MANY_MB, Some(megabytes(many.memory_bytes))),
    ]
}

/// What large packages may cost. A small one says nothing of the whole of the memory, most of which is there without it.
fn upload_goals(uploads: &Uploads, options: &Options) -> Vec<Goal> {
    let package = megabytes(uploads.package_bytes as u64);
    let beside = uploads.beside_us.zip(uploads.quiet_us).map(|(beside, quiet)| beside / quiet);
    let mut goals = vec![Goal::new(
        format!("p50 of GetFunction beside uploads of {package:.0} MB to that without"),
        UPLOAD_BESIDE,
        beside,
    )];
    if !options.quick {
        goals.push(Goal::new(
            format!("server's peak memory to a package of {package:.0} MB"),
            UPLOAD_MEMORY,
            Some(megabytes(uploads.most_bytes) / package),
        ));
    }
    goals
}

/// What warm invocations may take. In Rust the server is measured alone; in the others its own clients make up for it.
fn warm_goals(row: &Row) -> Vec<Goal> {
    let is_rust = row.runtime.starts_with("provided");
    let (latency, rate) = if is_rust { (1.6, 1.0 / 0.7) } else { (1.0, 1.0) };
    let label = &row.label;
    // The small events alone.
    let tiny = row.measured.warm.iter().filter(|scenario| scenario.payload == "tiny");
    let mut goals: Vec<Goal> = tiny
        .map(|scenario| match (scenario.connections, &scenario.floor) {
            (1, _) => Goal::new(format!("warm p50 to the floor's, {label}"), latency, scenario.ratio),
            (many, floor) => {
                let measured = floor.as_ref().map(|floor| floor.per_second / scenario.lambent.per_second);
                Goal::new(
                    format!("the floor's requests/s to ours, {many} connections, {label}"),
                    rate,
                    measured,
                )
            }
        })
        .collect();
    if let Some(frozen) = &row.measured.frozen {
        let what = format!("µs that a caller waits for a thaw, {label}");
        goals.push(Goal::new(what, FROZEN_US, frozen.added_us));
    }
    if let Some(print) = &row.measured.print {
        goals.push(Goal::new(
            format!("CPU time with a printed line to without, {label}"),
            PRINT,
            Some(print.ratio),
        ));
    }
    if let Some(crowd) = &row.measured.crowd {
        #[expect(clippy::cast_precision_loss, reason = "a few hundred environments")]
        let left = crowd.left as f64;
        goals.push(Goal::new(format!("environments left of {}, {label}", crowd.count), 0.0, Some(left)));
    }
    goals
}

fn stream_goals(streams: Option<&Streams>) -> [Goal; 3] {
    let first = streams.and_then(|streams| streams.first_byte_us.as_ref());
    [
        Goal::new("a streamed byte at the client, p50, µs", 2_000.0, first.map(|first| first.p50)),
        Goal::new(
            "a streamed MB, µs",
            1e6 / STREAM_MB_PER_SECOND,
            streams.map(|streams| 1e6 / streams.mb_per_second),
        ),
        Goal::new(
            "server's memory gained by streams of 200 MB, MB",
            STREAM_MB,
            streams.map(|streams| megabytes(streams.most_bytes.saturating_sub(streams.before_bytes))),
        ),
    ]
}

/// What may be added to an invocation by what stands around it.
fn inside_goals(inside: Option<&Inside>) -> [Goal; 3] {
    let of = |figure: fn(&Inside) -> f64| inside.map(figure);
    [
        Goal::new("CPU time of a URL's call to the same Invoke's", 1.15, of(|inside| inside.url_ratio)),
        Goal::new("µs that an idle extension adds, p50", 150.0, of(|inside| inside.extension_added_us)),
        Goal::new(
            "server's CPU time with a subscriber of telemetry to without",
            1.2,
            of(|inside| inside.telemetry_ratio),
        ),
    ]
}

/// What accepted events may cost. Goals are limits from above, so the first is how much of the database's own rate is lost.
fn event_goals(events: Option<&Events>) -> [Goal; 5] {
    let of = |measure: fn(&Events) -> Option<f64>| events.and_then(measure);
    [
        Goal::new("database's rate lost in accepting events", 0.4, of(|events| Some(1.0 - events.share()))),
        Goal::new("acceptance of an event, p99, ms", 50.0, of(|events| Some(events.answer_ms.as_ref()?.p99))),
        Goal::new("begin of an event, p50, ms", 10.0, of(|events| Some(events.start_ms.as_ref()?.p50))),
        Goal::new(
            "server's memory beside waiting events, MB",
            200.0,
            of(|events| Some(megabytes(events.server_bytes))),
        ),
        Goal::new("warm p50 beside waiting events to that without", 1.2, of(Events::slower)),
    ]
}

/// How much less than the database alone a queue may take.
fn queue_goals(queues: &Queues) -> [Goal; 2] {
    let lost = |rate: f64| Some(1.0 - rate / queues.bare);
    [
        Goal::new("database's rate lost in sending messages", 0.75, lost(queues.sent)),
        Goal::new("database's rate lost in receiving and deleting them", 0.75, lost(queues.received)),
    ]
}

/// How soon a message is begun with, and what waiting may cost.
fn mapping_goals(mappings: Option<&Mappings>) -> [Goal; 2] {
    let start = mappings.and_then(|mappings| mappings.start_ms.as_ref());
    [
        Goal::new("begin of a message that is sent, p50, ms", 15.0, start.map(|start| start.p50)),
        Goal::new(
            "share of a CPU while schedules and queues wait, %",
            0.5,
            mappings.map(|mappings| mappings.idle.share * 100.0),
        ),
    ]
}

/// How much of an initialisation is left of a first answer.
fn snapshot_goal(snapshots: Option<&Snapshots>) -> Goal {
    let pair =
        snapshots.and_then(|snapshots| snapshots.restored_ms.as_ref().zip(snapshots.fresh_ms.as_ref()));
    let ratio = pair.map(|(restored, fresh)| restored.p50 / fresh.p50);
    Goal::new("first answer from a snapshot to that after an initialisation, p50", 0.12, ratio)
}

/// What a cold start may take: an interpreter and its client wait for their function, a program of the function's own does
/// not.
fn cold_goal(row: &Row) -> Goal {
    let pair = row.measured.cold.floor_ms.as_ref().zip(row.measured.cold.lambent_ms.as_ref());
    let ratio = pair.map(|(floor, lambent)| lambent.p50 / floor.p50);
    let what = |of: &str| format!("cold p50 {of} the floor's, {}", row.label);
    match row.runtime.get(..6) {
        Some("python") => Goal::new(what("to"), 0.1, ratio),
        Some("nodejs") => Goal::new(what("to"), 0.05, ratio),
        _ => Goal::new(what("above"), 8.0, pair.map(|(floor, lambent)| lambent.p50 - floor.p50)),
    }
}

/// Bytes as megabytes of 1,048,576 bytes.
#[expect(clippy::cast_precision_loss, reason = "memory below 2^52 bytes")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_may_be_reached_but_not_passed() {
        assert_eq!(Goal::new("x", 1.3, Some(1.3)).verdict, Verdict::Pass);
        assert_eq!(Goal::new("x", 1.3, Some(1.31)).verdict, Verdict::Fail);
        assert_eq!(Goal::new("x", 1.3, None).verdict, Verdict::Unknown);
    }
}
