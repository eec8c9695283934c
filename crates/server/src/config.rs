//! Configuration: flags and environment over file over defaults, all faults reported at once.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lambent_environment::StreamRate;
use lambent_fabric::events::TimeScale;
use lambent_sandbox_client::{Isolation, Network};
use serde::Deserialize;

use crate::endpoints::{Endpoints, Given};
use crate::prewarm::Prewarm;
use crate::telemetry::{LogFilter, LogFormat};

/// The port that tools for local AWS look for.
const DEFAULT_PORT: u16 = 4566;

/// Settings as given by flags and environment variables, unparsed; `None` leaves the file's or the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--listen`, `LAMBENT_LISTEN`.
    pub listen: Option<String>,
    /// `--data-dir`, `LAMBENT_DATA_DIR`.
    pub data_dir: Option<PathBuf>,
    /// `--isolation`, `LAMBENT_ISOLATION`.
    pub isolation: Option<String>,
    /// `--network`, `LAMBENT_NETWORK`.
    pub network: Option<String>,
    /// `--private-networks`, `LAMBENT_PRIVATE_NETWORKS`.
    pub private_networks: Option<String>,
    /// `--auth`, `LAMBENT_AUTH`.
    pub auth: Option<String>,
    /// `--store`, `LAMBENT_STORE`.
    pub store: Option<String>,
    /// `--functions-may-admin`, `LAMBENT_FUNCTIONS_MAY_ADMIN`.
    pub functions_may_admin: Option<bool>,
    /// `--prewarm`, `LAMBENT_PREWARM`.
    pub prewarm: Option<String>,
    /// `--snapshots`, `LAMBENT_SNAPSHOTS`.
    pub snapshots: Option<String>,
    /// `--aws-endpoint`, `LAMBENT_AWS_ENDPOINTS`: `SERVICE=URL`.
    pub endpoints: Vec<String>,
    /// `--hot-reload`, `LAMBENT_HOT_RELOAD`.
    pub hot_reload: Vec<PathBuf>,
    /// The folder that the server is started for, where it is one that holds a project and not a whole home.
    pub project: Option<PathBuf>,
    /// `--tls-cert`, `LAMBENT_TLS_CERT`.
    pub tls_cert: Option<PathBuf>,
    /// `--tls-key`, `LAMBENT_TLS_KEY`.
    pub tls_key: Option<PathBuf>,
    /// `--log`, `LAMBENT_LOG`.
    pub log: Option<String>,
    /// `--log-format`, `LAMBENT_LOG_FORMAT`.
    pub log_format: Option<String>,
}

/// `lambent.toml`. Each field is optional.
#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct File {
    /// Address and port to listen on. Default `127.0.0.1:4566`.
    listen: Option<String>,
    /// Where everything is kept. Default `$XDG_DATA_HOME/lambent`.
    data_dir: Option<PathBuf>,
    /// `auto`, `namespaces` or `process`. Default `auto`.
    isolation: Option<String>,
    /// What functions reach: `none`, `nat` or `host`. Default `none` (`host` with process isolation).
    network: Option<String>,
    /// With network `nat`: `deny` or `allow`. Default `deny`.
    private_networks: Option<String>,
    /// `auto` or `off`. Default `auto`.
    auth: Option<String>,
    /// `sqlite`. Default `sqlite`.
    store: Option<String>,
    /// Whether functions may change the API's resources. Default false.
    functions_may_admin: Option<bool>,
    /// Folders that code may be run from as it is. Default the server's own `DIR`; none with `[]`.
    hot_reload: Option<Vec<PathBuf>>,
    /// `auto`, `off` or a number of sandboxes. Default `auto`.
    prewarm: Option<TextOrNumber>,
    /// What takes snapshots for SnapStart: `auto`, `off` or a folder with CRIU. Default `auto`.
    snapshots: Option<String>,
    /// Which log lines are written: a level, or levels by target. Default `info`.
    log: Option<String>,
    /// `text` or `json`. Default `text`.
    log_format: Option<String>,
    /// Further names under which clients may address the server. Default none.
    #[serde(default)]
    hosts: Vec<String>,
    /// Seconds after which an idle environment ends. Default 600.
    idle_seconds: Option<u64>,
    /// Seconds that running invocations get at shutdown. Default 30.
    drain_seconds: Option<u64>,
    /// By how much waits and ages of asynchronous invocation are multiplied, above 0 and up to 1. Default 1.
    event_time_scale: Option<f64>,
    /// Further domains below which function URLs are served. Default none.
    #[serde(default)]
    url_domains: Vec<String>,
    /// The same of the minutes and cooldowns of scaling policies.
    scaling_time_scale: Option<f64>,
    /// How fast responses are streamed after their first 6 MB. Default as fast as possible.
    stream_bytes_per_second: Option<u64>,
    /// Certificates and key for `https`, PEM. Default: the server's own authority makes certificates.
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    /// Where other AWS services are: a table of addresses. Default none.
    #[serde(default)]
    endpoints: BTreeMap<String, Given>,
}

