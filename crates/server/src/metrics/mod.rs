//! `GET /metrics`: what functions and the platform did so far, for Prometheus.

mod process;
mod provisioned;
mod requests;

use std::sync::Arc;

use lambent_invoker::Invoker;
use lambent_metrics::{Kind, Metrics, Text};
use lambent_services::logs::Logs;
use lambent_store::Store;

use crate::outbox::Outbox;

pub(crate) use requests::{Asked, Requests};

/// The content type of Prometheus's text format (Prometheus documentation, "Exposition formats").
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where the page's figures come from.
pub(crate) struct Page {
    metrics: Arc<Metrics>,
    pub(crate) requests: Arc<Requests>,
    invoker: Invoker,
    logs: Logs,
    /// What waits to be delivered, a page of its own.
    pub(crate) outbox: Outbox,
}

impl Page {
    pub(crate) fn new(metrics: Arc<Metrics>, invoker: &Invoker, logs: &Logs, store: &Store) -> Self {
        let (invoker, logs, outbox) = (invoker.clone(), logs.clone(), Outbox::new(store.clone()));
        Self { metrics, requests: Arc::default(), invoker, logs, outbox }
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
        text.value(&[], self.outbox.troubles.count());
        process::write(&mut text);
        text.finish()
    }
}
