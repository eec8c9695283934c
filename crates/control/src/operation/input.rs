//! What create and update requests have in common: settings as the wire has them, turned into the rules' terms, and
//! settings that nothing acts on yet, refused.

use std::collections::BTreeMap;

use lambent_lambda::{
    Architecture, Change, Code, FileSystem, LogFormat, Logging, Refusal, SurroundingsChange, Vpc, limits,
};
use lambent_model::{FunctionArn, Scope, Sha256};
use lambent_store::Package;
use lambent_wire::lambda::types as t;
use lambent_wire::{Blob, Error, common};
use sha2::Digest as _;

use crate::code_source::{ObjectName, ReadObjectError};
use crate::control::RuntimeStatus;
use crate::functions;
use crate::layers::Used;
use crate::refuse::{self, invalid};
use crate::request::Context;

/// The settings that create and update share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) role: Option<String>,
    pub(crate) runtime: Option<t::Runtime>,
    pub(crate) handler: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) timeout: Option<i32>,
    pub(crate) memory_size: Option<i32>,
    pub(crate) ephemeral_storage: Option<t::EphemeralStorage>,
    pub(crate) environment: Option<t::Environment>,
    pub(crate) logging_config: Option<t::LoggingConfig>,
    pub(crate) layers: Option<Vec<String>>,
    pub(crate) around: Around,
    pub(crate) snap_start: Option<t::SnapStart>,
    pub(crate) not_yet: NotYet,
}

/// What AWS has around a function, as the wire has it.
#[derive(Default)]
pub(crate) struct Around {
    pub(crate) vpc_config: Option<t::VpcConfig>,
    pub(crate) dead_letter_config: Option<t::DeadLetterConfig>,
    pub(crate) kms_key_arn: Option<String>,
    pub(crate) tracing_config: Option<t::TracingConfig>,
    pub(crate) file_system_configs: Option<Vec<t::FileSystemConfig>>,
}

impl Around {
    fn change(self) -> Result<SurroundingsChange, Refusal> {
        let file_systems = self.file_system_configs.map(|all| {
            let one = |config: t::FileSystemConfig| match config.s3_files_config {
                Some(_) => Err(Refusal::Unsupported("FileSystemConfigs.S3FilesConfig")),
                None => Ok(FileSystem { arn: config.arn, path: config.local_mount_path }),
            };
            all.into_iter().map(one).collect::<Result<Vec<_>, _>>()
        });
        Ok(SurroundingsChange {
            // Without a target it means none, as an empty one does.
            dead_letters: self.dead_letter_config.map(|config| config.target_arn.unwrap_or_default()),
            traced: self
                .tracing_config
                .and_then(|config| config.mode)
                .map(|mode| mode == t::TracingMode::Active),
            kms_key: self.kms_key_arn,
            vpc: self.vpc_config.map(|config| Vpc {
                subnets: config.subnet_ids.unwrap_or_default(),
                groups: config.security_group_ids.unwrap_or_default(),
                ipv6: config.ipv6_allowed_for_dual_stack == Some(true),
            }),
            file_systems: file_systems.transpose()?,
        })
    }
}

/// Settings that are not there yet. An absent one, or one that says "none", means what we do.
#[derive(Default)]
pub(crate) struct NotYet {
    pub(crate) image_config: Option<t::ImageConfig>,
    pub(crate) capacity_provider_config: Option<t::CapacityProviderConfig>,
    pub(crate) durable_config: Option<t::DurableConfig>,
}

impl NotYet {
    fn refuse(&self) -> Result<(), Refusal> {
        for (asked, name) in [
            (self.image_config.is_some(), "ImageConfig"),
            (self.capacity_provider_config.is_some(), "CapacityProviderConfig"),
            (self.durable_config.is_some(), "DurableConfig"),
        ] {
            if asked {
                return Err(Refusal::Unsupported(name));
            }
        }
        Ok(())
    }
}

fn change_of_dead_letters(around: &Around) -> Option<&String> {
    around.dead_letter_config.as_ref().and_then(|config| config.target_arn.as_ref())
}

/// A number that the model's range keeps positive.
fn positive(value: i32) -> u32 {
    u32::try_from(value).expect("the model's minimum is at least 1")
}