/// A word, or a number with or without quotes.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
enum TextOrNumber {
    Text(String),
    Number(i64),
}

impl From<TextOrNumber> for String {
    fn from(value: TextOrNumber) -> Self {
        match value {
            TextOrNumber::Text(text) => text,
            TextOrNumber::Number(number) => number.to_string(),
        }
    }
}

/// What the server runs with.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// A loopback address: others need enforced authentication, which does not exist yet.
    pub listen: SocketAddr,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// How functions are kept apart.
    pub isolation: Isolation,
    /// What their network reaches.
    pub network: Network,
    /// Whether functions may create, change and delete functions and whatever else the API administers.
    pub functions_may_admin: bool,
    /// Whether functions may reach private networks (RFC 1918, RFC 6598) with [`Network::Nat`]; false with any other.
    pub private_networks: bool,
    /// Folders that code may be run from as it is, with all below them.
    pub hot_reload: Vec<PathBuf>,
    /// How many sandboxes wait for functions.
    pub prewarm: Prewarm,
    /// The root of the file system with the CRIU that takes snapshots; `None` where none are taken.
    pub snapshots: Option<PathBuf>,
    /// Which log lines are written.
    pub log: LogFilter,
    /// How they look.
    pub log_format: LogFormat,
    /// Further host names that requests may carry.
    pub hosts: Vec<String>,
    /// Idle time of an environment.
    pub idle: Duration,
    /// Time for running invocations at shutdown.
    pub drain: Duration,
    /// How fast time goes for events between their attempts.
    pub event_time_scale: TimeScale,
    /// Domains below which function URLs are served, beside `localhost`.
    pub url_domains: Vec<String>,
    /// How fast time goes for scaling policies.
    pub scaling_time_scale: TimeScale,
    /// How fast responses are streamed after their first 6 MB; `None` for as fast as possible.
    pub stream_rate: Option<StreamRate>,
    /// The certificate for `https`; `None` for those of the server's own authority.
    pub tls: Option<TlsFiles>,
    /// Where other AWS services are.
    pub endpoints: Endpoints,
}

