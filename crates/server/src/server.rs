//! Puts the parts together, in the order in which they depend on each other, and takes them apart again.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lambent_control::{Control, LocationSigner, Parts, RuntimeRules, RuntimeStatus};
use lambent_environment::{Guest, IdleFreezer, ServePlatform, World};
use lambent_fabric::Dispatcher;
use lambent_fabric::deliveries::{DeliveryCourier, PostCourier};
use lambent_fabric::events::{EventCourier, Inbox};
use lambent_identity::Sessions;
use lambent_invoker::{Available, Compose, Invoker, Options as InvokerOptions};
use lambent_metrics::Metrics;
use lambent_model::{Bytes, Clock, Entropy, MetricSink};
use lambent_s3::S3;
use lambent_sandbox_client::{Connection, GiveUpError, Host, Isolation, Launcher, Network, Spawned};
use lambent_services::autoscaling::Autoscaling;
use lambent_services::eventbridge::EventBridge;
use lambent_services::iam::Iam;
use lambent_services::logs::Logs;
use lambent_services::sns::Sns;
use lambent_services::sts::Sts;
use lambent_sources::Sources;
use lambent_sqs::Sqs;
use lambent_store::{CodeOptions, CodeStore, Store};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::buses;
use crate::calls::{ClientStartError, Outside};
use crate::compose::{Composer, ENVIRONMENT_LIFETIME, Issuer};
use crate::discovery::Runtimes;
use crate::endpoints::KeysError;
use crate::feed::Feed;
use crate::gateway::{Authoriser, Bodies, Gateway, Guard, Orphans, Permits, Places};
use crate::kept::Kept;
use crate::memory::HostMemory;
use crate::metrics::Page;
use crate::namespaces::Policy;
use crate::packages::Packages;
use crate::prepare::Prepared;
use crate::prewarm::Stock;
use crate::scaling;
use crate::sources;
use crate::telemetry::Telemetry;
use crate::tls::{Names, Tls, TlsError};
use crate::topics;
use crate::traces::Ring;
use crate::unpacker::Unpacker;
use crate::urls::{Domains, Urls};
use crate::user::ServiceUser;
use crate::world::{SystemClock, SystemEntropy};
use crate::{Config, listener, secret};

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error("the data folder {dir} cannot be used")]
    DataDir {
        /// The folder.
        dir: String,
        /// Why.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; is another server running there? choose another with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The socket of the service manager is not what is needed.
    #[error("the socket that the service manager passed cannot be used: {0}")]
    Activation(String),
    /// The user of a server that was started by root cannot be found out.
    #[error("the user whom the server is to run as cannot be determined")]
    User(#[source] io::Error),
    /// Root's rights could not be given up, and the server does not serve with them.
    #[error("root's rights cannot be given up")]
    Rights(#[source] GiveUpError),
    /// The server's user cannot come to the data folder.
    #[error(
        "the data folder {dir} cannot be reached by {user}, whom the server runs as: let others pass through {barrier} \
         (chmod o+x), or choose another folder with --data-dir"
    )]
    Unreachable {
        /// The folder.
        dir: String,
        /// The folder on the way that is closed.
        barrier: String,
        /// The user.
        user: String,
    },
    /// The process that looks for interpreters cannot be started.
    #[error("the search for interpreters cannot be started")]
    Discovery(#[source] io::Error),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] lambent_store::Error),
    /// The package store cannot be opened.
    #[error(transparent)]
    Code(#[from] lambent_store::CodeError),
    /// The log store cannot be opened.
    #[error(transparent)]
    Logs(#[from] lambent_services::logs::Error),
    /// The objects of S3 cannot be come to.
    #[error(transparent)]
    Objects(#[from] lambent_s3::OpenError),
    /// There is no thread for freezing.
    #[error("the thread that freezes idle environments cannot be started; the limit of processes is too low")]
    Freezer(#[source] io::Error),
    /// Sandboxes cannot be made.
    #[error(transparent)]
    Sandbox(#[from] lambent_sandbox_client::Error),
    /// Namespaces were asked for, and the host or the user's rights do not give them.
    #[error("functions cannot be isolated here: {0}")]
    Isolation(String),
    /// What calls of other services are to be signed with is not there.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// There is no certificate to speak TLS with.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Calls of other services cannot be made.
    #[error(transparent)]
    Calls(#[from] ClientStartError),
    /// Functions were to reach the outside by address translation, which this host does not give.
    #[error(
        "functions cannot reach the outside by `--network nat` here: {0}; remove the cause, or choose --network none; \
         `lambent doctor` says more"
    )]
    Network(String),
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    kept: Kept,
    user: Option<ServiceUser>,
    runtimes: Runtimes,
    config: Config,
    store: Store,
    logs: Logs,
    invoker: Invoker,
    gateway: Arc<Gateway>,
    listener: TcpListener,
    tls: Tls,
    telemetry: Telemetry,
    stop: watch::Sender<bool>,
    /// Resolves when pollers have acknowledged what was under way at the end.
    pollers: oneshot::Receiver<()>,
    /// Each runs until the store closes; one that fails before takes the server down.
    tasks: JoinSet<Result<(), RunError>>,
}

/// Why a running server had to end.
#[derive(Debug, thiserror::Error)]
#[error("the {what} failed, and the server with it")]
pub struct RunError {
    what: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Server {
    /// Starts everything but the front door; requests wait in the listener's queue until [`Server::run`].
    ///
    /// # Errors
    /// [`StartError`], with what to do.
    pub async fn start(prepared: Prepared, telemetry: Telemetry) -> Result<Self, StartError> {
        let Prepared { config, dir, listener, address, launcher, discovery, user, keys, tls } = prepared;
        let listener = front_door(listener, address)?;
        let Ground { clock, entropy, metrics, store, logs, code, launcher, secret } =
            Ground::lay(dir.as_path(), &config, launcher, &telemetry).await?;
        let counted: Arc<dyn MetricSink> = Arc::clone(&metrics) as _;
        let kept = Kept::of(launcher.host(), config.isolation);
        let mut tasks = JoinSet::new();
        tasks.spawn(named("launcher", outlive(launcher.clone())));
        let (search, runtimes) = discovery.share();

        // Functions reach the gateway, which is made last: the door opens once it is there.
        let (door, gateway_made) = watch::channel(None::<Arc<Gateway>>);
        let stock =
            Stock::new(launcher, config.isolation, config.network, config.prewarm, Arc::clone(&entropy));
        let traces = Arc::new(Ring::default());
        let world = Arc::new(World {
            sandboxes: Arc::new(stock.clone()),
            isolation: config.isolation,
            network: config.network,
            freezer: IdleFreezer::start().map_err(StartError::Freezer)?,
            clock: Arc::clone(&clock),
            logs: logs.sink(),
            entropy: Arc::clone(&entropy),
            traces: Arc::clone(&traces) as _,
            metrics: Arc::clone(&counted),
            cpu_millis: kept.cpu.then(cpu_millis).flatten(),
            platform: platform(gateway_made),
            stream_rate: config.stream_rate,
        });
        let names = Names::new(&config.hosts, &config.url_domains, address.ip());
        let tls = Tls::new(tls, names, &dir, Arc::clone(&clock))?;
        let sessions = Sessions::new(secret);
        let issuer =
            Issuer { sessions: sessions.clone(), clock: Arc::clone(&clock), entropy: Arc::clone(&entropy) };
        let composer = Composer::new(Arc::clone(&runtimes.catalogue), code.clone(), config.isolation, issuer);
        let invoker = Invoker::new(
            world,
            Arc::clone(&entropy),
            composing(composer, stock.clone()),
            available(stock.clone()),
            invoker_options(&config),
        );
        let feed = Feed::new(store.clone(), invoker.clone());
        let location = LocationSigner::new(secret);
        let outside = Outside::new(&config.endpoints, keys, &clock, &door)?;
        let s3 = lambent_s3::Parts {
            store: store.clone(),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            calls: Arc::clone(&outside.calls),
        };
        let s3 = S3::open(dir.as_path(), s3).await?;
        let iam = Iam::new(store.clone(), Arc::clone(&clock), Arc::clone(&entropy));
        let (control, settle_queue) = Control::new(Parts {
            store: store.clone(),
            code: code.clone(),
            invoke: feed.fresh(),
            calls: Arc::clone(&outside.calls),
            events: Arc::new(Inbox::new(store.clone(), Arc::clone(&clock), Arc::clone(&counted))),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            runtimes: runtime_rules(),
            objects: Arc::new(Packages::new(s3.clone())),
            roles: Arc::new(iam.clone()),
            location: location.clone(),
        });
        let sns = topics::service(&store, &clock, &entropy, &outside.calls, &dir, address);
        let page = Page::new(metrics, &invoker, &logs);
        let autoscaling = scaling::service(&store, &clock, &entropy, door.subscribe(), &config);
        let sqs = Sqs::new(store.clone(), Arc::clone(&clock), Arc::clone(&entropy), secret).await?;
        let (eventbridge, scheduler) = buses::services(&store, &clock, &entropy, &outside.calls, &iam);
        let gateway = Arc::new(Gateway {
            guard: Guard { hosts: config.hosts.iter().map(|host| host.to_ascii_lowercase()).collect() },
            sqs: sqs.clone(),
            sts: Sts::new(iam.clone(), sessions.clone()),
            iam: iam.clone(),
            sessions,
            authoriser: Authoriser { functions_may_admin: config.functions_may_admin },
            permits: permits(&iam, &clock, &feed, (&s3, &sqs, &sns, &eventbridge)),
            s3,
            places: Places::default(),
            bodies: Bodies::default(),
            orphans: Arc::new(Orphans::new()),
            control,
            urls: urls(&config, &feed, Arc::clone(&counted)),
            logs: logs.clone(),
            autoscaling: autoscaling.clone(),
            sns,
            eventbridge,
            scheduler,
            code: code.clone(),
            location,
            clock,
            entropy: Arc::clone(&entropy),
            health: health(&config, kept.rootless, invoker.clone(), stock.clone()),
            requests: Arc::clone(&page.requests),
            page,
            traces,
            authority: tls.authority.clone(),
        });
        door.send_replace(Some(Arc::clone(&gateway)));

        let (stop, stopped) = watch::channel(false);
        let sources = sources::of(&store, &feed, &gateway, Arc::clone(&outside.polling), &counted, &config);
        let pollers = spawn_pollers(&mut tasks, sources, &stopped);
        for (what, dispatcher) in couriers(&store, &feed, &gateway, &outside, &counted, &config) {
            tasks.spawn(named(what, dispatcher.run(until(stopped.clone()))));
        }
        tasks.spawn(named("change feed", feed_after(search, stock.clone(), runtimes.clone(), feed)));
        tasks.spawn(named("settling of functions", Control::settle(store.clone(), entropy, settle_queue)));
        tasks.spawn(named("removal of unused packages", collect_garbage(store.clone(), code)));
        spawn_upkeep(&mut tasks, &invoker, autoscaling, sqs, stock, &stopped);
        Ok(Self {
            address,
            kept,
            user,
            runtimes,
            config,
            store,
            logs,
            invoker,
            gateway,
            listener,
            tls,
            telemetry,
            stop,
            pollers,
            tasks,
        })
    }

    /// Whom the server runs as, if that is not the user that started it.
    #[must_use]
    pub fn user(&self) -> Option<ServiceUser> {
        self.user
    }

    /// What this host can run.
    #[must_use]
    pub fn runtimes(&self) -> Runtimes {
        self.runtimes.clone()
    }

    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What of the sandbox's promises this host keeps.
    #[must_use]
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Serves until `stop` resolves, then drains: open requests and running invocations get `drain_seconds`, or less
    /// once `force` resolves. Returns when everything is down and written.
    ///
    /// # Errors
    /// [`RunError`] when a part failed that the server cannot do without.
    pub async fn run(
        self,
        stop: impl Future<Output = ()>,
        force: impl Future<Output = ()>,
    ) -> Result<(), RunError> {
        let Self {
            listener,
            gateway,
            telemetry,
            invoker,
            store,
            logs,
            tls,
            stop: stopping,
            pollers,
            mut tasks,
            config,
            ..
        } = self;
        let (orphans, sqs) = (Arc::clone(&gateway.orphans), gateway.sqs.clone());
        let drained = async {
            // One period for both: what the connections took of it, the environments do not get a second time.
            let mut deadline = Instant::now();
            listener::serve(listener, gateway, tls, config.drain, async {
                stop.await;
                deadline = Instant::now() + config.drain;
                tracing::info!(
                    drain_seconds = config.drain.as_secs(),
                    "stopping: what is under way is finished"
                );
                stopping.send_replace(true);
                logs.end_tails();
                sqs.stop_waiting();
            })
            .await;
            invoker.shutdown(deadline.saturating_duration_since(Instant::now())).await;
        };
        let ended = tokio::select! {
            () = drained => Ok(()),
            () = force => {
                invoker.shutdown(Duration::ZERO).await;
                Ok(())
            }
            error = first_failure(&mut tasks) => Err(error),
        };
        // Their invocations have ended with the environments; what they write takes a moment, and so do acknowledgements.
        let _acknowledged =
            tokio::join!(orphans.end(ORPHANS_PATIENCE), tokio::time::timeout(ORPHANS_PATIENCE, pollers));
        if let Err(error) = logs.close().await {
            tracing::error!(%error, "the last log records may be lost");
        }
        if let Err(error) = store.close().await {
            tracing::error!(%error, "the store did not close cleanly");
        }
        // The tasks end by themselves: their queues, the feed and the stop signal are closed now.
        tasks.shutdown().await;
        telemetry.end().await;
        ended
    }
}

/// What all parts stand on.
struct Ground {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Arc<Metrics>,
    store: Store,
    logs: Logs,
    code: CodeStore,
    launcher: Launcher,
    secret: [u8; 32],
}

impl Ground {
    async fn lay(
        dir: &Path,
        config: &Config,
        launcher: Spawned,
        telemetry: &Telemetry,
    ) -> Result<Self, StartError> {
        let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) =
            (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let metrics = telemetry.metrics();
        // The store first: it takes the data folder for this process.
        let store = Store::open(dir)?.measured_by(Arc::clone(&metrics) as _);
        let logs = Logs::open(dir, Arc::clone(&clock), Arc::clone(&entropy))?;
        let launcher = connect(launcher, config).await?;
        let code = open_code(dir, &launcher)?;
        let secret = secret::load_or_create(dir, &*entropy).map_err(|source| data_dir_error(dir, source))?;
        Ok(Self { clock, entropy, metrics, store, logs, code, launcher, secret })
    }
}

/// What a call without a caller gets beyond the time of all others: a package is unpacked, a commit written.
const ORPHANS_PATIENCE: Duration = Duration::from_secs(2);

/// Serves functions once the gateway is there.
fn platform(gateway_made: watch::Receiver<Option<Arc<Gateway>>>) -> ServePlatform {
    Arc::new(move |connection: Connection, guest: Guest| {
        let mut gateway_made = gateway_made.clone();
        Box::pin(async move {
            let gateway = gateway_made.wait_for(Option::is_some).await.ok().and_then(|made| made.clone());
            if let Some(gateway) = gateway {
                listener::serve_function(connection, gateway, guest).await;
            }
        })
    })
}

fn invoker_options(config: &Config) -> InvokerOptions {
    InvokerOptions {
        idle: config.idle,
        lifetime: ENVIRONMENT_LIFETIME,
        concurrency: lambent_lambda::limits::CONCURRENT_EXECUTIONS,
    }
}

/// The first start on a machine asks each interpreter for its version, which takes a while; invocations wait for the
/// feed, which waits for that, and everything else is answered meanwhile.
async fn feed_after(
    search: impl Future<Output = io::Result<()>>,
    stock: Stock,
    runtimes: Runtimes,
    feed: Feed,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    search.await?;
    stock.expect_usual(runtimes.catalogue.get());
    Ok(feed.run().await?)
}

fn urls(config: &Config, feed: &Feed, metrics: Arc<dyn MetricSink>) -> Urls {
    let domains = Domains::new(&config.url_domains);
    Urls { domains, index: feed.urls(), progress: feed.progress(), invoke: feed.fresh(), metrics }
}

/// Who knows the policies of which resources.
fn permits(
    iam: &Iam,
    clock: &Arc<dyn Clock>,
    feed: &Feed,
    (s3, sqs, sns, eventbridge): (&S3, &Sqs, &Sns, &EventBridge),
) -> Permits {
    Permits::new(iam.clone(), Arc::clone(clock))
        .with("lambda", feed.policies())
        .with("s3", Arc::new(s3.clone()))
        .with("sqs", Arc::new(sqs.clone()))
        .with("sns", Arc::new(sns.clone()))
        .with("events", Arc::new(eventbridge.clone()))
}

/// The users of the fabric, each with its own queues and slots.
fn couriers(
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
        ("expiry of subscriptions", topics::expiry(store, &gateway.clock, &gateway.sns)),
        rules,
        schedules,
    ]
}

/// What polls until the first signal; the receiver resolves when what was fetched is done.
fn spawn_pollers(
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

/// What has environments made and ended beside invocations, until the first signal.
fn spawn_upkeep(
    tasks: &mut JoinSet<Result<(), RunError>>,
    invoker: &Invoker,
    autoscaling: Autoscaling,
    sqs: Sqs,
    stock: Stock,
    stopped: &watch::Receiver<bool>,
) {
    let stopping = stopped.clone();
    tasks.spawn(succeed(async move { sqs.run(until(stopping)).await }));
    let (tended, stopping) = (invoker.clone(), stopped.clone());
    tasks.spawn(succeed(async move { tended.tend(until(stopping)).await }));
    let (keeping, stopping) = (invoker.clone(), stopped.clone());
    tasks.spawn(succeed(async move { keeping.keep(until(stopping)).await }));
    let stopping = stopped.clone();
    tasks.spawn(succeed(async move { autoscaling.run(until(stopping)).await }));
    tasks.spawn(succeed(stock.run(invoker.starts(), until(stopped.clone()))));
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
    let courier = DeliveryCourier { calls, posts, metrics, clock: Arc::clone(&clock), scale };
    let calls = Dispatcher::new(store.clone(), Arc::clone(&clock), Arc::new(courier.clone()));
    [calls, Dispatcher::new(store.clone(), clock, Arc::new(PostCourier(courier)))]
}

/// Resolves when a task fails, not when one ends.
async fn first_failure(tasks: &mut JoinSet<Result<(), RunError>>) -> RunError {
    loop {
        match tasks.join_next().await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => return error,
            Some(Err(panic)) => return RunError { what: "server", source: panic.into() },
            None => std::future::pending().await,
        }
    }
}

async fn connect(launcher: Spawned, config: &Config) -> Result<Launcher, StartError> {
    let launcher = launcher.connect().await?;
    if config.isolation == Isolation::Namespaces {
        check_namespaces(launcher.host())?;
    }
    match (config.network, &launcher.host().nat_error) {
        (Network::Nat, Some(reason)) => Err(StartError::Network(reason.clone())),
        _ => Ok(launcher),
    }
}

fn check_namespaces(host: &Host) -> Result<(), StartError> {
    match &host.namespaces_error {
        None => Ok(()),
        Some(reason) => Err(StartError::Isolation(format!(
            "{reason}; {}; `lambent doctor` says more",
            Policy::read().remedy(host.root)
        ))),
    }
}

pub(crate) fn data_dir_error(dir: &Path, source: io::Error) -> StartError {
    StartError::DataDir { dir: dir.display().to_string(), source }
}

fn open_code(dir: &Path, launcher: &Launcher) -> Result<CodeStore, StartError> {
    let unpacker = Arc::new(Unpacker(launcher.clone()));
    Ok(CodeStore::open(&dir.join("code"), CodeOptions::new(unpacker))?)
}

fn cpu_millis() -> Option<u32> {
    let cpus = std::thread::available_parallelism().ok()?;
    u32::try_from(cpus.get()).ok()?.checked_mul(1000)
}

fn runtime_rules() -> RuntimeRules {
    RuntimeRules {
        status: |runtime| match lambent_runtimes::info(runtime) {
            Some(info) if info.is_accepted() => RuntimeStatus::Accepted,
            Some(_) => RuntimeStatus::Retired,
            None => RuntimeStatus::Unknown,
        },
        accepted: || {
            lambent_runtimes::ALL.iter().filter(|info| info.is_accepted()).map(|info| info.id).collect()
        },
        is_reserved: lambent_runtimes::is_reserved,
    }
}

fn health(
    config: &Config,
    rootless: bool,
    invoker: Invoker,
    stock: Stock,
) -> Box<dyn Fn() -> serde_json::Value + Send + Sync> {
    let isolation = match config.isolation {
        Isolation::Namespaces => "namespaces",
        Isolation::Process => "process",
    };
    Box::new(move || {
        serde_json::json!({
            "status": "ready",
            "version": env!("CARGO_PKG_VERSION"),
            "isolation": isolation,
            "rootless": rootless,
            "environments": invoker.environments(),
            "prewarmed": stock.waiting(),
            "prewarm_wanted": stock.wanted(),
        })
    })
}

fn front_door(listener: std::net::TcpListener, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::from_std(listener).map_err(|source| StartError::Listen { address, source })
}

/// What the host can give to environments. Sandboxes that wait for nobody in particular go before anybody's idle
/// environment.
fn available(stock: Stock) -> Available {
    let memory = HostMemory::find();
    Box::new(move |wanted| {
        let available = memory.available()?;
        Some(Bytes(available.0 + stock.make_room(wanted.0.saturating_sub(available.0))))
    })
}

/// A function that was stored or changed is likely to be invoked soon.
fn composing(composer: Composer, stock: Stock) -> Compose {
    Box::new(move |arn, record| {
        let function = composer.compose(arn, record);
        stock.expect(function.plan.kind());
        function
    })
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // Closed means stopped as well.
    let _closed = stopped.wait_for(|stopped| *stopped).await;
}

/// Says which part it was that failed.
async fn named<E>(what: &'static str, task: impl Future<Output = Result<(), E>>) -> Result<(), RunError>
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
async fn outlive(launcher: Launcher) -> Result<(), &'static str> {
    launcher.ended().await;
    Err("the process that makes sandboxes has ended; see above for its last words, and start lambent again")
}

/// How often packages that no function refers to are looked for.
const COLLECT_EVERY: Duration = Duration::from_secs(600);

async fn collect_garbage(store: Store, code: CodeStore) -> Result<(), CollectError> {
    let mut ticks = tokio::time::interval(COLLECT_EVERY);
    loop {
        ticks.tick().await;
        let collection = code.begin_collection().await;
        collection.finish(lambent_control::referenced_packages(&store).await?).await?;
    }
}

#[derive(Debug, thiserror::Error)]
enum CollectError {
    #[error(transparent)]
    Store(#[from] lambent_store::Error),
    #[error(transparent)]
    Code(#[from] lambent_store::CodeError),
}
