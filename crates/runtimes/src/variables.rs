//! The environment of a function (AWS Lambda Developer Guide, "Working with Lambda environment variables").

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use lambent_model::MemorySize;

use crate::Family;

/// The descriptor on which managed runtimes write framed log records.
const TELEMETRY_LOG_FD: &str = "62";
/// The first Python whose runtime AWS starts with a UTF-8 `LC_CTYPE`.
const FIRST_PYTHON_WITH_LC_CTYPE: u8 = 12;

/// What a function may not set itself: creating or updating it with one of these fails.
const RESERVED: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_METADATA_API",
    "AWS_LAMBDA_METADATA_TOKEN",
];

/// Whether the platform alone may set this variable.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Where the function's folders are, as it sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// The code.
    pub task: PathBuf,
    /// The layers, merged.
    pub layers: PathBuf,
    /// The runtime's client.
    pub runtime: PathBuf,
    /// The interpreter's installation.
    pub lang: PathBuf,
    /// Packages that come with the runtime, where they are not below `runtime`.
    pub packages: Option<PathBuf>,
    /// Folders of Ruby's own library, where it has to be told.
    pub libraries: Vec<PathBuf>,
}

impl Folders {
    /// `/var/task`, `/opt`, `/var/runtime`, `/var/lang`: as on AWS.
    #[must_use]
    pub fn isolated() -> Self {
        let [task, layers, runtime, lang] =
            ["/var/task", "/opt", "/var/runtime", "/var/lang"].map(PathBuf::from);
        Self { task, layers, runtime, lang, packages: None, libraries: Vec::new() }
    }
}

/// Credentials of the function's role.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// The access key's id.
    pub access_key_id: &'a str,
    /// The secret.
    pub secret_access_key: &'a str,
    /// The session's token.
    pub session_token: &'a str,
}

// By hand, so that no log shows the secret.
impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// How a function comes by the credentials of its role.
#[derive(Debug, Clone, Copy)]
pub enum CredentialsFrom<'a> {
    /// In its variables.
    Variables(Credentials<'a>),
    /// By asking with this token at the Runtime API's address (Developer Guide, "Security best practices with Lambda
    /// SnapStart").
    Endpoint(MetadataToken<'a>),
}

/// What has to be shown to the metadata endpoint. Its text is not in logs.
#[derive(Clone, Copy)]
pub struct MetadataToken<'a>(pub &'a str);

impl fmt::Debug for MetadataToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MetadataToken(..)")
    }
}

/// What decides about a function's environment.
#[derive(Debug, Clone)]
pub struct VariableInput<'a> {
    /// The runtime's identifier.
    pub runtime: &'a str,
    /// What runs it.
    pub family: Family,
    /// What the function's configuration sets. Reserved names in it have no effect.
    pub customer: &'a [(String, String)],
    /// The function's name.
    pub function_name: &'a str,
    /// `$LATEST` or a number.
    pub function_version: &'a str,
    /// The function's memory.
    pub memory: MemorySize,
    /// The handler; absent for images without one.
    pub handler: Option<&'a str>,
    /// The function's region.
    pub region: &'a str,
    /// The log group's name.
    pub log_group: &'a str,
    /// The log stream's name.
    pub log_stream: &'a str,
    /// `on-demand`, `provisioned-concurrency`, `snap-start`.
    pub initialization_type: &'a str,
    /// `host:port` of the Runtime API.
    pub runtime_api: &'a str,
    /// What the metadata of the environment is asked with, at the Runtime API's address; none is set where it is empty.
    pub metadata_token: MetadataToken<'a>,
    /// `host:port` of the X-Ray daemon.
    pub xray_daemon: &'a str,
    /// Credentials of the function's role.
    pub credentials: Option<CredentialsFrom<'a>>,
    /// The application log level if logs are JSON (`Some("")` where none is set); `None` for text.
    pub json_log_level: Option<&'a str>,
    /// Where SDKs find the platform.
    pub endpoint_url: Option<&'a str>,
    /// Where the function's folders are.
    pub folders: &'a Folders,
}

/// The whole environment of a function, sorted by name. Nothing else is inherited.
///
/// Later sets win: defaults that functions may override, the function's own, credentials, the runtime's, reserved.
/// `_X_AMZN_TRACE_ID` is not here: the client sets it for each invocation.
#[must_use]
pub fn variables(input: &VariableInput<'_>) -> Vec<(String, String)> {
    let mut all = Variables(BTreeMap::new());
    defaults(input, &mut all);
    for (name, value) in input.customer.iter().filter(|(name, _)| !is_reserved(name)) {
        all.set(name, value);
    }
    keep_libraries_reachable(input, &mut all);
    credentials(input, &mut all);
    runtime(input, &mut all);
    reserved(input, &mut all);
    all.0.into_iter().collect()
}