/// A certificate of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has {}:\n  {}", count(.0.len()), .0.join("\n  "))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Puts the layers together. `file` is the text of `lambent.toml`, `default_data_dir` what to use when nothing
    /// names one.
    ///
    /// # Errors
    /// All faults at once.
    pub fn resolve(
        overrides: Overrides,
        file: Option<&str>,
        default_data_dir: Option<PathBuf>,
    ) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        let file: File = match file.map(read_file).transpose() {
            Ok(file) => file.unwrap_or_default(),
            Err((line, text)) => {
                faults.push(format!("line {line} of the configuration file: {text}"));
                File::default()
            }
        };
        let listen = overrides.listen.or(file.listen);
        let listen = note(&mut faults, parse_listen(listen.as_deref())).unwrap_or_else(default_listen);
        let isolation = overrides.isolation.or(file.isolation);
        let isolation =
            note(&mut faults, parse_isolation(isolation.as_deref())).unwrap_or(Isolation::Namespaces);
        let network = overrides.network.or(file.network);
        let network =
            note(&mut faults, parse_network(network.as_deref(), isolation)).unwrap_or(Network::None);
        let private_networks = overrides.private_networks.or(file.private_networks);
        let private_networks = parse_private_networks(private_networks.as_deref(), network);
        let private_networks = note(&mut faults, private_networks).unwrap_or(false);
        note(&mut faults, check_auth(overrides.auth.or(file.auth).as_deref()));
        let log = overrides.log.or(file.log);
        let log = log.map(|text| note(&mut faults, LogFilter::parse(&text)).unwrap_or_default());
        let log_format = overrides.log_format.or(file.log_format);
        let log_format = note(&mut faults, parse_log_format(log_format.as_deref())).unwrap_or_default();
        note(&mut faults, check_store(overrides.store.or(file.store).as_deref()));
        let event_time_scale = note(&mut faults, parse_time_scale("event_time_scale", file.event_time_scale));
        let scaling_time_scale =
            note(&mut faults, parse_time_scale("scaling_time_scale", file.scaling_time_scale));
        let stream_rate = note(&mut faults, parse_stream_rate(file.stream_bytes_per_second)).flatten();
        let prewarm = overrides.prewarm.or(file.prewarm.map(String::from));
        let prewarm = note(&mut faults, parse_prewarm(prewarm.as_deref(), isolation)).unwrap_or(Prewarm::Off);
        let snapshots = parse_snapshots(overrides.snapshots.or(file.snapshots).as_deref());
        let snapshots = note(&mut faults, snapshots).flatten();
        let tls = (overrides.tls_cert.or(file.tls_cert), overrides.tls_key.or(file.tls_key));
        let tls = note(&mut faults, tls_files(tls)).flatten();
        let endpoints = Endpoints::resolve(file.endpoints, &overrides.endpoints, &mut faults);
        let hot_reload = Some(overrides.hot_reload).filter(|folders| !folders.is_empty());
        // Whoever could come from elsewhere is not to read this machine by default.
        let project = overrides.project.filter(|_| listen.ip().is_loopback());
        let hot_reload = hot_reload.or(file.hot_reload).unwrap_or_else(|| project.into_iter().collect());
        let data_dir = overrides.data_dir.or(file.data_dir).or(default_data_dir);
        if data_dir.is_none() {
            faults.push("no data folder: set --data-dir, LAMBENT_DATA_DIR, XDG_DATA_HOME or HOME".into());
        }
        match data_dir {
            Some(data_dir) if faults.is_empty() => Ok(Self {
                listen,
                data_dir,
                isolation,
                network,
                functions_may_admin: overrides
                    .functions_may_admin
                    .or(file.functions_may_admin)
                    .unwrap_or(false),
                private_networks,
                hot_reload,
                prewarm,
                snapshots,
                log: log.unwrap_or_default(),
                log_format,
                hosts: file.hosts,
                idle: Duration::from_secs(file.idle_seconds.unwrap_or(600)),
                drain: Duration::from_secs(file.drain_seconds.unwrap_or(30)),
                event_time_scale: event_time_scale.unwrap_or(TimeScale(1.0)),
                url_domains: file.url_domains,
                scaling_time_scale: scaling_time_scale.unwrap_or(TimeScale(1.0)),
                stream_rate,
                tls,
                endpoints,
            }),
            _ => Err(ConfigError(faults)),
        }
    }
}

fn count(faults: usize) -> String {
    if faults == 1 { "a fault".into() } else { format!("{faults} faults") }
}

/// The file's fields, or where and why it cannot be read.
fn read_file(text: &str) -> Result<File, (usize, String)> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
        // The parser's own words may have lines of their own.
        (line, error.message().replace('\n', "; "))
    })
}

fn note<T>(faults: &mut Vec<String>, result: Result<T, String>) -> Option<T> {
    result.map_err(|fault| faults.push(fault)).ok()
}

fn default_listen() -> SocketAddr {
    (IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT).into()
}

fn parse_listen(text: Option<&str>) -> Result<SocketAddr, String> {
    let Some(text) = text else { return Ok(default_listen()) };
    let address: SocketAddr = text.replace("localhost:", "127.0.0.1:").parse().map_err(|_| {
        format!("listen {text:?} is not an address and port such as 127.0.0.1:{DEFAULT_PORT}")
    })?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!(
            "listen {address}: other machines could reach the API, and this version does not enforce signatures and \
             permissions yet; use a loopback address such as 127.0.0.1:{}",
            address.port()
        ))
    }
}

fn parse_isolation(text: Option<&str>) -> Result<Isolation, String> {
    match text {
        None | Some("auto" | "namespaces") => Ok(Isolation::Namespaces),
        Some("process") => Ok(Isolation::Process),
        Some("microvm") => Err("isolation \"microvm\" does not exist yet; use namespaces".into()),
        Some(other) => Err(format!("isolation {other:?} is none of auto, namespaces, microvm, process")),
    }
}

