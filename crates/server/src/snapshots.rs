//! Snapshots of versions with SnapStart: taken when a version is published, kept as long as the server runs, and taken once
//! more when a version is wanted after a restart.
//!
//! ```text
//! settling of a version ─▶ Photographer ─▶ an environment of its own ─▶ Album ─▶ plans of that version
//! ```

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use lambent_control::Snapshots;
use lambent_environment::{NoSnapshot, Secrets, World, take_snapshot};
use lambent_invoker::Invoker;
use lambent_lambda::{self as lambda, Preparation};
use lambent_model::{Entropy, EnvironmentId, FunctionArn};
use lambent_sandbox_client::{Isolation, Network, Snapshot};
use tokio::sync::{Semaphore, mpsc};

use crate::Config;
use crate::compose::Composer;
use crate::discovery::Runtimes;

/// Versions that are to have their snapshots taken once more. What does not fit in is wanted again.
const WANTED: usize = 64;

/// Versions that have had a snapshot and are wanted.
pub(crate) type Wanted = mpsc::Receiver<(FunctionArn, lambda::Function)>;

/// A version of a function, as it was published: a function may be deleted and made anew, with the same numbers.
type Key = (FunctionArn, u64, lambent_model::Timestamp);

/// All that snapshots need, put together.
pub(crate) struct Studio {
    album: Arc<Album>,
    /// Knows the album.
    pub(crate) composer: Arc<Composer>,
    wanted: Wanted,
}

impl Studio {
    /// `off` says why there will be no snapshots.
    pub(crate) fn open(off: Option<String>, composer: impl FnOnce(Arc<Album>) -> Composer) -> Self {
        let (album, wanted) = Album::new(off);
        let composer = Arc::new(composer(Arc::clone(&album)));
        Self { album, composer, wanted }
    }

    /// The album, and who fills it, in environments for which `invoker` has room, with what is wanted.
    pub(crate) fn staffed(
        self,
        world: Arc<World>,
        invoker: &Invoker,
        runtimes: &Runtimes,
    ) -> (Arc<Album>, (Arc<Photographer>, Wanted)) {
        let photographer = Photographer {
            album: Arc::clone(&self.album),
            composer: self.composer,
            entropy: Arc::clone(&world.entropy),
            world,
            invoker: invoker.clone(),
            runtimes: runtimes.clone(),
            turn: Semaphore::new(1),
        };
        (self.album, (Arc::new(photographer), self.wanted))
    }
}

/// What there is of a version.
#[derive(Clone)]
enum Kept {
    Taking,
    /// Its snapshot, and what the variables in it name.
    Taken(Snapshot, Secrets),
    /// There will be none until the next start.
    None,
}

/// The snapshots of this server. Their files go with them.
pub(crate) struct Album {
    /// Why there are none; absent where they are taken.
    off: Option<String>,
    kept: Mutex<HashMap<Key, Kept>>,
    wanted: mpsc::Sender<(FunctionArn, lambda::Function)>,
}

impl Album {
    /// With the versions that are to be photographed because somebody wants them.
    fn new(off: Option<String>) -> (Arc<Self>, Wanted) {
        let (wanted, queue) = mpsc::channel(WANTED);
        (Arc::new(Self { off, kept: Mutex::default(), wanted }), queue)
    }

    /// Why versions start without snapshots; `None` where they do not.
    pub(crate) fn off(&self) -> Option<&str> {
        self.off.as_deref()
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Key, Kept>) -> T) -> T {
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The page of one version, for its plan.
    pub(crate) fn page(self: &Arc<Self>, arn: &FunctionArn, record: &lambda::Function) -> Option<Page> {
        let key = key(arn, record)?;
        let retake = record.optimized.then(|| record.clone());
        Some(Page { album: Arc::clone(self), key, retake, secrets: None })
    }

    /// Keeps only what is still there.
    pub(crate) fn forget(&self, arn: &FunctionArn, number: u64) {
        self.with(|kept| kept.retain(|(of, version, _), _| of != arn || *version != number));
    }
}

fn key(arn: &FunctionArn, record: &lambda::Function) -> Option<Key> {
    let number = record.version.filter(|_| record.settings.snap_start)?;
    Some((arn.clone(), number, record.last_modified))
}

/// What a version's plan knows of its snapshot.
pub(crate) struct Page {
    album: Arc<Album>,
    key: Key,
    /// The version, if it had a snapshot once.
    retake: Option<lambda::Function>,
    /// Those of the environment in which a snapshot is taken.
    secrets: Option<Secrets>,
}

impl Page {
    /// The snapshot. Where there was one and it is gone, another one is taken, for those who come later.
    pub(crate) fn snapshot(&self) -> Option<Snapshot> {
        if self.secrets.is_some() {
            return None;
        }
        let found = self.album.with(|kept| kept.get(&self.key).cloned());
        match (found, &self.retake) {
            (Some(Kept::Taken(snapshot, _)), _) => Some(snapshot),
            (None, Some(version)) if self.album.off.is_none() => {
                // With a full queue it is wanted once more with the next environment.
                let _later = self.album.wanted.try_send((self.key.0.clone(), version.clone()));
                None
            }
            _ => None,
        }
    }

