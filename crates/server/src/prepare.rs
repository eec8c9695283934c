//! What a server needs root for, done before it gives root up.
//!
//! The order is the design:
//! 1. the data folder, which has to change hands;
//! 2. the front door, which may have a port below 1024;
//! 3. the process that looks for interpreters, and the launcher, which keep the rights;
//! 4. the rights go, and with them the way back.
//!
//! Only then there are threads, a runtime, and a first byte from outside. Without root nothing changes hands, and all of
//! it runs as the same user.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use lambent_sandbox_client::{
    GiveUpError, Isolation, Launcher, NatOptions, Network, Options, SnapshotOptions, Spawned, Trees, give_up,
};

use crate::discovery::Discovery;
use crate::endpoints::Keys;
use crate::hot::Folders;
use crate::server::{StartError, data_dir_error};
use crate::user::{ServiceUser, is_root};
use crate::{Config, activation, folder, snapshots, tls};

/// All that was made with rights, for a server without.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) config: Config,
    /// The data folder, without links.
    pub(crate) dir: PathBuf,
    /// What code may be run from as it is.
    pub(crate) folders: Folders,
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
    pub(crate) launcher: Spawned,
    pub(crate) discovery: Discovery,
    pub(crate) user: Option<ServiceUser>,
    /// What calls of other services are signed with.
    pub(crate) keys: Keys,
    /// A certificate of the user's.
    pub(crate) tls: Option<tls::Given>,
}

impl Prepared {
    /// Makes everything ready and, as root, gives up all rights. To be called before there is a second thread.
    ///
    /// # Errors
    /// [`StartError`], with what to do. The process must not serve then.
    pub fn new(config: Config) -> Result<Self, StartError> {
        raise_descriptor_limit();
        // Before rights go: the shared credentials file is private to who starts the server.
        let keys = Keys::read(&config.endpoints)?;
        // As is the key of a certificate.
        let tls = tls::Given::read(&config)?;
        let user = is_root().then(ServiceUser::find).transpose().map_err(StartError::User)?;
        let dir = folder::prepare(&config.data_dir, user)
            .map_err(|source| data_dir_error(&config.data_dir, source))?;
        let folders = Folders::open(&config.hot_reload, &dir).map_err(StartError::HotReload)?;
        let (listener, address) = activation::listener(config.listen)?;
        // Functions without isolation run as the server's user, who cannot come to everything that root finds.
        let public_alone = user.is_some() && config.isolation == Isolation::Process;
        let (discovery, declarations) =
            Discovery::start(&dir, public_alone).map_err(StartError::Discovery)?;
        let options = launcher_options(&config, &dir, &folders, address.port(), user);
        let launcher = Launcher::spawn_with(options, Some(declarations))?;
        if let Some(user) = user {
            lose_root(user, &dir)?;
        }
        Ok(Self { config, dir, folders, listener, address, launcher, discovery, user, keys, tls })
    }
}

fn launcher_options(
    config: &Config,
    dir: &Path,
    folders: &Folders,
    port: u16,
    user: Option<ServiceUser>,
) -> Options {
    // The server's own before those of the operator, which may lie around them.
    let own = folder::SHOWN.map(|name| dir.join(name));
    let beneath = own.into_iter().chain(folders.roots().map(Path::to_owned));
    let whole = folders.roots().map(Path::to_owned);
    Options {
        // Functions find the platform at the same port inside as outside.
        platform_port: port,
        isolation: config.isolation,
        // Without isolation functions have the host's /tmp.
        scratch: (config.isolation == Isolation::Namespaces).then(|| dir.join("scratch")),
        nat: (config.network == Network::Nat).then_some(NatOptions { private: config.private_networks }),
        server: user.map(|user| user.ids),
        trees: Trees { beneath: beneath.collect(), folders: whole.collect() },
        snapshots: config
            .snapshots
            .clone()
            .filter(|_| snapshots::off(config).is_none())
            .map(|criu| SnapshotOptions { folder: dir.join("snapshots"), criu }),
        ..Options::new(instance(dir))
    }
}

fn lose_root(user: ServiceUser, dir: &Path) -> Result<(), StartError> {
    // The present folder may be one that the user cannot enter.
    std::env::set_current_dir("/").map_err(|source| {
        StartError::Rights(GiveUpError::Step { step: "leave the present folder", source })
    })?;
    give_up(user.ids).map_err(StartError::Rights)?;
    match std::fs::read_dir(dir) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(StartError::Unreachable {
            dir: dir.display().to_string(),
            barrier: folder::barrier(dir).unwrap_or_else(|| dir.to_owned()).display().to_string(),
            user: user.to_string(),
        }),
        Err(error) => Err(data_dir_error(dir, error)),
    }
}

/// Names this data folder among the servers of a host, for cgroups: a hash, since paths hold anything.
fn instance(dir: &Path) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    dir.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// A thousand environments hold about ten descriptors each, far more than the usual soft limit.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Refused means that the limit stays; `doctor` shows it.
    let _stays = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
