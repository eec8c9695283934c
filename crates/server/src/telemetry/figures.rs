//! The metrics of functions for a collector: the same counts as on `/metrics`, read when a batch is due. Distributions
//! are on that page alone: the SDK takes them only one by one, which would be work for each invocation.

use std::sync::Arc;

use lambent_metrics::Metrics;
use lambent_model::Count;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;

/// Name, description and count of what is sent. Names are those of FaaS metrics where there is one (OpenTelemetry
/// semantic conventions, "FaaS metrics").
const COUNTS: [(&str, &str, Count); 4] = [
    ("faas.invocations", "Events that functions had, whatever came of them.", Count::Invocations),
    ("faas.errors", "Invocations that ended in an error of the function.", Count::Errors),
    ("lambent.function.throttles", "Invocations refused for want of concurrency.", Count::Throttles),
    (
        "lambent.function.faults",
        "Invocations that the platform failed to bring to the function.",
        Count::Faults,
    ),
];

/// Has a provider read the metrics whenever it sends.
pub(super) fn observe(provider: &SdkMeterProvider, metrics: &Arc<Metrics>) {
    let meter = provider.meter("lambent");
    for (name, description, count) in COUNTS {
        let metrics = Arc::clone(metrics);
        let instrument =
            meter.u64_observable_counter(name).with_description(description).with_callback(move |observer| {
                metrics.each_count(count, |labels, value| {
                    let attributes: Vec<KeyValue> = labels
                        .iter()
                        .filter(|(_, text)| !text.is_empty())
                        .map(|(label, text)| KeyValue::new(attribute(label), (*text).to_owned()))
                        .collect();
                    observer.observe(value, &attributes);
                });
            });
        // The provider keeps the callback; the instrument itself is only a name.
        let _name = instrument.build();
    }
}

/// The label's name in the semantic conventions.
fn attribute(label: &'static str) -> &'static str {
    match label {
        "account" => "cloud.account.id",
        "region" => "cloud.region",
        "function" => "faas.name",
        "executed_version" => "faas.version",
        other => other,
    }
}
