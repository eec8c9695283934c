//! `CreateFunctionUrlConfig`.

use lambent_lambda::{FunctionUrl, random_name};
use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use crate::request::Context;
use crate::urls::{self, UrlTarget};
use crate::{functions, refuse};

/// The first label of the host name.
const ID_LENGTH: usize = 32;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::CreateFunctionUrlConfigRequest,
) -> Result<t::CreateFunctionUrlConfigResponse, Error> {
    let parts = &context.control.parts;
    let qualifier = input.qualifier.as_deref();
    let target =
        UrlTarget::named(context, &input.function_name, qualifier, "CreateFunctionUrlConfig").await?;
    let now = parts.clock.now();
    let url = FunctionUrl {
        id: random_name(ID_LENGTH, &*parts.entropy),
        auth: urls::auth(&input.auth_type),
        cors: input.cors.map(urls::cors),
        invoke_mode: input.invoke_mode.as_ref().map(urls::mode),
        created: now,
        modified: now,
    };
    check_alias(context, &target).await?;
    functions::change("create-function-url-config", &parts.store, &target.arn, |function| {
        if function.urls.contains_key(&target.slot) {
            return Err(lambda::error::resource_conflict_exception(format!(
                "Failed to create function url config for [functionArn = {}]. Error message:  FunctionUrlConfig exists \
                 for this Lambda function",
                target.shown()
            )));
        }
        function.settings.check_has_no_tenants("Function URLs").map_err(|error| refuse::refusal(&error))?;
        function.urls.insert(target.slot.clone(), url.clone());
        Ok(())
    })
    .await
    .map_err(no_function)?;
    let shown = urls::configuration(context, &target.arn, &target.slot, &url);
    Ok(t::CreateFunctionUrlConfigResponse {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        // Only what was sent is answered here; the other operations show the default.
        invoke_mode: url.invoke_mode.map(urls::mode_shown),
    })
}

async fn check_alias(context: &Context<'_>, target: &UrlTarget) -> Result<(), Error> {
    let Some(name) = target.alias() else { return Ok(()) };
    let store = &context.control.parts.store;
    functions::load(store, &target.arn).await.map_err(no_function)?;
    match functions::alias(store, &target.arn, name).await? {
        Some(_) => Ok(()),
        None => Err(refuse::refusal(&lambent_lambda::Refusal::NotFound(format!(
            "Cannot find alias arn: {}",
            target.shown()
        )))),
    }
}

fn no_function(error: Error) -> Error {
    match error.status.as_u16() {
        404 => lambda::error::resource_not_found_exception("Function does not exist"),
        _ => error,
    }
}
