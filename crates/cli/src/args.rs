//! The command line as types. Values are parsed at the edge; what depends on the server or its file stays optional.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::exit;
use crate::terminal::ColorChoice;

/// Runs unmodified AWS Lambda functions on your own machine.
#[derive(Debug, Parser)]
#[command(name = "lambent", bin_name = "lambent", version, after_help = exit::help(), arg_required_else_help = true)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Reads the process's command line. Ends the process with code 2 when it is wrong, with 0 for `--help`.
#[must_use]
pub fn parse() -> Cli {
    parse_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

/// Reads a command line that starts with the program's name.
///
/// # Errors
/// What clap has to say, ready to be printed.
pub fn parse_from<I, T>(arguments: I) -> Result<Cli, clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let cli = Cli::try_parse_from(arguments)?;
    match unused_option(&cli) {
        // An option that would change nothing is refused: whoever wrote it expects that it does.
        Some(option) => {
            let text = format!("{option} does not apply to this command");
            Err(Cli::command().error(ErrorKind::ArgumentConflict, text))
        }
        None => Ok(cli),
    }
}

/// A global option that the command would ignore.
fn unused_option(cli: &Cli) -> Option<&'static str> {
    let GlobalArgs { endpoint, region, json, .. } = &cli.global;
    let writes_no_json = matches!(cli.command, Command::Up(_) | Command::Completions { .. });
    match cli.command {
        Command::Client(_) => None,
        _ if endpoint.is_some() => Some("--endpoint"),
        _ if region.is_some() => Some("--region"),
        _ if *json && writes_no_json => Some("--json"),
        _ => None,
    }
}

/// What `--endpoint` and `--region` stand under in the help: the other commands refuse them.
const CLIENT_OPTIONS: &str = "Options of deploy, invoke, logs and functions";

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub struct GlobalArgs {
    /// Server to talk to [env: LAMBENT_ENDPOINT, AWS_ENDPOINT_URL] [default: http://127.0.0.1:4566]
    #[arg(long, global = true, value_name = "URL", help_heading = CLIENT_OPTIONS)]
    pub endpoint: Option<String>,
    /// Region to act in [env: AWS_REGION, AWS_DEFAULT_REGION] [default: us-east-1]
    #[arg(long, global = true, value_name = "REGION", help_heading = CLIENT_OPTIONS)]
    pub region: Option<String>,
    /// Write JSON to standard output; `up` and `completions` have none
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// When to colour the output; NO_COLOR turns `auto` into `never`
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", help_heading = "Output")]
    pub color: ColorChoice,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the server
    Up(UpArgs),
    /// Say what this machine offers for isolation and runtimes, and what is missing
    Doctor,
    /// List the managed runtimes and what this machine has for them, or add what it lacks
    Runtimes(RuntimesArgs),
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// A command that talks to the running server.
    #[command(flatten)]
    Client(ClientCommand),
}

/// `lambent runtimes`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct RuntimesArgs {
    /// The server's data folder [default: as that of `up`]
    #[arg(long, global = true, env = "LAMBENT_DATA_DIR", hide_env_values = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// What to do; without it they are listed
    #[command(subcommand)]
    pub command: Option<RuntimesCommand>,
}

/// What there is to do with runtimes.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum RuntimesCommand {
    /// Fetch what AWS's runtime has besides the interpreter: Java's client, boto3, the AWS SDK for JavaScript
    Add {
        /// The runtime, such as java21, python3.13 or nodejs22.x
        id: String,
        /// Folder that holds it already, so that nothing is fetched: jars, wheels, or a node_modules
        #[arg(long, value_name = "DIR")]
        from: Option<PathBuf>,
    },
}

/// Commands that are clients of the running server, through its public API alone.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ClientCommand {
    /// Create or update a function from a folder
    Deploy(DeployArgs),
    /// Invoke a function and print what it returns
    Invoke(InvokeArgs),
    /// Print a function's log
    Logs(LogsArgs),
    /// List the functions
    Functions,
}

