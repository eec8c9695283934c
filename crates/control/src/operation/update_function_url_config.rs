//! `UpdateFunctionUrlConfig`.

use lambent_lambda::UrlChange;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::functions;
use crate::request::Context;
use crate::urls::{self, UrlTarget};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::UpdateFunctionUrlConfigRequest,
) -> Result<t::UpdateFunctionUrlConfigResponse, Error> {
    let parts = &context.control.parts;
    let qualifier = input.qualifier.as_deref();
    let target =
        UrlTarget::named(context, &input.function_name, qualifier, "UpdateFunctionUrlConfig").await?;
    let change = UrlChange {
        auth: input.auth_type.as_ref().map(urls::auth),
        cors: input.cors.map(urls::cors),
        invoke_mode: input.invoke_mode.as_ref().map(urls::mode),
    };
    let now = parts.clock.now();
    let url = functions::change("update-function-url-config", &parts.store, &target.arn, |function| {
        let url = function.urls.get(&target.slot).cloned().ok_or_else(urls::absent)?;
        let url = url.changed(change.clone(), now);
        function.urls.insert(target.slot.clone(), url.clone());
        Ok(url)
    })
    .await
    .map_err(|error| if error.status == 404 { urls::absent() } else { error })?;
    let shown = urls::configuration(context, &target.arn, &target.slot, &url);
    Ok(t::UpdateFunctionUrlConfigResponse {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        last_modified_time: shown.last_modified_time,
        invoke_mode: shown.invoke_mode,
    })
}