impl Shared {
    /// The change these settings ask for, and the tree of its layers, which is to be held until it is committed. `role` is
    /// that of a function which is not stored yet.
    pub(crate) async fn change(
        self,
        context: &Context<'_>,
        function: &FunctionArn,
        role: Option<&str>,
    ) -> Result<(Change, Option<Used>), Error> {
        self.not_yet.refuse().map_err(|error| refuse::refusal(&error))?;
        if let Some(runtime) = &self.runtime {
            check_runtime(context, runtime.as_str())?;
        }
        if let Some(role) = &self.role {
            context.check_role(role, function).await?;
        }
        if let Some(queue) = change_of_dead_letters(&self.around) {
            let role = match role.or(self.role.as_deref()) {
                Some(role) => role.to_owned(),
                None => {
                    let stored = functions::load(&context.control.parts.store, function).await?;
                    stored.function.settings.role.clone()
                }
            };
            context.control.check_destinations(function, &role, [queue]).await?;
        }
        let used = match &self.layers {
            Some(arns) => Some(context.use_layers(function, arns).await?),
            None => None,
        };
        let change = Change {
            role: self.role,
            runtime: self.runtime.map(|runtime| runtime.as_str().to_owned()),
            handler: self.handler,
            description: self.description,
            timeout_s: self.timeout.map(positive),
            memory_mb: self.memory_size.map(positive),
            ephemeral_mb: self.ephemeral_storage.map(|storage| positive(storage.size)),
            variables: self.environment.map(|environment| environment.variables.unwrap_or_default()),
            logging: self.logging_config.map(logging),
            layers: used.as_ref().map(|used| used.layers.clone()),
            surroundings: self.around.change().map_err(|error| refuse::refusal(&error))?,
            snap_start: self
                .snap_start
                .and_then(|config| config.apply_on)
                .map(|apply_on| apply_on == t::SnapStartApplyOn::PublishedVersions),
        };
        Ok((change, used))
    }
}

fn logging(config: t::LoggingConfig) -> Logging {
    Logging {
        format: config.log_format.map(|format| match format {
            t::LogFormat::Json => LogFormat::Json,
            _ => LogFormat::Text,
        }),
        application_level: config.application_log_level.map(|level| level.as_str().to_owned()),
        system_level: config.system_log_level.map(|level| level.as_str().to_owned()),
        group: config.log_group,
    }
}

fn check_runtime(context: &Context<'_>, runtime: &str) -> Result<(), Error> {
    let rules = &context.control.parts.runtimes;
    match (rules.status)(runtime) {
        RuntimeStatus::Accepted => Ok(()),
        RuntimeStatus::Retired => Err(invalid(format!(
            "The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. \
             We recommend you use a supported runtime while creating or updating functions."
        ))),
        RuntimeStatus::Unknown => Err(invalid(format!(
            "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}] or be \
             a valid ARN",
            (rules.accepted)().join(", ")
        ))),
    }
}

/// Where a package is to come from.
pub(crate) struct Source {
    pub(crate) zip_file: Option<Blob>,
    pub(crate) object: ObjectMembers,
    pub(crate) image_uri: Option<String>,
    pub(crate) source_kms_key_arn: Option<String>,
}

/// The members that name an object in S3.
#[derive(Default)]
pub(crate) struct ObjectMembers {
    pub(crate) bucket: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) version: Option<String>,
    /// `S3ObjectStorageMode`.
    pub(crate) has_mode: bool,
}

impl ObjectMembers {
    /// The object, where one is named.
    fn name(self, scope: &Scope) -> Result<Option<ObjectName>, Error> {
        if self.has_mode {
            return Err(refuse::refusal(&Refusal::Unsupported("S3ObjectStorageMode")));
        }
        let (bucket, key) = match (self.bucket, self.key) {
            (None, None) if self.version.is_none() => return Ok(None),
            (Some(bucket), Some(key)) => (bucket, key),
            _ => return Err(invalid("Please provide both S3Bucket and S3Key for function code in S3.")),
        };
        Ok(Some(ObjectName {
            account: scope.account.clone(),
            bucket,
            key,
            version: self.version,
            region: scope.region.clone(),
            largest: limits::UNZIPPED_BYTES,
        }))
    }
}

/// The package out of S3, with S3's own errors inside of Lambda's.
async fn read(context: &Context<'_>, name: ObjectName) -> Result<Blob, Error> {
    let largest = name.largest;
    let read = context.control.parts.objects.read(name).await;
    read.map(Blob::from).map_err(|error| match error {
        ReadObjectError::Refused { code, message } => invalid(format!(
            "Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
        )),
        ReadObjectError::TooLarge => invalid(format!("Unzipped size must be smaller than {largest} bytes")),
    })
}

