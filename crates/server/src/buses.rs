//! EventBridge and EventBridge Scheduler: the services, and what works for them beside calls.

use std::sync::Arc;

use lambent_fabric::Dispatcher;
use lambent_model::{AwsCall, Clock, Entropy};
use lambent_services::eventbridge::EventBridge;
use lambent_services::iam::Iam;
use lambent_services::scheduler::Scheduler;
use lambent_store::Store;

use crate::gateway::Gateway;

/// The two services.
pub(crate) fn services(
    store: &Store,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    calls: &Arc<dyn AwsCall>,
    iam: &Iam,
) -> (EventBridge, Scheduler) {
    let (clock, entropy, calls) = (|| Arc::clone(clock), || Arc::clone(entropy), || Arc::clone(calls));
    let eventbridge = EventBridge::new(store.clone(), clock(), entropy(), calls());
    let scheduler = Scheduler::new(store.clone(), clock(), entropy(), calls(), iam.clone());
    (eventbridge, scheduler)
}

/// What fires rules and schedules, replays archives and removes what is over.
pub(crate) fn dispatchers(store: &Store, gateway: &Gateway) -> [(&'static str, Dispatcher); 2] {
    let clock = || Arc::clone(&gateway.clock);
    let rules = Dispatcher::new(store.clone(), clock(), Arc::new(gateway.companions.eventbridge.courier()));
    let schedules = Dispatcher::new(store.clone(), clock(), Arc::new(gateway.companions.scheduler.courier()));
    [("schedules of rules and replays", rules), ("schedules", schedules)]
}
