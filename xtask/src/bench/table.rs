//! The result as text.

use std::fmt::Write as _;

use super::awake::Means;
use super::cold::{Burst, Cold};
use super::environments::Environments;
use super::mappings::Mappings;
use super::peers::Found;
use super::queues::Queues;
use super::report::{Report, Row, Verdict, megabytes};
use super::server::Memory;
use super::snapshots::Snapshots;
use super::startup::INVOCATIONS;
use super::stats::Summary;
use super::warm::Scenario;

/// Writes the whole result.
pub(crate) fn render(report: &Report) -> String {
    [
        machine(report),
        warm(&report.rows),
        cpu(&report.rows),
        cold(&report.rows),
        beside(&report.rows),
        server(report),
        logs(report),
        streams(report),
        inside(report),
        events(report),
        queues(report.queues.as_ref()),
        objects(report),
        many(report),
        uploads(report),
        peers(&report.peers),
        mappings(report),
        snapshots(report),
        goals(report),
    ]
    .join("\n")
}

fn machine(report: &Report) -> String {
    let (machine, options) = (&report.machine, &report.options);
    let awake = match machine.awake {
        Means::Polling => "poll where they would sleep",
        Means::Spinners => "kept awake by threads of idle priority",
        Means::None => "may sleep: each wake-up of a sleeping CPU counts",
    };
    let mut text = format!(
        "Lambent {} against the floor: {} rounds of each, alternating\n{}, {} CPUs, {:.1} GB, Linux {}\n\
         CPUs {awake}; load average {} before, {} after\n",
        machine.commit,
        options.rounds,
        machine.cpu,
        machine.cpus,
        megabytes(machine.memory_bytes) / 1024.0,
        machine.kernel,
        machine.load_before,
        machine.load_after,
    );
    if machine.was_busy() {
        text.push_str(
            "The machine was busy with other work: look at CPU times and ratios, and measure again.\n",
        );
    }
    for row in &report.rows {
        let floor = match &row.without_floor {
            None => row.official_client.clone(),
            Some(reason) => format!("none, for {} cannot be used here: {reason}", row.official_client),
        };
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{} ({}); on the floor: {floor}", row.label, row.runtime);
    }
    text
}

fn warm(rows: &[Row]) -> String {
    let mut lines = vec![words(
        "runtime|conns|event|floor p50|lambent p50|ratio|floor p99|lambent p99|floor /s|lambent /s",
    )];
    for (row, scenario) in scenarios(rows) {
        let floor = scenario.floor.as_ref();
        let lambent = &scenario.lambent;
        lines.push(vec![
            row.label.clone(),
            scenario.connections.to_string(),
            scenario.payload.to_owned(),
            number(floor.map(|floor| floor.latency_us.p50), 0),
            number(Some(lambent.latency_us.p50), 0),
            number(scenario.ratio, 2),
            number(floor.map(|floor| floor.latency_us.p99), 0),
            number(Some(lambent.latency_us.p99), 0),
            number(floor.map(|floor| floor.per_second), 0),
            number(Some(lambent.per_second), 0),
        ]);
    }
    format!("Warm invocations, latency in µs\n{}", columns(&lines))
}

fn cpu(rows: &[Row]) -> String {
    let mut lines =
        vec![words("runtime|conns|event|relay|floor function|sum|server|launcher|lambent function|sum")];
    for (row, scenario) in scenarios(rows) {
        let floor = scenario.floor.as_ref();
        let lambent = &scenario.lambent;
        lines.push(vec![
            row.label.clone(),
            scenario.connections.to_string(),
            scenario.payload.to_owned(),
            number(floor.map(|floor| floor.platform_cpu_us), 0),
            number(floor.map(|floor| floor.function_cpu_us), 0),
            number(floor.map(|floor| floor.platform_cpu_us + floor.function_cpu_us), 0),
            number(Some(lambent.platform_cpu_us - lambent.launcher_cpu_us), 0),
            number(Some(lambent.launcher_cpu_us), 0),
            number(Some(lambent.function_cpu_us), 0),
            number(Some(lambent.platform_cpu_us + lambent.function_cpu_us), 0),
        ]);
    }
    format!("CPU time of a warm invocation, µs\n{}", columns(&lines))
}

