//! Requests by operation and status, and how long they took.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lambent_metrics::{Counter, Histogram, Kind, LATENCY, Text};
use lambent_wire::{Operation, lambda, logs};

/// The statuses that are told apart; the models and the gateway know no others, and what came all the same is counted
/// as `other`.
const STATUSES: [u16; 22] = [
    200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 415, 424, 429, 500, 501, 502,
    503,
];

/// What a request was for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked {
    /// An operation of a service.
    Operation(&'static Operation),
    /// `/_lambent/health`.
    Health,
    /// `/_lambent/compatibility`.
    Compatibility,
    /// A link in a message of a topic, or the certificate of its signature.
    Topic,
    /// The certificate authority.
    Authority,
    /// The last segments of traces.
    Traces,
    /// What of the outbox waits.
    Deliveries,
    /// `/metrics`.
    Metrics,
    /// The download of a package.
    Code,
    /// A function, by its URL.
    Url,
    /// S3, whose operations are known when they have been made.
    Objects,
    /// Refused before anybody looked at what it was for, or for nothing there is.
    Nothing,
}

/// Names as they are shown: the service and its operation.
pub(crate) type Name = (&'static str, &'static str);

impl Asked {
    /// The service and the operation; empty for nothing.
    pub(crate) fn name(self) -> Name {
        match self {
            Self::Operation(operation) => (operation.service.name, operation.name),
            Self::Health => ("lambent", "Health"),
            Self::Compatibility => ("lambent", "Compatibility"),
            Self::Topic => ("lambent", "Topic"),
            Self::Authority => ("lambent", "Authority"),
            Self::Traces => ("lambent", "Traces"),
            Self::Deliveries => ("lambent", "Deliveries"),
            Self::Metrics => ("lambent", "Metrics"),
            Self::Code => ("lambent", "Code"),
            Self::Url => ("lambent", "FunctionUrl"),
            Self::Objects => ("s3", "Request"),
            Self::Nothing => ("", ""),
        }
    }
}

struct Answered {
    by_status: [Counter; STATUSES.len()],
    other: Counter,
    times: Histogram,
}

impl Default for Answered {
    fn default() -> Self {
        Self {
            by_status: std::array::from_fn(|_| Counter::default()),
            other: Counter::default(),
            times: Histogram::new(LATENCY),
        }
    }
}

/// A table with a place for everything that can be asked, so that counting takes no lock.
pub(crate) struct Requests {
    answered: HashMap<Name, Answered>,
    in_flight: AtomicU64,
    connections: AtomicU64,
    /// Requests answered with 503 because too many were under way.
    pub(crate) shed: Counter,
    /// Calls that went on after their caller had gone.
    pub(crate) orphaned: Counter,
}

impl Default for Requests {
    fn default() -> Self {
        let operations = lambda::SERVICE.operations.iter().chain(logs::SERVICE.operations);
        let asked = operations.copied().map(Asked::Operation);
        let asked = asked.chain([
            Asked::Health,
            Asked::Compatibility,
            Asked::Topic,
            Asked::Authority,
            Asked::Traces,
            Asked::Deliveries,
            Asked::Metrics,
            Asked::Code,
            Asked::Url,
            Asked::Objects,
            Asked::Nothing,
        ]);
        Self {
            answered: asked.map(|asked| (asked.name(), Answered::default())).collect(),
            in_flight: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            shed: Counter::default(),
            orphaned: Counter::default(),
        }
    }
}

/// Counts one less when it is dropped.
pub(crate) struct Counted<'a>(&'a AtomicU64);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Requests {
    /// Counts a request as being answered.
    pub(crate) fn begin(&self) -> Counted<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Counted(&self.in_flight)
    }

    /// Counts a connection to the front door as open.
    pub(crate) fn connected(&self) -> Counted<'_> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Counted(&self.connections)
    }

    /// Takes note of an answer.
    pub(crate) fn answered(&self, asked: Asked, status: u16, took: Duration) {
        let Some(answered) = self.answered.get(&asked.name()) else { return };
        let place = STATUSES.iter().position(|known| *known == status);
        place.map_or(&answered.other, |place| &answered.by_status[place]).add(1);
        answered.times.record(took);
    }

    pub(super) fn write(&self, text: &mut Text) {
        let mut names: Vec<&Name> = self.answered.keys().collect();
        names.sort_unstable();
        let asked: Vec<(&Name, &Answered)> = names
            .into_iter()
            .map(|name| (name, &self.answered[name]))
            .filter(|(_, answered)| answered.times.count() > 0)
            .collect();
        text.metric(
            "lambent_http_requests_total",
            Kind::Counter,
            "Requests answered, by operation and status.",
        );
        for ((service, operation), answered) in &asked {
            let counts = STATUSES.iter().map(u16::to_string).zip(&answered.by_status);
            for (status, count) in counts.chain([("other".to_owned(), &answered.other)]) {
                if count.get() > 0 {
                    let labels = [("service", *service), ("operation", *operation), ("status", &*status)];
                    text.value(&labels, count.get());
                }
            }
        }
        let help = "From the head of a request to its answer.";
        text.metric("lambent_http_request_duration_seconds", Kind::Histogram, help);
        for ((service, operation), answered) in asked {
            text.histogram(&[("service", *service), ("operation", *operation)], &answered.times);
        }
        for (name, help, value) in [
            ("lambent_http_requests_in_flight", "Requests being answered.", &self.in_flight),
            ("lambent_http_connections", "Open connections of the front door.", &self.connections),
        ] {
            text.metric(name, Kind::Gauge, help);
            text.value(&[], value.load(Ordering::Relaxed));
        }
        for (name, help, count) in [
            (
                "lambent_http_requests_shed_total",
                "Requests answered with 503: too many were under way.",
                &self.shed,
            ),
            (
                "lambent_http_calls_orphaned_total",
                "Calls that went on after their caller was gone.",
                &self.orphaned,
            ),
        ] {
            text.metric(name, Kind::Counter, help);
            text.value(&[], count.get());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_operation_and_status() {
        let requests = Requests::default();
        let invoke = lambda::SERVICE.operations.iter().find(|operation| operation.name == "Invoke").unwrap();
        for status in [200, 200, 429, 299] {
            requests.answered(Asked::Operation(invoke), status, Duration::from_millis(3));
        }
        requests.answered(Asked::Nothing, 403, Duration::ZERO);
        let open = requests.begin();
        let page = || {
            let mut text = Text::default();
            requests.write(&mut text);
            text.finish()
        };
        for line in [
            "lambent_http_requests_total{service=\"lambda\",operation=\"Invoke\",status=\"200\"} 2\n",
            "lambent_http_requests_total{service=\"lambda\",operation=\"Invoke\",status=\"429\"} 1\n",
            "lambent_http_requests_total{service=\"lambda\",operation=\"Invoke\",status=\"other\"} 1\n",
            "lambent_http_requests_total{status=\"403\"} 1\n",
            "lambent_http_request_duration_seconds_count{service=\"lambda\",operation=\"Invoke\"} 4\n",
            "lambent_http_requests_in_flight 1\n",
        ] {
            assert!(page().contains(line), "{line} is not in\n{}", page());
        }
        drop(open);
        assert!(page().contains("lambent_http_requests_in_flight 0\n"));
    }
}