/// `lambent up`: flags over environment over `lambent.toml` over defaults; absent means "look further".
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct UpArgs {
    /// Folder in which `lambent.toml` is looked for [default: the current one]
    pub dir: Option<PathBuf>,
    /// Loopback address and port to listen on; port 0 takes a free one [default: 127.0.0.1:4566]
    #[arg(long, env = "LAMBENT_LISTEN", hide_env_values = true, value_name = "ADDR", value_parser = address)]
    pub listen: Option<SocketAddr>,
    /// Where functions, logs and settings are kept [default: $XDG_DATA_HOME/lambent, /var/lib/lambent for root]
    #[arg(long, env = "LAMBENT_DATA_DIR", hide_env_values = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// What keeps functions apart from the host and from each other [default: auto]
    #[arg(long, env = "LAMBENT_ISOLATION", hide_env_values = true, value_enum)]
    pub isolation: Option<IsolationArg>,
    /// What functions reach over the network [default: none, and host with --isolation process]
    #[arg(long, env = "LAMBENT_NETWORK", hide_env_values = true, value_enum)]
    pub network: Option<NetworkArg>,
    /// Whether functions reach private networks, such as your own, with --network nat [default: deny]
    #[arg(long, env = "LAMBENT_PRIVATE_NETWORKS", hide_env_values = true, value_enum)]
    pub private_networks: Option<PrivateNetworksArg>,
    /// Whether signatures and permissions are enforced [default: auto]
    #[arg(long, env = "LAMBENT_AUTH", hide_env_values = true, value_enum)]
    pub auth: Option<AuthArg>,
    /// Database: `sqlite`, or a postgres:// address (not in this version) [default: sqlite]
    #[arg(long, env = "LAMBENT_STORE", hide_env_values = true, value_name = "URL")]
    pub store: Option<String>,
    /// Let functions create, change and delete functions through the endpoint inside
    #[arg(long, env = "LAMBENT_FUNCTIONS_MAY_ADMIN", hide_env_values = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub functions_may_admin: Option<bool>,
    /// Folder that functions may be run from as it is (S3Bucket=hot-reload); more than once [default: DIR]
    #[arg(
        long,
        env = "LAMBENT_HOT_RELOAD",
        hide_env_values = true,
        value_name = "DIR",
        value_delimiter = ','
    )]
    pub hot_reload: Vec<std::path::PathBuf>,
    /// How many sandboxes wait for functions: `auto`, `off`, or a number of each kind in use [default: auto]
    #[arg(long, env = "LAMBENT_PREWARM", hide_env_values = true, value_name = "HOW")]
    pub prewarm: Option<String>,
    /// What takes snapshots for SnapStart: `auto`, the host's CRIU; `off`; or a folder with CRIU and its libraries
    /// [default: auto]
    #[arg(long, env = "LAMBENT_SNAPSHOTS", hide_env_values = true, value_name = "HOW")]
    pub snapshots: Option<String>,
    /// Where another AWS service is that events are sent on to, such as sqs=http://127.0.0.1:5000; more than once
    #[arg(
        long = "aws-endpoint",
        env = "LAMBENT_AWS_ENDPOINTS",
        hide_env_values = true,
        value_name = "SERVICE=URL",
        value_delimiter = ','
    )]
    pub aws_endpoints: Vec<String>,
    /// Certificate for https, PEM, with those between it and its authority [default: made by the server's own authority]
    #[arg(long, env = "LAMBENT_TLS_CERT", hide_env_values = true, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, env = "LAMBENT_TLS_KEY", hide_env_values = true, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Which log lines are written: a level, or levels by target such as warn,lambent_invoker=debug [default: info]
    #[arg(long, env = "LAMBENT_LOG", hide_env_values = true, value_name = "FILTER")]
    pub log: Option<String>,
    /// How log lines look [default: text]
    #[arg(long, env = "LAMBENT_LOG_FORMAT", hide_env_values = true, value_enum)]
    pub log_format: Option<LogFormatArg>,
    /// Deploy the examples, invoke them cold and warm, show the timings, keep serving
    #[arg(long)]
    pub demo: bool,
    /// Configuration file [default: lambent.toml in DIR]
    #[arg(long, env = "LAMBENT_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `--isolation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IsolationArg {
    /// The strongest of this version, namespaces; never none
    Auto,
    /// Linux namespaces, seccomp and cgroups; weaker without root
    Namespaces,
    /// A virtual machine for each environment (not in this version)
    Microvm,
    /// None at all: for your own code only
    Process,
}