fn parse_network(text: Option<&str>, isolation: Isolation) -> Result<Network, String> {
    match (text, isolation) {
        (None, Isolation::Process) | (Some("host"), _) => Ok(Network::Host),
        (Some("none"), Isolation::Process) => Err(
            "network \"none\" needs isolation: with isolation \"process\" functions use the host's network"
                .into(),
        ),
        (None | Some("none"), Isolation::Namespaces) => Ok(Network::None),
        (Some("nat"), Isolation::Namespaces) => Ok(Network::Nat),
        (Some("nat"), Isolation::Process) => Err(
            "network \"nat\" needs isolation: with isolation \"process\" functions use the host's network"
                .into(),
        ),
        (Some(other), _) => Err(format!("network {other:?} is none of none, nat, host")),
    }
}

/// AWS's functions reach no private network either, unless they are given one (Developer Guide, "Giving Lambda
/// functions access to resources in an Amazon VPC").
fn parse_private_networks(text: Option<&str>, network: Network) -> Result<bool, String> {
    match (text, network) {
        (None, _) => Ok(false),
        (Some("deny" | "allow"), Network::None | Network::Host) => Err(
            "private networks are denied or allowed with network \"nat\" alone; set that, or leave this out"
                .into(),
        ),
        (Some("deny"), Network::Nat) => Ok(false),
        (Some("allow"), Network::Nat) => Ok(true),
        (Some(other), _) => Err(format!("private networks {other:?} is neither deny nor allow")),
    }
}

/// Only shorter: what waits longer than on AWS would be no test of anything.
fn parse_time_scale(name: &str, scale: Option<f64>) -> Result<TimeScale, String> {
    match scale {
        None => Ok(TimeScale(1.0)),
        Some(scale) if scale > 0.0 && scale <= 1.0 => Ok(TimeScale(scale)),
        Some(scale) => Err(format!("{name} {scale} is not above 0 and up to 1")),
    }
}

fn parse_stream_rate(rate: Option<u64>) -> Result<Option<StreamRate>, String> {
    match rate {
        Some(0) => Err("stream_bytes_per_second 0 lets nothing pass; leave it out for no limit".into()),
        rate => Ok(rate.map(StreamRate)),
    }
}

fn tls_files(given: (Option<PathBuf>, Option<PathBuf>)) -> Result<Option<TlsFiles>, String> {
    match given {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        (Some(_), None) => Err("tls_cert needs tls_key: a certificate is of no use without its key".into()),
        (None, Some(_)) => Err("tls_key needs tls_cert: a key is of no use without its certificate".into()),
    }
}

/// `auto` is the host's own: whether there is one shows when it is wanted.
pub(crate) fn parse_snapshots(text: Option<&str>) -> Result<Option<PathBuf>, String> {
    match text {
        None | Some("auto") => Ok(Some("/".into())),
        Some("off") => Ok(None),
        Some(folder) if Path::new(folder).is_absolute() => Ok(Some(folder.into())),
        Some(other) => Err(format!("snapshots {other:?} is none of auto, off and an absolute path")),
    }
}

fn parse_prewarm(text: Option<&str>, isolation: Isolation) -> Result<Prewarm, String> {
    /// Each takes memory, which is bounded besides; a number above is a slip.
    const MOST: u16 = 100;
    match (text, isolation) {
        (None | Some("off"), Isolation::Process) | (Some("off" | "0"), _) => Ok(Prewarm::Off),
        (None | Some("auto"), Isolation::Namespaces) => Ok(Prewarm::Auto),
        (Some(_), Isolation::Process) => Err(
            "prewarm needs isolation: without it there is no sandbox that could wait; set it to off, or leave it out"
                .into(),
        ),
        (Some(text), Isolation::Namespaces) => match text.parse() {
            Ok(number @ 1..=MOST) => Ok(Prewarm::Fixed(number)),
            _ => Err(format!("prewarm {text:?} is none of auto, off and a number up to {MOST}")),
        },
    }
}

fn parse_log_format(text: Option<&str>) -> Result<LogFormat, String> {
    match text {
        None | Some("text") => Ok(LogFormat::Text),
        Some("json") => Ok(LogFormat::Json),
        Some(other) => Err(format!("log format {other:?} is neither text nor json")),
    }
}

