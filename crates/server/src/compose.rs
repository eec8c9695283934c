//! Turns a stored function into what an environment runs: its code, its interpreter, its variables.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lambent_environment::{Function, LogFormat, Logging, Placement, Plan, StartError, SystemLogLevel};
use lambent_lambda as lambda;
use lambent_model::{Bytes, Entropy, FunctionArn, MemorySize};
use lambent_runtimes::{Catalogue, Credentials, Family, Layout, VariableInput};
use lambent_sandbox_client::{Isolation, Mount, Program};
use lambent_store::{CodeStore, Package};

/// What functions are composed from.
pub(crate) struct Composer {
    /// Filled before the first function arrives.
    pub(crate) catalogue: Arc<OnceLock<Catalogue>>,
    pub(crate) code: CodeStore,
    pub(crate) isolation: Isolation,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Composer {
    /// Never fails: what is missing becomes the error of the first invocation, which names it.
    pub(crate) fn compose(&self, arn: &FunctionArn, record: &lambda::Function) -> Function {
        let settings = &record.settings;
        let isolated = self.isolation != Isolation::Process;
        let family = lambent_runtimes::family(&settings.runtime);
        let catalogue =
            self.catalogue.get().expect("the feed waits for the catalogue before it applies functions");
        let layout = catalogue.layout(&settings.runtime, isolated).map_err(|missing| StartError {
            error_type: "Runtime.InvalidEntrypoint".into(),
            message: missing.to_string(),
        });
        let package = match self.code.open_package(&record.code.sha256) {
            Ok(Some(package)) => Ok(package),
            Ok(None) => Err(lost(record, "it is not in the data folder")),
            Err(error) => Err(lost(record, &error.to_string())),
        };
        let region = arn.scope.region.as_str();
        let plan = FunctionPlan {
            name: arn.name.clone(),
            region: region.to_owned(),
            family: family.unwrap_or(Family::Provided),
            settings: settings.clone(),
            log_group: settings.log_group(&arn.name),
            layout,
            package,
            isolated,
            entropy: Arc::clone(&self.entropy),
        };
        Function {
            arn: arn.clone(),
            version: "$LATEST".into(),
            role: settings.role.clone(),
            timeout: Duration::from_secs(settings.timeout_s.into()),
            memory: MemorySize(settings.memory_mb),
            tmp: Bytes::mib(settings.ephemeral_mb.into()),
            runtime_version: runtime_version(&settings.runtime),
            runtime_version_arn: lambent_control::runtime_version_arn(region, &settings.runtime),
            log_group: settings.log_group(&arn.name),
            logging: logging(&settings.logging),
            plan: Box::new(plan),
        }
    }
}

fn lost(record: &lambda::Function, why: &str) -> StartError {
    StartError {
        error_type: "Runtime.InvalidEntrypoint".into(),
        message: format!(
            "the package {} cannot be used: {why}; update the function's code",
            record.code.sha256
        ),
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
    }
}

struct FunctionPlan {
    name: String,
    region: String,
    family: Family,
    settings: lambda::Settings,
    log_group: String,
    layout: Result<Layout, StartError>,
    /// Held as long as the function may run, so that its files stay.
    package: Result<Package, StartError>,
    isolated: bool,
    entropy: Arc<dyn Entropy>,
}

impl FunctionPlan {
    /// `/var/task` inside, the package's own folder without isolation.
    fn task(&self, package: &Package) -> PathBuf {
        if self.isolated { "/var/task".into() } else { package.root().to_path_buf() }
    }

    fn argv(&self, layout: &Layout, package: &Package) -> Result<Vec<OsString>, StartError> {
        if layout.bootstrap_lookup.is_empty() {
            let node_options = self.variable("NODE_OPTIONS");
            let mut argv = layout.argv_for(MemorySize(self.settings.memory_mb), node_options);
            // Developer Guide, "Modifying the runtime environment": the wrapper gets the runtime's command line.
            if let Some(wrapper) = self.variable("AWS_LAMBDA_EXEC_WRAPPER") {
                argv.insert(0, wrapper.into());
            }
            return Ok(argv);
        }
        // Only whether it is there; links in a package are the sandbox's to follow, not the server's.
        if package.root().join("bootstrap").symlink_metadata().is_ok() {
            return Ok(vec![self.task(package).join("bootstrap").into()]);
        }
        Err(StartError {
            error_type: "Runtime.InvalidEntrypoint".into(),
            message: format!("Couldn't find valid bootstrap(s): [{}]", layout.bootstrap_lookup.join(" ")),
        })
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.settings.variables.as_ref()?.get(name).map(String::as_str)
    }

    fn environment(&self, layout: &Layout, task: PathBuf, placement: &Placement) -> Vec<(String, String)> {
        let customer: Vec<(String, String)> =
            self.settings.variables.clone().unwrap_or_default().into_iter().collect();
        let folders = layout.folders(task, Path::new("/opt").to_path_buf());
        let json = self.settings.logging.format == Some(lambda::LogFormat::Json);
        let level = self.settings.logging.application_level.as_deref().unwrap_or("INFO");
        let keys = SessionKeys::random(&*self.entropy);
        lambent_runtimes::variables(&VariableInput {
            runtime: &self.settings.runtime,
            family: self.family,
            customer: &customer,
            function_name: &self.name,
            function_version: "$LATEST",
            memory: MemorySize(self.settings.memory_mb),
            handler: Some(&self.settings.handler),
            region: &self.region,
            log_group: &self.log_group,
            log_stream: &placement.log_stream,
            initialization_type: "on-demand",
            runtime_api: &placement.runtime_api.to_string(),
            xray_daemon: &format!("{}:2000", placement.runtime_api.ip()),
            credentials: Some(Credentials {
                access_key_id: &keys.access_key_id,
                secret_access_key: &keys.secret,
                session_token: &keys.token,
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
            if let Ok(layout) = &self.layout {
                mounts.extend(layout.mounts.iter().cloned().map(|(source, target)| Mount { source, target }));
            }
        }
        mounts
    }

    fn program(&self, placement: &Placement) -> Result<Program, StartError> {
        let layout = self.layout.as_ref().map_err(Clone::clone)?;
        let package = self.package.as_ref().map_err(Clone::clone)?;
        let argv = self.argv(layout, package)?;
        let task = self.task(package);
        let env = self.environment(layout, task.clone(), placement);
        let env = env.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Ok(Program { argv, env, cwd: task })
    }
}

/// Credentials in the form of a role session. What arrives on the function's own connection is its role session
/// whatever key it shows, so they open nothing elsewhere.
struct SessionKeys {
    access_key_id: String,
    secret: String,
    token: String,
}

impl SessionKeys {
    fn random(entropy: &dyn Entropy) -> Self {
        let text = |length: usize, alphabet: &[u8]| {
            let mut bytes = vec![0; length];
            entropy.fill(&mut bytes);
            bytes
                .iter()
                .map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()]))
                .collect::<String>()
        };
        let alphanumeric = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        Self {
            // "ASIA" marks temporary credentials (IAM User Guide, "IAM identifiers": unique id prefixes).
            access_key_id: format!("ASIA{}", text(16, &alphanumeric[..26])),
            secret: text(40, alphanumeric),
            token: text(128, alphanumeric),
        }
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