/// What an interpreter is started with that is to wait for its function: the defaults of the runtime, which are the same
/// for every function that [`crate::tier`] lets have it.
#[must_use]
pub fn starting_variables(runtime: &str, family: Family, folders: &Folders) -> Vec<(String, String)> {
    let mut all = variables(&VariableInput {
        runtime,
        family,
        customer: &[],
        function_name: "",
        function_version: "",
        memory: MemorySize(0),
        handler: None,
        region: "",
        log_group: "",
        log_stream: "",
        initialization_type: "",
        runtime_api: "",
        metadata_token: MetadataToken(""),
        xray_daemon: "",
        credentials: None,
        json_log_level: None,
        endpoint_url: None,
        folders,
    });
    all.retain(|(name, _)| crate::tier::is_common(name));
    all
}

/// What of a function's environment its external extensions get (AWS Lambda Developer Guide, "Using the Lambda
/// Extensions API": all but what belongs to the runtime).
#[must_use]
pub fn extension_variables(function: &[(String, String)]) -> Vec<(String, String)> {
    const WITHHELD: &[&str] = &[
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    ];
    function
        .iter()
        .filter(|(name, _)| !name.starts_with('_') && !WITHHELD.contains(&name.as_str()))
        .cloned()
        .collect()
}

struct Variables(BTreeMap<String, String>);