/// `--log-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormatArg {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// `--network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NetworkArg {
    /// The platform's endpoint only
    None,
    /// The outside, by address translation: neither this host nor other functions
    Nat,
    /// The host's network
    Host,
}

/// `--private-networks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrivateNetworksArg {
    /// No
    Deny,
    /// Yes: addresses of RFC 1918 and RFC 6598
    Allow,
}

/// `--auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuthArg {
    /// Off on loopback, enforced on any other address (so that this version listens on loopback alone)
    Auto,
    /// Any well-formed signature passes
    Off,
    /// Signatures are verified and permissions decide (not in this version)
    Enforce,
}

/// `lambent deploy`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct DeployArgs {
    /// Folder that holds the function, or a jar
    pub dir: PathBuf,
    /// Function name [default: the name of the folder or jar]
    #[arg(long)]
    pub name: Option<String>,
    /// Runtime, such as python3.13 [default: by the files in the folder]
    #[arg(long)]
    pub runtime: Option<String>,
    /// Handler [default: lambda_function.lambda_handler, index.handler or bootstrap; Java has none]
    #[arg(long)]
    pub handler: Option<String>,
    /// Memory in MB
    #[arg(long, value_name = "MB")]
    pub memory: Option<i32>,
    /// Timeout in seconds
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<i32>,
    /// Environment variable; repeat for more. On an update they replace all present ones
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub env: Vec<(String, String)>,
    /// Execution role [default: arn:aws:iam::ACCOUNT:role/lambent]
    #[arg(long, value_name = "ARN")]
    pub role: Option<String>,
    /// Description
    #[arg(long)]
    pub description: Option<String>,
    /// Instruction set: x86_64 or arm64
    #[arg(long, value_name = "ARCH")]
    pub architecture: Option<String>,
}

/// `lambent invoke`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct InvokeArgs {
    /// Function name or ARN
    pub name: String,
    /// Event: JSON text, @FILE, or - for standard input
    #[arg(long, short, value_name = "JSON|@FILE|-")]
    pub payload: Option<String>,
    /// Version or alias
    #[arg(long)]
    pub qualifier: Option<String>,
    /// Show the end of the invocation's log; shown in any case when the function fails
    #[arg(long, conflicts_with = "asynchronous")]
    pub tail: bool,
    /// Client context: JSON text
    #[arg(long, value_name = "JSON", conflicts_with = "asynchronous")]
    pub client_context: Option<String>,
    /// Hand the event over and do not wait for the result
    #[arg(long = "async")]
    pub asynchronous: bool,
}

/// `lambent logs`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct LogsArgs {
    /// Function name or ARN, or a log group that begins with a slash
    pub name: String,
    /// Wait for more until Ctrl-C, which then ends with code 0
    #[arg(long, short)]
    pub follow: bool,
    /// How far back to begin: 30s, 10m, 2h, 1d, 1w
    #[arg(long, value_name = "AGE", default_value = "10m", value_parser = age)]
    pub since: Duration,
    /// Show events that match a filter pattern of CloudWatch Logs alone, such as ERROR or '{ $.status >= 500 }'
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub filter: Option<String>,
}

/// Reads `127.0.0.1:4566` or `localhost:4566`. Other names are not looked up: what is listened on must not depend on
/// what a name server answers.
fn address(text: &str) -> Result<SocketAddr, String> {
    let error = |_| "write an address and a port, such as 127.0.0.1:4566".to_owned();
    match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}").parse().map_err(error),
        None => text.parse().map_err(error),
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

/// Reads an age such as `90s`, `10m`, `2h`, `1d` or `1w`.
fn age(text: &str) -> Result<Duration, String> {
    let error = || "write a number and a unit: 30s, 10m, 2h, 1d, 1w".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(error)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(error()),
    };
    // A century is longer than any log; the bound keeps the arithmetic on timestamps from overflowing.
    let number = number.parse::<u64>().ok().filter(|number| *number <= 36_500).ok_or_else(error)?;
    Ok(Duration::from_secs(number * seconds))
}

#[cfg(test)]
mod tests;
