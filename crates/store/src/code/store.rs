//! The handle of the code store.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use lambent_model::Sha256;
use sha2::Digest as _;
use tokio::sync::Semaphore;

use super::package::{Inner, Manifest};
use super::stage::{self, Stage};
use super::{CodeError, CodeOptions, Package};

/// Packages unpacked at once: each keeps a processor and a disk busy and may take up to 512 MB of memory.
const UNPACKERS: usize = 2;
/// Uploads of one digest wait for each other. By the digest's first byte, so that there is nothing to clean up;
/// two different packages that meet only lose time.
const LANES: usize = 16;

/// Deployment packages on one machine's disk. Cheap to clone; all clones are the same store.
///
/// The directory belongs to one process at a time: keep it inside the data directory that the record store locks.
#[derive(Clone)]
pub struct CodeStore {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) packages: PathBuf,
    pub(super) staging: PathBuf,
    options: CodeOptions,
    lanes: [Arc<tokio::sync::Mutex<()>>; LANES],
    unpackers: Arc<Semaphore>,
    state: Mutex<State>,
    /// Held by the collection that is under way.
    pub(super) collecting: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
pub(super) struct State {
    /// Packages that somebody holds.
    live: HashMap<Sha256, Weak<Inner>>,
    /// Packages held at any time since the collection under way began.
    pub(super) touched: Option<HashSet<Sha256>>,
    /// The next name in `staging`, which is empty at start.
    next_stage: u64,
}

impl CodeStore {
    /// Opens the store in `dir`, creating it where it is missing, and removes what a crash has left behind.
    ///
    /// # Errors
    /// [`CodeError::Io`].
    pub fn open(dir: &Path, options: CodeOptions) -> Result<Self, CodeError> {
        let (packages, staging) = (dir.join("packages"), dir.join("staging"));
        stage::make_directory(&packages)?;
        stage::make_directory(&staging)?;
        for entry in std::fs::read_dir(&staging).map_err(CodeError::io("list", &staging))? {
            let entry = entry.map_err(CodeError::io("list", &staging))?;
            stage::remove(&staging, &entry.file_name().to_string_lossy())?;
        }
        Ok(Self {
            shared: Arc::new(Shared {
                packages,
                staging,
                options,
                lanes: std::array::from_fn(|_| Arc::default()),
                unpackers: Arc::new(Semaphore::new(UNPACKERS)),
                state: Mutex::default(),
                collecting: Arc::default(),
            }),
        })
    }

    /// Stores a zip file and unpacks it, unless that has been done before. When it returns, both are on the disk.
    ///
    /// # Errors
    /// [`CodeError::NotAZip`] and [`CodeError::TooLarge`] for what AWS refuses; nothing is stored then.
    pub async fn put_zip(&self, zip: bytes::Bytes) -> Result<Package, CodeError> {
        let hashed = zip.clone();
        let digest = blocking(move || Sha256(sha2::Sha256::digest(&hashed).into())).await;
        let lane = self.shared.lane(&digest).lock_owned().await;
        if let Some(package) = self.open_package(&digest)? {
            return Ok(package);
        }
        let permit =
            self.shared.unpackers.clone().acquire_owned().await.expect("nobody closes this semaphore");
        let shared = self.shared.clone();
        blocking(move || {
            // Both live in here: a caller that goes away neither frees the digest nor the place early.
            let _held = (lane, permit);
            super::space::check(&shared.staging, zip.len() as u64)?;
            let stage = shared.new_stage();
            let manifest = stage::fill(&stage, &zip, &shared.options)?;
            shared.publish(stage, digest, manifest)
        })
        .await
    }

    /// The package with this digest, if it has been stored.
    ///
    /// # Errors
    /// [`CodeError::Io`] when it is there and cannot be read.
    pub fn open_package(&self, digest: &Sha256) -> Result<Option<Package>, CodeError> {
        // One small file is read under the lock, so that a collection cannot remove the package in between.
        let mut state = self.shared.state();
        if let Some(inner) = state.live.get(digest).and_then(Weak::upgrade) {
            return Ok(Some(state.hold(inner)));
        }
        let path = self.shared.packages.join(digest.to_string()).join(stage::MANIFEST);
        let manifest = match std::fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json).map_err(CodeError::io("read", &path))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(CodeError::io("read", &path)(e)),
        };
        let inner = self.shared.inner(*digest, manifest);
        Ok(Some(state.hold(inner)))
    }

    /// The zip file as it was uploaded, for `Code.Location`; `None` when there is no such package.
    ///
    /// # Errors
    /// [`CodeError::Io`] when it cannot be read.
    pub async fn zip_bytes(&self, digest: &Sha256) -> Result<Option<bytes::Bytes>, CodeError> {
        let Some(package) = self.open_package(digest)? else { return Ok(None) };
        let path = self.shared.packages.join(digest.to_string()).join(stage::ZIP);
        let zip = blocking(move || {
            let _held = package;
            std::fs::read(&path).map_err(CodeError::io("read", &path))
        });
        Ok(Some(zip.await?.into()))
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the lock")
    }

    /// What has to be held while a digest is brought in.
    pub(super) fn lane(&self, digest: &Sha256) -> Arc<tokio::sync::Mutex<()>> {
        self.lanes[usize::from(digest.0[0]) % LANES].clone()
    }

    pub(super) fn new_stage(&self) -> Stage {
        let mut state = self.state();
        state.next_stage += 1;
        Stage::new(&self.staging, state.next_stage.to_string())
    }

    fn inner(self: &Arc<Self>, digest: Sha256, manifest: Manifest) -> Arc<Inner> {
        let root = self.packages.join(digest.to_string()).join(stage::ROOT);
        Arc::new(Inner { digest, manifest, root, shared: self.clone() })
    }

    /// Moves a filled stage to its place.
    pub(super) fn publish(
        self: &Arc<Self>,
        stage: Stage,
        digest: Sha256,
        manifest: Manifest,
    ) -> Result<Package, CodeError> {
        let path = self.packages.join(digest.to_string());
        let inner = self.inner(digest, manifest);
        let package = {
            // Under the lock, so that a collection sees the package together with its holder.
            let mut state = self.state();
            std::fs::rename(stage.path(), &path).map_err(CodeError::io("publish", &path))?;
            state.hold(inner)
        };
        stage.keep();
        rustix::fs::fsync(stage::open_directory(&self.packages)?)
            .map_err(CodeError::io("sync", &self.packages))?;
        Ok(package)
    }

    /// Called when the last holder of a package lets go.
    pub(super) fn forget(&self, digest: &Sha256) {
        let mut state = self.state();
        // Somebody may have opened it anew since.
        if state.live.get(digest).is_some_and(|inner| inner.strong_count() == 0) {
            state.live.remove(digest);
        }
    }
}

impl State {
    fn hold(&mut self, inner: Arc<Inner>) -> Package {
        self.live.insert(inner.digest, Arc::downgrade(&inner));
        if let Some(touched) = &mut self.touched {
            touched.insert(inner.digest);
        }
        Package { inner }
    }

    /// From now on, notes what is held.
    pub(super) fn begin_collection(&mut self) {
        self.touched = Some(self.live.keys().copied().collect());
    }
}

/// Runs `work` on a thread that may block. A panic in it goes on in the caller.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down and drops this task, too.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}