fn cold(rows: &[Row]) -> String {
    let mut lines =
        vec![words("runtime|n|floor min|floor p50|floor max|lambent min|lambent p50|lambent max|ratio")];
    for row in rows {
        let Cold { floor_ms, lambent_ms, .. } = &row.measured.cold;
        let figures = |side: &Option<Summary>| {
            let of = |figure: fn(&Summary) -> f64| number(side.as_ref().map(figure), 1);
            [of(|side| side.min), of(|side| side.p50), of(|side| side.p99)]
        };
        let ratio =
            floor_ms.as_ref().zip(lambent_ms.as_ref()).map(|(floor, lambent)| lambent.p50 / floor.p50);
        let n = lambent_ms.as_ref().map_or(0, |side| side.n);
        let mut line = vec![row.label.clone(), n.to_string()];
        line.extend(figures(floor_ms));
        line.extend(figures(lambent_ms));
        line.push(number(ratio, 2));
        lines.push(line);
    }
    format!(
        "Cold: the first invocation of a new function, of code never seen; on the floor, process start to response; ms\n{}\n{}",
        columns(&lines),
        bursts(rows)
    )
}

fn bursts(rows: &[Row]) -> String {
    let mut lines = vec![words("runtime|n|at once p50|p99|all|once each p50|p99")];
    for row in rows {
        let Burst { count, at_once_ms, at_once_wall_ms, once_each_ms } = &row.measured.cold.burst;
        let figures = |side: &Option<Summary>| {
            let of = |figure: fn(&Summary) -> f64| number(side.as_ref().map(figure), 1);
            [of(|side| side.p50), of(|side| side.p99)]
        };
        let mut line = vec![row.label.clone(), count.to_string()];
        line.extend(figures(at_once_ms));
        line.push(number(Some(*at_once_wall_ms), 0));
        line.extend(figures(once_each_ms));
        lines.push(line);
    }
    format!(
        "Bursts: first invocations of one function at once; of as many functions, one after the other; ms\n{}",
        columns(&lines)
    )
}

/// A printed line, a pause, a crowd.
fn beside(rows: &[Row]) -> String {
    let mut text = String::from("Beside\n");
    for row in rows {
        let label = &row.label;
        // Writing into a string cannot fail.
        if let Some(print) = &row.measured.print {
            let (with, without) = (print.printing_us, print.silent_us);
            let _ =
                writeln!(text, "{label}: CPU time with a printed line {with:.0} µs, without {without:.0} µs");
        }
        if let Some(frozen) = &row.measured.frozen {
            let added = number(frozen.added_us, 0);
            let _ = writeln!(
                text,
                "{label}: warm p50 after 2 ms {:.0} µs, after 20 ms, frozen, {:.0} µs; {added} µs more than the floor's pause costs",
                frozen.after_short_us, frozen.after_long_us
            );
        }
        if let Some(crowd) = &row.measured.crowd {
            let of = |figure: fn(&Summary) -> f64| number(crowd.start_ms.as_ref().map(figure), 0);
            let _ = writeln!(
                text,
                "{label}: from 0 to {} busy environments in {:.0} ms: p50 {} ms, p99 {} ms; {} environments, {} left",
                crowd.count,
                crowd.wall_ms,
                of(|side| side.p50),
                of(|side| side.p99),
                crowd.environments,
                crowd.left
            );
        }
    }
    text
}

