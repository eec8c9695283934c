//! Looking for interpreters in a process of its own, with the rights of whoever started the server: they are found in
//! homes that the server's user cannot enter.
//!
//! ```text
//! server, before it gives up its rights ──starts──▶ the same binary, by another name
//!            ▲                                        │ 1. folders that sandboxes may be shown ─▶ launcher
//!            └──────────── the catalogue as JSON ◀────┘ 2.
//! ```

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};

use lambent_runtimes::{Catalogue, Search};
use lambent_sandbox_client as sandbox;
use rustix::event::{PollFd, PollFlags, poll};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::watch;

/// As which program (`argv[0]`) the server's binary is the one that looks.
pub const PROGRAM: &str = "lambent-discovery";

/// The argument that asks for what every user can start.
const PUBLIC_ALONE: &str = "public-alone";

/// A catalogue has a few KiB; more is not one.
const MOST_CATALOGUE: u64 = 1024 * 1024;

/// What the process does with its arguments after the name: looks, tells the launcher on standard input, tells the server on standard output.
///
/// # Errors
/// When the data folder cannot be written, or nobody listens any more.
pub fn run(mut arguments: impl Iterator<Item = OsString>) -> io::Result<()> {
    std::thread::spawn(end_with_the_server);
    let data_dir = arguments.next().ok_or_else(|| io::Error::other("the data folder is not named"))?;
    let public_alone = arguments.next().is_some_and(|word| word == PUBLIC_ALONE);
    let search = Search { public_alone, ..Search::from_environment(|name| std::env::var_os(name)) };
    let catalogue = Catalogue::discover(Path::new(&data_dir), &search)?;
    // In this order: what the server knows of, it may ask for.
    sandbox::declare(io::stdin().as_fd(), catalogue.folders()).map_err(io::Error::other)?;
    let mut stdout = io::stdout();
    stdout.write_all(&serde_json::to_vec(&catalogue)?)?;
    stdout.flush()
}

/// Whoever waits for the answer may end first. Then this process ends as well, whatever it is doing: nobody may find it
/// still at work in the data folder.
fn end_with_the_server() {
    let stdout = io::stdout();
    loop {
        // Asked for nothing: that nobody has the other end any more is told in any case.
        let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => {}
            _ => std::process::exit(1),
        }
    }
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
    /// Closed before the process is waited for: that ends it.
    answer: OwnedFd,
    process: Reaped,
}

/// A process that is about to end, and is waited for.
#[derive(Debug)]
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        // It fails only when that has been done already.
        let _ended = self.0.wait();
    }
}

impl Discovery {
    /// Starts it. The other value is for the launcher. With `public_alone` it finds what every user can start.
    pub(crate) fn start(data_dir: &Path, public_alone: bool) -> io::Result<(Self, OwnedFd)> {
        let (to_launcher, launchers) = sandbox::declarations().map_err(io::Error::other)?;
        let (answer, writer) = io::pipe()?;
        let process = std::os::unix::process::CommandExt::arg0(&mut Command::new("/proc/self/exe"), PROGRAM)
            .arg(data_dir)
            .args(public_alone.then_some(PUBLIC_ALONE))
            .stdin(Stdio::from(to_launcher))
            .stdout(writer)
            .spawn()?;
        Ok((Self { process: Reaped(process), answer: answer.into() }, launchers))
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
        let Self { answer, mut process } = self;
        rustix::io::ioctl_fionbio(&answer, true)?;
        let mut json = Vec::new();
        pipe::Receiver::from_owned_fd(answer)?.take(MOST_CATALOGUE).read_to_end(&mut json).await?;
        // It has closed its output, so it is at its end.
        let status =
            tokio::task::spawn_blocking(move || process.0.wait()).await.map_err(io::Error::other)??;
        if !status.success() {
            return Err(io::Error::other(format!(
                "the search for interpreters ended with {status}, see above"
            )));
        }
        Ok(serde_json::from_slice(&json)?)
    }
}
