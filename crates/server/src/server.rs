//! Puts the parts together, in the order in which they depend on each other, and takes them apart again.

mod error;
mod ground;
mod parts;
mod tasks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lambent_control::{Control, LocationSigner, Parts};
use lambent_environment::{IdleFreezer, World};
use lambent_fabric::events::Inbox;
use lambent_identity::Sessions;
use lambent_invoker::Invoker;
use lambent_model::MetricSink;
use lambent_services::logs::Logs;
use lambent_services::sts::Sts;
use lambent_store::Store;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

pub(crate) use self::error::data_dir_error;
pub use self::error::{RunError, StartError};
use self::ground::Ground;
use self::parts::{cpu_millis, front_door, health, invoker, names, platform, runtime_rules, urls};
use self::tasks::{
    collect_garbage, couriers, feed_after, first_failure, named, outlive, spawn_couriers, spawn_pollers,
    spawn_settling, spawn_upkeep,
};
use crate::calls::Outside;
use crate::companions::{Companions, Footing};
use crate::compose::{Composer, Issuer};
use crate::discovery::Runtimes;
use crate::feed::Feed;
use crate::gateway::{Authoriser, Bodies, Gateway, Guard, Orphans, Places};
use crate::kept::Kept;
use crate::metrics::Page;
use crate::packages::Packages;
use crate::prepare::Prepared;
use crate::prewarm::Stock;
use crate::snapshots::Studio;
use crate::telemetry::Telemetry;
use crate::tls::Tls;
use crate::traces::Ring;
use crate::user::ServiceUser;
use crate::{Config, listener, snapshots, sources};

/// What a call without a caller gets beyond the time of all others: a package is unpacked, a commit written.
const ORPHANS_PATIENCE: Duration = Duration::from_secs(2);

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

impl Server {
    /// Starts everything but the front door; requests wait in the listener's queue until [`Server::run`].
    ///
    /// # Errors
    /// [`StartError`], with what to do.
    pub async fn start(prepared: Prepared, telemetry: Telemetry) -> Result<Self, StartError> {
        let Prepared { config, dir, folders, listener, address, launcher, discovery, user, keys, tls } =
            prepared;
        let listener = front_door(listener, address)?;
        let Ground { clock, entropy, metrics, store, logs, code, launcher, secret } =
            Ground::lay(dir.as_path(), &config, launcher, &telemetry).await?;
        let counted: Arc<dyn MetricSink> = Arc::clone(&metrics) as _;
        let kept = Kept::of(launcher.host(), config.isolation);
        let off = snapshots::off(&config).or_else(|| launcher.host().snapshots_error.clone());
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
        let tls = Tls::new(tls, names(&config, address), &dir, Arc::clone(&clock))?;
        let sessions = Sessions::new(secret);
        let issuer = Issuer::new(&sessions, &clock, &entropy);
        let composer =
            |album| Composer::new(&runtimes.catalogue, &code, &folders, config.isolation, issuer, album);
        let studio = Studio::open(off, composer);
        let invoker = invoker(Arc::clone(&world), Arc::clone(&studio.composer), &stock, &config);
        let (album, photographer) = studio.staffed(world, &invoker, &runtimes);
        let feed = Feed::new(store.clone(), invoker.clone(), folders.clone(), album);
        let outside = Outside::new(&config.endpoints, keys, &clock, &door)?;
        let companions = Companions::open(Footing {
            store: &store,
            clock: &clock,
            entropy: &entropy,
            outside: &outside,
            door: &door,
            dir: dir.as_path(),
            address,
            secret,
            config: &config,
        })
        .await?;
        let (control, settle_queue) = Control::new(Parts {
            store: store.clone(),
            code: code.clone(),
            invoke: feed.fresh(),
            calls: Arc::clone(&outside.calls),
            events: Arc::new(Inbox::new(store.clone(), Arc::clone(&clock), Arc::clone(&counted))),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            runtimes: runtime_rules(),
            objects: Arc::new(Packages::new(companions.s3.clone())),
            folders: Arc::new(folders),
            roles: Arc::new(companions.iam.clone()),
            snapshots: Arc::clone(&photographer.0) as _,
            location: LocationSigner::new(secret),
        });
        let page = Page::new(metrics, &invoker, &logs, &store);
        let gateway = Arc::new(Gateway {
            guard: Guard { hosts: config.hosts.iter().map(|host| host.to_ascii_lowercase()).collect() },
            sts: Sts::new(companions.iam.clone(), sessions.clone()),
            sessions,
            authoriser: Authoriser { functions_may_admin: config.functions_may_admin },
            permits: companions.permits(&clock, feed.policies(), logs.clone()),
            places: Places::default(),
            bodies: Bodies::default(),
            orphans: Arc::new(Orphans::new()),
            control,
            companions,
            urls: urls(&config, &feed, Arc::clone(&counted)),
            logs: logs.clone(),
            code: code.clone(),
            location: LocationSigner::new(secret),
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
        spawn_couriers(&mut tasks, couriers(&store, &feed, &gateway, &outside, &counted, &config), &stopped);
        tasks.spawn(named("change feed", feed_after(search, stock.clone(), runtimes.clone(), feed)));
        spawn_settling(&mut tasks, &store, entropy, photographer, settle_queue);
        tasks.spawn(named("removal of unused packages", collect_garbage(store.clone(), code)));
        spawn_upkeep(&mut tasks, &invoker, &gateway.companions, stock, &stopped);
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
        let (orphans, sqs) = (Arc::clone(&gateway.orphans), gateway.companions.sqs.clone());
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