    pub(crate) fn secrets(&self) -> Option<Secrets> {
        self.secrets.clone().or_else(|| match self.album.with(|kept| kept.get(&self.key).cloned()) {
            Some(Kept::Taken(_, secrets)) => Some(secrets),
            _ => None,
        })
    }

    pub(crate) fn failed(&self, why: &str) {
        tracing::warn!(
            function = %self.key.0,
            version = self.key.1,
            why,
            "the snapshot of a version cannot be used, and is not tried again: it starts anew in each environment"
        );
        self.album.with(|kept| kept.insert(self.key.clone(), Kept::None));
    }
}

/// Takes snapshots, one at a time: each initialises a function, beside those that are invoked. On a machine whose memory is
/// full versions stay `Pending` until there is room.
pub(crate) struct Photographer {
    album: Arc<Album>,
    world: Arc<World>,
    composer: Arc<Composer>,
    entropy: Arc<dyn Entropy>,
    invoker: Invoker,
    runtimes: Runtimes,
    turn: Semaphore,
}

impl Photographer {
    /// Takes those that are wanted once more, until nobody can want any.
    pub(crate) async fn retake(self: Arc<Self>, mut wanted: Wanted) {
        while let Some((arn, version)) = wanted.recv().await {
            self.take(&arn, &version).await;
        }
    }

    async fn photograph(&self, arn: &FunctionArn, version: &lambda::Function, key: Key) -> Preparation {
        // What a start of the server finds unsettled comes before the interpreters have been found.
        if self.runtimes.clone().wait().await.is_none() {
            return Preparation::Plain;
        }
        let _turn = self.turn.acquire().await.expect("nobody closes this semaphore");
        let is_mine = self.album.with(|kept| match kept.get(&key) {
            Some(_) => false,
            None => kept.insert(key.clone(), Kept::Taking).is_none(),
        });
        if !is_mine {
            let is_taken = self.album.with(|kept| matches!(kept.get(&key), Some(Kept::Taken(..))));
            return if is_taken { Preparation::Optimized } else { Preparation::Plain };
        }
        let secrets = Secrets { metadata_token: self.token(), credentials_token: self.token() };
        let page = Page {
            album: Arc::clone(&self.album),
            key: key.clone(),
            retake: None,
            secrets: Some(secrets.clone()),
        };
        let function = Arc::new(self.composer.compose_with(arn, version, Some(page)));
        let id = EnvironmentId::random(&*self.entropy);
        let _apart = self.invoker.apart(id, function.memory).await;
        let taken = take_snapshot(Arc::clone(&self.world), function, id, Arc::new(|_, _| {})).await;
        let (kept, preparation) = match taken {
            Ok(snapshot) => {
                let megabytes = snapshot.bytes().0 / (1024 * 1024);
                tracing::info!(function = %arn, version = key.1, megabytes, "a snapshot was taken of a version");
                (Kept::Taken(snapshot, secrets), Preparation::Optimized)
            }
            Err(why) => {
                tracing::warn!(
                    function = %arn,
                    version = key.1,
                    %why,
                    "no snapshot was taken of a version with SnapStart: it starts anew in each environment"
                );
                let preparation = match why {
                    NoSnapshot::Function(_) => Preparation::Failed,
                    NoSnapshot::Ended | NoSnapshot::NotAsked | NoSnapshot::Engine(_) => Preparation::Plain,
                };
                (Kept::None, preparation)
            }
        };
        // A version that was deleted meanwhile is not in the album any more.
        self.album.with(|pages| match pages.get_mut(&key) {
            Some(page) => {
                *page = kept;
                preparation
            }
            None => Preparation::Plain,
        })
    }

    /// A secret of an environment's.
    fn token(&self) -> String {
        let mut token = [0; 32];
        self.entropy.fill(&mut token);
        token.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Snapshots for Photographer {
    fn can(&self) -> bool {
        self.album.off.is_none()
    }

    fn has(&self, version: &lambda::Function) -> bool {
        self.album.with(|kept| {
            kept.iter().any(|((arn, number, at), page)| {
                matches!(page, Kept::Taken(..))
                    && (Some(*number), *at) == (version.version, version.last_modified)
                    && arn.to_string() == version.arn
            })
        })
    }

    fn take<'a>(
        &'a self,
        arn: &'a FunctionArn,
        version: &'a lambda::Function,
    ) -> Pin<Box<dyn Future<Output = Preparation> + Send + 'a>> {
        Box::pin(async move {
            match key(arn, version) {
                Some(key) if self.can() => self.photograph(arn, version, key).await,
                _ => Preparation::Plain,
            }
        })
    }
}

/// Why this server takes no snapshots, as far as its settings say.
pub(crate) fn off(config: &Config) -> Option<String> {
    match (&config.snapshots, config.isolation, config.network) {
        (None, ..) => Some("the setting snapshots is off".to_owned()),
        (_, Isolation::Process, _) => Some("there is no isolation".to_owned()),
        // Programs would be brought to life beside whatever else has a connection there.
        (_, _, Network::Host) => Some("functions use the host's network".to_owned()),
        _ => None,
    }
}
