//! Why a server does not start, and why one that runs has to end.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use lambent_sandbox_client::GiveUpError;

use crate::calls::ClientStartError;
use crate::endpoints::KeysError;
use crate::tls::TlsError;

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
    /// A folder that code was to be run from cannot be used.
    #[error("code cannot be run from a folder that was named for it")]
    HotReload(#[source] io::Error),
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

pub(crate) fn data_dir_error(dir: &Path, source: io::Error) -> StartError {
    StartError::DataDir { dir: dir.display().to_string(), source }
}

/// Why a running server had to end.
#[derive(Debug, thiserror::Error)]
#[error("the {what} failed, and the server with it")]
pub struct RunError {
    pub(super) what: &'static str,
    pub(super) source: Box<dyn std::error::Error + Send + Sync>,
}
