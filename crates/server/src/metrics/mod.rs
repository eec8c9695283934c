//! `GET /metrics`: what functions and the platform did so far, for Prometheus.

mod process;
mod provisioned;
mod requests;

use std::sync::Arc;

use lambent_fabric::deliveries::Troubles;
use lambent_invoker::Invoker;
use lambent_metrics::{Kind, Metrics, Text};
use lambent_services::logs::Logs;

pub(crate) use requests::{Asked, Requests};

/// The content type of Prometheus's text format (Prometheus documentation, "Exposition formats").
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where the page's figures come from.
pub(crate) struct Page {
    metrics: Arc<Metrics>,
    pub(crate) requests: Arc<Requests>,
    invoker: Invoker,
    logs: Logs,
    troubles: Arc<Troubles>,
}

impl Page {
    pub(crate) fn new(
        metrics: Arc<Metrics>,
        invoker: &Invoker,
        logs: &Logs,
        troubles: &Arc<Troubles>,
    ) -> Self {
        let (invoker, logs, troubles) = (invoker.clone(), logs.clone(), Arc::clone(troubles));
        Self { metrics, requests: Arc::default(), invoker, logs, troubles }
    }

    /// The page as it is now. It reads a few small files of `/proc`, which never block.
    pub(crate) fn render(&self) -> String {
        let mut text = Text::default();
        let version = env!("CARGO_PKG_VERSION");
        text.metric("lambent_build_info", Kind::Gauge, "Always 1; the labels say what runs.");
        text.value(&[("version", version)], 1);
        self.metrics.write(&mut text);
        provisioned::write(&self.invoker.provisioned(), &mut text);
        text.metric("lambent_environments", Kind::Gauge, "Execution environments by what they are doing.");
        for (state, count) in self.invoker.states() {
            text.value(&[("state", state)], count);
        }
        self.requests.write(&mut text);
        text.metric(
            "lambent_log_records_dropped_total",
            Kind::Counter,
            "Log records dropped because writing fell behind.",
        );
        text.value(&[], self.logs.dropped());
        text.metric(
            "lambent_delivery_lanes_in_trouble",
            Kind::Gauge,
            "Destinations, subscriptions and targets whose last delivery failed; /_lambent/deliveries names them.",
        );
        text.value(&[], self.troubles.count());
        process::write(&mut text);
        text.finish()
    }
}