fn server(report: &Report) -> String {
    let startup = &report.startup;
    let ready = startup.ready_ms.as_ref();
    let mut text = format!(
        "The server\nready after start: p50 {} ms, {} to {} ms over {} starts; the first, with a new data folder, {:.0} ms\n",
        number(ready.map(|ready| ready.p50), 0),
        number(ready.map(|ready| ready.min), 0),
        number(ready.map(|ready| ready.p99), 0),
        ready.map_or(0, |ready| ready.n),
        startup.first_ms,
    );
    let after = format!("after {INVOCATIONS} invocations");
    let many = report.environments.as_ref().map(|environments| {
        (format!("with {} idle environments more", environments.count), environments.memory)
    });
    let always = [("idle after start".to_owned(), startup.idle), (after, startup.after_invocations)];
    for (when, memory) in always.into_iter().chain(many) {
        let Memory { server_bytes, launcher_bytes, function_processes } = memory;
        let (server, launcher) = (megabytes(server_bytes), megabytes(launcher_bytes));
        // Writing into a string cannot fail.
        let _ = writeln!(
            text,
            "memory {when}: server {server:.1} MB, launcher {launcher:.1} MB, {function_processes} processes in sandboxes"
        );
    }
    let Some(environments) = &report.environments else { return text };
    let Environments { count, first_ms, function_bytes, .. } = environments;
    let (own, beside) = (megabytes(*function_bytes), megabytes(environments.overhead_bytes()));
    let first = |of: fn(&Summary) -> f64| number(first_ms.as_ref().map(of), 1);
    let _ = writeln!(
        text,
        "{count} environments: first invocation p50 {} ms, p99 {} ms; each holds {own:.2} MB in the function's processes and \
         {beside:.2} MB beside them",
        first(|summary| summary.p50),
        first(|summary| summary.p99),
    );
    text
}

fn logs(report: &Report) -> String {
    let Some(logs) = &report.logs else { return "Logs: not measured\n".to_owned() };
    let p50 = |summary: &Option<Summary>| number(summary.as_ref().map(|summary| summary.p50), 0);
    format!(
        "Logs\na flood of {:.0} lines a second for {} s: {} dropped; server {:.1} MB before, {:.1} MB at most; another function's \
         warm p50 {} µs without it, {} µs beside it\nsearch for a text in all of it: {:.0} ms, {} events\n",
        logs.rate,
        logs.seconds,
        logs.dropped,
        megabytes(logs.before_bytes),
        megabytes(logs.most_bytes),
        p50(&logs.quiet_us),
        p50(&logs.beside_us),
        logs.search_ms,
        logs.found,
    )
}

fn streams(report: &Report) -> String {
    let Some(streams) = &report.streams else { return "Streams: not measured\n".to_owned() };
    let of = |take: fn(&Summary) -> f64| number(streams.first_byte_us.as_ref().map(take), 0);
    format!(
        "Streams\na byte at the client after p50 {} µs, p99 {} µs; 200 MB at {:.0} MB a second; server {:.1} MB before, {:.1} MB \
         at most\n",
        of(|first| first.p50),
        of(|first| first.p99),
        streams.mb_per_second,
        megabytes(streams.before_bytes),
        megabytes(streams.most_bytes),
    )
}

fn inside(report: &Report) -> String {
    let Some(inside) = &report.inside else {
        return "URLs, extensions and telemetry: not measured\n".to_owned();
    };
    format!(
        "URLs, extensions and telemetry\nCPU time of a URL's call {:.0} µs, of the same Invoke {:.0} µs; warm p50 {:.0} µs, with an \
         idle extension {:.0} µs; server's CPU time beside one {:.0} µs, beside one that takes telemetry {:.0} µs\n",
        inside.url_us,
        inside.invoke_us,
        inside.plain_p50_us,
        inside.extended_p50_us,
        inside.untold_us,
        inside.told_us,
    )
}

