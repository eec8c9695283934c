//! The server's own process, under the names that every Prometheus client uses ("Writing client libraries",
//! process metrics). What cannot be read is left out: a line that says 0 would be believed.

use lambent_metrics::{Kind, Text};

/// Fields of `/proc/self/stat` after the command's name, by their number in proc_pid_stat(5).
const STATE_FIELD: usize = 3;

pub(super) fn write(text: &mut Text) {
    let stat = std::fs::read_to_string("/proc/self/stat").ok();
    if let Some(seconds) = stat.as_deref().and_then(cpu_seconds) {
        text.metric(
            "process_cpu_seconds_total",
            Kind::Counter,
            "CPU time of the server's process, user and system.",
        );
        text.value(&[], seconds);
    }
    let statm = std::fs::read_to_string("/proc/self/statm").ok();
    if let Some(bytes) = statm.as_deref().and_then(resident_bytes) {
        text.metric("process_resident_memory_bytes", Kind::Gauge, "Memory of the server's process.");
        text.value(&[], bytes);
    }
    if let Some(threads) = stat.as_deref().and_then(|stat| field(stat, 20)) {
        text.metric("process_threads", Kind::Gauge, "Threads of the server's process.");
        text.value(&[], threads);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        text.metric("process_open_fds", Kind::Gauge, "Open descriptors of the server's process.");
        // The listing holds one open itself.
        text.value(&[], open.count().saturating_sub(1));
    }
    if let Some(limit) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        text.metric("process_max_fds", Kind::Gauge, "How many descriptors it may have open.");
        text.value(&[], limit);
    }
}

/// The name of the command may hold anything, so that fields are counted from behind its last parenthesis.
fn field(stat: &str, number: usize) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split_ascii_whitespace().nth(number - STATE_FIELD)?.parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "ticks of many years are exact")]
fn cpu_seconds(stat: &str) -> Option<f64> {
    let ticks = field(stat, 14)? + field(stat, 15)?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn resident_bytes(statm: &str) -> Option<u64> {
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_a_hostile_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 9 0 1 1 1";
        assert_eq!(field(stat, 20), Some(9));
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu_seconds(stat), Some(200.0 / ticks));
        assert_eq!(cpu_seconds("7 (a) S 1"), None);
    }

    #[test]
    fn the_own_process_is_read() {
        let mut text = Text::default();
        write(&mut text);
        let page = text.finish();
        for name in [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_open_fds",
            "process_threads",
        ] {
            assert!(page.lines().any(|line| line.starts_with(name)), "{name} is not in\n{page}");
        }
    }
}
