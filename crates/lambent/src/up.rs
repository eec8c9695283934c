//! `lambent up`: configuration, the server, signals, the demonstration.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use lambent_cli::client::{self, Client};
use lambent_cli::{ExitCode, Terminal, UpArgs};
use lambent_server::{Config, Overrides, Prepared, RunError, Runtimes, Server, Telemetry};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{demo, report};

pub(crate) fn run(arguments: UpArgs, terminal: &Terminal) -> ExitCode {
    match serve(arguments, terminal) {
        Ok(code) => code,
        Err(error) => {
            terminal.error(error.as_ref());
            ExitCode::Failed
        }
    }
}

/// Half of the processors: functions, for which the server is there, have the others. With a worker on each, an
/// invocation's steps wander between workers that wake each other, which takes longer than the steps.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(2))
}

fn serve(arguments: UpArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let with_demo = arguments.demo;
    let config = configuration(arguments)?;
    Telemetry::check()?;
    let earlier = report::earlier_data_dir(&config.data_dir);
    // Before the first thread: as root this is where the rights end.
    let prepared = Prepared::new(config.clone())?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build()?;
    runtime.block_on(async {
        let signals = Signals::listen().context("cannot listen for signals")?;
        let telemetry = Telemetry::start(&config)?;
        let server = Server::start(prepared, telemetry).await?;
        let address = server.address();
        announce(&config, &server, terminal);
        if let Some(earlier) = earlier {
            terminal.say(&format!(
                "root's data of an earlier version is still in {}: move it to {}, or name it with --data-dir",
                earlier.display(),
                config.data_dir.display()
            ));
        }
        if !with_demo {
            // The demonstration closes with the same.
            hint(address, terminal);
        }
        let runtimes = server.runtimes();
        let mut running = tokio::spawn(signals.run(server));
        let mut code = ExitCode::Ok;
        if with_demo {
            // A server that ends meanwhile has the better reason.
            let shown = tokio::select! { biased;
                ended = &mut running => return ended.context("the server ended unexpectedly")?.map(|()| code).map_err(Into::into),
                shown = demonstrate(runtimes, address, terminal) => shown?,
            };
            code = if shown { ExitCode::Ok } else { ExitCode::Failed };
        }
        running.await.context("the server ended unexpectedly")??;
        Ok(code)
    })
}

fn configuration(arguments: UpArgs) -> anyhow::Result<Config> {
    let file = read_file(arguments.config.as_deref(), arguments.dir.as_deref())?;
    let overrides = Overrides {
        listen: arguments.listen.map(|address| address.to_string()),
        data_dir: arguments.data_dir,
        isolation: arguments.isolation.map(name),
        network: arguments.network.map(name),
        private_networks: arguments.private_networks.map(name),
        auth: arguments.auth.map(name),
        store: arguments.store,
        functions_may_admin: arguments.functions_may_admin,
        hot_reload: arguments.hot_reload,
        project: project(arguments.dir.as_deref()),
        prewarm: arguments.prewarm,
        snapshots: arguments.snapshots,
        endpoints: arguments.aws_endpoints,
        tls_cert: arguments.tls_cert,
        tls_key: arguments.tls_key,
        log: arguments.log,
        log_format: arguments.log_format.map(name),
    };
    Ok(Config::resolve(overrides, file.as_deref(), report::default_data_dir())?)
}

/// The folder that the server is started for. Neither the whole machine nor a whole home is one that functions should see
/// because somebody was there when the server was started.
fn project(dir: Option<&Path>) -> Option<PathBuf> {
    let dir = dir.unwrap_or(Path::new(".")).canonicalize().ok()?;
    let home = std::env::var_os("HOME").and_then(|home| Path::new(&home).canonicalize().ok());
    let is_around = home.is_some_and(|home| home.starts_with(&dir));
    // Reached by its path, which the folder that one stands in need not be.
    (dir != Path::new("/") && !is_around && dir.metadata().is_ok()).then_some(dir)
}

/// The word by which a value is given on the command line.
fn name(value: impl clap::ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// The named file must be there; `lambent.toml` in the folder may.
fn read_file(config: Option<&Path>, dir: Option<&Path>) -> anyhow::Result<Option<String>> {
    let default: PathBuf = dir.unwrap_or(Path::new(".")).join("lambent.toml");
    match std::fs::read_to_string(config.unwrap_or(&default)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if config.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| {
            format!("cannot read the configuration file {}", config.unwrap_or(&default).display())
        }),
    }
}

fn announce(config: &Config, server: &Server, terminal: &Terminal) {
    let address = server.address();
    let isolation = match config.isolation {
        lambent_server::Isolation::Namespaces if server.kept().rootless => {
            "namespaces, rootless: one user id; for your own code, not for strangers'"
        }
        lambent_server::Isolation::Namespaces => "namespaces",
        lambent_server::Isolation::Process => "NONE (process): for your own code only",
    };
    let user = server.user().map_or(String::new(), |user| format!(" · as: {user}"));
    terminal.say(&format!(
        "lambent {} on http://{address} · isolation: {isolation} · data: {}{user}",
        env!("CARGO_PKG_VERSION"),
        config.data_dir.display()
    ));
    for limit in &server.kept().limits_not_kept {
        terminal.say(&format!("this limit of functions is not kept here: {limit}"));
    }
    for limit in &server.kept().limits_kept_otherwise {
        terminal.say(&format!("this limit of functions is kept in another way here: {limit}"));
    }
    if let Some(error) = &server.kept().freezer_error {
        terminal.say(&format!("environments are not frozen between invocations here: {error}"));
    }
    // Existing tools wait for this very line.
    let mut stdout = std::io::stdout();
    let _closed = writeln!(stdout, "Ready.").and_then(|()| stdout.flush());
}

/// How to get there with the stock tools.
fn hint(address: std::net::SocketAddr, terminal: &Terminal) {
    terminal.say(&format!(
        "for the AWS CLI and SDKs:\n  export AWS_ENDPOINT_URL=http://{address} AWS_DEFAULT_REGION=us-east-1\n  \
         export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test"
    ));
}

async fn demonstrate(
    mut runtimes: Runtimes,
    address: std::net::SocketAddr,
    terminal: &Terminal,
) -> anyhow::Result<bool> {
    let catalogue = runtimes.wait().await.context("the interpreters of this host are not known")?;
    let settings = client::Settings {
        endpoint: client::Endpoint::parse(&format!("http://{address}"))?,
        ..client::Settings::default()
    };
    let client = Client::new(settings, Arc::new(client::SystemClock));
    let summary = lambent_cli::demo(&client, &demo::functions(catalogue)?, terminal).await?;
    Ok(summary.failed == 0)
}

/// The signals that end the server: the first drains, the second forces.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    async fn run(mut self, server: Server) -> Result<(), RunError> {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (force, forced) = tokio::sync::oneshot::channel::<()>();
        let listening = async {
            self.next().await;
            drop(stop);
            self.next().await;
            drop(force);
            std::future::pending::<()>().await;
        };
        // The senders are only ever dropped: that is the signal.
        let serving = server.run(async { drop(stopped.await) }, async { drop(forced.await) });
        tokio::select! {
            () = listening => Ok(()),
            ended = serving => ended,
        }
    }
}
