//! Turns a stored function into what an environment runs: its code, its interpreter, its variables.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use lambent_environment::{
    ApplicationLogLevel, Function, LogFormat, Logging, Placement, Plan, Secrets, SessionKeys, StartError,
    SystemLogLevel,
};
use lambent_identity::{Principal, RoleSession, Sessions};
use lambent_lambda as lambda;
use lambent_model::{Bytes, Clock, Entropy, FunctionArn, MemorySize, Sha256};
use lambent_runtimes::{
    Catalogue, Credentials, CredentialsFrom, Family, Layout, MetadataToken, VariableInput,
};
use lambent_sandbox_client::{Isolation, Kind, Mount, Program, Snapshot};
use lambent_store::{CodeStore, merged_digest};

use crate::entrypoint;
use crate::hot::{Folders, Tree, folder_of_layers};
use crate::natives::{self, Place};
use crate::snapshots::{Album, Page};

/// What functions are composed from.
pub(crate) struct Composer {
    /// Filled before the first function arrives.
    catalogue: Arc<OnceLock<Catalogue>>,
    code: CodeStore,
    folders: Folders,
    isolation: Isolation,
    issuer: Issuer,
    album: Arc<Album>,
    /// The deprecated runtimes, and the settings without effect, of which the server's log has been told.
    warned: Mutex<BTreeSet<String>>,
}

/// Makes the credentials of functions.
#[derive(Clone)]
pub(crate) struct Issuer {
    pub(crate) sessions: Sessions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// How old an environment becomes.
pub(crate) const ENVIRONMENT_LIFETIME: Duration = Duration::from_secs(4 * 3600);
/// For how long the credentials are good that an environment starts with: to its last invocation's end and beyond.
const CREDENTIALS_LIFETIME: Duration = Duration::from_secs(6 * 3600);
/// The same of those that are fetched: SDKs fetch others minutes before the end.
const FETCHED_LIFETIME: Duration = Duration::from_secs(3600);

impl Issuer {
    pub(crate) fn new(sessions: &Sessions, clock: &Arc<dyn Clock>, entropy: &Arc<dyn Entropy>) -> Self {
        Self { sessions: sessions.clone(), clock: Arc::clone(clock), entropy: Arc::clone(entropy) }
    }
}

impl Composer {
    /// The catalogue is filled before the first function arrives.
    pub(crate) fn new(
        catalogue: &Arc<OnceLock<Catalogue>>,
        code: &CodeStore,
        folders: &Folders,
        isolation: Isolation,
        issuer: Issuer,
        album: Arc<Album>,
    ) -> Self {
        let (catalogue, code, folders) = (Arc::clone(catalogue), code.clone(), folders.clone());
        Self { catalogue, code, folders, isolation, issuer, album, warned: Mutex::default() }
    }

    /// AWS writes to the owners of such functions; here it is one line for each runtime and start of the server.
    fn warn_of_deprecation(&self, runtime: &str, function: &str) {
        let today = lambent_runtimes::date(std::time::SystemTime::now());
        let warning = lambent_runtimes::info(runtime).and_then(|info| info.deprecation(&today));
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(warning) = warning.filter(|_| warned.insert(runtime.to_owned())) {
            tracing::warn!(%function, "{warning}");
        }
    }

    /// One line for each setting and start of the server: of what a deploy tool has sent and nothing acts on.
    fn warn_of_no_effect(&self, around: &lambda::Surroundings, function: &str) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        for setting in around.without_effect() {
            if warned.insert(setting.to_owned()) {
                tracing::warn!(
                    function,
                    "{setting} is kept and shown, and has no effect yet, with this function and perhaps with others; \
                     see docs/compatibility.md"
                );
            }
        }
    }

    /// One line for each start of the server.
    fn warn_of_no_snapshots(&self, record: &lambda::Function, function: &str) {
        let Some(reason) = self.album.off() else { return };
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let has_it = record.version.is_some() && record.settings.snap_start;
        if has_it && warned.insert("SnapStart".to_owned()) {
            tracing::warn!(
                function,
                reason,
                "no snapshots are taken: of a version with SnapStart that is in use one environment is initialised \
                 ahead, and its OptimizationStatus is Off"
            );
        }
    }

    /// The code of a function or of its layers.
    fn tree(&self, folder: Option<&str>, digest: Sha256, what: &str) -> Result<Tree, StartError> {
        if let Some(folder) = folder {
            return Ok(Tree::Folder(folder.into(), self.folders.clone()));
        }
        match self.code.open_package(&digest) {
            Ok(Some(package)) => Ok(Tree::Package(package)),
            Ok(None) => Err(lost(digest, what, "it is not in the data folder")),
            Err(error) => Err(lost(digest, what, &error.to_string())),
        }
    }

