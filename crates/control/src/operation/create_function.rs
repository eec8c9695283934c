//! `CreateFunction`.

use lambent_lambda::{Architecture, Function, Refusal, Settings, limits};
use lambent_store::Expect;
use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use super::input::{self, Around, NotYet, ObjectMembers, Shared, Source};
use super::publish_version::{self, Published};
use super::put_function_code_signing_config;
use crate::code_signing;
use crate::functions::{self, Changes};
use crate::present::Form;
use crate::refuse::{self, invalid};
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::CreateFunctionRequest,
) -> Result<t::FunctionConfiguration, Error> {
    let parts = &context.control.parts;
    let arn = context.function(&input.function_name, "CreateFunction").await?;
    // Longer names are legal where a function is looked up: there it is merely not found.
    if arn.name.len() > limits::NAME_LENGTH {
        let limit = format!("Member must have length less than or equal to {}", limits::NAME_LENGTH);
        return Err(refuse::refusal(&Refusal::constraint(&input.function_name, "functionName", &limit)));
    }
    refuse_not_yet(&input)?;
    let (Some(runtime), Some(handler)) = (input.runtime.clone(), input.handler.clone()) else {
        return Err(invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
        ));
    };
    context.check_role(&input.role, &arn).await?;
    let mut defaults = Settings::new(input.role.clone(), runtime.as_str().to_owned(), handler);
    // There is but one mode, and it is for good.
    defaults.per_tenant = input.tenancy_config.is_some();
    let architecture = input::architecture(input.architectures.as_ref()).unwrap_or(Architecture::X86_64);
    let tags = input::tags(input.tags.clone())?;
    let signing = match &input.code_signing_config_arn {
        Some(config) => Some(put_function_code_signing_config::to_attach(context, config).await?),
        None => None,
    };
    let publish = input.publish == Some(true);
    let (shared, source) = split(input);
    let (change, _layers_held) = shared.change(context, &arn, Some(&defaults.role)).await?;
    let settings =
        defaults.changed(change, parts.runtimes.is_reserved).map_err(|error| refuse::refusal(&error))?;

    let exists =
        || lambda::error::resource_conflict_exception(format!("Function already exist: {}", arn.name));
    let found = parts.store.get(&functions::key(&arn)).await.map_err(|error| refuse::store(&error))?;
    if found.is_some() {
        return Err(exists());
    }
    signing.as_ref().map_or(Ok(()), |config| code_signing::check_package(&config.value))?;
    let (code, package) = source.store(context, &arn.scope).await?;
    context.check_unpacked(package.unpacked_size(), &settings.layers)?;
    let mut function = Function::create(&arn, settings, architecture, code, tags, context.control.stamp());
    function.code_signing = signing.as_ref().map(|config| config.value.id.clone());
    // The first version is published with it.
    let published = match publish {
        true => publish_version::publish(context, &arn, &function, None).await?,
        false => Published::Unchanged(Box::new(function)),
    };
    let (latest, version) = match &published {
        Published::New { latest, version } => (&**latest, Some(&**version)),
        Published::Unchanged(function) => (&**function, None),
    };
    let beside = signing.as_ref().map(|config| code_signing::attach(&arn, config)).transpose();
    let beside = beside.map_err(|error| refuse::store(&error))?.unwrap_or_default();
    let changes = Changes { beside, ..Changes::version(version) };
    let saved = functions::save("create-function", &parts.store, &arn, Expect::Absent, latest, changes).await;
    if !saved.map_err(|error| refuse::store(&error))? {
        let found = parts.store.get(&functions::key(&arn)).await.map_err(|error| refuse::store(&error))?;
        return Err(match found {
            Some(_) => exists(),
            None => lambda::error::resource_conflict_exception(
                "The code signing configuration was changed at the same time, try again.",
            ),
        });
    }
    context.control.settle_soon(arn.clone()).await;
    // With a version the answer is the version's, under the function's ARN.
    Ok(context.configuration(version.unwrap_or(latest), arn.to_string(), Form::Full))
}

fn refuse_not_yet(input: &t::CreateFunctionRequest) -> Result<(), Error> {
    for (asked, name) in [
        (input.package_type == Some(t::PackageType::Image), "container images"),
        (input.publish_to.is_some(), "PublishTo"),
    ] {
        if asked {
            return Err(refuse::refusal(&Refusal::Unsupported(name)));
        }
    }
    Ok(())
}

fn split(input: t::CreateFunctionRequest) -> (Shared, Source) {
    let shared = Shared {
        // Role, runtime and handler are required here and already in the defaults; the runtime is still checked.
        role: None,
        runtime: input.runtime,
        handler: None,
        description: input.description,
        timeout: input.timeout,
        memory_size: input.memory_size,
        ephemeral_storage: input.ephemeral_storage,
        environment: input.environment,
        logging_config: input.logging_config,
        layers: input.layers,
        around: Around {
            vpc_config: input.vpc_config,
            dead_letter_config: input.dead_letter_config,
            kms_key_arn: input.kms_key_arn,
            tracing_config: input.tracing_config,
            file_system_configs: input.file_system_configs,
        },
        snap_start: input.snap_start,
        not_yet: NotYet {
            image_config: input.image_config,
            capacity_provider_config: input.capacity_provider_config,
            durable_config: input.durable_config,
        },
    };
    let source = Source {
        zip_file: input.code.zip_file,
        object: ObjectMembers {
            bucket: input.code.s3_bucket,
            key: input.code.s3_key,
            version: input.code.s3_object_version,
            has_mode: input.code.s3_object_storage_mode.is_some(),
        },
        image_uri: input.code.image_uri,
        source_kms_key_arn: input.code.source_kms_key_arn,
    };
    (shared, source)
}
