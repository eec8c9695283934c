//! `PutRuntimeManagementConfig`, of `$LATEST` or a version.

use lambent_lambda::{Function, RuntimeUpdate};
use lambent_model::Qualifier;
use lambent_store::Expect;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use super::get_runtime_management_config::pinned;
use crate::find::Found;
use crate::functions::{self, Changes};
use crate::refuse::{self, invalid};
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::PutRuntimeManagementConfigRequest,
) -> Result<t::PutRuntimeManagementConfigResponse, Error> {
    let store = &context.control.parts.store;
    let qualifier = input.qualifier.as_deref();
    let target = context.target(&input.function_name, qualifier, "PutRuntimeManagementConfig").await?;
    if matches!(target.qualifier, Some(Qualifier::Alias(_))) {
        return Err(invalid(
            "Runtime management is configured for $LATEST and for versions, not for aliases.",
        ));
    }
    loop {
        let mut found = Found::load(store, target.clone()).await?;
        let function = found.version.as_mut().unwrap_or(&mut found.stored.function);
        set(function, &input)?;
        let runtime_version_arn = pinned(function);
        let expect = Expect::Version(found.stored.version);
        let changes = Changes::version(found.version.as_ref());
        let saved = functions::save(
            "put-runtime-management-config",
            store,
            &target.function,
            expect,
            &found.stored.function,
            changes,
        )
        .await;
        if saved.map_err(|error| refuse::store(&error))? {
            return Ok(t::PutRuntimeManagementConfigResponse {
                update_runtime_on: Some(input.update_runtime_on),
                function_arn: Some(found.arn()),
                runtime_version_arn,
            });
        }
    }
}

fn set(function: &mut Function, input: &t::PutRuntimeManagementConfigRequest) -> Result<(), Error> {
    function.runtime_update = match input.update_runtime_on {
        t::UpdateRuntimeOn::FunctionUpdate => RuntimeUpdate::FunctionUpdate,
        t::UpdateRuntimeOn::Manual => RuntimeUpdate::Manual,
        _ => RuntimeUpdate::Auto,
    };
    match (&input.runtime_version_arn, pinned(function)) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(invalid("RuntimeVersionArn is only for UpdateRuntimeOn Manual.")),
        (None, Some(_)) => Err(invalid("RuntimeVersionArn is required for UpdateRuntimeOn Manual.")),
        // The interpreter is the host's: there is one version of each runtime, and no way back to an older one.
        (Some(given), Some(own)) if *given == own => Ok(()),
        (Some(given), Some(own)) => Err(invalid(format!(
            "The runtime version {given} is not there; that of {} is {own}",
            function.settings.runtime
        ))),
    }
}