fn many(report: &Report) -> String {
    let Some(both) = &report.many else { return "Many functions: not measured\n".to_owned() };
    let mut lines =
        vec![words("functions|ready ms|memory MB|GetFunction µs CPU|Invoke µs CPU|list of 10 µs|of 50 µs")];
    for side in [&both.few, &both.many] {
        lines.push(vec![
            side.functions.to_string(),
            number(side.ready_ms.as_ref().map(|ready| ready.p50), 0),
            number(Some(megabytes(side.memory_bytes)), 1),
            number(side.get_us, 0),
            number(side.invoke_us, 0),
            number(side.list_us[0], 0),
            number(side.list_us[1], 0),
        ]);
    }
    format!("Many functions, each of three versions\n{}", columns(&lines))
}

fn uploads(report: &Report) -> String {
    let Some(uploads) = &report.uploads else { return "Uploads: not measured\n".to_owned() };
    format!(
        "Uploads of {:.0} MB, one after the other\neach p50 {} ms; server {:.1} MB before, {:.1} MB at most; GetFunction p50 {} \
         µs before, {} µs beside them\n",
        megabytes(uploads.package_bytes as u64),
        number(uploads.upload_ms.as_ref().map(|summary| summary.p50), 0),
        megabytes(uploads.before_bytes),
        megabytes(uploads.most_bytes),
        number(uploads.quiet_us, 0),
        number(uploads.beside_us, 0),
    )
}

fn events(report: &Report) -> String {
    let Some(events) = &report.events else { return "Events: not measured\n".to_owned() };
    let p50 = |summary: &Option<Summary>, digits| number(summary.as_ref().map(|summary| summary.p50), digits);
    format!(
        "Events\n{:.0} of 1 KB accepted a second by 64 clients, {:.2} of the {:.0} that bare batches of 64 write into \
         the same tables, and {:.0} of single rows; answered after p50 {} ms, p99 {} ms, for {:.0} µs of the server's processor time; begun on an idle server {} ms after the \
         answer\n{} wait over 50 functions, the last of them accepted within {:.0} s: server {:.1} MB; another function's \
         warm p50 {} µs before, {} µs beside them; what of a CPU the server uses while they wait: {:.2} %\n",
        events.accepted,
        events.share(),
        events.bare,
        events.bare_rows,
        p50(&events.answer_ms, 2),
        number(events.answer_ms.as_ref().map(|summary| summary.p99), 2),
        events.accept_us,
        p50(&events.start_ms, 2),
        events.waiting,
        events.filling_s,
        megabytes(events.server_bytes),
        p50(&events.quiet_us, 0),
        p50(&events.beside_us, 0),
        events.idle_share * 100.0,
    )
}

fn queues(queues: Option<&Queues>) -> String {
    let Some(queues) = queues else { return "Queues: not measured\n".to_owned() };
    let ms = |summary: &Option<Summary>, of: fn(&Summary) -> f64| number(summary.as_ref().map(of), 2);
    format!(
        "Queues, batches of ten messages of 1 KB\n32 clients: {:.0} messages sent a second, {:.2} of the {:.0} that bare \
         batches of 320 write, answered after p50 {} ms, p99 {} ms; {:.0} received and deleted, {:.2}\none client: {:.0} sent a \
         second, a batch answered after p50 {} ms; {:.0} received and deleted\n",
        queues.sent,
        queues.sent / queues.bare,
        queues.bare,
        ms(&queues.answer_ms, |summary| summary.p50),
        ms(&queues.answer_ms, |summary| summary.p99),
        queues.received,
        queues.received / queues.bare,
        queues.sent_alone,
        ms(&queues.alone_ms, |summary| summary.p50),
        queues.received_alone,
    )
}

fn objects(report: &Report) -> String {
    let Some(objects) = &report.objects else { return "Objects: not measured\n".to_owned() };
    format!(
        "Objects\n{:.0} of 1 KB put a second by 8 clients, {:.0} got; one of {:.0} MB in parts at {:.0} MB a second, read at \
         {:.0}; server {:.1} MB before, {:.1} MB at most\n",
        objects.puts,
        objects.gets,
        megabytes(objects.large_bytes),
        objects.up_mb_per_second,
        objects.down_mb_per_second,
        megabytes(objects.before_bytes),
        megabytes(objects.most_bytes),
    )
}

