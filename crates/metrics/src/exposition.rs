//! The text that Prometheus reads (Prometheus documentation, "Exposition formats", version 0.0.4), and what of the
//! metrics is in it. Names follow its "Metric and label naming": the unit last, `_total` for what only grows.

use std::fmt::Write as _;

use lambent_model::{Count, Level, Measure, Work};

use crate::Metrics;
use crate::function::{Account, Function};
use crate::histogram::Histogram;
use crate::series::Sums;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

/// A growing page of metrics. All lines of one metric have to follow its [`Text::metric`].
#[derive(Debug, Default)]
pub struct Text {
    page: String,
    name: String,
}

/// Names and values, in the order in which they are written.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

impl Text {
    /// Begins a metric: what it counts goes to its readers.
    pub fn metric(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        name.clone_into(&mut self.name);
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// A line of a counter or a gauge.
    pub fn value(&mut self, labels: Labels<'_>, value: impl std::fmt::Display) {
        self.line("", labels, None, value);
    }

    /// The lines of a histogram.
    pub fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        for (bound, count) in histogram.cumulative() {
            let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
            self.line("_bucket", labels, Some(&bound), count);
        }
        self.line("_sum", labels, None, histogram.sum_seconds());
        self.line("_count", labels, None, histogram.count());
    }

    /// The page.
    #[must_use]
    pub fn finish(self) -> String {
        self.page
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: impl std::fmt::Display) {
        self.page.push_str(&self.name);
        self.page.push_str(suffix);
        let labels = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let mut before = '{';
        for (name, text) in labels.filter(|(_, text)| !text.is_empty()) {
            self.page.push(before);
            before = ',';
            self.page.push_str(name);
            self.page.push_str("=\"");
            escape(text, &mut self.page);
            self.page.push('"');
        }
        if before == ',' {
            self.page.push('}');
        }
        self.write(format_args!(" {value}\n"));
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        self.page.write_fmt(text).expect("writing into a string cannot fail");
    }
}

fn escape(text: &str, into: &mut String) {
    for character in text.chars() {
        match character {
            '\\' => into.push_str("\\\\"),
            '"' => into.push_str("\\\""),
            '\n' => into.push_str("\\n"),
            other => into.push(other),
        }
    }
}

const fn name_of(count: Count) -> (&'static str, &'static str) {
    match count {
        Count::Invocations => ("invocations", "Events that functions had, whatever came of them."),
        Count::Errors => ("errors", "Invocations that ended in an error of the function."),
        Count::Throttles => ("throttles", "Invocations refused for want of concurrency."),
        Count::Faults => ("faults", "Invocations that the platform failed to bring to the function."),
        Count::ProvisionedConcurrencyInvocations => {
            ("provisioned_concurrency_invocations", "Invocations on provisioned concurrency.")
        }
        Count::ProvisionedConcurrencySpilloverInvocations => (
            "provisioned_concurrency_spillover_invocations",
            "Invocations for which provisioned concurrency did not suffice.",
        ),
        Count::RecursiveInvocationsDropped => {
            ("recursive_invocations_dropped", "Invocations stopped because they were part of a loop.")
        }
        Count::AsyncEventsReceived => ("async_events_received", "Events queued for asynchronous invocation."),
        Count::AsyncEventsDropped => ("async_events_dropped", "Asynchronous events dropped unprocessed."),
        Count::DeadLetterErrors => {
            ("dead_letter_errors", "Events that could not be sent to a dead-letter queue.")
        }
        Count::DestinationDeliveryFailures => {
            ("destination_delivery_failures", "Events that could not be sent to a destination.")
        }
        Count::UrlRequestCount => ("url_requests", "Requests to function URLs."),
        Count::Url4xxCount => ("url_4xx", "Requests to function URLs answered with 400 to 499."),
        Count::Url5xxCount => ("url_5xx", "Requests to function URLs answered with 500 to 599."),
    }
}

