//! Looking for interpreters in a process of its own, with the rights of whoever started the server: they are found in
//! homes that the server's user cannot enter.
//!
//! ```text
//! server, before it gives up its rights ──starts──▶ the same binary, by another name
//!            ▲                                        │ 1. folders that sandboxes may be shown ─▶ launcher
//!            └──────────── the catalogue as JSON ◀────┘ 2.
//! ```

use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};

use lambent_runtimes::{Catalogue, Search};
use lambent_sandbox_client as sandbox;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::watch;

/// As which program (`argv[0]`) the server's binary is the one that looks.
pub const PROGRAM: &str = "lambent-discovery";

/// A catalogue has a few KiB; more is not one.
const MOST_CATALOGUE: u64 = 1024 * 1024;

/// What the process does: looks, tells the launcher on standard input, tells the server on standard output.
///
/// # Errors
/// When the data folder cannot be written, or nobody listens any more.
pub fn run(data_dir: &Path) -> io::Result<()> {
    let catalogue = Catalogue::discover(data_dir, &Search::from_environment(|name| std::env::var_os(name)))?;
    // In this order: what the server knows of, it may ask for.
    sandbox::declare(io::stdin().as_fd(), catalogue.folders()).map_err(io::Error::other)?;
    let mut stdout = io::stdout();
    stdout.write_all(&serde_json::to_vec(&catalogue)?)?;
    stdout.flush()
}

/// What this host can run, once that is known.
#[derive(Debug, Clone)]
pub struct Runtimes {
    pub(crate) catalogue: Arc<OnceLock<Catalogue>>,
    found: watch::Receiver<bool>,
}

impl Runtimes {
    /// Waits until the interpreters have been found; `None` when the search has failed, which ends the server.
    pub async fn wait(&mut self) -> Option<&Catalogue> {
        self.found.wait_for(|found| *found).await.ok()?;
        self.catalogue.get()
    }
}

/// The process, from the server's side.
#[derive(Debug)]
pub(crate) struct Discovery {
    process: Child,
    answer: OwnedFd,
}

impl Discovery {
    /// Starts it. The other value is for the launcher.
    pub(crate) fn start(data_dir: &Path) -> io::Result<(Self, OwnedFd)> {
        let (to_launcher, launchers) = sandbox::declarations().map_err(io::Error::other)?;
        let (answer, writer) = io::pipe()?;
        let process = std::os::unix::process::CommandExt::arg0(&mut Command::new("/proc/self/exe"), PROGRAM)
            .arg(data_dir)
            .stdin(Stdio::from(to_launcher))
            .stdout(writer)
            .spawn()?;
        Ok((Self { process, answer: answer.into() }, launchers))
    }

    /// What waits for its findings, and what others learn them from.
    pub(crate) fn share(self) -> (impl Future<Output = io::Result<()>>, Runtimes) {
        let catalogue = Arc::new(OnceLock::new());
        let (known, found) = watch::channel(false);
        let runtimes = Runtimes { catalogue: Arc::clone(&catalogue), found };
        let search = async move {
            let _first = catalogue.set(self.catalogue().await?);
            known.send_replace(true);
            Ok(())
        };
        (search, runtimes)
    }

    /// Waits for what it has found.
    async fn catalogue(self) -> io::Result<Catalogue> {
        let Self { mut process, answer } = self;
        rustix::io::ioctl_fionbio(&answer, true)?;
        let mut json = Vec::new();
        pipe::Receiver::from_owned_fd(answer)?.take(MOST_CATALOGUE).read_to_end(&mut json).await?;
        // It has closed its output, so it is at its end.
        let status =
            tokio::task::spawn_blocking(move || process.wait()).await.map_err(io::Error::other)??;
        if !status.success() {
            return Err(io::Error::other(format!(
                "the search for interpreters ended with {status}, see above"
            )));
        }
        Ok(serde_json::from_slice(&json)?)
    }
}