fn check_auth(text: Option<&str>) -> Result<(), String> {
    match text {
        None | Some("auto" | "off") => Ok(()),
        Some("enforce") => Err("auth \"enforce\" does not exist yet; use auto on a loopback address".into()),
        Some(other) => Err(format!("auth {other:?} is none of auto, off, enforce")),
    }
}

fn check_store(text: Option<&str>) -> Result<(), String> {
    match text {
        None | Some("sqlite") => Ok(()),
        Some(url) if url.starts_with("postgres") => {
            Err("the PostgreSQL store does not exist yet; use sqlite".into())
        }
        Some(other) => Err(format!("store {other:?} is neither sqlite nor a postgres:// address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(overrides: Overrides, file: Option<&str>) -> Result<Config, ConfigError> {
        Config::resolve(overrides, file, Some("/data".into()))
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let file = Some("listen = \"127.0.0.1:1\"\nidle_seconds = 5");
        let config = resolve(Overrides::default(), file).unwrap();
        assert_eq!((config.listen.port(), config.idle.as_secs()), (1, 5));
        let flags = Overrides { listen: Some("[::1]:2".into()), ..Overrides::default() };
        assert_eq!(resolve(flags, file).unwrap().listen.port(), 2);
        assert_eq!(resolve(Overrides::default(), None).unwrap().listen.port(), DEFAULT_PORT);
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let overrides = Overrides {
            listen: Some("0.0.0.0:4566".into()),
            isolation: Some("microvm".into()),
            network: Some("lan".into()),
            auth: Some("enforce".into()),
            store: Some("postgres://db".into()),
            log: Some("loud".into()),
            tls_key: Some("key.pem".into()),
            log_format: Some("yaml".into()),
            ..Overrides::default()
        };
        let faults = resolve(overrides, Some("unknown = 1")).unwrap_err().0;
        assert_eq!(faults.len(), 9, "{faults:#?}");
    }

    #[test]
    fn private_networks_are_a_matter_of_nat() {
        let text = |file| resolve(Overrides::default(), Some(file));
        let config = text("network = \"nat\"\nprivate_networks = \"allow\"").unwrap();
        assert_eq!((config.network, config.private_networks), (Network::Nat, true));
        assert!(!text("network = \"nat\"").unwrap().private_networks);
        assert!(text("private_networks = \"allow\"").is_err(), "it would do nothing");
        assert!(text("network = \"nat\"\nisolation = \"process\"").is_err());
    }

    #[test]
    fn sandboxes_wait_as_many_as_are_wanted() {
        let text = |file: &str| resolve(Overrides::default(), Some(file)).map(|config| config.prewarm);
        assert_eq!(text(""), Ok(Prewarm::Auto));
        for (value, expected) in
            [("\"off\"", Prewarm::Off), ("3", Prewarm::Fixed(3)), ("\"auto\"", Prewarm::Auto)]
        {
            assert_eq!(text(&format!("prewarm = {value}")), Ok(expected), "{value}");
        }
        for value in ["-1", "101", "\"many\"", "3\nisolation = \"process\""] {
            assert!(text(&format!("prewarm = {value}")).is_err(), "{value}");
        }
        assert_eq!(text("isolation = \"process\""), Ok(Prewarm::Off));
    }

    #[test]
    fn faults_of_the_file_name_their_line() {
        let text = |file| resolve(Overrides::default(), Some(file)).unwrap_err().to_string();
        assert!(
            text("idle_seconds = 5\nunknown = 1").contains("line 2 of the configuration file: unknown field")
        );
        assert!(text("listen = 5").starts_with("the configuration has a fault:\n  line 1 "));
        assert!(text("listen = ").contains("line 1 of the configuration file: "));
    }

    /// The page names what it documents in backquotes: flags, variables and fields.
    #[test]
    fn the_manual_lists_every_field() {
        let page = include_str!("../../../docs/configuration.md");
        let unknown = toml::from_str::<File>("no_such_field = 1").unwrap_err();
        // Serde's message is the one list of the fields that cannot be forgotten.
        let (_, fields) = unknown.message().split_once("expected one of ").expect("there are several");
        let fields: Vec<&str> = fields.split('`').skip(1).step_by(2).collect();
        assert!(fields.contains(&"drain_seconds"), "{fields:?}");
        for field in fields {
            assert!(page.contains(&format!("`{field}`")), "docs/configuration.md lacks {field}");
        }
    }
}