const fn name_of_times(measure: Measure) -> (&'static str, &'static str) {
    match measure {
        Measure::Duration => ("duration", "From the delivery of an event to the response."),
        Measure::InitDuration => ("init_duration", "Initialisations that preceded an invocation."),
        Measure::ColdStart => ("cold_start", "What invocations waited for an environment of their own."),
        Measure::PostRuntimeExtensionsDuration => {
            ("post_runtime_extensions_duration", "From the response to the end of the last extension.")
        }
        Measure::AsyncEventAge => ("async_event_age", "From the queueing of an event to its invocation."),
        Measure::IteratorAge => ("iterator_age", "The age of the last record of a batch from a stream."),
        Measure::UrlRequestLatency => ("url_request_latency", "Requests to function URLs."),
    }
}

const fn name_of_level(level: Level) -> &'static str {
    match level {
        Level::ConcurrentExecutions => "concurrent_executions",
        Level::UnreservedConcurrentExecutions => "unreserved_concurrent_executions",
    }
}

/// One line's dimensions, in AWS's words.
struct Dimensions {
    account: String,
    region: String,
    function: String,
    resource: String,
    executed_version: String,
}

impl Dimensions {
    fn labels(&self) -> [(&'static str, &str); 5] {
        [
            ("account", &self.account),
            ("region", &self.region),
            ("function", &self.function),
            ("resource", &self.resource),
            ("executed_version", &self.executed_version),
        ]
    }
}

fn lines_of(function: &Function) -> Vec<(Dimensions, std::sync::Arc<Sums>)> {
    let name = function.arn.name.to_string();
    let dimensions = |resource: String, executed_version: Option<String>| Dimensions {
        account: function.arn.scope.account.to_string(),
        region: function.arn.scope.region.to_string(),
        function: name.clone(),
        resource,
        executed_version: executed_version.unwrap_or_default(),
    };
    let mut lines: Vec<_> = function
        .resources()
        .into_iter()
        .map(|resource| {
            let qualifier = resource.qualifier.map(|qualifier| format!(":{qualifier}")).unwrap_or_default();
            (dimensions(format!("{name}{qualifier}"), resource.executed_version), resource.sums)
        })
        .collect();
    if let Some(others) =
        function.others().filter(|others| Count::ALL.iter().any(|count| others.get(*count) > 0))
    {
        lines.push((dimensions(String::new(), None), std::sync::Arc::clone(others)));
    }
    lines
}

impl Metrics {
    /// Hands over each series of one count with its labels.
    pub fn each_count(&self, count: Count, mut take: impl FnMut(Labels<'_>, u64)) {
        for (dimensions, sums) in self.functions().iter().flat_map(|function| lines_of(function)) {
            take(&dimensions.labels(), sums.get(count));
        }
    }

    /// Writes everything that is kept here.
    pub fn write(&self, text: &mut Text) {
        let functions = self.functions();
        let lines: Vec<_> = functions.iter().flat_map(|function| lines_of(function)).collect();
        for count in Count::ALL {
            // What no function ever had is no line: dozens of zeros hide the few that say something.
            let mut there = lines.iter().filter(|(_, sums)| is_shown(count, sums.get(count))).peekable();
            if there.peek().is_some() {
                let (name, help) = name_of(count);
                text.metric(&format!("lambent_function_{name}_total"), Kind::Counter, help);
                there.for_each(|(dimensions, sums)| text.value(&dimensions.labels(), sums.get(count)));
            }
        }
        for measure in Measure::ALL {
            let mut there =
                lines.iter().filter_map(|(labels, sums)| Some((labels, sums.times(measure)?))).peekable();
            if there.peek().is_some() {
                let (name, help) = name_of_times(measure);
                text.metric(&format!("lambent_function_{name}_seconds"), Kind::Histogram, help);
                there.for_each(|(dimensions, times)| text.histogram(&dimensions.labels(), times));
            }
        }
        text.metric("lambent_function_concurrent_executions", Kind::Gauge, "Invocations under way.");
        for function in &functions {
            let (account, region) =
                (function.arn.scope.account.to_string(), function.arn.scope.region.to_string());
            let labels = [("account", &*account), ("region", &region), ("function", &function.arn.name)];
            text.value(&labels, function.levels.get(Level::ConcurrentExecutions));
        }
        crate::mapping::write(&self.mappings(), text);
        self.write_accounts(&functions, text);
        self.write_work(text);
    }

    /// The sums over all functions, those included that are gone.
    fn write_accounts(&self, functions: &[std::sync::Arc<Function>], text: &mut Text) {
        let accounts = self.accounts();
        let sums: Vec<Sums> = accounts.iter().map(|account| sum_of(account, functions)).collect();
        let labels =
            |account: &Account| (account.scope.account.to_string(), account.scope.region.to_string());
        for count in [Count::Invocations, Count::Errors, Count::Throttles] {
            let (name, help) = name_of(count);
            text.metric(&format!("lambent_account_{name}_total"), Kind::Counter, help);
            for (account, sums) in accounts.iter().zip(&sums) {
                let (account, region) = labels(account);
                text.value(&[("account", &account), ("region", &region)], sums.get(count));
            }
        }
        for level in [Level::ConcurrentExecutions, Level::UnreservedConcurrentExecutions] {
            let help = match level {
                Level::UnreservedConcurrentExecutions => {
                    "Invocations under way of functions without a reservation."
                }
                _ => "Invocations under way.",
            };
            text.metric(&format!("lambent_account_{}", name_of_level(level)), Kind::Gauge, help);
            for account in &accounts {
                let (name, region) = labels(account);
                text.value(&[("account", &name), ("region", &region)], account.levels.get(level));
            }
        }
    }

    fn write_work(&self, text: &mut Text) {
        text.metric(
            "lambent_store_commit_seconds",
            Kind::Histogram,
            "Commits to the store, until they are on the disk.",
        );
        text.histogram(&[], self.times_of(Work::StoreCommit));
        text.metric(
            "lambent_sandbox_launch_seconds",
            Kind::Histogram,
            "Sandboxes being made, by how that ended.",
        );
        text.histogram(&[("outcome", "made")], self.times_of(Work::Launch));
        text.histogram(&[("outcome", "failed")], self.times_of(Work::FailedLaunch));
        let help =
            "Versions and aliases that found no place of their own and are counted with their function.";
        text.metric("lambent_metrics_refused_resources_total", Kind::Counter, help);
        text.value(&[], self.refused());
    }
}

/// The three that every alert is made of are there from the start, so that a rate has something to begin with.
fn is_shown(count: Count, value: u64) -> bool {
    value > 0 || matches!(count, Count::Invocations | Count::Errors | Count::Throttles)
}

fn sum_of(account: &Account, functions: &[std::sync::Arc<Function>]) -> Sums {
    let sum = Sums::default();
    sum.absorb(&account.past);
    for function in functions.iter().filter(|function| function.arn.scope == account.scope) {
        function.resources().iter().for_each(|resource| sum.absorb(&resource.sums));
        if let Some(others) = function.others() {
            sum.absorb(others);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_as_prometheus_reads_it() {
        let mut text = Text::default();
        text.metric("m_total", Kind::Counter, "What it is.");
        text.value(&[("a", "x\"\\\ny"), ("empty", "")], 3);
        text.value(&[], 4.5);
        text.metric("h_seconds", Kind::Histogram, "How long.");
        let histogram = Histogram::new(&[1_000]);
        histogram.record(std::time::Duration::from_millis(2));
        text.histogram(&[("b", "c")], &histogram);
        let expected = "# HELP m_total What it is.\n# TYPE m_total counter\nm_total{a=\"x\\\"\\\\\\ny\"} 3\nm_total 4.5\n\
                        # HELP h_seconds How long.\n# TYPE h_seconds histogram\n\
                        h_seconds_bucket{b=\"c\",le=\"0.001\"} 0\nh_seconds_bucket{b=\"c\",le=\"+Inf\"} 1\n\
                        h_seconds_sum{b=\"c\"} 0.002\nh_seconds_count{b=\"c\"} 1\n";
        assert_eq!(text.finish(), expected);
    }
}
