//! What polls for event source mappings, made of this server's parts.

use std::sync::Arc;

use lambent_model::{AwsCall, MetricSink};
use lambent_sources::{Bounds, Sources, World};
use lambent_store::Store;

use crate::Config;
use crate::feed::Feed;
use crate::gateway::Gateway;

/// Pollers that make their calls by `calls`, which nobody else has.
pub(crate) fn of(
    store: &Store,
    feed: &Feed,
    gateway: &Gateway,
    calls: Arc<dyn AwsCall>,
    metrics: &Arc<dyn MetricSink>,
    config: &Config,
) -> Sources {
    let world = World {
        calls,
        invoke: feed.fresh(),
        clock: Arc::clone(&gateway.clock),
        entropy: Arc::clone(&gateway.entropy),
        metrics: Arc::clone(metrics),
        scale: config.event_time_scale,
        bounds: Bounds::default(),
    };
    Sources::new(store.clone(), world)
}