/// The bucket whose keys are folders of this machine.
const FOLDERS: &str = "hot-reload";

/// A folder in place of a package.
async fn folder(context: &Context<'_>, name: ObjectName) -> Result<(Code, Contents), Error> {
    let refused = |why: String| {
        invalid(format!(
            "Error occurred while GetObject. S3 Error Code: AccessDenied. S3 Error Message: {why}"
        ))
    };
    // Whatever else they may: a function would read this machine by naming a folder.
    if context.caller.is_function {
        return Err(refused("functions may not name folders of the machine".to_owned()));
    }
    if name.version.is_some() {
        return Err(refused("a folder has no versions; leave S3ObjectVersion out".to_owned()));
    }
    let found = context.control.parts.folders.find(&name.key).await.map_err(refused)?;
    // Not the digest of any zip file: those do not begin with this word.
    let hash = sha2::Sha256::new_with_prefix(b"lambent folder\n").chain_update(&found.path);
    let sha256 = Sha256(hash.finalize().into());
    Ok((Code { sha256, size: 0, folder: Some(found.path) }, Contents::Folder(found.bytes)))
}

/// What code is, until the function that refers to it is committed: in between nothing else keeps a package from the
/// removal of unused ones.
pub(crate) enum Contents {
    Package(Package),
    /// What its files add up to.
    Folder(u64),
}

impl Contents {
    pub(crate) fn unpacked_size(&self) -> u64 {
        match self {
            Self::Package(package) => package.unpacked_size().0,
            Self::Folder(bytes) => *bytes,
        }
    }
}

impl Source {
    /// Stores the package and unpacks it, or looks at the folder.
    pub(crate) async fn store(self, context: &Context<'_>, scope: &Scope) -> Result<(Code, Contents), Error> {
        let refused = |name| Err(refuse::refusal(&Refusal::Unsupported(name)));
        if self.image_uri.is_some() {
            return refused("container images");
        }
        if self.source_kms_key_arn.is_some_and(|key| !key.is_empty()) {
            return refused("SourceKMSKeyArn");
        }
        let object = self.object.name(scope)?;
        let is_object = object.is_some();
        let zip = match (self.zip_file, object) {
            (Some(_), Some(_)) => {
                return Err(invalid(
                    "Please do not provide other FunctionCode parameters when providing a ZipFile.",
                ));
            }
            (Some(zip), None) => zip,
            (None, Some(name)) if name.bucket == FOLDERS => return folder(context, name).await,
            (None, Some(name)) => read(context, name).await?,
            (None, None) => return Err(invalid("Please provide a source for function code.")),
        };
        if zip.is_empty() {
            return Err(invalid("Uploaded file must be a non-empty zip"));
        }
        // What lies in S3 may be larger than what fits into a request (Developer Guide, "Lambda quotas").
        if !is_object && zip.len() > limits::ZIPPED_BYTES {
            return Err(common::request_entity_too_large(format!(
                "Zipped size must be smaller than {} bytes",
                limits::ZIPPED_BYTES
            )));
        }
        let size = zip.len() as u64;
        let used = context.control.usage(scope).await?.bytes;
        if used + size > limits::CODE_STORAGE_BYTES {
            return Err(lambent_wire::lambda::error::code_storage_exceeded_exception(
                "Code storage limit exceeded.",
            ));
        }
        let stored = context.control.parts.code.put_zip(zip.into_bytes()).await;
        let package = stored.map_err(|error| refuse::code(&error))?;
        Ok((Code { sha256: package.digest(), size, folder: None }, Contents::Package(package)))
    }
}

/// The one architecture of a request; the model allows no second and no third kind.
///
/// A foreign one is taken, as templates are shared between machines, and shown as given; code runs on this machine's
/// processor all the same (docs/compatibility.md), which programs compiled for another answer at their first
/// invocation with "exec format error".
pub(crate) fn architecture(list: Option<&Vec<t::Architecture>>) -> Option<Architecture> {
    match list?.first()? {
        t::Architecture::Arm64 => Some(Architecture::Arm64),
        _ => Some(Architecture::X86_64),
    }
}

/// Tags of a new function.
pub(crate) fn tags(tags: Option<BTreeMap<String, String>>) -> Result<BTreeMap<String, String>, Error> {
    lambent_lambda::merge_tags(&BTreeMap::new(), tags.unwrap_or_default())
        .map_err(|error| refuse::refusal(&error))
}
