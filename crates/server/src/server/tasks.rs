//! What runs beside the front door: who owns it, when it ends, and what its failure means.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lambent_control::{Control, Snapshots};
use lambent_fabric::Dispatcher;
use lambent_fabric::deliveries::{DeliveryCourier, PostCourier};
use lambent_fabric::events::EventCourier;
use lambent_invoker::Invoker;
use lambent_model::{Entropy, FunctionArn, MetricSink};
use lambent_sandbox_client::Launcher;
use lambent_sources::Sources;
use lambent_store::{CodeStore, Store};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::RunError;
use crate::calls::Outside;
use crate::companions::Companions;
use crate::discovery::Runtimes;
use crate::feed::Feed;
use crate::gateway::Gateway;
use crate::prewarm::Stock;
use crate::snapshots::{Photographer, Wanted};
use crate::{Config, buses, topics};

/// Each as a task that fails with its name.
pub(super) fn spawn_couriers(
    tasks: &mut JoinSet<Result<(), RunError>>,
    couriers: impl IntoIterator<Item = (&'static str, Dispatcher)>,
    stopped: &watch::Receiver<bool>,
) {
    for (what, dispatcher) in couriers {
        tasks.spawn(named(what, dispatcher.run(until(stopped.clone()))));
    }
}

/// The users of the fabric, each with its own queues and slots.
pub(super) fn couriers(
    store: &Store,
    feed: &Feed,
    gateway: &Gateway,
    outside: &Outside,
    metrics: &Arc<dyn MetricSink>,
    config: &Config,
) -> [(&'static str, Dispatcher); 6] {
    let [deliveries, posts] = deliveries(store, gateway, outside, Arc::clone(metrics), config);
    let [rules, schedules] = buses::dispatchers(store, gateway);
    [
        ("delivery of events", events(store, feed, gateway, Arc::clone(metrics), config)),
        ("delivery of what follows events", deliveries),
        ("delivery to addresses", posts),
        ("expiry of subscriptions", topics::expiry(store, &gateway.clock, &gateway.companions.sns)),
        rules,
        schedules,
    ]
}

/// What delivers asynchronous invocations.
fn events(
    store: &Store,
    feed: &Feed,
    gateway: &Gateway,
    metrics: Arc<dyn MetricSink>,
    config: &Config,
) -> Dispatcher {
    let courier = EventCourier {
        metrics,
        invoke: feed.fresh(),
        clock: Arc::clone(&gateway.clock),
        entropy: Arc::clone(&gateway.entropy),
        scale: config.event_time_scale,
    };
    Dispatcher::new(store.clone(), Arc::clone(&gateway.clock), Arc::new(courier))
}

/// What sends what is in the outbox: calls of services, and posts to addresses.
fn deliveries(
    store: &Store,
    gateway: &Gateway,
    outside: &Outside,
    metrics: Arc<dyn MetricSink>,
    config: &Config,
) -> [Dispatcher; 2] {
    let clock = Arc::clone(&gateway.clock);
    let (calls, posts) = (Arc::clone(&outside.calls), Arc::clone(&outside.posts));
    let scale = config.event_time_scale;
    let entropy = Arc::clone(&gateway.entropy);
    let troubles = Arc::clone(&gateway.page.outbox.troubles);
    let courier =
        DeliveryCourier { calls, posts, metrics, entropy, troubles, clock: Arc::clone(&clock), scale };
    let calls = Dispatcher::new(store.clone(), Arc::clone(&clock), Arc::new(courier.clone()));
    [calls, Dispatcher::new(store.clone(), clock, Arc::new(PostCourier(courier)))]
}

/// What polls until the first signal; the receiver resolves when what was fetched is done.
pub(super) fn spawn_pollers(
    tasks: &mut JoinSet<Result<(), RunError>>,
    sources: Sources,
    stopped: &watch::Receiver<bool>,
) -> oneshot::Receiver<()> {
    let (done, pollers) = oneshot::channel();
    let stopping = stopped.clone();
    tasks.spawn(named("event source mappings", async move {
        let ended = sources.run(until(stopping)).await;
        // Whoever waits for it may have gone.
        let _gone = done.send(());
        ended
    }));
    pollers
}

/// What accepted changes wait for, and the snapshots that versions with SnapStart wait for.
pub(super) fn spawn_settling(
    tasks: &mut JoinSet<Result<(), RunError>>,
    store: &Store,
    entropy: Arc<dyn Entropy>,
    (photographer, wanted): (Arc<Photographer>, Wanted),
    queue: mpsc::Receiver<FunctionArn>,
) {
    let snapshots = Arc::clone(&photographer) as Arc<dyn Snapshots>;
    tasks.spawn(named("settling of functions", Control::settle(store.clone(), entropy, snapshots, queue)));
    tasks.spawn(succeed(photographer.retake(wanted)));
}

/// What has environments made and ended beside invocations, until the first signal.
pub(super) fn spawn_upkeep(
    tasks: &mut JoinSet<Result<(), RunError>>,
    invoker: &Invoker,
    companions: &Companions,
    stock: Stock,
    stopped: &watch::Receiver<bool>,
) {
    let (queues, stopping) = (companions.sqs.clone(), stopped.clone());
    tasks.spawn(succeed(async move { queues.run(until(stopping)).await }));
    let (objects, stopping) = (companions.s3.clone(), stopped.clone());
    tasks.spawn(succeed(async move { objects.run(until(stopping)).await }));
    let (tended, stopping) = (invoker.clone(), stopped.clone());
    tasks.spawn(succeed(async move { tended.tend(until(stopping)).await }));
    let (keeping, stopping) = (invoker.clone(), stopped.clone());
    tasks.spawn(succeed(async move { keeping.keep(until(stopping)).await }));
    let (scaling, stopping) = (companions.autoscaling.clone(), stopped.clone());
    tasks.spawn(succeed(async move { scaling.run(until(stopping)).await }));
    tasks.spawn(succeed(stock.run(invoker.starts(), until(stopped.clone()))));
}

/// The first start on a machine asks each interpreter for its version, which takes a while; invocations wait for the
/// feed, which waits for that, and everything else is answered meanwhile.
pub(super) async fn feed_after(
    search: impl Future<Output = io::Result<()>>,
    stock: Stock,
    runtimes: Runtimes,
    feed: Feed,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    search.await?;
    stock.expect_usual(runtimes.catalogue.get());
    Ok(feed.run().await?)
}

/// Resolves when a task fails, not when one ends.
pub(super) async fn first_failure(tasks: &mut JoinSet<Result<(), RunError>>) -> RunError {
    loop {
        match tasks.join_next().await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => return error,
            Some(Err(panic)) => return RunError { what: "server", source: panic.into() },
            None => std::future::pending().await,
        }
    }
}

pub(super) async fn until(mut stopped: watch::Receiver<bool>) {
    // Closed means stopped as well.
    let _closed = stopped.wait_for(|stopped| *stopped).await;
}

/// Says which part it was that failed.
pub(super) async fn named<E>(
    what: &'static str,
    task: impl Future<Output = Result<(), E>>,
) -> Result<(), RunError>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    task.await.map_err(|source| RunError { what, source: source.into() })
}

async fn succeed(task: impl Future<Output = ()>) -> Result<(), RunError> {
    task.await;
    Ok(())
}

/// Fails when the launcher ends before the server does: without it nothing can be run, and nobody would know why.
pub(super) async fn outlive(launcher: Launcher) -> Result<(), &'static str> {
    launcher.ended().await;
    Err("the process that makes sandboxes has ended; see above for its last words, and start lambent again")
}

/// How often packages that no function refers to are looked for.
const COLLECT_EVERY: Duration = Duration::from_secs(600);

pub(super) async fn collect_garbage(store: Store, code: CodeStore) -> Result<(), CollectError> {
    let mut ticks = tokio::time::interval(COLLECT_EVERY);
    loop {
        ticks.tick().await;
        let collection = code.begin_collection().await;
        collection.finish(lambent_control::referenced_packages(&store).await?).await?;
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum CollectError {
    #[error(transparent)]
    Store(#[from] lambent_store::Error),
    #[error(transparent)]
    Code(#[from] lambent_store::CodeError),
}
