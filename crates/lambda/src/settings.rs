//! A function's configuration: what the user sets, what the defaults are, what is in range.

use std::collections::BTreeMap;

use lambent_model::Sha256;
use serde::{Deserialize, Serialize};

use crate::{Refusal, Surroundings, SurroundingsChange, UsedLayer, check_variables, limits};

/// Instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Architecture {
    /// `x86_64`.
    #[serde(rename = "x86_64")]
    X86_64,
    /// `arm64`.
    #[serde(rename = "arm64")]
    Arm64,
}

/// `LoggingConfig.LogFormat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogFormat {
    /// Plain lines.
    Text,
    /// JSON records, filtered by level.
    #[serde(rename = "JSON")]
    Json,
}

/// `LoggingConfig`, as given: absent members have their defaults where it is read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Logging {
    /// Text unless said otherwise.
    pub format: Option<LogFormat>,
    /// `TRACE` … `FATAL`; JSON only.
    pub application_level: Option<String>,
    /// `DEBUG`, `INFO` or `WARN`; JSON only.
    pub system_level: Option<String>,
    /// A log group other than `/aws/lambda/NAME`.
    pub group: Option<String>,
}

impl Logging {
    fn check(&self) -> Result<(), Refusal> {
        let leveled = self.application_level.is_some() || self.system_level.is_some();
        if leveled && self.format != Some(LogFormat::Json) {
            return Err(Refusal::InvalidParameter(
                "LogLevel is not supported when LogFormat is set to \"Text\". Remove LogLevel from your request or \
                 change the LogFormat to \"JSON\" and try again."
                    .into(),
            ));
        }
        Ok(())
    }
}

/// The configuration of a function with all defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Execution role.
    pub role: String,
    /// Runtime identifier such as `python3.12`.
    pub runtime: String,
    /// Entry point in the package.
    pub handler: String,
    /// Free text.
    pub description: String,
    /// Seconds.
    pub timeout_s: u32,
    /// MB.
    pub memory_mb: u32,
    /// MB of `/tmp`.
    pub ephemeral_mb: u32,
    /// `None` when never set: AWS then omits `Environment`.
    pub variables: Option<BTreeMap<String, String>>,
    /// How the function logs.
    pub logging: Logging,
    /// What lies at `/opt`, each over the one before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<UsedLayer>,
    /// What AWS has around it.
    #[serde(default)]
    pub surroundings: Surroundings,
    /// `SnapStart.ApplyOn` is `PublishedVersions`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub snap_start: bool,
    /// `TenancyConfig.TenantIsolationMode` is `PER_TENANT`. It stays as it was when the function was created.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub per_tenant: bool,
}

/// A change of some settings; `None` keeps what is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// New execution role.
    pub role: Option<String>,
    /// New runtime.
    pub runtime: Option<String>,
    /// New entry point.
    pub handler: Option<String>,
    /// New description.
    pub description: Option<String>,
    /// New timeout in seconds.
    pub timeout_s: Option<u32>,
    /// New memory in MB.
    pub memory_mb: Option<u32>,
    /// New `/tmp` in MB.
    pub ephemeral_mb: Option<u32>,
    /// New variables, replacing all; an empty map clears.
    pub variables: Option<BTreeMap<String, String>>,
    /// New logging configuration, replacing the whole.
    pub logging: Option<Logging>,
    /// New layers, replacing all; an empty list clears.
    pub layers: Option<Vec<UsedLayer>>,
    /// What is new around the function.
    pub surroundings: SurroundingsChange,
    /// Whether versions are to have SnapStart.
    pub snap_start: Option<bool>,
}

impl Settings {
    /// The settings of a new function (API Reference, `CreateFunction`: defaults).
    #[must_use]
    pub fn new(role: String, runtime: String, handler: String) -> Self {
        Self {
            role,
            runtime,
            handler,
            description: String::new(),
            timeout_s: 3,
            memory_mb: 128,
            ephemeral_mb: 512,
            variables: None,
            logging: Logging::default(),
            layers: Vec::new(),
            surroundings: Surroundings::default(),
            snap_start: false,
            per_tenant: false,
        }
    }

    /// Applies a change and checks the result.
    ///
    /// # Errors
    /// The first setting out of the service's range.
    pub fn changed(&self, change: Change, is_reserved: impl Fn(&str) -> bool) -> Result<Self, Refusal> {
        let changed = Self {
            role: change.role.unwrap_or_else(|| self.role.clone()),
            runtime: change.runtime.unwrap_or_else(|| self.runtime.clone()),
            handler: change.handler.unwrap_or_else(|| self.handler.clone()),
            description: change.description.unwrap_or_else(|| self.description.clone()),
            timeout_s: change.timeout_s.unwrap_or(self.timeout_s),
            memory_mb: change.memory_mb.unwrap_or(self.memory_mb),
            ephemeral_mb: change.ephemeral_mb.unwrap_or(self.ephemeral_mb),
            variables: match change.variables {
                Some(variables) if variables.is_empty() => None,
                Some(variables) => Some(variables),
                None => self.variables.clone(),
            },
            logging: change.logging.unwrap_or_else(|| self.logging.clone()),
            layers: change.layers.unwrap_or_else(|| self.layers.clone()),
            surroundings: self.surroundings.changed(change.surroundings)?,
            snap_start: change.snap_start.unwrap_or(self.snap_start),
            per_tenant: self.per_tenant,
        };
        changed.check(is_reserved)?;
        Ok(changed)
    }

    fn check(&self, is_reserved: impl Fn(&str) -> bool) -> Result<(), Refusal> {
        if self.timeout_s > limits::TIMEOUT_S {
            return Err(Refusal::too_large(self.timeout_s, "timeout", limits::TIMEOUT_S));
        }
        if self.memory_mb > limits::MEMORY_MB {
            return Err(Refusal::too_large(self.memory_mb, "memorySize", limits::MEMORY_MB));
        }
        if self.ephemeral_mb > limits::EPHEMERAL_MB {
            return Err(Refusal::too_large(self.ephemeral_mb, "ephemeralStorage.size", limits::EPHEMERAL_MB));
        }
        if let Some(variables) = &self.variables {
            check_variables(variables, is_reserved)?;
        }
        if self.snap_start {
            crate::snap_start::check(self)?;
            self.check_has_no_tenants("SnapStart")?;
        }
        self.logging.check()
    }

    /// What does not go together with tenant isolation (Developer Guide, "Tenant isolation": "function URLs, provisioned
    /// concurrency, or SnapStart").
    ///
    /// # Errors
    /// Where the function has it. `what` begins the sentence.
    pub fn check_has_no_tenants(&self, what: &str) -> Result<(), Refusal> {
        match self.per_tenant {
            false => Ok(()),
            true => Err(Refusal::InvalidParameter(format!(
                "{what} is not supported for functions enabled with tenancy configuration."
            ))),
        }
    }

    /// The package at `/opt`: what `merged` makes of the layers' packages.
    pub fn layer_tree(&self, merged: impl Fn(&[Sha256]) -> Option<Sha256>) -> Option<Sha256> {
        let layers: Vec<Sha256> = self.layers.iter().map(|layer| layer.code.sha256).collect();
        merged(&layers)
    }

    /// The log group that the function writes to.
    #[must_use]
    pub fn log_group(&self, function_name: &str) -> String {
        self.logging.group.clone().unwrap_or_else(|| format!("/aws/lambda/{function_name}"))
    }
}
