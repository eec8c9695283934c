//! A function as AWS shows it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambent_lambda::{self as rules, Function, LastUpdate, LogFormat};
use lambent_wire::lambda::types as t;

use crate::request::Context;

/// Which of the two forms of `FunctionConfiguration` is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Everything.
    Full,
    /// As in lists: without states and runtime version.
    Listed,
}

/// AWS counts in `i32`; our values are far below its end.
fn number(value: u32) -> i32 {
    i32::try_from(value).expect("settings are checked against limits far below i32::MAX")
}

/// The runtime version's ARN. Ours is the host's interpreter, so the ARN names the runtime alone and stays the same.
#[must_use]
pub fn runtime_version_arn(region: &str, runtime: &str) -> String {
    use sha2::Digest as _;
    let digest = lambent_model::Sha256(sha2::Sha256::digest(runtime.as_bytes()).into());
    format!("arn:aws:lambda:{region}::runtime:{digest}")
}

impl Context<'_> {
    /// A function or version as AWS shows it.
    pub(crate) fn configuration(
        &self,
        function: &Function,
        arn: String,
        form: Form,
    ) -> t::FunctionConfiguration {
        // After a restart a version that has had a snapshot has none until it is wanted.
        let optimized = function.optimized && self.control.parts.snapshots.has(function);
        configuration(function, arn, form, optimized)
    }
}

/// What is said of a version that could not be initialised (observed on AWS: serverless/serverless, pull request 13847, and
/// terraform-provider-aws, issue 49904).
const FAILED: &str = "An error occurred during function initialization.";

fn configuration(function: &Function, arn: String, form: Form, optimized: bool) -> t::FunctionConfiguration {
    let settings = &function.settings;
    let around = &settings.surroundings;
    let region = function.arn.split(':').nth(3).unwrap_or_default();
    let full = form == Form::Full;
    // Observed on AWS: an update is explained in the words of a creation.
    let creating = || Some(("The function is being created.", t::StateReasonCode::Creating, "Creating"));
    let failed = || Some((FAILED, t::StateReasonCode::FunctionError, "FunctionError"));
    let state = match function.state {
        rules::State::Pending => creating(),
        rules::State::Active => None,
        rules::State::Failed => failed(),
    };
    let state = state.filter(|_| full);
    let update = match function.last_update {
        Some(LastUpdate::InProgress) => creating(),
        Some(LastUpdate::Failed) => failed(),
        Some(LastUpdate::Successful) | None => None,
    };
    let update = update.filter(|_| full);
    t::FunctionConfiguration {
        function_name: Some(function.name.clone()),
        function_arn: Some(arn),
        runtime: Some(settings.runtime.as_str().into()),
        role: Some(settings.role.clone()),
        handler: Some(settings.handler.clone()),
        code_size: Some(i64::try_from(function.code.size).unwrap_or(i64::MAX)),
        description: Some(function.description().to_owned()),
        timeout: Some(number(settings.timeout_s)),
        memory_size: Some(number(settings.memory_mb)),
        last_modified: Some(function.last_modified.last_modified()),
        code_sha256: Some(STANDARD.encode(function.code.sha256.0)),
        version: Some(function.version_text()),
        environment: settings
            .variables
            .clone()
            .map(|variables| t::EnvironmentResponse { variables: Some(variables), error: None }),
        tracing_config: Some(t::TracingConfigResponse {
            mode: Some(match around.traced {
                true => t::TracingMode::Active,
                false => t::TracingMode::PassThrough,
            }),
        }),
        dead_letter_config: around
            .dead_letters
            .clone()
            .map(|target| t::DeadLetterConfig { target_arn: Some(target) }),
        kms_key_arn: around.kms_key.clone(),
        vpc_config: around.vpc.as_ref().map(vpc),
        file_system_configs: file_systems(around),
        revision_id: Some(function.revision.to_string()),
        state: full.then(|| function.state.as_str().into()),
        state_reason: state.as_ref().map(|(reason, ..)| (*reason).into()),
        state_reason_code: state.map(|(_, code, _)| code),
        last_update_status: full
            .then(|| {
                function.last_update.map(|status| match status {
                    LastUpdate::InProgress => t::LastUpdateStatus::InProgress,
                    LastUpdate::Successful => t::LastUpdateStatus::Successful,
                    LastUpdate::Failed => t::LastUpdateStatus::Failed,
                })
            })
            .flatten(),
        last_update_status_reason: update.as_ref().map(|(reason, ..)| (*reason).into()),
        last_update_status_reason_code: update.map(|(.., code)| code.into()),
        package_type: Some(t::PackageType::Zip),
        architectures: Some(vec![match function.architecture {
            rules::Architecture::X86_64 => t::Architecture::X86_64,
            rules::Architecture::Arm64 => t::Architecture::Arm64,
        }]),
        ephemeral_storage: Some(t::EphemeralStorage { size: number(settings.ephemeral_mb) }),
        snap_start: Some(t::SnapStartResponse {
            apply_on: Some(match settings.snap_start {
                true => t::SnapStartApplyOn::PublishedVersions,
                false => t::SnapStartApplyOn::None,
            }),
            optimization_status: Some(match optimized {
                true => t::SnapStartOptimizationStatus::On,
                false => t::SnapStartOptimizationStatus::Off,
            }),
        }),
        runtime_version_config: full.then(|| t::RuntimeVersionConfig {
            runtime_version_arn: Some(runtime_version_arn(region, &settings.runtime)),
            error: None,
        }),
        tenancy_config: settings
            .per_tenant
            .then_some(t::TenancyConfig { tenant_isolation_mode: t::TenantIsolationMode::PerTenant }),
        layers: (!settings.layers.is_empty()).then(|| settings.layers.iter().map(layer).collect()),
        logging_config: Some(logging(&settings.logging, settings.log_group(&function.name))),
        ..t::FunctionConfiguration::default()
    }
}

/// Without `VpcId`: there is no VPC that the subnets could be asked about.
fn vpc(vpc: &rules::Vpc) -> t::VpcConfigResponse {
    t::VpcConfigResponse {
        subnet_ids: Some(vpc.subnets.clone()),
        security_group_ids: Some(vpc.groups.clone()),
        ipv6_allowed_for_dual_stack: Some(vpc.ipv6),
        vpc_id: None,
    }
}

fn file_systems(around: &rules::Surroundings) -> Option<Vec<t::FileSystemConfig>> {
    let shown = |one: &rules::FileSystem| t::FileSystemConfig {
        arn: one.arn.clone(),
        local_mount_path: one.path.clone(),
        s3_files_config: None,
    };
    (!around.file_systems.is_empty()).then(|| around.file_systems.iter().map(shown).collect())
}

fn layer(layer: &rules::UsedLayer) -> t::Layer {
    t::Layer {
        arn: Some(layer.arn.clone()),
        code_size: i64::try_from(layer.code.size).ok(),
        ..t::Layer::default()
    }
}

fn logging(logging: &rules::Logging, group: String) -> t::LoggingConfig {
    let json = logging.format == Some(LogFormat::Json);
    // JSON shows both levels, INFO where none was given; text has none.
    let level = |level: &Option<String>| json.then(|| level.clone().unwrap_or_else(|| "INFO".into()));
    t::LoggingConfig {
        log_format: Some(if json { t::LogFormat::Json } else { t::LogFormat::Text }),
        application_log_level: level(&logging.application_level).map(Into::into),
        system_log_level: level(&logging.system_level).map(Into::into),
        log_group: Some(group),
    }
}
