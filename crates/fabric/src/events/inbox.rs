//! Takes events in.

use std::sync::Arc;

use lambent_model::{AcceptError, AcceptEvent, AcceptFuture, Clock, Count, Invocation, MetricSink, Target};
use lambent_store::Store;

use super::Envelope;

/// Puts events into the store.
pub struct Inbox {
    store: Store,
    clock: Arc<dyn Clock>,
    metrics: Arc<dyn MetricSink>,
}

impl Inbox {
    /// An inbox before this store.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>, metrics: Arc<dyn MetricSink>) -> Self {
        Self { store, clock, metrics }
    }
}

impl AcceptEvent for Inbox {
    fn accept(&self, target: Target, invocation: Invocation) -> AcceptFuture {
        let (store, now) = (self.store.clone(), self.clock.now());
        let Invocation { request_id, payload, trace_id, client_context, tenant_id, .. } = invocation;
        let envelope =
            Envelope { target, request_id, payload, trace_id, client_context, tenant_id, accepted: now };
        let series = super::series(&*self.metrics, &envelope.target);
        Box::pin(async move {
            let kept = store.commit(vec![envelope.enqueue(now)]).await;
            kept.map_err(|error| AcceptError(error.to_string()))?;
            series.count(Count::AsyncEventsReceived, 1);
            Ok(())
        })
    }
}