fn mappings(report: &Report) -> String {
    let Some(Mappings { start_ms, answered_ms, idle }) = &report.mappings else { return String::new() };
    let ms = |summary: &Option<Summary>, of: fn(&Summary) -> f64| number(summary.as_ref().map(of), 2);
    format!(
        "Mappings\na message begun after p50 {} ms, p99 {} ms, {} ms after its answer; a server that waits for {} schedules and \
         {} queues takes {:.2} % of a CPU over {:.0} s, and {:.1} MB\n",
        ms(start_ms, |summary| summary.p50),
        ms(start_ms, |summary| summary.p99),
        ms(answered_ms, |summary| summary.p50),
        idle.schedules,
        idle.mappings,
        idle.share * 100.0,
        idle.seconds,
        megabytes(idle.server_bytes),
    )
}

fn snapshots(report: &Report) -> String {
    let Some(Snapshots { fresh_ms, restored_ms, published_ms }) = &report.snapshots else {
        return String::new();
    };
    let ms = |summary: &Option<Summary>, of: fn(&Summary) -> f64| number(summary.as_ref().map(of), 0);
    format!(
        "Snapshots\nfirst answers with numpy, pandas and boto3: initialised p50 {} ms, p99 {} ms; from the snapshot p50 {} ms, \
         p99 {} ms; a version is published within {published_ms:.0} ms\n",
        ms(fresh_ms, |summary| summary.p50),
        ms(fresh_ms, |summary| summary.p99),
        ms(restored_ms, |summary| summary.p50),
        ms(restored_ms, |summary| summary.p99),
    )
}

fn goals(report: &Report) -> String {
    let mut lines = vec![words("goal|limit|measured|verdict")];
    for goal in &report.goals {
        let verdict = match goal.verdict {
            Verdict::Pass => "PASS",
            Verdict::Fail => "FAIL",
            Verdict::Unknown => "not measured",
        };
        lines.push(vec![
            goal.what.clone(),
            goal.limit.to_string(),
            number(goal.measured, 2),
            verdict.to_owned(),
        ]);
    }
    format!("Goals\n{}", columns(&lines))
}

fn scenarios(rows: &[Row]) -> impl Iterator<Item = (&Row, &Scenario)> {
    rows.iter().flat_map(|row| row.measured.warm.iter().map(move |scenario| (row, scenario)))
}

fn words(text: &str) -> Vec<String> {
    text.split('|').map(str::to_owned).collect()
}

fn peers(peers: &[Found]) -> String {
    if peers.is_empty() {
        return "Peers: not asked for (--peers)\n".to_owned();
    }
    let mut text = format!(
        "Peers, one after the other; messages by 32 clients in batches of ten, objects by 8 clients, 1 KB each\n{:<26} {:<16} \
         {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n",
        "server", "runtime", "first ms", "warm µs", "sent /s", "taken /s", "puts /s", "gets /s"
    );
    for peer in peers {
        let p50 =
            |summary: &Option<Summary>, digits| number(summary.as_ref().map(|summary| summary.p50), digits);
        let _ = writeln!(
            text,
            "{:<26} {:<16} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
            peer.name,
            peer.runtime.as_deref().unwrap_or("-"),
            p50(&peer.first_ms, 1),
            p50(&peer.warm_us, 0),
            number(peer.sent, 0),
            number(peer.received, 0),
            number(peer.puts, 0),
            number(peer.gets, 0),
        );
    }
    text
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

/// Lines of cells, the first column to the left and the others to the right, two spaces between.
fn columns(lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for line in lines {
        for (column, cell) in line.iter().enumerate() {
            let width = width(column);
            // Writing into a string cannot fail.
            let _ = match column {
                0 => write!(text, "{cell:<width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let lines = [words("runtime|p50"), words("Rust|7"), words("Python 3.13|1200")];
        assert_eq!(columns(&lines), "runtime       p50\nRust            7\nPython 3.13  1200\n");
    }
}