    /// Never fails: what is missing becomes the error of the first invocation, which names it.
    pub(crate) fn compose(&self, arn: &FunctionArn, record: &lambda::Function) -> Function {
        self.compose_with(arn, record, self.album.page(arn, record))
    }

    /// The same, with what its plan is to know of a snapshot.
    pub(crate) fn compose_with(
        &self,
        arn: &FunctionArn,
        record: &lambda::Function,
        page: Option<Page>,
    ) -> Function {
        let settings = &record.settings;
        self.warn_of_deprecation(&settings.runtime, &arn.name);
        self.warn_of_no_effect(&settings.surroundings, &arn.name);
        self.warn_of_no_snapshots(record, &arn.name);
        let isolated = self.isolation != Isolation::Process;
        let family = lambent_runtimes::family(&settings.runtime);
        let package = self.tree(record.code.folder.as_deref(), record.code.sha256, "code");
        let folder = folder_of_layers(record);
        let layers = settings.layer_tree(merged_digest);
        let layers = layers.map(|digest| self.tree(folder, digest, "layers")).transpose();
        let region = arn.scope.region.as_str();
        let plan = FunctionPlan {
            name: arn.name.clone(),
            version: record.version_text(),
            region: region.to_owned(),
            family: family.unwrap_or(Family::Provided),
            settings: Arc::clone(settings),
            log_group: settings.log_group(&arn.name),
            catalogue: Arc::clone(&self.catalogue),
            package,
            layers,
            isolated,
            fetches_credentials: record.version.is_some() && settings.snap_start,
            session: Principal::AssumedRole(RoleSession::for_function(
                arn.scope.account.clone(),
                &settings.role,
                &*arn.name,
            )),
            issuer: self.issuer.clone(),
            page,
        };
        let extensions = plan.extensions();
        Function {
            arn: arn.clone(),
            version: record.version_text(),
            role: settings.role.clone(),
            timeout: Duration::from_secs(settings.timeout_s.into()),
            memory: MemorySize(settings.memory_mb),
            tmp: Bytes::mib(settings.ephemeral_mb.into()),
            handler: settings.handler.clone(),
            extensions,
            runtime_version: runtime_version(&settings.runtime),
            runtime_version_arn: lambent_control::runtime_version_arn(region, &settings.runtime),
            log_group: settings.log_group(&arn.name),
            snap_start: record.version.is_some() && settings.snap_start,
            logging: logging(&settings.logging),
            plan: Box::new(plan),
        }
    }
}

fn lost(digest: Sha256, what: &str, why: &str) -> StartError {
    StartError {
        error_type: "Runtime.InvalidEntrypoint".into(),
        message: format!("the package {digest} cannot be used: {why}; update the function's {what}"),
    }
}

/// `python3.12` is `python:3.12` in `INIT_START`.
fn runtime_version(runtime: &str) -> String {
    let version = runtime.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(runtime.len());
    let (name, version) = runtime.split_at(version);
    format!("{name}:{}", version.trim_start_matches('.').trim_end_matches(".x"))
}

fn logging(logging: &lambda::Logging) -> Logging {
    Logging {
        format: match logging.format {
            Some(lambda::LogFormat::Json) => LogFormat::Json,
            _ => LogFormat::Text,
        },
        system_level: match logging.system_level.as_deref() {
            Some("DEBUG") => SystemLogLevel::Debug,
            Some("WARN") => SystemLogLevel::Warn,
            _ => SystemLogLevel::Info,
        },
        application_level: logging
            .application_level
            .as_deref()
            .and_then(ApplicationLogLevel::parse)
            .unwrap_or(ApplicationLogLevel::Info),
    }
}

struct FunctionPlan {
    name: String,
    version: String,
    region: String,
    family: Family,
    settings: Arc<lambda::Settings>,
    log_group: String,
    catalogue: Arc<OnceLock<Catalogue>>,
    /// Held as long as the function may run, so that its files stay.
    package: Result<Tree, StartError>,
    /// The merged tree of its layers, where it has any; held likewise.
    layers: Result<Option<Tree>, StartError>,
    isolated: bool,
    /// A version with SnapStart: its credentials are in no variable, which would be in its snapshot.
    fetches_credentials: bool,
    session: Principal,
    issuer: Issuer,
    /// What is known of its snapshot, of a version with SnapStart.
    page: Option<Page>,
}

