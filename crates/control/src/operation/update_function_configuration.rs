//! `UpdateFunctionConfiguration`.

use lambent_store::Expect;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use super::input::{Around, NotYet, Shared};
use crate::functions::{self, Changes};
use crate::present::Form;
use crate::refuse;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::UpdateFunctionConfigurationRequest,
) -> Result<t::FunctionConfiguration, Error> {
    let parts = &context.control.parts;
    let arn = context.latest(&input.function_name, "UpdateFunctionConfiguration").await?;
    let expected = input.revision_id.clone();
    let (change, _layers_held) = shared(input).change(context, &arn, None).await?;
    loop {
        let stored = functions::load(&parts.store, &arn).await?;
        let function = stored.function;
        function.check_changeable(expected.as_deref()).map_err(|error| refuse::refusal(&error))?;
        let settings = function.settings.changed(change.clone(), parts.runtimes.is_reserved);
        let settings = settings.map_err(|error| refuse::refusal(&error))?;
        if change.layers.is_some() {
            let package =
                parts.code.open_package(&function.code.sha256).map_err(|error| refuse::code(&error))?;
            let unpacked = package.map_or(0, |package| package.unpacked_size().0);
            context.check_unpacked(unpacked, &settings.layers)?;
        }
        let updated = function.with_settings(settings, context.control.stamp());
        let saved = functions::save(
            "update-function-configuration",
            &parts.store,
            &arn,
            Expect::Version(stored.version),
            &updated,
            Changes::default(),
        )
        .await;
        if saved.map_err(|error| refuse::store(&error))? {
            context.control.settle_soon(arn.clone()).await;
            return Ok(context.configuration(&updated, arn.to_string(), Form::Full));
        }
        // Somebody else changed the function meanwhile: decide again on what is there now.
    }
}

fn shared(input: t::UpdateFunctionConfigurationRequest) -> Shared {
    Shared {
        role: input.role,
        runtime: input.runtime,
        handler: input.handler,
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
    }
}