impl Variables {
    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn defaults(input: &VariableInput<'_>, all: &mut Variables) {
    let Folders { task, layers, runtime, lang, packages, .. } = input.folders;
    let (task, layers, runtime) = (text(task), text(layers), text(runtime));
    let lang = if lang.as_os_str().is_empty() { "/var/lang".to_owned() } else { text(lang) };
    all.set("LANG", "en_US.UTF-8");
    all.set("TZ", ":UTC");
    all.set("PATH", format!("{lang}/bin:/usr/local/bin:/usr/bin/:/bin:{layers}/bin"));
    let libraries =
        format!("{lang}/lib:/lib64:/usr/lib64:{runtime}:{runtime}/lib:{task}:{task}/lib:{layers}/lib");
    all.set("LD_LIBRARY_PATH", libraries);
    all.set("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR");
    if let Some(url) = input.endpoint_url {
        all.set("AWS_ENDPOINT_URL", url);
    }
    match input.family {
        Family::Python { minor } => {
            all.set("PYTHONPATH", python_path(input.folders, minor, &runtime, &layers));
            if minor >= FIRST_PYTHON_WITH_LC_CTYPE {
                all.set("LC_CTYPE", "C.UTF-8");
            }
        }
        Family::NodeJs { major } => {
            let modules = format!("{layers}/nodejs/node{major}/node_modules:{layers}/nodejs/node_modules");
            let own = packages.as_deref().map_or_else(|| format!("{runtime}/node_modules"), text);
            all.set("NODE_PATH", format!("{modules}:{own}:{runtime}:{task}"));
        }
        Family::Ruby { major, minor } => {
            let version = format!("{major}.{minor}.0");
            // The colon at the end keeps the gems that come with Ruby itself.
            let gems = format!("{task}/vendor/bundle/ruby/{version}:{layers}/ruby/gems/{version}:");
            all.set("GEM_PATH", gems);
            all.set("GEM_HOME", runtime.clone());
            all.set("RUBYLIB", format!("{task}:{runtime}/lib:{layers}/ruby/lib"));
        }
        Family::Provided | Family::Java { .. } | Family::DotNet { .. } => {}
    }
}

/// The client looks for layers in `/opt` by itself; elsewhere it has to be told.
fn python_path(folders: &Folders, minor: u8, runtime: &str, layers: &str) -> String {
    let mut path = runtime.to_owned();
    if folders.layers != Path::new("/opt") {
        path.push_str(&format!(":{layers}/python/lib/python3.{minor}/site-packages:{layers}/python"));
    }
    if let Some(packages) = &folders.packages {
        path.push_str(&format!(":{}", packages.display()));
    }
    path
}

/// An interpreter that was built for another place finds its own library through `LD_LIBRARY_PATH` alone, so a value
/// of the function's must not hide it.
fn keep_libraries_reachable(input: &VariableInput<'_>, all: &mut Variables) {
    let own = input.folders.lang.join("lib");
    if input.folders.lang.as_os_str().is_empty() || input.family == Family::Provided {
        return;
    }
    if let Some(value) = all.0.get_mut("LD_LIBRARY_PATH")
        && !value.split(':').any(|folder| Path::new(folder) == own)
    {
        if !value.is_empty() {
            value.push(':');
        }
        value.push_str(&text(&own));
    }
    // Programs that the function starts need Ruby's library as well, so it is a variable and not an option.
    for library in &input.folders.libraries {
        let value = all.0.entry("RUBYLIB".to_owned()).or_default();
        if !value.is_empty() {
            value.push(':');
        }
        value.push_str(&text(library));
    }
}

fn credentials(input: &VariableInput<'_>, all: &mut Variables) {
    let credentials = match input.credentials {
        None => return,
        Some(CredentialsFrom::Endpoint(token)) => {
            let url = format!("http://{}/2021-04-23/credentials", input.runtime_api);
            all.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
            return all.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", token.0);
        }
        Some(CredentialsFrom::Variables(credentials)) => credentials,
    };
    all.set("AWS_ACCESS_KEY_ID", credentials.access_key_id);
    all.set("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key);
    all.set("AWS_SESSION_TOKEN", credentials.session_token);
    if matches!(input.runtime, "java8.al2" | "java11") {
        // The names that version 1 of the AWS SDK for Java reads as well.
        all.set("AWS_ACCESS_KEY", credentials.access_key_id);
        all.set("AWS_SECRET_KEY", credentials.secret_access_key);
    }
}

fn runtime(input: &VariableInput<'_>, all: &mut Variables) {
    if input.family == Family::Provided {
        return;
    }
    all.set("_LAMBDA_TELEMETRY_LOG_FD", TELEMETRY_LOG_FD);
    if matches!(input.family, Family::Python { .. } | Family::NodeJs { .. } | Family::Ruby { .. }) {
        // AWS starts these from a shell script, which leaves its marks.
        all.set("PWD", text(&input.folders.task));
        all.set("SHLVL", "0");
    }
}

fn reserved(input: &VariableInput<'_>, all: &mut Variables) {
    let (host, port) = input.xray_daemon.rsplit_once(':').unwrap_or((input.xray_daemon, "2000"));
    all.set("AWS_XRAY_DAEMON_ADDRESS", format!("{host}:{port}"));
    all.set("_AWS_XRAY_DAEMON_ADDRESS", host);
    all.set("_AWS_XRAY_DAEMON_PORT", port);
    if let Some(handler) = input.handler {
        all.set("_HANDLER", handler);
    }
    all.set("AWS_REGION", input.region);
    all.set("AWS_DEFAULT_REGION", input.region);
    if input.family != Family::Provided {
        all.set("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", input.runtime));
    }
    all.set("AWS_LAMBDA_FUNCTION_NAME", input.function_name);
    all.set("AWS_LAMBDA_FUNCTION_VERSION", input.function_version);
    all.set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", input.memory.0.to_string());
    all.set("AWS_LAMBDA_INITIALIZATION_TYPE", input.initialization_type);
    // "… are not available in Lambda SnapStart functions" ("Using Lambda environment variables"): those of a snapshot would be
    // those of the environment in which it was taken.
    if !matches!(input.credentials, Some(CredentialsFrom::Endpoint(_))) {
        all.set("AWS_LAMBDA_LOG_GROUP_NAME", input.log_group);
        all.set("AWS_LAMBDA_LOG_STREAM_NAME", input.log_stream);
    }
    all.set("AWS_LAMBDA_RUNTIME_API", input.runtime_api);
    if !input.metadata_token.0.is_empty() {
        all.set("AWS_LAMBDA_METADATA_API", input.runtime_api);
        all.set("AWS_LAMBDA_METADATA_TOKEN", input.metadata_token.0);
    }
    all.set("LAMBDA_TASK_ROOT", text(&input.folders.task));
    all.set("LAMBDA_RUNTIME_DIR", text(&input.folders.runtime));
    if let Some(level) = input.json_log_level {
        all.set("AWS_LAMBDA_LOG_FORMAT", "JSON");
        if !level.is_empty() {
            all.set("AWS_LAMBDA_LOG_LEVEL", level);
        }
    }
}

#[cfg(test)]
mod tests;