impl FunctionPlan {
    /// Anew for each environment: what was missing may have been added meanwhile.
    fn layout(&self) -> Result<Layout, StartError> {
        let catalogue =
            self.catalogue.get().expect("the feed waits for the catalogue before it applies functions");
        catalogue.layout(&self.settings.runtime, self.isolated).map_err(|missing| StartError {
            error_type: "Runtime.InvalidEntrypoint".into(),
            message: missing.to_string(),
        })
    }

    /// `/var/task` inside, the package's own folder without isolation.
    fn task(&self, package: &Tree) -> PathBuf {
        if self.isolated { "/var/task".into() } else { package.root().to_path_buf() }
    }

    /// `/opt` inside, the merged tree's own folder without isolation.
    fn opt(&self) -> PathBuf {
        match &self.layers {
            Ok(Some(layers)) if !self.isolated => layers.root().to_path_buf(),
            _ => "/opt".into(),
        }
    }

    /// The names of the files in `/opt/extensions`, sorted. What is no file there is none, and neither is one whose name
    /// no header can carry.
    fn extensions(&self) -> Vec<String> {
        let Ok(Some(layers)) = &self.layers else { return Vec::new() };
        let Some(entries) = layers.list("extensions") else { return Vec::new() };
        // Links are the sandbox's to follow: what they lead to shows when it is started.
        let is_program = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| !kind.is_dir());
        let files = entries.filter_map(Result::ok).filter(is_program);
        let mut names: Vec<String> = files.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }

    fn argv(&self, layout: &Layout, package: &Tree) -> Result<Vec<OsString>, StartError> {
        if layout.bootstrap_lookup.is_empty() {
            let memory = MemorySize(self.settings.memory_mb);
            let mut argv = layout.argv_for(memory, &self.settings.handler, |name| self.variable(name));
            if self.variable("AWS_LAMBDA_EXEC_WRAPPER").is_some_and(|wrapper| !wrapper.is_empty()) {
                argv.splice(0..0, ["/bin/sh", "-c", entrypoint::WRAPPED, "bootstrap"].map(OsString::from));
            }
            return Ok(argv);
        }
        // Only whether it is there; links in a package are the sandbox's to follow, not the server's.
        if package.has("bootstrap") {
            return Ok(vec![self.task(package).join("bootstrap").into()]);
        }
        let in_layers = |layers: &&Tree| layers.has("bootstrap");
        if self.layers.as_ref().is_ok_and(|layers| layers.as_ref().filter(in_layers).is_some()) {
            return Ok(vec![self.opt().join("bootstrap").into()]);
        }
        Err(StartError {
            error_type: "Runtime.InvalidEntrypoint".into(),
            message: format!("Couldn't find valid bootstrap(s): [{}]", layout.bootstrap_lookup.join(" ")),
        })
    }

    /// The session that the function calls as.
    fn keys(&self, lifetime: Duration) -> SessionKeys {
        let Issuer { sessions, clock, entropy } = &self.issuer;
        let expires = clock.now().plus(lifetime);
        let keys = sessions.issue(&self.session, expires, &**entropy);
        SessionKeys {
            access_key_id: keys.access_key,
            secret_access_key: keys.secret,
            session_token: keys.session_token.unwrap_or_default(),
            expires,
        }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.settings.variables.as_ref()?.get(name).map(String::as_str)
    }

    fn environment(&self, layout: &Layout, task: PathBuf, placement: &Placement) -> Vec<(String, String)> {
        let customer: Vec<(String, String)> =
            self.settings.variables.clone().unwrap_or_default().into_iter().collect();
        let folders = layout.folders(task, self.opt());
        let json = self.settings.logging.format == Some(lambda::LogFormat::Json);
        let level = self.settings.logging.application_level.as_deref().unwrap_or("INFO");
        let keys = self.keys(CREDENTIALS_LIFETIME);
        lambent_runtimes::variables(&VariableInput {
            runtime: &self.settings.runtime,
            family: self.family,
            customer: &customer,
            function_name: &self.name,
            function_version: &self.version,
            memory: MemorySize(self.settings.memory_mb),
            handler: Some(&self.settings.handler),
            region: &self.region,
            log_group: &self.log_group,
            log_stream: &placement.log_stream,
            initialization_type: placement.initialization.as_str(),
            runtime_api: &placement.runtime_api.to_string(),
            metadata_token: MetadataToken(&placement.metadata_token),
            xray_daemon: &placement.xray_daemon.to_string(),
            credentials: Some(match self.fetches_credentials {
                true => CredentialsFrom::Endpoint(MetadataToken(&placement.credentials_token)),
                false => CredentialsFrom::Variables(Credentials {
                    access_key_id: &keys.access_key_id,
                    secret_access_key: &keys.secret_access_key,
                    session_token: &keys.session_token,
                }),
            }),
            json_log_level: json.then_some(level),
            endpoint_url: Some(&format!("http://{}", placement.platform)),
            folders: &folders,
        })
    }
}

impl Plan for FunctionPlan {
    fn mounts(&self) -> Vec<Mount> {
        let mut mounts = Vec::new();
        if self.isolated {
            if let Ok(package) = &self.package {
                mounts.push(Mount { source: package.root().to_path_buf(), target: "/var/task" });
            }
            if let Ok(Some(layers)) = &self.layers {
                mounts.push(Mount { source: layers.root().to_path_buf(), target: "/opt" });
            }
            if let Ok(layout) = self.layout() {
                mounts.extend(layout.mounts.into_iter().map(|(source, target)| Mount { source, target }));
            }
        }
        mounts
    }

    fn kind(&self) -> Option<Kind> {
        let variables = self.settings.variables.iter().flatten();
        let variables = variables.map(|(name, value)| (name.as_str(), value.as_str()));
        let tier = lambent_runtimes::tier(self.family, variables);
        let memory = MemorySize(self.settings.memory_mb);
        let tmp = Bytes::mib(self.settings.ephemeral_mb.into());
        crate::prewarm::kind(self.catalogue.get()?, &self.settings.runtime, memory, tmp, tier)
    }

    fn program(&self, placement: &Placement) -> Result<Program, StartError> {
        let layout = self.layout()?;
        let package = self.package.as_ref().map_err(Clone::clone)?;
        self.layers.as_ref().map_err(Clone::clone)?;
        let argv = self.argv(&layout, package)?;
        let task = self.task(package);
        let env = self.environment(&layout, task.clone(), placement);
        let env = env.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Ok(Program { argv, env, cwd: task })
    }

    fn extension(&self, name: &str, placement: &Placement) -> Result<Program, StartError> {
        let layout = self.layout()?;
        let package = self.package.as_ref().map_err(Clone::clone)?;
        let function = self.environment(&layout, self.task(package), placement);
        let env = lambent_runtimes::extension_variables(&function);
        let env = env.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let argv = vec![self.opt().join("extensions").join(name).into()];
        Ok(Program { argv, env, cwd: PathBuf::from("/") })
    }

    fn snapshot(&self) -> Option<Snapshot> {
        self.page.as_ref()?.snapshot()
    }

    fn snapshot_failed(&self, why: &str) {
        if let Some(page) = &self.page {
            page.failed(why);
        }
    }

    fn secrets(&self) -> Option<Secrets> {
        self.page.as_ref()?.secrets()
    }

    fn credentials(&self) -> Option<SessionKeys> {
        self.fetches_credentials.then(|| self.keys(FETCHED_LIFETIME))
    }

    fn remedy(&self, file: &Path, errno: i32) -> Option<String> {
        let package = self.package.as_ref().ok()?;
        let layers = self.layers.as_ref().ok().and_then(Option::as_ref);
        let below = |root: PathBuf, package: &Tree| {
            file.strip_prefix(root).ok().map(|name| package.root().join(name))
        };
        // Of other files, such as an interpreter's, the catalogue has seen that they run.
        let found = below(self.task(package), package).or_else(|| below(self.opt(), layers?));
        entrypoint::remedy(&found?, &file.to_string_lossy(), errno)
    }

    fn advice(&self, error: &[u8]) -> Option<String> {
        let error: serde_json::Value = serde_json::from_slice(error).ok()?;
        let package = self.package.as_ref().ok()?;
        let mut places =
            vec![Place { shown: self.task(package), root: package.root(), imports: vec![String::new()] }];
        if let Ok(Some(layers)) = &self.layers {
            let mut imports = vec!["python".to_owned()];
            if let Family::Python { minor } = self.family {
                imports.insert(0, format!("python/lib/python3.{minor}/site-packages"));
            }
            places.push(Place { shown: self.opt(), root: layers.root(), imports });
        }
        natives::remedy(error.get("errorMessage")?.as_str()?, self.family, &places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtime_versions_read_as_in_init_start() {
        for (runtime, version) in [
            ("python3.12", "python:3.12"),
            ("nodejs20.x", "nodejs:20"),
            ("provided.al2023", "provided:al2023"),
            ("java21", "java:21"),
        ] {
            assert_eq!(runtime_version(runtime), version);
        }
    }
}
